// SPDX-License-Identifier: Apache-2.0 OR MIT

package engine_test

import (
	"context"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"syscall"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/engine/config/starter"
)

// settings are the engine's own configuration.
type settings struct {
	Image string `json:"image"`
}

// shell is an engine that executes a shell. Its other callbacks have nothing to do.
type shell struct {
	own    settings
	common *config.Common
}

func (s *shell) Config() config.EngineConfig       { return &s.own }
func (s *shell) InitConfig(common *config.Common)  { s.common = common }
func (*shell) PrepareConfig(*starter.Config) error { return nil }

func (*shell) CreateContainer(context.Context, int, net.Conn) error { return nil }
func (*shell) StartProcess(net.Conn) error                          { return syscall.Exec("/bin/sh", []string{"sh"}, nil) }
func (*shell) PostStartProcess(context.Context, int) error          { return nil }
func (*shell) PostStartHost(context.Context) error                  { return nil }
func (*shell) CleanupHost(context.Context) error                    { return nil }

func (*shell) CleanupContainer(context.Context, error, syscall.WaitStatus) error { return nil }

func (*shell) MonitorContainer(pid int, _ chan os.Signal) (status syscall.WaitStatus, err error) {
	_, err = syscall.Wait4(pid, &status, 0, nil)
	return status, err
}

// The object that Config returned is filled, and InitConfig has been called with what is around it.
func ExampleGet() {
	engine.RegisterOperations("shell", new(shell))
	e, err := engine.Get([]byte(`{"engineName":"shell","containerID":"one","engineConfig":{"image":"/images/one.sif"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.ContainerID, e.EngineConfig.(*settings).Image)
	_, err = engine.Get([]byte(`{"engineName":"other"}`))
	fmt.Println(err != nil)
	// Output:
	// one /images/one.sif
	// true
}

// Count is what the RPC methods below are about.
type Count struct{ of int }

// Add adds.
func (c *Count) Add(more int, sum *int) error {
	c.of += more
	*sum = c.of
	return nil
}

// The methods are served under the engine's name, to any client of net/rpc.
func ExampleServeRPCRequests() {
	engine.RegisterOperations("counting", new(shell))
	engine.RegisterRPCMethods("counting", new(Count))
	e, err := engine.Get([]byte(`{"engineName":"counting"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	near, far := net.Pipe()
	go engine.ServeRPCRequests(e, far)
	client := rpc.NewClient(near)
	defer client.Close()
	var sum int
	fmt.Println(client.Call("counting.Add", 3, &sum), sum)
	// Output: <nil> 3
}

// HostCommon and HostStarter are types that a host keeps.
type HostCommon struct {
	EngineName   string `json:"engineName"`
	Owner        string `json:"owner"`
	EngineConfig any    `json:"engineConfig"`
}

// HostStarter is the host's starter configuration.
type HostStarter struct{}

// hostShell is an engine of the host's, in its types.
type hostShell struct{ shell }

func (s *hostShell) Config() any                    { return &s.own }
func (s *hostShell) InitConfig(*HostCommon)         {}
func (*hostShell) PrepareConfig(*HostStarter) error { return nil }

// A host makes functions of the names that it had of such a registry.
func ExampleNewRegistry() {
	registry := engine.NewRegistry[*HostCommon, any, *HostStarter](
		func(own any) *HostCommon { return &HostCommon{EngineConfig: own} })
	registry.RegisterOperations("host", new(hostShell))
	_, common, err := registry.Load([]byte(`{"engineName":"host","owner":"me","engineConfig":{"image":"/one.sif"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(common.Owner, common.EngineConfig.(*settings).Image)
	// Output: me /one.sif
}
