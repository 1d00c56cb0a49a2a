// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch

import (
	"fmt"
	"slices"
	"strconv"
)

const (
	// maxChunks is how many variables a starter looks for.
	maxChunks = 8
	// chunkSize is the largest part that is written, in bytes: the kernel's limit for one string is 131,072 with name and NUL.
	chunkSize = 131056
	// maxCut is the largest configuration that the environment holds, in bytes.
	maxCut = maxChunks * chunkSize
)

// cut makes variables of a configuration, which is not empty.
func cut(document []byte) (map[string]string, error) {
	if len(document) > maxCut {
		return nil, helped(
			fmt.Sprintf("engine configuration: %d bytes, at most %d fit into the environment", len(document), maxCut),
			"a starter of pinion takes it by descriptor, up to 64 MiB")
	}
	variables := map[string]string{}
	number := 0
	for chunk := range slices.Chunk(document, chunkSize) {
		number++
		variables["ENGINE_CONFIG"+strconv.Itoa(number)] = string(chunk)
	}
	variables["ENGINE_CONFIG_CHUNKS"] = strconv.Itoa(number)
	return variables, nil
}
