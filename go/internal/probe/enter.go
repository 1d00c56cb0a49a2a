// SPDX-License-Identifier: Apache-2.0 OR MIT

package probe

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// enter writes a callback's line to the log, and fails as the scenario wants it.
func (p *probe) enter(callback, format string, values ...any) error {
	if p.config.Log != "" {
		detail := fmt.Sprintf(format, values...)
		line := fmt.Sprintf("%s pid=%d prepared=%t %s\n", callback, os.Getpid(), p.config.Prepared, detail)
		if err := appendTo(p.config.Log, line); err != nil {
			return err
		}
	}
	return misbehave(callback, p.config.Fail[callback])
}

// appendTo writes a line in one piece: several processes write to the log at once.
func appendTo(path, line string) error {
	file, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_APPEND|syscall.O_CREAT|syscall.O_CLOEXEC, 0o666)
	if err != nil {
		return failed(err, "open %s", path)
	}
	defer syscall.Close(file)
	written, err := syscall.Write(file, []byte(line))
	if err != nil {
		return failed(err, "write to %s", path)
	}
	if written < len(line) {
		return fmt.Errorf("write to %s: %d of %d bytes were written", path, written, len(line))
	}
	return nil
}

// failed says which call of the system failed.
func failed(err error, format string, values ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, values...), capital{err})
}

// capital is an error in the words of the C library, which begin with a capital letter: scenarios look for those.
type capital struct{ error }

func (c capital) Error() string {
	text := c.error.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

func (c capital) Unwrap() error { return c.error }
