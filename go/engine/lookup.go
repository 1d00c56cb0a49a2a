// SPDX-License-Identifier: Apache-2.0 OR MIT

package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pinion-runtime/pinion/go/internal/hook"
)

// maxConfig is the longest document, in bytes. The core has the same limit.
const maxConfig = 64 << 20

// engineName reads which engine a document is for.
func engineName(document []byte) (string, error) {
	if len(document) > maxConfig {
		return "", fmt.Errorf("engine configuration: %d bytes, at most %d are possible", len(document), maxConfig)
	}
	var common struct {
		EngineName string `json:"engineName"`
	}
	if err := json.Unmarshal(document, &common); err != nil {
		return "", fmt.Errorf("engine configuration: %w", err)
	}
	if common.EngineName == "" {
		return "", errors.New("engine configuration: engineName: missing or empty")
	}
	return common.EngineName, nil
}

// unknown says why a name that Go does not have is no engine for these types.
func unknown[C, E, S any](name string) error {
	names := known.names()
	if core := hook.Current(); core != nil {
		names = core.Names()
	}
	if slices.Contains(names, name) {
		return fmt.Errorf("engine %q is of another language: it cannot be had with the types %s", name,
			(*registration[C, E, S])(nil).types())
	}
	if len(names) == 0 {
		return fmt.Errorf("engine %q is not found: no engine is registered", name)
	}
	quoted := make([]string, len(names))
	for i, other := range names {
		quoted[i] = strconv.Quote(other)
	}
	return fmt.Errorf("engine %q is not found: registered: %s", name, strings.Join(quoted, ", "))
}
