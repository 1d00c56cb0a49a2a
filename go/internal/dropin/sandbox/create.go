// SPDX-License-Identifier: Apache-2.0 OR MIT

package sandbox

import (
	"context"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func init() {
	gob.Register([]string{})
	gob.Register(map[string]int{})
}

func (s *sandbox) CreateContainer(ctx context.Context, pid int, conn net.Conn) error {
	err := s.begin(ctx, pid)
	if err != nil {
		return err
	}
	if s.made.Fail["CreateContainer's context"] != "" {
		return s.awaitCancel(ctx)
	}
	if s.helper, err = startHelper(); err != nil {
		return err
	}
	client := rpc.NewClient(conn)
	defer client.Close()
	if s.common.EngineName == Builtin {
		return s.createByBuiltin(client, pid)
	}
	if err := s.converse(client); err != nil {
		return err
	}
	return s.mountRoot(client)
}

// begin lets MonitorContainer tell of itself when CreateContainer has.
func (s *sandbox) begin(ctx context.Context, pid int) error {
	defer close(s.created)
	dropped, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", s.made.Dropped))
	return s.enter("CreateContainer", values{"dropped": fmt.Sprint(dropped != droppedFile), "pid": number(pid),
		"context": fmt.Sprint(ctx.Err()), "prepared": s.made.Prepared, "identity": s.identity(),
		"kept": s.made.leads(), "id": s.common.ContainerID})
}

// leads says where the kept descriptors lead.
func (c *Config) leads() string {
	var all []string
	for _, fd := range c.Kept {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			target = err.Error()
		}
		all = append(all, fmt.Sprint(filepath.Base(target)))
	}
	return strings.Join(all, " ")
}

// converse exchanges values and errors with the RPC server, and tells of them.
func (s *sandbox) converse(client *rpc.Client) error {
	sent := Values{Text: "there", Number: 1 << 40, Real: 0.1, Bytes: []byte{0, 255}, Lists: map[string][]int{"a": {1, -2}, "b": {}},
		Time: time.Unix(1700000000, 5).UTC(), Inner: &Values{Text: "deep", Any: map[string]int{"x": 1}},
		Numbers: [3]uint16{1, 2, 65535}, Any: []string{"one", "two"}}
	var back Values
	if err := client.Call(s.common.EngineName+".Return", &sent, &back); err != nil {
		return fmt.Errorf("exchange values: %w", err)
	}
	text, err := json.Marshal(back)
	if err != nil {
		return err
	}
	own := values{"values": string(text)}
	for what, call := range map[string]func() error{
		"refused":         func() error { return client.Call(s.common.EngineName+".Refuse", "because", new(int)) },
		"unfit method":    func() error { return client.Call(s.common.EngineName+".Unfit", "", new(int)) },
		"unknown method":  func() error { return client.Call(s.common.EngineName+".Nothing", "", new(int)) },
		"unknown service": func() error { return client.Call("nobody.Look", "", new(int)) },
		"ill-formed":      func() error { return client.Call("nothing", "", new(int)) },
		"failed mount": func() error {
			return client.Call(s.common.EngineName+".Mount", &MountArgs{Source: "none", Target: "/nowhere", Kind: "tmpfs"}, new(int))
		},
	} {
		own[what] = fmt.Sprint(call())
	}
	var before int
	if err := client.Call(s.common.EngineName+".Umask", s.made.Umask, &before); err != nil {
		return err
	}
	own["umask before"] = fmt.Sprintf("%#o", before)
	if err := client.Call(s.common.EngineName+".Hostname", s.made.Spec.Hostname, new(int)); err != nil {
		return err
	}
	var seen Seen
	if err := client.Call(s.common.EngineName+".Look", s.made, &seen); err != nil {
		return err
	}
	own["kept in the RPC server"] = strings.Join(seen.Kept, " ")
	return s.tell("RPC values", own)
}

// mountRoot makes the container's root, as the container's mounts have it.
func (s *sandbox) mountRoot(client *rpc.Client) error {
	root := s.made.Spec.Root
	if root == nil {
		return nil
	}
	mounts := append([]specs.Mount{{Source: root.Path, Destination: "/", Options: []string{"rbind"}}}, s.made.Spec.Mounts...)
	for _, one := range mounts {
		args := &MountArgs{Source: one.Source, Target: filepath.Join(root.Path, one.Destination), Kind: one.Type}
		for _, option := range one.Options {
			switch option {
			case "rbind":
				args.Flags |= unix.MS_BIND | unix.MS_REC
			default:
				return fmt.Errorf("mount on %s: option %q is unknown", one.Destination, option)
			}
		}
		if err := client.Call(s.common.EngineName+".Mount", args, new(int)); err != nil {
			return err
		}
	}
	return client.Call(s.common.EngineName+".Pivot", root.Path, new(int))
}
