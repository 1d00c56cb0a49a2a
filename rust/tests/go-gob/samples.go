// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"bufio"
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net/url"
	"os"
	"reflect"
	"strings"
	"time"
)

type scalars struct {
	B   bool
	I   int
	I8  int8
	I64 int64
	U   uint
	U64 uint64
	Ptr uintptr
	F32 float32
	F64 float64
	C   complex128
	S   string
	X   []byte
	Fn  func()
	Ch  chan int
	low int
}

type inner struct{ A, B int }

type Embedded struct{ E string }

type nested struct {
	Embedded
	In    inner
	Ptr   *inner
	Deep  **int
	List  []inner
	Arr   [3]uint8
	Big   [64]uint8
	Map   map[string]inner
	Keys  map[int16]bool
	When  time.Time
	Lists [][]string
	Blobs [][]byte
}

type list struct {
	Value int
	Next  *list
}

type tree struct {
	Name     string
	Children []tree
	Named    map[string]*tree
}

type boxed struct {
	Before string
	Any    any
	After  string
	More   []any
	Map    map[string]any
}

type inBox struct {
	Name string
	Time time.Time
	Any  any
}

type deepBox struct{ Odd []map[string]float64 }

type otherBox struct {
	U *url.URL
	N *big.Int
}

type empty struct{ A [0]int }

type sample struct {
	name   string
	values []any
}

func init() {
	gob.Register(&inBox{})
	gob.Register(deepBox{})
	gob.Register(otherBox{})
	gob.Register([]inner{})
	gob.Register(map[string]any{})
}

func samples() []sample {
	seven := 7
	pseven := &seven
	when := time.Date(2026, 11, 23, 20, 0, 1, 999, time.FixedZone("x", 3600))
	box := boxed{
		Before: "b",
		Any:    &inBox{"first", when, deepBox{[]map[string]float64{{"x": 1.5}, {}}}},
		After:  "a",
		More:   []any{1, "two", uint8(3), []inner{{1, 2}}, &inBox{Any: otherBox{N: big.NewInt(-77)}}, true, []byte{1}},
		Map:    map[string]any{"k": map[string]any{"n": -1.25}},
	}
	one := func(name string, value any) sample { return sample{name, []any{value}} }
	return []sample{
		one("bool", true), one("int", -129), one("int8", int8(-128)), one("uint64", uint64(math.MaxUint64)),
		one("minint", int64(math.MinInt64)), one("zero", 0), one("uintptr", uintptr(4096)),
		one("float", 17.5), one("float32", float32(0.1)), one("complex", complex(1, -2)),
		one("string", "héllo"), one("nostring", ""), one("anybytes", "a\xffb"), one("bytes", []byte{0, 255, 3}),
		one("array", [3]int{1, 0, 3}), one("bytearray", [4]byte{9, 0, 200, 1}), one("slice", []string{"a", "", "c"}),
		one("slices", [][]int{{1}, {}, {2, 3}}), one("map", map[string]int{"a": 1, "b": 0}),
		one("mapint", map[int]bool{-4: true, 5: false}), one("emptymap", map[string]int{}),
		one("scalars", scalars{true, -1, -8, math.MinInt64, 1, math.MaxUint64, 5, -0.5, 1e300, 1i, "s", []byte{1}, nil, nil, 3}),
		one("zeroes", scalars{}), one("empty", empty{}),
		one("nested", nested{
			Embedded{"e"}, inner{1, 2}, &inner{3, 4}, &pseven, []inner{{}, {5, 6}}, [3]uint8{1, 2, 255}, [64]uint8{63: 9},
			map[string]inner{"k": {7, 8}}, map[int16]bool{-1: true}, when, [][]string{{"x"}, {}}, [][]byte{{1, 2}, {}},
		}),
		one("nestedzero", nested{}),
		one("list", list{1, &list{0, &list{3, nil}}}),
		one("tree", tree{"r", []tree{{Name: "c", Children: []tree{{Name: "d"}}}}, map[string]*tree{"n": {Name: "m"}}}),
		one("time", when), one("utc", time.Unix(0, 5).UTC()), one("bigint", *big.NewInt(123456789)),
		one("url", url.URL{Scheme: "http", Host: "h", Path: "/p"}),
		one("boxed", box), one("boxednil", boxed{Before: "x", More: []any{nil, nil}}),
		{"stream", []any{inner{1, 2}, box, "between", box, inner{3, 0}, list{5, nil}}},
	}
}

type record struct {
	Name string
	Gob  []byte
	JSON []any
}

func encodeSamples() {
	out := json.NewEncoder(os.Stdout)
	for _, sample := range samples() {
		var stream bytes.Buffer
		encoder := gob.NewEncoder(&stream)
		record := record{Name: sample.name}
		for _, value := range sample.values {
			pointer := reflect.New(reflect.TypeOf(value))
			pointer.Elem().Set(reflect.ValueOf(value))
			sent := pointer.Interface()
			if when, ok := value.(time.Time); ok {
				// A pointer to it would travel without the type's name.
				sent = when
			}
			if err := encoder.Encode(sent); err != nil {
				fail(fmt.Sprint(sample.name, ": ", err))
			}
			record.JSON = append(record.JSON, show(reflect.ValueOf(value), false))
		}
		record.Gob = stream.Bytes()
		if err := out.Encode(record); err != nil {
			fail(err)
		}
	}
}

func decodeSamples() {
	known := map[string]sample{}
	for _, sample := range samples() {
		known[sample.name] = sample
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var record record
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			fail(err)
		}
		decoder := gob.NewDecoder(bytes.NewReader(record.Gob))
		for _, want := range known[record.Name].values {
			got := reflect.New(reflect.TypeOf(want))
			if err := decoder.Decode(got.Interface()); err != nil {
				fmt.Println(record.Name, err)
				continue
			}
			// What gob does not send cannot come back: compare what it shows.
			a, b := must(json.Marshal(show(got.Elem(), false))), must(json.Marshal(show(reflect.ValueOf(want), false)))
			if !bytes.Equal(a, b) {
				fmt.Printf("%s differs:\n%s\n%s\n", record.Name, a, b)
			}
		}
		fmt.Println("done", record.Name)
	}
}

// show turns a value into what Rust's Dynamic::to_json makes of it. Fields lose empty slices, as gob does.
func show(v reflect.Value, field bool) any {
	if v.IsValid() && v.Kind() != reflect.Interface && v.Kind() != reflect.Pointer {
		if when, ok := v.Interface().(time.Time); ok && !(field && when.IsZero()) {
			return when.Format(time.RFC3339Nano)
		}
		if opaque, ok := opaqueBytes(v); ok {
			if field && v.IsZero() {
				return nil
			}
			return opaque
		}
	}
	switch v.Kind() {
	case reflect.Invalid:
		return nil
	case reflect.Pointer:
		base := v.Type().Elem()
		if v.IsNil() && (base.Kind() == reflect.Int || base.Kind() == reflect.Pointer) {
			// A nil pointer to a number and one to zero are the same to gob.
			return show(reflect.Zero(base), field)
		}
		return show(v.Elem(), field)
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return map[string]any{"type": registered(v.Elem().Type()), "value": show(v.Elem(), false)}
	case reflect.Struct:
		fields := map[string]any{}
		for i := range v.NumField() {
			kind := v.Field(i).Kind()
			if v.Type().Field(i).IsExported() && kind != reflect.Func && kind != reflect.Chan {
				fields[v.Type().Field(i).Name] = show(v.Field(i), true)
			}
		}
		return fields
	case reflect.Map:
		if field && v.IsNil() {
			return nil
		}
		entries := map[string]any{}
		for _, key := range v.MapKeys() {
			entries[fmt.Sprint(key)] = show(v.MapIndex(key), false)
		}
		return entries
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && field && v.Len() == 0 {
			return nil
		}
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return append([]byte{}, v.Bytes()...)
		}
		elements := []any{}
		for i := range v.Len() {
			elements = append(elements, show(v.Index(i), false))
		}
		return elements
	case reflect.Complex128:
		return []float64{real(v.Complex()), imag(v.Complex())}
	case reflect.Float32:
		return v.Float()
	}
	return v.Interface()
}

func opaqueBytes(v reflect.Value) ([]byte, bool) {
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	switch value := p.Interface().(type) {
	case gob.GobEncoder:
		return must(value.GobEncode()), true
	case interface{ MarshalBinary() ([]byte, error) }:
		return must(value.MarshalBinary()), true
	}
	return nil, false
}

func registered(t reflect.Type) string {
	if t.Kind() == reflect.Pointer || t.PkgPath() == "" {
		return t.String()
	}
	return t.PkgPath() + strings.TrimPrefix(t.String(), "main")[0:1] + t.Name()
}
