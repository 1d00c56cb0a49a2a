// SPDX-License-Identifier: Apache-2.0 OR MIT

package capi

/*
#include "vtable.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/pinion-runtime/pinion/go/internal/hook"
)

// config is a starter configuration that the core lends to PrepareConfig.
type config struct{ raw *C.pinion_config }

func (c config) IsSUID() bool      { return bool(C.pinion_config_is_suid(c.raw)) }
func (c config) ContainerPID() int { return int(C.pinion_config_container_pid(c.raw)) }
func (c config) ImageFd() int      { return int(C.pinion_config_image_fd(c.raw)) }

func (c config) SetBool(setting hook.Setting, on bool) error {
	value := C.bool(on)
	switch setting {
	case hook.Instance:
		return lift(C.pinion_config_set_instance(c.raw, value))
	case hook.NoNewPrivs:
		return lift(C.pinion_config_set_no_new_privs(c.raw, value))
	case hook.MasterPropagateMount:
		return lift(C.pinion_config_set_master_propagate_mount(c.raw, value))
	case hook.NamespaceJoinOnly:
		return lift(C.pinion_config_set_namespace_join_only(c.raw, value))
	case hook.BringLoopbackInterface:
		return lift(C.pinion_config_set_bring_loopback_interface(c.raw, value))
	case hook.NvCCLICaps:
		return lift(C.pinion_config_set_nvccli_caps(c.raw, value))
	case hook.HybridWorkflow:
		return lift(C.pinion_config_set_hybrid_workflow(c.raw, value))
	case hook.AllowSetgroups:
		return lift(C.pinion_config_set_allow_setgroups(c.raw, value))
	case hook.NoSetgroups:
		return lift(C.pinion_config_set_no_setgroups(c.raw, value))
	case hook.NativeRPC:
		return lift(C.pinion_config_set_native_rpc(c.raw, value))
	}
	return fmt.Errorf("set starter setting %d: there is none of this number", setting)
}

func (c config) SetMountPropagation(propagation string) error {
	return lift(C.pinion_config_set_mount_propagation(c.raw, view(propagation)))
}

// descriptor refuses what is none before C would cut it off.
func descriptor(fd int) (C.int32_t, error) {
	if int(int32(fd)) != fd {
		return 0, fmt.Errorf("descriptor %d: no descriptor has this number", fd)
	}
	return C.int32_t(fd), nil
}

func (c config) withFd(fd int, set func(C.int32_t) *C.pinion_error) error {
	number, err := descriptor(fd)
	if err != nil {
		return err
	}
	return lift(set(number))
}

func (c config) SetWorkingDirectoryFd(fd int) error {
	return c.withFd(fd, func(fd C.int32_t) *C.pinion_error { return C.pinion_config_set_working_directory_fd(c.raw, fd) })
}

func (c config) SetImageFd(fd int) error {
	return c.withFd(fd, func(fd C.int32_t) *C.pinion_error { return C.pinion_config_set_image_fd(c.raw, fd) })
}

func (c config) KeepFileDescriptor(fd int) error {
	return c.withFd(fd, func(fd C.int32_t) *C.pinion_error { return C.pinion_config_keep_file_descriptor(c.raw, fd) })
}

func (c config) JSON() ([]byte, error) {
	var bytes *C.pinion_bytes
	if err := lift(C.pinion_config_json(c.raw, &bytes)); err != nil {
		return nil, err
	}
	return taken(bytes), nil
}

func (c config) Write(json []byte) error {
	return lift(C.pinion_config_write(c.raw, viewOf(json)))
}

func mappings(lines []hook.Mapping) (*C.pinion_id_mapping, C.size_t) {
	own := make([]C.pinion_id_mapping, len(lines))
	for i, line := range lines {
		own[i] = C.pinion_id_mapping{
			container_id: C.uint32_t(line.Container),
			host_id:      C.uint32_t(line.Host),
			size:         C.uint32_t(line.Size),
		}
	}
	return unsafe.SliceData(own), C.size_t(len(own))
}

func (c config) AddUIDMappings(lines []hook.Mapping) error {
	first, count := mappings(lines)
	return lift(C.pinion_config_add_uid_mappings(c.raw, first, count))
}

func (c config) AddGIDMappings(lines []hook.Mapping) error {
	first, count := mappings(lines)
	return lift(C.pinion_config_add_gid_mappings(c.raw, first, count))
}

func (c config) SetNewUIDMapPath() error { return lift(C.pinion_config_set_newuidmap_path(c.raw)) }
func (c config) SetNewGIDMapPath() error { return lift(C.pinion_config_set_newgidmap_path(c.raw)) }

func (c config) SetNsFlags(flags int) error {
	if int(int32(flags)) != flags {
		return fmt.Errorf("set namespaces: flags %#x have bits that are no CLONE_NEW*", flags)
	}
	return lift(C.pinion_config_set_ns_flags(c.raw, C.int32_t(flags)))
}

// views lends strings inside a list, which the garbage collector must leave where they are for the call.
func views(pinner *runtime.Pinner, texts ...string) []C.pinion_view {
	list := make([]C.pinion_view, len(texts))
	for i, text := range texts {
		if text != "" {
			pinner.Pin(unsafe.StringData(text))
		}
		list[i] = view(text)
	}
	return list
}

func (c config) withNamespaces(list []hook.Namespace, set func(*C.pinion_namespace, C.size_t) *C.pinion_error) error {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	own := make([]C.pinion_namespace, len(list))
	for i, namespace := range list {
		texts := views(&pinner, namespace.Kind, namespace.Path)
		own[i] = C.pinion_namespace{kind: texts[0], path: texts[1]}
	}
	return lift(set(unsafe.SliceData(own), C.size_t(len(own))))
}

func (c config) SetNsFlagsFromSpec(list []hook.Namespace) error {
	return c.withNamespaces(list, func(first *C.pinion_namespace, count C.size_t) *C.pinion_error {
		return C.pinion_config_set_ns_flags_from_spec(c.raw, first, count)
	})
}

func (c config) SetNsPath(kind, path string) error {
	return lift(C.pinion_config_set_ns_path(c.raw, view(kind), view(path)))
}

func (c config) SetNsPathFromSpec(list []hook.Namespace) error {
	return c.withNamespaces(list, func(first *C.pinion_namespace, count C.size_t) *C.pinion_error {
		return C.pinion_config_set_ns_path_from_spec(c.raw, first, count)
	})
}

func (c config) SetCapabilities(set string, names []string) error {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	list := views(&pinner, names...)
	return lift(C.pinion_config_set_capabilities(c.raw, view(set), unsafe.SliceData(list), C.size_t(len(list))))
}

func (c config) SetTargetUID(uid int64) error {
	return lift(C.pinion_config_set_target_uid(c.raw, C.int64_t(uid)))
}

func (c config) SetTargetGID(gids []int64) error {
	first := (*C.int64_t)(unsafe.SliceData(gids))
	return lift(C.pinion_config_set_target_gid(c.raw, first, C.size_t(len(gids))))
}

func (c config) SetTimeouts(handshake, container uint32) error {
	return lift(C.pinion_config_set_timeouts(c.raw, C.uint32_t(handshake), C.uint32_t(container)))
}

func (c config) NoteMount(path string) error {
	return lift(C.pinion_config_note_mount(c.raw, view(path)))
}

func (c config) NoteFile(path string) error {
	return lift(C.pinion_config_note_file(c.raw, view(path)))
}

func (c config) NoteDirectory(path string) error {
	return lift(C.pinion_config_note_directory(c.raw, view(path)))
}

func (c config) Release() error { return lift(C.pinion_config_release(c.raw)) }
