// SPDX-License-Identifier: Apache-2.0 OR MIT

package sandbox

import (
	"context"
	"fmt"
	"net"
	"syscall"
)

// hello is what the engine itself sends over the master connection: stage 2 first, master answers.
const hello, answer = 'h', 'a'

func (s *sandbox) StartProcess(master net.Conn) error {
	made := s.made
	if err := s.enter("StartProcess", values{"prepared": made.Prepared, "identity": s.identity(), "kept": made.leads(),
		"plugin": string(s.common.PluginConfig["the plugin"])}); err != nil {
		return err
	}
	if made.Target == 0 && s.common.EngineName != Bare {
		// PreStartProcess waits for it.
		if _, err := master.Write([]byte{hello}); err != nil {
			return fmt.Errorf("greet master: %w", err)
		}
		var one [1]byte
		if _, err := master.Read(one[:]); err != nil {
			return fmt.Errorf("wait for master's answer: %w", err)
		}
		if one[0] != answer {
			return fmt.Errorf("wait for master's answer: it is %q", one[0])
		}
	}
	process := made.Spec.Process
	if made.Shim != "" {
		started := master.Close
		if s.common.EngineName == Bare {
			// A byte does as well.
			started = func() error {
				_, err := master.Write([]byte{hello})
				return err
			}
		}
		if err := rename(made.Shim); err != nil {
			return err
		}
		if made.Forward {
			return forward(process.Args, process.Env, started)
		}
		return shim(process.Args, process.Env, started)
	}
	err := syscall.Exec(process.Args[0], process.Args, process.Env)
	return fmt.Errorf("execute %s: %w", process.Args[0], err)
}

// PreStartProcess gets the connection after stage 2's first byte.
func (s *sandbox) PreStartProcess(ctx context.Context, pid int, master net.Conn, fatal chan error) error {
	if err := s.enter("PreStartProcess", values{"pid": number(pid), "context": fmt.Sprint(ctx.Err())}); err != nil {
		return err
	}
	if s.made.Fail["PreStartProcess later"] != "" {
		// Stage 2 waits for an answer that never comes.
		fatal <- fmt.Errorf("after PreStartProcess: %w", ErrTold)
		return nil
	}
	if _, err := master.Write([]byte{answer}); err != nil {
		return fmt.Errorf("answer stage 2: %w", err)
	}
	return nil
}
