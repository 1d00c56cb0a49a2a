// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"

	"github.com/pinion-runtime/pinion/go/internal/wire/rpc"
)

// A target is a type that the Rust side has as well; their numbers are the same there.
type target struct{ reflect.Type }

var targets = []target{
	{reflect.TypeFor[rpc.MountArgs]()}, {reflect.TypeFor[rpc.MkdirArgs]()}, {reflect.TypeFor[rpc.ChrootArgs]()},
	{reflect.TypeFor[rpc.HostnameArgs]()}, {reflect.TypeFor[rpc.ChdirArgs]()}, {reflect.TypeFor[rpc.LoopArgs]()},
	{reflect.TypeFor[rpc.StatArgs]()}, {reflect.TypeFor[rpc.SendFuseFdArgs]()}, {reflect.TypeFor[rpc.DecryptArgs]()},
	{reflect.TypeFor[rpc.NvCCLIArgs]()}, {reflect.TypeFor[rpc.MountErrorReply]()}, {reflect.TypeFor[rpc.StatReply]()},
	{reflect.TypeFor[int]()}, {reflect.TypeFor[string]()}, {reflect.TypeFor[[]byte]()},
	{reflect.TypeFor[rpc.Every]()}, {reflect.TypeFor[[]string]()}, {reflect.TypeFor[map[string]int16]()},
	{reflect.TypeFor[[4]int8]()}, {reflect.TypeFor[rpc.Inner]()},
}

// decode reads values until an error: how many, the error, and the values as text.
func (t target) decode(stream []byte) (count int, text string, shown string) {
	var all strings.Builder
	defer func() {
		if panicked := recover(); panicked != nil {
			text, shown = fmt.Sprintf("panic: %v", panicked), all.String()
		}
	}()
	decoder := gob.NewDecoder(bytes.NewReader(stream))
	for ; ; count++ {
		value := reflect.New(t.Type)
		if err := decoder.DecodeValue(value); err != nil {
			return count, err.Error(), all.String()
		}
		show(&all, value)
		all.WriteByte('\n')
	}
}

// show writes a value with what pointers and interfaces hold.
func show(out *strings.Builder, v reflect.Value) {
	switch v.Kind() {
	case reflect.Invalid:
		out.WriteString("nil")
	case reflect.Pointer, reflect.Interface:
		if v.Kind() == reflect.Interface && !v.IsNil() {
			fmt.Fprint(out, v.Elem().Type(), " ")
		}
		if text, ok := v.Interface().(fmt.Stringer); ok && !v.IsNil() && v.Kind() == reflect.Pointer {
			fmt.Fprint(out, text)
			return
		}
		show(out, v.Elem())
	case reflect.Struct:
		if text, ok := v.Interface().(fmt.Stringer); ok {
			fmt.Fprint(out, text)
			return
		}
		out.WriteByte('{')
		for i := range v.NumField() {
			out.WriteByte(' ')
			show(out, v.Field(i))
		}
		out.WriteByte('}')
	case reflect.Slice, reflect.Array:
		out.WriteByte('[')
		for i := range v.Len() {
			out.WriteByte(' ')
			show(out, v.Index(i))
		}
		out.WriteByte(']')
	case reflect.Map:
		// Rust does not tell a nil map from an empty one.
		if v.Len() > 0 {
			fmt.Fprintf(out, "%#v", v)
		}
	default:
		fmt.Fprintf(out, "%#v", v)
	}
}

// variant makes a stream of values whose type resembles the target's.
func variant(seed uint64, t target) []byte {
	for ; ; seed++ {
		r := rand.New(rand.NewPCG(seed, 3))
		types := make([]reflect.Type, 1+r.IntN(3))
		for i := range types {
			types[i] = resembling(r, t.Type, map[reflect.Type]reflect.Type{})
		}
		c, err := encode(r, types)
		if err != nil {
			continue
		}
		if r.IntN(3) == 0 {
			return mutate(seed, c.stream)
		}
		return c.stream
	}
}

// resembling makes a type like another. Structs of one type stay of one: Go compiles a decoder for a local type once in
// a struct, for whatever remote type it meets first.
func resembling(r *rand.Rand, t reflect.Type, made map[reflect.Type]reflect.Type) reflect.Type {
	if t.Kind() != reflect.Struct || t.PkgPath() == "time" || t.PkgPath() == "math/big" {
		return resemblingPart(r, t, made)
	}
	if like, ok := made[t]; ok {
		return like
	}
	// Where it contains itself it stays as it is.
	made[t] = t
	if r.IntN(4) > 0 {
		var fields []reflect.StructField
		for i := range t.NumField() {
			field := t.Field(i)
			if r.IntN(10) > 0 {
				fields = append(fields, reflect.StructField{Name: field.Name, Type: resembling(r, field.Type, made)})
			}
		}
		if r.IntN(4) == 0 {
			fields = append(fields, reflect.StructField{Name: "Added", Type: randomType(r, 3)})
		}
		if r.IntN(2) == 0 {
			r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		}
		made[t] = reflect.StructOf(fields)
	}
	return made[t]
}

func resemblingPart(r *rand.Rand, t reflect.Type, made map[reflect.Type]reflect.Type) reflect.Type {
	switch {
	case r.IntN(12) == 0:
		return randomType(r, 2)
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		return reflect.SliceOf(resembling(r, t.Elem(), made))
	case t.Kind() == reflect.Map:
		return reflect.MapOf(t.Key(), resembling(r, t.Elem(), made))
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64 && r.IntN(3) == 0:
		return reflect.TypeFor[int64]()
	case t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uintptr && r.IntN(3) == 0:
		return reflect.TypeFor[uint64]()
	case r.IntN(6) == 0:
		return reflect.PointerTo(t)
	}
	return t
}
