// SPDX-License-Identifier: Apache-2.0 OR MIT

package reflectrpc_test

import (
	"bytes"
	"encoding/gob"
	"errors"
	"io"
	"log"
	"net"
	"net/rpc"
	"reflect"
	"strings"
	"testing"

	"github.com/pinion-runtime/pinion/go/internal/reflectrpc"
)

// Args is an argument.
type Args struct{ A, B int }

type hidden struct{ A int }

// Shapes has methods of every kind that net/rpc tells apart.
type Shapes struct{}

func (Shapes) Fits(Args, *int) error                     { return nil }
func (Shapes) FitsPointer(*Args, *Args) error            { return nil }
func (Shapes) FitsDeep(**Args, **int) error              { return nil }
func (Shapes) FitsBuiltin(string, *map[string]int) error { return nil }
func (Shapes) FitsAnonymous(struct{ A int }, *int) error { return nil }
func (*Shapes) FitsReceiver([]Args, *[]string) error     { return nil }
func (Shapes) OneArgument(*int) error                    { return nil }
func (Shapes) ThreeArguments(int, int, *int) error       { return nil }
func (Shapes) NoPointer(int, int) error                  { return nil }
func (Shapes) HiddenArgument(hidden, *int) error         { return nil }
func (Shapes) HiddenReply(int, *hidden) error            { return nil }
func (Shapes) NoResult(int, *int)                        {}
func (Shapes) TwoResults(int, *int) (int, error)         { return 0, nil }
func (Shapes) OtherResult(int, *int) string              { return "" }
func (Shapes) Variadic(int, ...*int) error               { return nil }

func TestTheSameMethodsFitAsInNetRPC(t *testing.T) {
	log.SetOutput(io.Discard)
	for _, receiver := range []any{Shapes{}, new(Shapes)} {
		server := rpc.NewServer()
		if err := server.RegisterName("s", receiver); err != nil {
			t.Fatal(err)
		}
		one, other := net.Pipe()
		go server.ServeConn(other)
		client := rpc.NewClient(one)
		fitting, unfit := reflectrpc.New(receiver)
		fit := map[string]bool{}
		for _, method := range fitting {
			fit[method.Name()] = true
		}
		methods := reflect.TypeOf(receiver)
		if len(fit)+len(unfit) != methods.NumMethod() {
			t.Errorf("%T: %d methods fit and %d do not, of %d", receiver, len(fit), len(unfit), methods.NumMethod())
		}
		for i := range methods.NumMethod() {
			name := methods.Method(i).Name
			err := client.Call("s."+name, "an argument of some other type", nil)
			there := err == nil || !strings.Contains(err.Error(), "can't find method")
			if fit[name] != there {
				t.Errorf("%T.%s: fits %v, in net/rpc %v (%v)", receiver, name, fit[name], there, err)
			}
		}
		client.Close()
	}
}

// Calls has methods that can be told from each other.
type Calls struct{}

// Add adds.
func (Calls) Add(args *Args, sum *int) error { *sum = args.A + args.B; return nil }

// Fill fills a map that it did not make.
func (Calls) Fill(key string, reply *map[string]int) error { (*reply)[key] = 1; return nil }

// Fail fails.
func (Calls) Fail(Args, *int) error { return errors.New("in its own words") }

func call[T any](t *testing.T, name string, argument any) (reply T, err error) {
	t.Helper()
	methods, _ := reflectrpc.New(Calls{})
	for _, method := range methods {
		if method.Name() != name {
			continue
		}
		var stream bytes.Buffer
		if err := gob.NewEncoder(&stream).Encode(argument); err != nil {
			t.Fatal(err)
		}
		begun, err := method.Begin(stream.Bytes())
		if err != nil {
			return reply, err
		}
		answer, err := begun()
		if err != nil {
			return reply, err
		}
		err = gob.NewDecoder(bytes.NewReader(answer)).Decode(&reply)
		return reply, err
	}
	t.Fatalf("there is no method %s", name)
	return reply, nil
}

func TestACallGetsItsArgumentAndGivesItsReply(t *testing.T) {
	if sum, err := call[int](t, "Add", Args{2, 3}); sum != 5 || err != nil {
		t.Errorf("%d, %v", sum, err)
	}
	if made, err := call[map[string]int](t, "Fill", "key"); made["key"] != 1 || err != nil {
		t.Errorf("%v, %v", made, err)
	}
	if _, err := call[int](t, "Fail", Args{}); err == nil || err.Error() != "in its own words" {
		t.Errorf("%v", err)
	}
	if _, err := call[int](t, "Add", "no Args"); err == nil || !strings.Contains(err.Error(), "gob: ") {
		t.Errorf("an argument of another type: %v", err)
	}
}
