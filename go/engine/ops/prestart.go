// SPDX-License-Identifier: Apache-2.0 OR MIT

package ops

import (
	"context"
	"net"
	"reflect"
)

// PreStarter is an engine with the optional callback. [Find] finds it.
type PreStarter interface {
	// PreStartProcess is called in master after the container process wrote one byte to masterConn and before it executes
	// the container's program, with the privileges of CreateContainer. pid is the container process's on the host. An error
	// fails the container; so does one sent on fatalChan, also after the return.
	PreStartProcess(ctx context.Context, pid int, masterConn net.Conn, fatalChan chan error) error
}

// maxWrappers ends the search in wrappers that lead back to themselves.
const maxWrappers = 64

// Find returns what operations have besides the callbacks that every engine has, a [PreStarter] for example, and whether there
// is such a thing. Where operations are none themselves but have a method Unwrap with no parameter and one result of whatever
// type, it is looked for in that result, and so on, through at most 64 wrappers. The outermost one counts.
func Find[T any](operations any) (found T, ok bool) {
	for range maxWrappers {
		if operations == nil {
			break
		}
		if found, ok = operations.(T); ok {
			break
		}
		operations = unwrap(operations)
	}
	return found, ok
}

// unwrap calls Unwrap by reflection: a host's wrapper returns the host's own interface type rather than any.
func unwrap(wrapper any) any {
	method := reflect.ValueOf(wrapper).MethodByName("Unwrap")
	if !method.IsValid() || method.Type().NumIn() != 0 || method.Type().NumOut() != 1 {
		return nil
	}
	return method.Call(nil)[0].Interface()
}
