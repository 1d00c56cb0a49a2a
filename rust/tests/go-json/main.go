// SPDX-License-Identifier: Apache-2.0 OR MIT

// Command go-json decodes documents as the reference does. It reads frames (a big-endian length and as many bytes) from
// standard input and answers each with a frame. The first byte of a request says what is asked:
//
//	d  decode the document that follows as a Common; answer: its values as JSON, or empty if it is refused
//	t  decode it as a Common around a concrete engine configuration; answer as above
//	c  decode one JSON value; answer: the value in a canonical form
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
)

type common[E any] struct {
	EngineName   string                     `json:"engineName"`
	ContainerID  string                     `json:"containerID"`
	EngineConfig E                          `json:"engineConfig"`
	Plugin       map[string]json.RawMessage `json:"plugin"`
}

// leaf, branch and tree have what is read over an earlier value in one way only: no pointer, map or interface.
type leaf struct {
	S string `json:"s"`
	N int    `json:"n"`
	B bool   `json:"b"`
}

type branch struct {
	S string   `json:"s"`
	L []string `json:"l"`
	X leaf     `json:"x"`
	Y []leaf   `json:"y"`
}

type tree struct {
	N int      `json:"n"`
	X branch   `json:"x"`
	Y []branch `json:"y"`
}

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	for {
		var size uint32
		if err := binary.Read(in, binary.BigEndian, &size); err != nil {
			return
		}
		request := make([]byte, size)
		if _, err := io.ReadFull(in, request); err != nil {
			return
		}
		answer := answer(request[0], request[1:])
		_ = binary.Write(out, binary.BigEndian, uint32(len(answer)))
		_, _ = out.Write(answer)
		if err := out.Flush(); err != nil {
			return
		}
	}
}

func answer(question byte, document []byte) []byte {
	switch question {
	case 'd':
		var c common[json.RawMessage]
		if json.Unmarshal(document, &c) != nil {
			return nil
		}
		plugin := map[string]any{}
		for name, raw := range c.Plugin {
			plugin[name] = canonical(raw)
		}
		config := canonical(c.EngineConfig)
		if !repeats(document) {
			return encode([]any{c.EngineName, c.ContainerID, config, plugin})
		}
		// What a repeated key leaves depends on the type: the question 't' asks for that.
		return encode([]any{c.EngineName, c.ContainerID, nil, nil})
	case 't':
		var c common[tree]
		if json.Unmarshal(document, &c) != nil {
			return nil
		}
		return encode([]any{c.EngineName, c.ContainerID, c.EngineConfig})
	default:
		return encode(canonical(document))
	}
}

// canonical is the value without what does not tell values apart: space, escapes, the order of keys.
func canonical(raw []byte) any {
	if len(raw) == 0 {
		return nil
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return "not decodable: " + err.Error()
	}
	return value
}

// repeats tells whether an object of the document has a key twice, or the document one of its keys in two cases.
func repeats(document []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	type object struct {
		keys map[string]bool
		key  bool
	}
	var stack []*object
	for {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		var top *object
		if len(stack) > 0 {
			top = stack[len(stack)-1]
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			stack = stack[:len(stack)-1]
			continue
		}
		if top != nil && top.keys != nil {
			top.key = !top.key
			if top.key {
				key := token.(string)
				if len(stack) == 1 {
					key = string(bytes.ToLower([]byte(key)))
				}
				if top.keys[key] {
					return true
				}
				top.keys[key] = true
				continue
			}
		}
		switch token {
		case json.Delim('{'):
			stack = append(stack, &object{keys: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, &object{})
		}
	}
}

func encode(value any) []byte {
	bytes, err := json.Marshal(value)
	if err != nil {
		return []byte(err.Error())
	}
	return bytes
}
