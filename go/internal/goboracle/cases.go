// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
)

// testCase is one stream and the values that it was made of.
type testCase struct {
	stream []byte
	values []reflect.Value
	// What a receiver of another version decodes each value into.
	relatives []reflect.Type
}

func generate(seed uint64, streams int) []*testCase {
	cases := make([]*testCase, 0, streams)
	for ; len(cases) < streams; seed++ {
		r := rand.New(rand.NewPCG(seed, 1))
		if c, err := newCase(r); err == nil {
			cases = append(cases, c)
		}
	}
	return cases
}

func newCase(r *rand.Rand) (*testCase, error) {
	types := make([]reflect.Type, 1+r.IntN(3))
	for i := range types {
		types[i] = randomType(r, 1+r.IntN(5))
		// An interface value of a type made here: its definitions come in the middle of a value.
		kind := types[i].Kind()
		if r.IntN(4) == 0 && types[i].Name() == "" && (kind == reflect.Struct || kind == reflect.Map || kind == reflect.Array) {
			register(types[i], fmt.Sprintf("random%d", len(boxable)))
			types[i] = pick(r, []reflect.Type{reflect.TypeFor[[]any](), reflect.TypeFor[map[string]any](), types[i]})
		}
	}
	return encode(r, types)
}

// encode makes a stream of random values. Go's encoder refuses some types, and panics on pointers to pointers to
// marshalers.
func encode(r *rand.Rand, types []reflect.Type) (c *testCase, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	c = new(testCase)
	var stream bytes.Buffer
	encoder := gob.NewEncoder(&stream)
	for range 1 + r.IntN(8) {
		t := pick(r, types)
		value := reflect.New(t)
		fill(r, value.Elem(), 4, true)
		if err := encoder.EncodeValue(value); err != nil {
			return nil, err
		}
		c.values = append(c.values, value)
		c.relatives = append(c.relatives, relative(r, t))
	}
	c.stream = stream.Bytes()
	return c, nil
}

// decode reads a value of each type, until an error.
func decode(stream []byte, types []reflect.Type) (values []reflect.Value, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	decoder := gob.NewDecoder(bytes.NewReader(stream))
	for _, t := range types {
		value := reflect.New(t)
		if err := decoder.DecodeValue(value); err != nil {
			return values, err
		}
		values = append(values, value.Elem())
	}
	return values, nil
}

func (c *testCase) types() []reflect.Type {
	types := make([]reflect.Type, len(c.values))
	for i, value := range c.values {
		types[i] = value.Type().Elem()
	}
	return types
}

// compare says how another stream differs from the case's own; empty if it does not.
func (c *testCase) compare(stream []byte) string {
	for part, types := range [][]reflect.Type{c.types(), c.relatives} {
		want, wantErr := decode(c.stream, types)
		got, gotErr := decode(stream, types)
		for i := range min(len(want), len(got)) {
			if !same(want[i], got[i]) {
				return fmt.Sprintf("value %d of type %v:\n%#v\nand from Go\n%#v", i, types[i], got[i], want[i])
			}
		}
		if len(want) == len(got) && text(wantErr) == text(gotErr) {
			continue
		}
		// Go cannot pass over a nil interface in a list, nor over an interface value that brings its type
		// (golang/go#34879); the other stream has all definitions in front.
		if part == 1 && holdsInterface(c.types()[min(len(want), len(got))], nil) {
			continue
		}
		return fmt.Sprintf("%d values and %v, and from Go %d and %v", len(got), gotErr, len(want), wantErr)
	}
	if _, err := decode(stream, append(c.types(), reflect.TypeFor[int]())); err != io.EOF {
		return fmt.Sprintf("after the last value: %v", err)
	}
	return ""
}

// text leaves out the remote type: Go names the type of this process that has the same number.
func text(err error) string {
	text, _, _ := strings.Cut(fmt.Sprint(err), "received ")
	return text
}

func holdsInterface(t reflect.Type, seen []reflect.Type) bool {
	if slices.Contains(seen, t) {
		return false
	}
	seen = append(seen, t)
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return holdsInterface(t.Elem(), seen)
	case reflect.Map:
		return holdsInterface(t.Key(), seen) || holdsInterface(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsInterface(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}

// typed decodes a stream into the types of the case: how many values came, and what ended them.
func (c *testCase) typed(stream []byte) (int, string) {
	values, err := decode(stream, append(c.types(), reflect.TypeFor[int]()))
	return len(values), fmt.Sprint(err)
}

// ignored passes over a stream.
func ignored(stream []byte) (count int, text string) {
	defer func() {
		if panicked := recover(); panicked != nil {
			text = fmt.Sprintf("panic: %v", panicked)
		}
	}()
	decoder := gob.NewDecoder(bytes.NewReader(stream))
	for {
		if err := decoder.DecodeValue(reflect.Value{}); err != nil {
			return count, err.Error()
		}
		count++
	}
}
