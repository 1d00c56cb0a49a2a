// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package hook is where the core is put underneath the packages that are pure Go. They know it by these interfaces alone;
// package core sets it.
package hook

import (
	"context"
	"encoding/json"
	"net"
	"sync/atomic"

	"github.com/pinion-runtime/pinion/go/engine/ops"
)

// Engine is a registered engine as the core drives it, whatever types its host has.
type Engine interface {
	// Config makes a configuration document around the engine's zero value.
	Config() (Document, error)
	// PrepareConfig takes a starter configuration of the core's, made by [WrapConfig].
	PrepareConfig(starter any) error
	ops.Callbacks
	// Registered returns what was registered.
	Registered() any
	// HasPreStartProcess says whether the engine has the optional callback.
	HasPreStartProcess() bool
	PreStartProcess(ctx context.Context, pid int, master net.Conn, fatal chan error) error
}

// Document is one engine configuration, from Config to InitConfig and on.
type Document interface {
	// Decode fills it from the whole JSON document.
	Decode(json []byte) error
	// Init hands it to the engine's InitConfig.
	Init()
	// Encode makes the whole JSON document of what the engine has now.
	Encode() ([]byte, error)
}

// Found is an engine of another language, made ready by the core: its callbacks are called through it.
type Found interface {
	Engine
	// Common is what the document held besides the engine's own configuration, which is JSON here.
	Common() (name, id string, config json.RawMessage, plugins map[string]json.RawMessage, err error)
}

// Core is the registry and the RPC server of the core.
type Core interface {
	// Register makes an engine known, in place of one of the same name. The core calls gone when something else has taken the
	// name and nobody uses the engine any more.
	Register(name string, engine Engine, gone func()) error
	// RegisterMethods makes RPC methods known, in place of others; unfit says which others there are that net/rpc would not
	// serve, and why.
	RegisterMethods(name string, methods []Method, unfit []string) error
	// SetFeeder lets the core call feed, which registers what it has not been given, before it looks at its registry and
	// something new has been Registered.
	SetFeeder(feed func(Core)) error
	// Registered says that feed has something new.
	Registered()
	// Get makes an engine of another language ready.
	Get(document []byte) (Found, error)
	// Names lists the engines of every language, sorted.
	Names() []string
	// Serve serves an engine's methods, its own before the built-in ones, until the peer closes the connection.
	Serve(name string, connection net.Conn) error
}

// Method is an RPC method.
type Method interface {
	Name() string
	// Begin reads the argument, a gob stream, and returns what the call is: its result is the reply as such a stream.
	Begin(argument []byte) (call func() ([]byte, error), err error)
}

type box struct{ core Core }

var current atomic.Pointer[box]

// Current returns the core, or nil where there is none.
func Current() Core {
	if box := current.Load(); box != nil {
		return box.core
	}
	return nil
}

// onCore is what is waiting for a core.
var onCore []func(Core) error

// OnCore calls f with the core as soon as there is one. For the initialisation of packages that core imports alone.
func OnCore(f func(Core) error) {
	onCore = append(onCore, f)
}

// Attach puts the core underneath. Package core calls it while it is initialised.
func Attach(core Core) error {
	current.Store(&box{core})
	for _, f := range onCore {
		if err := f(core); err != nil {
			return err
		}
	}
	return nil
}

var begun atomic.Bool

// Begin ends registration: a role of the lifecycle begins.
func Begin() { begun.Store(true) }

// Begun says whether registration has ended.
func Begun() bool { return begun.Load() }

// Mapping is one line of an id map.
type Mapping struct{ Container, Host, Size uint32 }

// Namespace is a namespace to create, or to join where it has a path.
type Namespace struct{ Kind, Path string }

// Config is a starter configuration of the core's. The names are those of the C interface.
type Config interface {
	IsSUID() bool
	ContainerPID() int
	SetBool(setting Setting, on bool) error
	SetMountPropagation(propagation string) error
	SetWorkingDirectoryFd(fd int) error
	SetImageFd(fd int) error
	ImageFd() int
	KeepFileDescriptor(fd int) error
	JSON() ([]byte, error)
	Write(json []byte) error
	AddUIDMappings(lines []Mapping) error
	AddGIDMappings(lines []Mapping) error
	SetNewUIDMapPath() error
	SetNewGIDMapPath() error
	SetNsFlags(flags int) error
	SetNsFlagsFromSpec(list []Namespace) error
	SetNsPath(kind, path string) error
	SetNsPathFromSpec(list []Namespace) error
	SetCapabilities(set string, names []string) error
	SetTargetUID(uid int64) error
	SetTargetGID(gids []int64) error
	SetTimeouts(handshake, container uint32) error
	NoteMount(path string) error
	NoteFile(path string) error
	NoteDirectory(path string) error
	Release() error
}

// Setting is a starter setting that is on or off.
type Setting int

// The settings.
const (
	Instance Setting = iota
	NoNewPrivs
	MasterPropagateMount
	NamespaceJoinOnly
	BringLoopbackInterface
	NvCCLICaps
	HybridWorkflow
	AllowSetgroups
	NoSetgroups
	NativeRPC
)

// WrapConfig makes a *starter.Config of it. Package starter sets it.
var WrapConfig func(Config) any

// UnwrapConfig finds the core's configuration in a *starter.Config, or nil. Package starter sets it.
var UnwrapConfig func(config any) Config

// ConfigError returns the first error of a setter without a result. Package starter sets it.
var ConfigError func(config any) error
