// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package suite has the tests of bad input that need no start and hold with a core and without one: this package's own tests run
// it over the pure state, package badinput's over the core.
package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/engine/config/starter"
)

// Run runs the suite. It may be run more than once in a process.
func Run(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"every beginning of a document", testBeginnings},
		{"every byte of a document changed", testChanges},
		{"64 MiB exactly", testLimit},
		{"a connection that ends in a reply", testEndInReply},
		{"a connection whose client says no more", testHalfClosed},
		{"a connection that its own side closes", testClosedByItsOwner},
		{"a connection of which both sides are closed", testBothClosed},
		{"a connection that is closed twice", testClosedTwice},
	} {
		t.Run(test.name, test.run)
	}
}

var names atomic.Int64

// plain is an engine that keeps its configuration, as a careless one does.
type plain struct{ own *settings }

type settings struct {
	Image  string
	Count  int
	Env    map[string]string
	Nested struct{ Words []string }
}

func (p *plain) Config() config.EngineConfig {
	p.own = new(settings)
	return p.own
}

func (*plain) InitConfig(*config.Common) {}

func (*plain) PrepareConfig(*starter.Config) error { return nil }

func (*plain) CreateContainer(context.Context, int, net.Conn) error { return nil }

func (*plain) StartProcess(net.Conn) error { return nil }

func (*plain) PostStartProcess(context.Context, int) error { return nil }

func (*plain) MonitorContainer(int, chan os.Signal) (syscall.WaitStatus, error) { return 0, nil }

func (*plain) CleanupContainer(context.Context, error, syscall.WaitStatus) error { return nil }

func (*plain) PostStartHost(context.Context) error { return nil }

func (*plain) CleanupHost(context.Context) error { return nil }

// registered registers an engine and returns a document for it.
func registered() (own *plain, name string, document []byte) {
	own, name = new(plain), fmt.Sprintf("bad-%d", names.Add(1))
	engine.RegisterOperations(name, own)
	document = fmt.Appendf(nil, `{"engineName":%q,"containerID":"c\u00e9","engineConfig":{"Image":"/a.img","Count":-12,`+
		`"Env":{"A":"1","B":null},"Nested":{"Words":["x","y\n"]}},"plugin":{"audit":{"level":[1.5e3,true,null]}},"other":[{}]}`, name)
	return own, name, document
}

func testBeginnings(t *testing.T) {
	_, _, document := registered()
	if _, err := engine.Get(document); err != nil {
		t.Fatal(err)
	}
	for length := range len(document) {
		if e, err := engine.Get(document[:length]); err == nil || e != nil {
			t.Errorf("accepted: %s", document[:length])
		}
	}
}

// Whatever a changed byte makes of the document, it is read as encoding/json reads it.
func testChanges(t *testing.T) {
	own, name, document := registered()
	for place := range document {
		for _, other := range []byte{0, '"', '{', ']', ',', '9', '\\', 0xff, document[place] ^ 0x20} {
			changed := bytes.Clone(document)
			changed[place] = other
			e, err := engine.Get(changed)
			var want settings
			common := config.Common{EngineConfig: &want}
			wrong := json.Unmarshal(changed, &common)
			switch {
			case (err == nil) != (wrong == nil && common.EngineName == name):
				t.Errorf("%s: %v; encoding/json: %v", changed, err, wrong)
			case err == nil && (fmt.Sprint(*own.own) != fmt.Sprint(want) || e.ContainerID != common.ContainerID):
				t.Errorf("%s: %v, not %v", changed, *own.own, want)
			}
		}
	}
}

func testLimit(t *testing.T) {
	own, _, document := registered()
	const most = 64 << 20
	document = append(document, bytes.Repeat([]byte{' '}, most-len(document))...)
	if _, err := engine.Get(document); err != nil || own.own.Image != "/a.img" {
		t.Errorf("%d bytes: %v", len(document), err)
	}
	if _, err := engine.Get(append(document, ' ')); err == nil {
		t.Errorf("%d bytes were accepted", len(document)+1)
	}
}
