// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/launch"
)

// run launches this binary as a starter, and returns what it was given.
func run(t *testing.T, host launch.Host, config any, ops ...launch.CommandOp) report {
	t.Helper()
	host.Starter, host.StarterSuid = executable(t), executable(t)
	launch.Setup(host)
	var stdout, stderr bytes.Buffer
	ops = append(ops, launch.WithStdout(&stdout), launch.WithStderr(&stderr))
	if err := launch.Run(orders{}.name(), config, ops...); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var given report
	if err := json.Unmarshal(stdout.Bytes(), &given); err != nil {
		t.Fatal(err)
	}
	return given
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestTheEnvironmentIsMadeFromNothing(t *testing.T) {
	t.Setenv("PATH", "/bin")
	t.Setenv("ENGINE_CONFIG2", "of another launch")
	given := run(t, launch.Host{}, struct{}{})
	equal(t, given.Arguments, []string{orders{}.name()})
	equal(t, given.Environment, []string{"ENGINE_CONFIG1={}", "ENGINE_CONFIG_CHUNKS=1", "GOGC=off", "PINION_MESSAGELEVEL=1"})
}

func TestOptionsAreVariables(t *testing.T) {
	given := run(t, launch.Host{}, struct{}{}, launch.PostStartHost(true), launch.CleanupHost(true), launch.LoadOverlayModule(true),
		launch.PostStartHost(false), launch.UseSuid(true))
	equal(t, given.Environment, []string{"CLEANUP_HOST=1", "ENGINE_CONFIG1={}", "ENGINE_CONFIG_CHUNKS=1", "GOGC=off",
		"LOAD_OVERLAY_MODULE=1", "PINION_MESSAGELEVEL=1"})
}

func TestTheLevelIsTheOneAtTheLaunch(t *testing.T) {
	level := 1
	host := launch.Host{LevelVariable: "PRODUCT_LEVEL", Level: func() int { return level }, ByDescriptor: true}
	for _, level = range []int{-3, 5, 95, -93} {
		given := run(t, host, struct{}{})
		equal(t, given.Environment[2], "PRODUCT_LEVEL="+strconv.Itoa(level))
	}
}

func TestTheConfigurationArrivesBothWays(t *testing.T) {
	common := &config.Common{EngineName: "sample", ContainerID: "<first>\x00", EngineConfig: map[string]int{"a": 1}}
	want, err := json.Marshal(common)
	if err != nil {
		t.Fatal(err)
	}
	for _, byDescriptor := range []bool{false, true} {
		given := run(t, launch.Host{ByDescriptor: byDescriptor}, common)
		equal(t, given.Document, string(want))
		equal(t, given.Sealed != nil, byDescriptor)
	}
}

func TestByDescriptorTheStarterGetsASealedMemoryFileAndNoChunks(t *testing.T) {
	given := run(t, launch.Host{ByDescriptor: true}, struct{}{})
	if given.Sealed == nil {
		t.Fatalf("no descriptor in %q", given.Environment)
	}
	number := given.Sealed.Descriptor
	equal(t, given.Environment, []string{"GOGC=off", "PINION_CONFIG_FD=" + strconv.Itoa(number), "PINION_MESSAGELEVEL=1"})
	const all = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	equal(t, given.Sealed.Seals&all, all)
	equal(t, []bool{given.Sealed.Regular, given.Sealed.Memory}, []bool{true, true})
	equal(t, given.Inherited[number], "/memfd:engine-config (deleted)")
}
