// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

// callback is one that an engine fails in.
type callback struct {
	name string
	// prefix is in front of its errors.
	prefix string
	// code is what its error makes of the start.
	code int
	// inMaster says that it runs in the process which calls CleanupContainer with its very error.
	inMaster bool
}

var callbacks = []callback{
	{"PrepareConfig", "", fails, false},
	{"CreateContainer", "container creation failed: ", fails, true},
	{"MonitorContainer", "container monitoring failed: ", fails, true},
	{"PreStartProcess", "pre start process failed: ", fails, true},
	{"StartProcess", "", fails, false},
	{"PostStartHost", "host post start process failed: ", fails, false},
	{"PostStartProcess", "post start process failed: ", fails, true},
	{"CleanupContainer", "container cleanup failed: ", works, false},
	{"CleanupHost", "host cleanup failed: ", works, false},
}

// doing is a start in which the callback does something. The container does not end before PostStartProcess has returned.
func (c callback) doing(deed string) start {
	own := do(c.name, deed)
	own["PreStart"] = c.name == "PreStartProcess"
	return start{own: own, hosts: true}
}
