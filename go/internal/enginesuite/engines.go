// SPDX-License-Identifier: Apache-2.0 OR MIT

package enginesuite

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/engine/config/starter"
)

// rest are the callbacks that only a lifecycle calls.
type rest struct{}

func (rest) CreateContainer(context.Context, int, net.Conn) error { return nil }

func (rest) StartProcess(net.Conn) error { return nil }

func (rest) PostStartProcess(context.Context, int) error { return nil }

func (rest) MonitorContainer(int, chan os.Signal) (syscall.WaitStatus, error) { return 0, nil }

func (rest) CleanupContainer(context.Context, error, syscall.WaitStatus) error { return nil }

func (rest) PostStartHost(context.Context) error { return nil }

func (rest) CleanupHost(context.Context) error { return nil }

// settings are an engine's own configuration.
type settings struct {
	Image  string            `json:"image"`
	Count  int               `json:"count"`
	Env    map[string]string `json:"env"`
	Nested struct {
		Words []string `json:"words"`
	} `json:"nested"`
}

// shell is an engine as the family writes them: it keeps a pointer to its configuration and writes through it.
type shell struct {
	rest
	own    *settings
	common *config.Common
}

func (s *shell) Config() config.EngineConfig {
	s.own = new(settings)
	return s.own
}

func (s *shell) InitConfig(common *config.Common) { s.common = common }

func (s *shell) PrepareConfig(*starter.Config) error {
	s.own.Image = "prepared"
	s.common.ContainerID = "prepared too"
	return s.common.SetPluginConfig("audit", map[string]int{"level": 3})
}

// preStart is the optional callback.
type preStart struct{ err error }

func (p preStart) PreStartProcess(context.Context, int, net.Conn, chan error) error { return p.err }

// eager is a shell that has it.
type eager struct {
	shell
	preStart
}

// answering is an engine whose Config answers what it is told to.
type answering struct {
	shell
	answer config.EngineConfig
}

func (a *answering) Config() config.EngineConfig { return a.answer }

// document is the JSON of an engine configuration.
func document(name, own string) []byte {
	return fmt.Appendf(nil, `{"engineName":%q,"containerID":"c1","engineConfig":%s,"unknown":[1]}`, name, own)
}
