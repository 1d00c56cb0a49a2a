// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// helped makes an error of what is wrong and what helps.
func helped(wrong, help string) error {
	return fmt.Errorf("%s (%s)", wrong, help)
}

// failed says why a starter could not be started, and keeps the cause.
func failed(path string, cause error) error {
	var tried *fs.PathError
	if errors.As(cause, &tried) && tried.Path == path {
		// It names the path once more.
		cause = tried.Err
	}
	err := fmt.Errorf("launch starter %q: %w", path, cause)
	switch {
	case errors.Is(cause, unix.ENOENT):
		return fmt.Errorf("%w (is it installed there, and is the loader that it asks for?)", err)
	case errors.Is(cause, unix.EACCES):
		return fmt.Errorf("%w (it must be executable for this user, and not on a file system mounted noexec)", err)
	case errors.Is(cause, unix.E2BIG):
		return fmt.Errorf("%w (raise the soft stack limit: ulimit -S -s)", err)
	}
	return err
}
