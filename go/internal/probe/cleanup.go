// SPDX-License-Identifier: Apache-2.0 OR MIT

package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// CleanupContainer also says whether the error that ended the run is one of this engine's own: it comes back as it was.
func (p *probe) CleanupContainer(_ context.Context, fatal error, status syscall.WaitStatus) error {
	how, number := "signal", int(status.Signal())
	if status.Exited() {
		how, number = "exit code", status.ExitStatus()
	}
	why := ""
	if fatal != nil {
		why = fatal.Error()
	}
	own := errors.Is(fatal, errTold)
	return p.enter("CleanupContainer", "status=[%s %d] fatal=[%s] own=%t", how, number, why, own)
}

func (p *probe) CleanupHost(context.Context) error {
	return p.enter("CleanupHost", "alive=%s", showAlive(p.config.Watch))
}

// showAlive lists the container's processes that a record names and that have not ended: [12, 13].
func showAlive(record string) string {
	var alive []string
	// A record that is not there names none.
	text, _ := os.ReadFile(record)
	for line := range strings.Lines(string(text)) {
		if pid := containerProcess(line); pid > 0 && runs(pid) {
			alive = append(alive, fmt.Sprint(pid))
		}
	}
	return "[" + strings.Join(alive, ", ") + "]"
}

// containerProcess returns the pid of which a line of the record says that it is one of the container's processes; 0 for any
// other line.
func containerProcess(line string) int {
	var event struct {
		Event string `json:"event"`
		Role  string `json:"role"`
		PID   int    `json:"pid"`
	}
	if json.Unmarshal([]byte(line), &event) != nil || event.Event != "process" {
		return 0
	}
	switch event.Role {
	case "container", "rpc-server", "stage2":
		return event.PID
	}
	return 0
}

// runs says whether a process has not begun to end: one that has has no memory any more.
func runs(pid int) bool {
	// One that is gone has no status either.
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return strings.Contains(string(status), "VmSize:")
}
