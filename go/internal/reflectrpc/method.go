// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package reflectrpc finds the methods of a Go value that net/rpc would serve and calls them, with the same rules, so that a server
// that is not Go's can answer with them.
package reflectrpc

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"go/token"
	"reflect"
)

// Method is a method of a value that answers calls.
type Method struct {
	name     string
	function reflect.Value
	argument reflect.Type
	reply    reflect.Type
}

// New looks for the methods that fit: exported, two arguments of exported or built-in types, the second a pointer, and one result
// of type error, sorted by name. What does not fit is told in words.
func New(receiver any) (methods []*Method, unfit []string) {
	value := reflect.ValueOf(receiver)
	if !value.IsValid() {
		return nil, []string{"nil has no methods"}
	}
	for i := range value.NumMethod() {
		method := value.Type().Method(i)
		if why := misfit(method.Type); why != "" {
			unfit = append(unfit, fmt.Sprintf("method %q %s", method.Name, why))
			continue
		}
		methods = append(methods, &Method{
			name:     method.Name,
			function: value.Method(i),
			argument: method.Type.In(1),
			reply:    method.Type.In(2).Elem(),
		})
	}
	return methods, unfit
}

// misfit says why net/rpc would leave a method out. The receiver is its first argument.
func misfit(method reflect.Type) string {
	switch {
	case method.NumIn() != 3:
		return fmt.Sprintf("has %d arguments in place of 2", method.NumIn()-1)
	case !exportedOrBuiltin(method.In(1)):
		return fmt.Sprintf("has an argument type that is not exported: %v", method.In(1))
	case method.In(2).Kind() != reflect.Pointer:
		return fmt.Sprintf("has a reply type that is no pointer: %v", method.In(2))
	case !exportedOrBuiltin(method.In(2)):
		return fmt.Sprintf("has a reply type that is not exported: %v", method.In(2))
	case method.NumOut() != 1:
		return fmt.Sprintf("has %d results in place of 1", method.NumOut())
	case method.Out(0) != reflect.TypeFor[error]():
		return fmt.Sprintf("returns a %v in place of an error", method.Out(0))
	}
	return ""
}

func exportedOrBuiltin(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return token.IsExported(t.Name()) || t.PkgPath() == ""
}

// Name is the method's name.
func (m *Method) Name() string { return m.name }

// Begin reads the argument of one call and returns the call: argument and reply are gob streams of one value each.
func (m *Method) Begin(argument []byte) (call func() ([]byte, error), err error) {
	// A method that wants a value gets one, however deep the pointers are.
	in := reflect.New(m.argument)
	if err := gob.NewDecoder(bytes.NewReader(argument)).DecodeValue(in); err != nil {
		return nil, err
	}
	return func() ([]byte, error) { return m.call(in.Elem()) }, nil
}

func (m *Method) call(argument reflect.Value) ([]byte, error) {
	out := reflect.New(m.reply)
	switch m.reply.Kind() {
	case reflect.Map:
		out.Elem().Set(reflect.MakeMap(m.reply))
	case reflect.Slice:
		out.Elem().Set(reflect.MakeSlice(m.reply, 0, 0))
	}
	if err, failed := m.function.Call([]reflect.Value{argument, out})[0].Interface().(error); failed {
		return nil, err
	}
	var reply bytes.Buffer
	if err := gob.NewEncoder(&reply).EncodeValue(out); err != nil {
		return nil, fmt.Errorf("rpc: gob error encoding body: %w", err)
	}
	return reply.Bytes(), nil
}
