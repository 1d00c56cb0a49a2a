// SPDX-License-Identifier: Apache-2.0 OR MIT

package ops_test

import (
	"context"
	"fmt"
	"net"

	"github.com/pinion-runtime/pinion/go/engine/ops"
)

type inner struct{}

func (inner) PreStartProcess(context.Context, int, net.Conn, chan error) error { return nil }

// adapter gives an engine other signatures.
type adapter struct{ adapted any }

func (a adapter) Unwrap() any { return a.adapted }

// The optional callback is found behind wrappers, too.
func ExampleFind() {
	_, direct := any(adapter{inner{}}).(ops.PreStarter)
	_, found := ops.Find[ops.PreStarter](adapter{adapter{inner{}}})
	fmt.Println(direct, found)
	// Output: false true
}
