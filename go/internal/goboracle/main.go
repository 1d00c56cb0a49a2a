// SPDX-License-Identifier: Apache-2.0 OR MIT

// The other side of gob_differential.rs and of the fuzz target gob_vs_go: Go's own encoding/gob behind a pipe.
//
// A request is a letter, a length and as many bytes; an answer a length and as many bytes. Inside, lists are a count
// and items, each with its length; all numbers have 32 bits, little end first.
package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"syscall"
	"time"
)

func main() {
	// A changed stream can make Go's decoder take memory for a map of 2^40 entries, or count as far. Better dead.
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: 3 << 30, Max: 3 << 30}); err != nil {
		panic(err)
	}
	in, out := bufio.NewReaderSize(os.Stdin, 1<<16), bufio.NewWriterSize(os.Stdout, 1<<16)
	var cases []*testCase
	for {
		verb, err := in.ReadByte()
		if err == io.EOF {
			return
		}
		request := reader{must(readCounted(in))}
		var answer writer
		late := time.AfterFunc(10*time.Second, func() { os.Exit(1) })
		switch verb {
		case 'g': // seed, count: random streams
			cases = generate(request.seed(), request.number())
			answer.number(len(cases))
			for _, c := range cases {
				answer.number(len(c.values))
				answer.bytes(c.stream)
			}
		case 'c': // one stream for each of the last: does it say the same?
			for _, c := range cases {
				answer.bytes([]byte(c.compare(request.bytes())))
			}
		case 'm': // seed: one changed stream for each of the last
			for i, c := range cases {
				answer.bytes(mutate(request.seed()+uint64(i), c.stream))
			}
		case 'd': // number of a case, stream: what Go says when it decodes into the case's types, and without types
			c := cases[request.number()]
			stream := request.bytes()
			answer.outcome(c.typed(stream))
			answer.outcome(ignored(stream))
		case 'v': // target, seed, count: streams of types that resemble the target
			target, seed := targets[request.number()], request.seed()
			for i := range request.number() {
				answer.bytes(variant(seed+uint64(i), target))
			}
		case 't': // target, stream: what Go makes of it
			target := targets[request.number()]
			count, text, shown := target.decode(request.bytes())
			answer.outcome(count, text)
			answer.bytes([]byte(shown))
		case 'i': // stream: what Go says when it decodes without types
			answer.outcome(ignored(request.bytes()))
		default:
			panic("unknown verb")
		}
		late.Stop()
		must(out.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(answer.buffer)))))
		must(out.Write(answer.buffer))
		if err := out.Flush(); err != nil {
			panic(err)
		}
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func readCounted(in io.Reader) ([]byte, error) {
	var count [4]byte
	if _, err := io.ReadFull(in, count[:]); err != nil {
		return nil, err
	}
	data := make([]byte, binary.LittleEndian.Uint32(count[:]))
	_, err := io.ReadFull(in, data)
	return data, err
}

type reader struct{ buffer []byte }

func (r *reader) number() int {
	n := binary.LittleEndian.Uint32(r.buffer)
	r.buffer = r.buffer[4:]
	return int(n)
}

func (r *reader) seed() uint64 { return uint64(r.number()) << 20 }

func (r *reader) bytes() []byte {
	n := r.number()
	data := r.buffer[:n:n]
	r.buffer = r.buffer[n:]
	return data
}

type writer struct{ buffer []byte }

func (w *writer) number(n int) { w.buffer = binary.LittleEndian.AppendUint32(w.buffer, uint32(n)) }

func (w *writer) bytes(data []byte) {
	w.number(len(data))
	w.buffer = append(w.buffer, data...)
}

func (w *writer) outcome(count int, text string) {
	w.number(count)
	w.bytes([]byte(text))
}
