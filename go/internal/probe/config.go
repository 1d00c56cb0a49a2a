// SPDX-License-Identifier: Apache-2.0 OR MIT

package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Config is what a scenario configures. The keys are those of the engine in Rust and in C.
type Config struct {
	// Log is the file to which each callback appends a line, if any.
	Log string `json:"log"`
	// Prepared is set by PrepareConfig: every later process must see it.
	Prepared bool `json:"prepared"`
	// Fail has callbacks that misbehave, and how.
	Fail map[string]string `json:"fail"`
	// PreStart is whether PreStartProcess is declared; StartProcess then writes its byte.
	PreStart bool `json:"pre_start"`
	// CoreMonitor is whether the core monitors.
	CoreMonitor bool `json:"core_monitor"`
	// Create has namespaces to create.
	Create []string `json:"create"`
	// NSFlags has them in place of those as CLONE_NEW* bits.
	NSFlags *int `json:"ns_flags"`
	// Join has namespaces to join, by path.
	Join map[string]string `json:"join"`
	// JoinSpec has the same for one call.
	JoinSpec map[string]string `json:"join_spec"`
	JoinOnly bool              `json:"join_only"`
	// WorkingDirectory becomes the working directory.
	WorkingDirectory string    `json:"working_directory"`
	UIDMap           []mapping `json:"uid_map"`
	GIDMap           []mapping `json:"gid_map"`
	Hybrid           bool      `json:"hybrid"`
	MapHelpers       bool      `json:"map_helpers"`
	AllowSetgroups   bool      `json:"allow_setgroups"`
	NoSetgroups      bool      `json:"no_setgroups"`
	Instance         bool      `json:"instance"`
	NoNewPrivs       bool      `json:"no_new_privs"`
	Propagation      string    `json:"propagation"`
	ShareMounts      bool      `json:"share_mounts"`
	Loopback         bool      `json:"loopback"`
	NvCCLI           bool      `json:"nvccli"`
	NativeRPC        bool      `json:"native_rpc"`
	TargetUID        *int      `json:"target_uid"`
	TargetGIDs       []int     `json:"target_gids"`
	// Capabilities has names of capabilities by set.
	Capabilities map[string][]string `json:"capabilities"`
	// Keep has files that PrepareConfig opens and keeps, Kept their numbers.
	Keep []string `json:"keep"`
	Kept []int    `json:"kept"`
	// Image is the file that PrepareConfig opens as the image.
	Image string `json:"image"`
	// Write is what PrepareConfig writes over the engine configuration's document.
	Write string `json:"write"`
	// Release is whether PrepareConfig releases the starter configuration, and then goes on with it.
	Release bool `json:"release"`
	// Make has directories that PrepareConfig makes on the host.
	Make []string `json:"make"`
	// Hostname is what CreateContainer sets through the RPC server, if anything.
	Hostname string `json:"hostname"`
	// Exec is the program to execute.
	Exec []string `json:"exec"`
	// Shim is the program that an init shim runs and waits for, in place of Exec.
	Shim        []string `json:"shim"`
	HandshakeMS *uint32  `json:"handshake_ms"`
	ContainerMS uint32   `json:"container_ms"`
	// Watch is the record of this run, in which CleanupHost looks for processes that still live.
	Watch string `json:"watch"`
}

// UnmarshalJSON refuses what no scenario means: keys that there are not. Where it fails, the configuration stays as it was.
func (c *Config) UnmarshalJSON(text []byte) error {
	type plain Config
	var read plain
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&read); err != nil {
		return located(err)
	}
	*c = Config(read)
	return nil
}

// located says where in the document it is.
func located(err error) error {
	if key, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		key = strings.Trim(key, `"`)
		return fmt.Errorf("engineConfig.%s: unknown field `%s`", key, key)
	}
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return fmt.Errorf("engineConfig.%s: invalid type: %s, expected %s", mismatch.Field, mismatch.Value, mismatch.Type)
	}
	return fmt.Errorf("engineConfig: %w", err)
}

// mapping is a line of an id map: container, host, size.
type mapping [3]uint32

// UnmarshalJSON refuses a line of another length, which encoding/json would fill or cut.
func (m *mapping) UnmarshalJSON(text []byte) error {
	var line []uint32
	if err := json.Unmarshal(text, &line); err != nil {
		return err
	}
	if len(line) != len(m) {
		return fmt.Errorf("an id map has a line of %d numbers, expected %d", len(line), len(m))
	}
	*m = mapping(line)
	return nil
}
