// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"encoding/gob"
	"fmt"
	"reflect"
	"time"
)

// shown is what a value without its type shows as JSON on the other side: `docs/wire.md`.
func shown(value any) any { return show(reflect.ValueOf(value).Elem(), false) }

func show(v reflect.Value, field bool) any {
	if v.IsValid() && v.CanAddr() && v.Kind() == reflect.Struct {
		if when, ok := v.Interface().(time.Time); ok {
			if field && when.IsZero() {
				return nil
			}
			return when.Format(time.RFC3339Nano)
		}
		switch value := v.Addr().Interface().(type) {
		case gob.GobEncoder:
			data, err := value.GobEncode()
			check(err)
			if _, onValue := v.Interface().(gob.GobEncoder); onValue && field && v.IsZero() {
				return nil
			}
			return data
		case interface{ MarshalBinary() ([]byte, error) }:
			data, err := value.MarshalBinary()
			check(err)
			return data
		}
	}
	switch v.Kind() {
	case reflect.Invalid:
		return nil
	case reflect.Pointer:
		return show(v.Elem(), field)
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		inner := reflect.New(v.Elem().Type()).Elem()
		inner.Set(v.Elem())
		name := inner.Type().String()
		if inner.Type().PkgPath() != "" {
			name = inner.Type().PkgPath() + "." + inner.Type().Name()
		}
		return map[string]any{"type": name, "value": show(inner, false)}
	case reflect.Struct:
		fields := map[string]any{}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fields[v.Type().Field(i).Name] = show(v.Field(i), true)
			}
		}
		return fields
	case reflect.Map:
		if v.IsNil() {
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
		if v.Type() == reflect.TypeFor[[]byte]() {
			return v.Bytes()
		}
		elements := []any{}
		for i := range v.Len() {
			elements = append(elements, show(v.Index(i), false))
		}
		return elements
	case reflect.Complex128:
		return []float64{real(v.Complex()), imag(v.Complex())}
	}
	return v.Interface()
}
