// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"encoding/binary"
	"math/rand/v2"
)

// messages cuts a stream of Go's own.
func messages(stream []byte) (cut [][]byte) {
	for len(stream) > 0 {
		count, head := int(stream[0]), 1
		if count >= 0x80 {
			head = 1 + 0x100 - count
			var digits [8]byte
			copy(digits[9-head:], stream[1:head])
			count = int(binary.BigEndian.Uint64(digits[:]))
		}
		cut = append(cut, append([]byte{}, stream[head:head+count]...))
		stream = stream[head+count:]
	}
	return cut
}

func joined(messages [][]byte) (stream []byte) {
	for _, message := range messages {
		stream = appendUint(stream, uint64(len(message)))
		stream = append(stream, message...)
	}
	return stream
}

func appendUint(out []byte, n uint64) []byte {
	if n < 0x80 {
		return append(out, byte(n))
	}
	digits := binary.BigEndian.AppendUint64(nil, n)
	for digits[0] == 0 {
		digits = digits[1:]
	}
	return append(append(out, byte(-len(digits))), digits...)
}

// mutate changes a stream as an enemy or an accident might.
func mutate(seed uint64, stream []byte) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	stream = append([]byte{}, stream...)
	switch r.IntN(10) {
	case 0:
		return stream[:r.IntN(len(stream))]
	case 1:
		stream[r.IntN(len(stream))] ^= 1 << r.IntN(8)
		return stream
	}
	cut := messages(stream)
	i, j := r.IntN(len(cut)), r.IntN(len(cut))
	switch r.IntN(10) {
	case 0:
		cut[i], cut[j] = cut[j], cut[i]
	case 1:
		cut = append(cut[:i], cut[i+1:]...)
	case 2:
		cut = append(cut, cut[j])
	case 3:
		cut[i] = cut[i][:r.IntN(len(cut[i])+1)]
	case 4:
		cut[i] = append(cut[i], randomBytes(r)...)
	case 5:
		cut[i] = spliced(cut[i], r, nil)
	case 6:
		cut[i] = spliced(cut[i], r, appendUint(nil, uint64(pick(r, numbers))))
	case 7:
		cut[i][0] ^= byte(1 + r.IntN(15))
	default:
		for range 1 + r.IntN(3) {
			if len(cut[i]) > 0 {
				cut[i][r.IntN(len(cut[i]))] = pick(r, []byte{0, 1, 2, 3, 0x10, 0x7f, 0x80, 0x81, 0xf7, 0xf8, 0xfe, 0xff})
			}
		}
	}
	return joined(cut)
}

// spliced puts bytes in the place of one.
func spliced(message []byte, r *rand.Rand, bytes []byte) []byte {
	if len(message) == 0 {
		return bytes
	}
	place := r.IntN(len(message))
	return append(append(append([]byte{}, message[:place]...), bytes...), message[place+1:]...)
}
