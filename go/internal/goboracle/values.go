// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"math"
	"math/big"
	"math/rand/v2"
	"net/url"
	"reflect"
	"time"
)

var numbers = []int64{0, 0, 1, -1, 2, 63, 64, 127, 128, -128, -129, 255, 256, 32767, 65535, 65536,
	math.MaxInt32, math.MinInt32, math.MaxUint32, math.MaxInt64, math.MinInt64}

var floats = []float64{0, math.Copysign(0, -1), 1, -1.5, 0.1, 17, math.Inf(1), math.Inf(-1), math.NaN(),
	math.SmallestNonzeroFloat64, 1e300, math.MaxFloat32}

// fill gives a random value to v. An element of a list must not be a nil pointer.
func fill(r *rand.Rand, v reflect.Value, depth int, element bool) {
	if opaque(r, v) {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(pick(r, numbers))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(uint64(pick(r, numbers)))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(pick(r, floats))
	case reflect.Complex64, reflect.Complex128:
		v.SetComplex(complex(pick(r, floats), pick(r, floats)))
	case reflect.String:
		v.SetString(string(randomBytes(r)))
	case reflect.Pointer:
		if element || r.IntN(4) > 0 && depth > -8 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem(), depth-1, element)
		}
	case reflect.Slice:
		fillSlice(r, v, depth)
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i), depth-1, true)
		}
	case reflect.Map:
		if r.IntN(4) == 0 {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for range count(r, depth) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(r, key, depth-1, true)
			fill(r, value, depth-1, true)
			if key.Equal(key) {
				v.SetMapIndex(key, value)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && r.IntN(5) > 0 {
				fill(r, v.Field(i), depth-1, false)
			}
		}
	case reflect.Interface:
		fillInterface(r, v, depth)
	}
}

func count(r *rand.Rand, depth int) int {
	if depth < -3 {
		return 0
	}
	return pick(r, []int{0, 1, 1, 2, 3, 5})
}

func fillSlice(r *rand.Rand, v reflect.Value, depth int) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		v.SetBytes(randomBytes(r))
		return
	}
	if r.IntN(5) == 0 {
		return
	}
	n := count(r, depth)
	if v.Type().Elem().Kind() < reflect.Complex64 && r.IntN(20) == 0 {
		n = 300
	}
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		fill(r, v.Index(i), depth-1, true)
	}
}

func fillInterface(r *rand.Rand, v reflect.Value, depth int) {
	if depth < -3 || r.IntN(4) == 0 {
		return
	}
	t := pick(r, boxable)
	if v.NumMethod() > 0 {
		t = pick(r, []reflect.Type{reflect.TypeFor[square](), reflect.TypeFor[*circle]()})
	}
	if !t.AssignableTo(v.Type()) {
		return
	}
	value := reflect.New(t).Elem()
	fill(r, value, depth-2, true)
	v.Set(value)
}

func randomBytes(r *rand.Rand) []byte {
	data := make([]byte, pick(r, []int{0, 0, 1, 3, 9, 127, 128, 300}))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

// opaque fills types with methods of their own.
func opaque(r *rand.Rand, v reflect.Value) bool {
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		zone := pick(r, []*time.Location{time.UTC, time.FixedZone("", 3600), time.FixedZone("", -60), time.FixedZone("", 19*60+32)})
		*p = pick(r, []time.Time{{}, time.Unix(pick(r, numbers)>>8, 5), time.Unix(0, 999999999)}).In(zone)
	case *big.Int:
		p.SetBytes(randomBytes(r))
		if r.IntN(2) == 0 {
			p.Neg(p)
		}
	case *big.Float:
		p.SetFloat64(pick(r, []float64{0, 1.5, -3e30, math.Inf(1)}))
	case *url.URL:
		*p = url.URL{Scheme: "http", Host: "h", Path: pick(r, []string{"/", "/a%20b", ""})}
	case *gobbed:
		p.hidden = int32(pick(r, numbers))
	case *packed:
		p.A, p.b = byte(r.Uint32()), byte(r.Uint32())
	default:
		return false
	}
	return true
}

// same compares what gob can carry, and floats by their bits.
func same(a, b reflect.Value) bool {
	if a.IsValid() != b.IsValid() || a.IsValid() && a.Type() != b.Type() {
		return false
	}
	if !a.IsValid() {
		return true
	}
	switch a.Kind() {
	case reflect.Float32, reflect.Float64:
		return math.Float64bits(a.Float()) == math.Float64bits(b.Float())
	case reflect.Complex64, reflect.Complex128:
		x, y := a.Complex(), b.Complex()
		return math.Float64bits(real(x)) == math.Float64bits(real(y)) && math.Float64bits(imag(x)) == math.Float64bits(imag(y))
	case reflect.Pointer, reflect.Interface:
		return a.IsNil() == b.IsNil() && (a.IsNil() || same(a.Elem(), b.Elem()))
	case reflect.Slice, reflect.Array:
		if a.Len() != b.Len() || a.Kind() == reflect.Slice && a.IsNil() != b.IsNil() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		if a.Len() != b.Len() || a.IsNil() != b.IsNil() {
			return false
		}
		for _, key := range a.MapKeys() {
			if !same(a.MapIndex(key), b.MapIndex(key)) {
				return false
			}
		}
		return true
	case reflect.Struct:
		if a.Type().PkgPath() != "" && a.Type().PkgPath() != "main" {
			return reflect.DeepEqual(a.Interface(), b.Interface())
		}
		for i := range a.NumField() {
			if a.Type().Field(i).IsExported() && !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Func, reflect.Chan:
		return a.IsNil() && b.IsNil()
	}
	return a.Interface() == b.Interface()
}
