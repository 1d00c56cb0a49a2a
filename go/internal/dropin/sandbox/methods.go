// SPDX-License-Identifier: Apache-2.0 OR MIT

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Methods are the engine's own RPC methods.
type Methods struct{}

// MountArgs are what is mounted where.
type MountArgs struct {
	Source, Target, Kind string
	Flags                uintptr
	Data                 string
}

// Mount mounts.
func (*Methods) Mount(args *MountArgs, _ *int) error {
	if err := unix.Mount(args.Source, args.Target, args.Kind, args.Flags, args.Data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", args.Source, args.Target, err)
	}
	return nil
}

// Pivot makes a directory the root.
func (*Methods) Pivot(root string, _ *int) error {
	if err := unix.Chdir(root); err != nil {
		return fmt.Errorf("enter %s: %w", root, err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("make %s the root: %w", root, err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the old root: %w", err)
	}
	return unix.Chdir("/")
}

// Hostname sets the host's name.
func (*Methods) Hostname(name string, _ *int) error { return unix.Sethostname([]byte(name)) }

// Umask sets the umask, and returns the one before.
func (*Methods) Umask(mask int, before *int) error {
	*before = unix.Umask(mask)
	return nil
}

// Values is what goes over the connection and comes back.
type Values struct {
	Text    string
	Number  int64
	Real    float64
	Bytes   []byte
	Lists   map[string][]int
	Time    time.Time
	Inner   *Values
	Numbers [3]uint16
	Any     any
}

// Return changes values in a way that shows what arrived.
func (*Methods) Return(args *Values, reply *Values) error {
	*reply = *args
	reply.Text += " and back"
	reply.Number = -args.Number
	if reply.Inner != nil {
		reply.Inner = &Values{Text: reply.Inner.Text + " inside", Any: []string{"a list"}}
	}
	return nil
}

// Refuse fails.
func (*Methods) Refuse(why string, _ *int) error {
	return errors.New("refused: " + why)
}

// Unfit is none that net/rpc takes: its second parameter is no pointer.
func (*Methods) Unfit(string, int) error { return nil }

// Seen is what the RPC server saw.
type Seen struct {
	Kept []string
}

// Look tells as a callback does, and returns where descriptors lead.
func (*Methods) Look(config *Config, seen *Seen) error {
	for _, fd := range config.Kept {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			return err
		}
		seen.Kept = append(seen.Kept, filepath.Base(target))
	}
	server := &sandbox{made: config}
	return server.tell("RPC Look", values{"prepared": config.Prepared})
}
