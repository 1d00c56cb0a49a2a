// SPDX-License-Identifier: Apache-2.0 OR MIT

package engine

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// Descriptor leads to a file in memory that holds the text.
type Descriptor struct {
	Number int
	Text   string
}

// open makes one. It is no os.File, which the collector would close.
func open(text string) (Descriptor, error) {
	number, err := unix.MemfdCreate("held", unix.MFD_CLOEXEC)
	if err != nil {
		return Descriptor{}, err
	}
	_, err = unix.Pwrite(number, []byte(text), 0)
	return Descriptor{number, text}, err
}

func (d Descriptor) check() error {
	text := make([]byte, len(d.Text)+1)
	n, err := unix.Pread(d.Number, text, 0)
	if err != nil || string(text[:n]) != d.Text {
		return fmt.Errorf("descriptor %d holds %q, not %q (%v)", d.Number, text[:max(n, 0)], d.Text, err)
	}
	return nil
}

// opened are descriptors of this process's own. They take the numbers that the collector, or whoever else, has made free.
var opened struct {
	sync.Mutex
	list []Descriptor
}

// litter leaves garbage, open files in it, has it collected, and looks at the descriptors: those that were kept, and those that
// it opened in earlier calls. Whoever closes what is somebody else's, or closes something twice, hits one of them.
func litter(kept []Descriptor) error {
	for range 4 {
		for range 8 {
			if _, err := os.Open("/proc/self/status"); err != nil {
				return err
			}
			runtime.KeepAlive(make([]byte, 1<<16))
		}
		runtime.GC()
	}
	opened.Lock()
	defer opened.Unlock()
	for _, one := range slices.Concat(kept, opened.list) {
		if err := one.check(); err != nil {
			return err
		}
	}
	for range 4 {
		one, err := open(fmt.Sprint("opened ", len(opened.list)))
		if err != nil {
			return err
		}
		opened.list = append(opened.list, one)
	}
	return nil
}
