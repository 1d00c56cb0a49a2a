// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// maxSealed is the largest configuration that a starter takes by descriptor, in bytes.
	maxSealed = 64 << 20
	// allSeals are those that a starter asks for: whoever reads the file knows that nobody can still change it.
	allSeals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	// firstFree is above the standard streams, which a launch may replace.
	firstFree = 3
)

// seal returns a memory file with the configuration, sealed against every change, with close-on-exec and above the standard
// streams. The caller closes it.
func seal(document []byte) (*os.File, error) {
	if len(document) > maxSealed {
		return nil, fmt.Errorf("engine configuration: %d bytes, at most %d are possible", len(document), maxSealed)
	}
	file, err := memoryFile()
	if err != nil {
		return nil, fmt.Errorf("make a memory file for the engine configuration: %w", err)
	}
	if err := fill(file, document); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func fill(file *os.File, document []byte) error {
	// Not Write: the file position stays at the beginning for whoever reads on from it.
	if _, err := file.WriteAt(document, 0); err != nil {
		return fmt.Errorf("write the engine configuration into a memory file: %w", err)
	}
	if _, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, allSeals); err != nil {
		return fmt.Errorf("seal the engine configuration: %w", err)
	}
	return nil
}

func memoryFile() (*os.File, error) {
	const name, flags = "engine-config", unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		// Kernels before 6.3 do not know that a memory file can be kept from being executed.
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, err
	}
	if fd < firstFree {
		// A program whose standard streams are closed.
		low := fd
		fd, err = duplicate(low)
		_ = unix.Close(low)
		if err != nil {
			return nil, err
		}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// duplicate returns another descriptor of the same open file, with close-on-exec and above the standard streams.
func duplicate(fd int) (int, error) {
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, firstFree)
}
