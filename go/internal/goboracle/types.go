// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"encoding/gob"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/url"
	"reflect"
	"time"
)

type (
	small  int16
	label  string
	blob   []byte
	flags  map[string]bool
	triple [3]int32
)

type linked struct {
	Value int
	Next  *linked
}

type branch struct {
	Name  string
	Kids  []branch
	Named map[string]*branch
	Any   any
}

type heap []heap

type forest map[string]forest

type base struct {
	ID    uint32
	Label label
}

type derived struct {
	base
	Base  *base
	Extra any
	Fn    func()
	Ch    chan int
}

type Embedding struct {
	*base
	branchHolder
	Stamp time.Time
}

type branchHolder struct{ B *branch }

type none struct{}

// gobbed travels as what its own method makes of it.
type gobbed struct{ hidden int32 }

func (g gobbed) GobEncode() ([]byte, error) { return fmt.Appendf(nil, "%d", g.hidden), nil }

func (g *gobbed) GobDecode(data []byte) error {
	if _, err := fmt.Sscan(string(data), &g.hidden); err != nil {
		return fmt.Errorf("gobbed: %w", err)
	}
	return nil
}

// packed uses the other pair of methods, on pointers.
type packed struct{ A, b byte }

func (p *packed) MarshalBinary() ([]byte, error) { return []byte{p.A, p.b}, nil }

func (p *packed) UnmarshalBinary(data []byte) error {
	if len(data) != 2 {
		return errors.New("packed: two bytes are needed")
	}
	p.A, p.b = data[0], data[1]
	return nil
}

type shape interface{ Area() float64 }

type square struct{ Side float64 }

func (s square) Area() float64 { return s.Side * s.Side }

type circle struct {
	Radius float64
	Inner  shape
}

func (c *circle) Area() float64 { return 3 * c.Radius * c.Radius }

var scalars = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](),
	reflect.TypeFor[int32](), reflect.TypeFor[int64](), reflect.TypeFor[uint](), reflect.TypeFor[uint8](),
	reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](), reflect.TypeFor[uintptr](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[complex64](),
	reflect.TypeFor[complex128](), reflect.TypeFor[string](), reflect.TypeFor[small](), reflect.TypeFor[label](),
}

var keys = append([]reflect.Type{
	reflect.TypeFor[triple](), reflect.TypeFor[base](), reflect.TypeFor[[0]int](), reflect.TypeFor[[2]string](),
}, scalars...)

var named = []reflect.Type{
	reflect.TypeFor[[]byte](), reflect.TypeFor[blob](), reflect.TypeFor[flags](), reflect.TypeFor[triple](),
	reflect.TypeFor[linked](), reflect.TypeFor[branch](), reflect.TypeFor[heap](), reflect.TypeFor[forest](),
	reflect.TypeFor[derived](), reflect.TypeFor[Embedding](), reflect.TypeFor[none](), reflect.TypeFor[gobbed](),
	reflect.TypeFor[packed](), reflect.TypeFor[time.Time](), reflect.TypeFor[big.Int](), reflect.TypeFor[url.URL](),
	reflect.TypeFor[any](), reflect.TypeFor[shape](), reflect.TypeFor[square](), reflect.TypeFor[circle](),
	reflect.TypeFor[[]any](), reflect.TypeFor[map[string]any](), reflect.TypeFor[*big.Int](),
	reflect.TypeFor[big.Float](), reflect.TypeFor[time.Duration](),
}

// What an interface value may hold.
var registered = map[reflect.Type]bool{}

var boxable []reflect.Type

// register takes one form of a type: itself or a pointer to it, under one name.
func register(t reflect.Type, name string) {
	if registered[t] {
		return
	}
	registered[t] = true
	boxable = append(boxable, t)
	if name == "" {
		gob.Register(reflect.Zero(t).Interface())
	} else {
		gob.RegisterName(name, reflect.Zero(t).Interface())
	}
}

func init() {
	// The package registers these itself.
	for _, t := range []reflect.Type{
		reflect.TypeFor[int](), reflect.TypeFor[uint8](), reflect.TypeFor[float32](), reflect.TypeFor[string](),
		reflect.TypeFor[bool](), reflect.TypeFor[complex128](), reflect.TypeFor[[]byte](), reflect.TypeFor[[]string](),
		reflect.TypeFor[uintptr](),
	} {
		registered[t] = true
		boxable = append(boxable, t)
	}
	register(reflect.TypeFor[*branch](), "*pkg.branch")
	register(reflect.TypeFor[*circle](), "*pkg.circle")
	register(reflect.TypeFor[*big.Int](), "")
	for _, t := range []reflect.Type{
		reflect.TypeFor[blob](), reflect.TypeFor[flags](), reflect.TypeFor[triple](), reflect.TypeFor[linked](),
		reflect.TypeFor[heap](), reflect.TypeFor[forest](), reflect.TypeFor[derived](), reflect.TypeFor[Embedding](),
		reflect.TypeFor[gobbed](), reflect.TypeFor[packed](), reflect.TypeFor[time.Time](), reflect.TypeFor[url.URL](),
		reflect.TypeFor[square](), reflect.TypeFor[[]any](), reflect.TypeFor[map[string]any](),
		reflect.TypeFor[time.Duration](), reflect.TypeFor[none](),
	} {
		register(t, "")
	}
}

// randomType makes a type of at most `depth` levels.
func randomType(r *rand.Rand, depth int) reflect.Type {
	if depth <= 0 {
		return pick(r, scalars)
	}
	switch r.IntN(12) {
	case 0, 1:
		return pick(r, scalars)
	case 2, 3:
		return pick(r, named)
	case 4:
		return reflect.PointerTo(randomType(r, depth-1))
	case 5, 6:
		return reflect.SliceOf(randomType(r, depth-1))
	case 7:
		if r.IntN(5) == 0 {
			return reflect.ArrayOf(70, pick(r, scalars))
		}
		return reflect.ArrayOf(pick(r, []int{0, 1, 2, 5}), randomType(r, depth-1))
	case 8:
		return reflect.MapOf(pick(r, keys), randomType(r, depth-1))
	default:
		return randomStruct(r, depth-1)
	}
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func randomStruct(r *rand.Rand, depth int) reflect.Type {
	fields := make([]reflect.StructField, 1+r.IntN(8))
	for i := range fields {
		t := randomType(r, depth)
		switch r.IntN(40) {
		case 0:
			t = reflect.TypeFor[chan int]()
		case 1:
			t = reflect.TypeFor[func()]()
		}
		fields[i] = reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: t}
	}
	return reflect.StructOf(fields)
}

// relative makes a struct type as another program version may declare it: fields missing, added, in another order.
func relative(r *rand.Rand, t reflect.Type) reflect.Type {
	switch {
	case t.Kind() == reflect.Struct && t.Name() == "":
		var fields []reflect.StructField
		for i := range t.NumField() {
			field := t.Field(i)
			if r.IntN(4) > 0 {
				fields = append(fields, reflect.StructField{Name: field.Name, Type: relative(r, field.Type)})
			}
		}
		if r.IntN(2) == 0 {
			fields = append(fields, reflect.StructField{Name: "Added", Type: pick(r, named)})
		}
		r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		return reflect.StructOf(fields)
	case t.Kind() == reflect.Slice && t.Name() == "":
		return reflect.SliceOf(relative(r, t.Elem()))
	case t.Kind() == reflect.Pointer:
		return relative(r, t.Elem())
	case t.Kind() == reflect.Int && r.IntN(6) == 0:
		return pick(r, scalars)
	}
	return t
}
