// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// stackReserve is what argv[0] and the other variables need beside the configuration, in bytes.
const stackReserve = 4096

// checkStack finds out whether an environment with a configuration of size bytes fits: the kernel puts it on the new program's
// stack, and gives it a quarter of the soft limit. Where there is no limit another bound of the kernel's holds, 6 MiB, which
// no configuration in the environment reaches.
func checkStack(size int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_STACK, &limit); err != nil {
		return fmt.Errorf("look at the stack limit: %w", err)
	}
	needed := uint64(size) + stackReserve
	// RLIM_INFINITY is the greatest number.
	if needed <= limit.Cur/4 {
		return nil
	}
	kilobytes := (needed*4 + 1023) / 1024
	help := fmt.Sprintf("raise the soft limit: ulimit -S -s %d", kilobytes)
	if hard := limit.Max / 1024; hard < kilobytes {
		help = fmt.Sprintf("a stack limit of %d kB would do, but the hard limit of %d kB is reached", kilobytes, hard)
	}
	return helped(fmt.Sprintf("engine configuration: %d bytes do not fit into the environment: a quarter of the stack limit of "+
		"%d kB must hold them and %d bytes", size, limit.Cur/1024, stackReserve), help)
}
