// SPDX-License-Identifier: Apache-2.0 OR MIT

package ops_test

import (
	"context"
	"net"
	"testing"

	"github.com/pinion-runtime/pinion/go/engine/ops"
)

type preStarter struct{ name string }

func (*preStarter) PreStartProcess(context.Context, int, net.Conn, chan error) error { return nil }

type toAny struct{ inner any }

func (w toAny) Unwrap() any { return w.inner }

type toPreStarter struct{ inner *preStarter }

func (w toPreStarter) Unwrap() *preStarter { return w.inner }

type outer struct {
	*preStarter
	toAny
}

type endless struct{}

func (e endless) Unwrap() any { return e }

type withParameter struct{}

func (withParameter) Unwrap(int) any { return new(preStarter) }

type withError struct{}

func (withError) Unwrap() (any, error) { return new(preStarter), nil }

func TestFind(t *testing.T) {
	found := &preStarter{"found"}
	for name, test := range map[string]struct {
		operations any
		want       ops.PreStarter
	}{
		"nil":                           {nil, nil},
		"itself":                        {found, found},
		"no callback":                   {5, nil},
		"a wrapper":                     {toAny{found}, found},
		"a wrapper of a wrapper":        {toAny{toAny{found}}, found},
		"a wrapper of its own type":     {toPreStarter{found}, found},
		"a pointer to a wrapper":        {&toAny{found}, found},
		"a wrapper of nil":              {toAny{}, nil},
		"the outermost one counts":      {outer{found, toAny{&preStarter{"inner"}}}, nil},
		"a wrapper of itself":           {endless{}, nil},
		"an Unwrap with a parameter":    {withParameter{}, nil},
		"an Unwrap with two results":    {withError{}, nil},
		"a wrapper of a plain function": {toAny{func() {}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if outer, ok := test.operations.(outer); ok {
				test.want = outer
			}
			if got, _ := ops.Find[ops.PreStarter](test.operations); got != test.want {
				t.Errorf("found %v, not %v", got, test.want)
			}
		})
	}
}
