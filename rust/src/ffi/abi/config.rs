// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The starter configuration: what PrepareConfig decides about everything that follows. Setters may be called in any
//! order, and the last call wins; one that fails changes nothing. After pinion_config_release each setter is an error
//! and each getter neutral, but what was decided and the warnings stay. Only for the thread of PrepareConfig.

use super::crossing::pinion_error;
use super::guard::{answer, free, guard};
use super::handle::{self, Opaque};
use super::view::{block, list, pinion_bytes, pinion_view, put, put_bytes, texts};
use crate::config::{Facts, IdMapping, Namespace, Timeouts};
use crate::engine::StarterConfig;
use crate::error::{Error, Result};
use crate::lifecycle::journal::Entry;

/// What a start will do.
pub struct pinion_config {
    _opaque: (),
}

impl Opaque for pinion_config {
    type Inner = StarterConfig;
    const NAME: &'static str = "pinion_config";
}

/// One line of an id map (user_namespaces(7)).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinion_id_mapping {
    /// The first id inside the container.
    pub container_id: u32,
    /// The first id on the host.
    pub host_id: u32,
    /// How many ids follow each other, at least 1.
    pub size: u32,
}

/// A namespace as the OCI runtime specification has it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinion_namespace {
    /// pid, network, mount, ipc, uts, user or cgroup.
    pub kind: pinion_view,
    /// The namespace to join, empty to create one.
    pub path: pinion_view,
}

fn set(config: *mut pinion_config, setter: impl FnOnce(&mut StarterConfig) -> Result<()>) -> *mut pinion_error {
    guard(|| handle::with(config, setter))
}

fn mappings(first: *const pinion_id_mapping, count: usize) -> Result<Vec<IdMapping>> {
    let lines = list(first, count, "the id map")?.iter();
    let line = |line: &pinion_id_mapping| IdMapping {
        container_id: line.container_id,
        host_id: line.host_id,
        size: line.size,
    };
    Ok(lines.map(line).collect())
}

fn namespaces(first: *const pinion_namespace, count: usize) -> Result<Vec<Namespace>> {
    let namespaces = list(first, count, "the namespaces")?.iter();
    let namespace = |namespace: &pinion_namespace| {
        Ok(Namespace {
            kind: namespace.kind.text("a namespace's kind")?.to_owned(),
            path: namespace.path.text("a namespace's path")?.to_owned(),
        })
    };
    namespaces.map(namespace).collect()
}

/// Makes a starter configuration outside of a lifecycle, for a program that has a starter of its own and calls
/// PrepareConfig by pinion_engine_prepare_config. `json` is the engine configuration's document, copied. The caller
/// frees it with pinion_config_free; any thread may use it, one at a time.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_new(
    json: pinion_view,
    is_suid: bool,
    config: *mut *mut pinion_config,
) -> *mut pinion_error {
    guard(|| {
        let json = json.bytes("the engine configuration")?.to_vec();
        put(config, "the place for the starter configuration", || {
            handle::own(StarterConfig::new(Facts { is_suid }, json, None))
        })
    })
}

/// What was decided, as JSON: the settings from which the plan is made. The caller frees `json` with
/// pinion_bytes_free.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_settings(
    config: *mut pinion_config,
    json: *mut *mut pinion_bytes,
) -> *mut pinion_error {
    guard(|| {
        put_bytes(json, || {
            handle::with(config, |config| {
                serde_json::to_vec(config.settings()).map_err(|error| Error::invalid(format!("the settings: {error}")))
            })
        })
    })
}

/// Whether the setuid flow runs. A fact: also known after the release.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_config_is_suid(config: *mut pinion_config) -> bool {
    answer(false, || handle::with(config, |config| Ok(config.is_suid())))
}

/// The container process's pid on the host. 0: in stage 1 there is none yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_config_container_pid(config: *mut pinion_config) -> i32 {
    answer(0, || handle::with(config, |config| Ok(config.container_pid())))
}

/// Makes the container an instance: it runs on in a session of its own, with master, and who launched it
/// gets 0 as soon as PostStartProcess has returned.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_instance(config: *mut pinion_config, on: bool) -> *mut pinion_error {
    set(config, |config| config.set_instance(on))
}

/// Sets no_new_privs for the container process.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_no_new_privs(config: *mut pinion_config, on: bool) -> *mut pinion_error {
    set(config, |config| config.set_no_new_privs(on))
}

/// Shares a mount namespace with master.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_master_propagate_mount(
    config: *mut pinion_config,
    on: bool,
) -> *mut pinion_error {
    set(config, |config| config.set_master_propagate_mount(on))
}

/// Joins a running container: no RPC server, no engine in master.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_namespace_join_only(
    config: *mut pinion_config,
    on: bool,
) -> *mut pinion_error {
    set(config, |config| config.set_namespace_join_only(on))
}

/// Brings `lo` up in a new network namespace.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_bring_loopback_interface(
    config: *mut pinion_config,
    on: bool,
) -> *mut pinion_error {
    set(config, |config| config.set_bring_loopback_interface(on))
}

/// Sets the propagation of / in the new mount namespace: shared, slave, private or unbindable, with an r in front for
/// the whole tree of mounts. Errors: PINION_INVALID for another word.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_mount_propagation(
    config: *mut pinion_config,
    propagation: pinion_view,
) -> *mut pinion_error {
    set(config, |config| config.set_mount_propagation(propagation.text("the propagation")?))
}

/// Sets the starter's working directory after stage 1. `fd` stays the caller's, and must be open when PrepareConfig
/// returns. Errors: PINION_INVALID for a negative number.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_working_directory_fd(
    config: *mut pinion_config,
    fd: i32,
) -> *mut pinion_error {
    set(config, |config| config.set_working_directory_fd(fd))
}

/// Sets the descriptor that master closes before host clean-up, at this number. As
/// pinion_config_set_working_directory_fd.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_image_fd(config: *mut pinion_config, fd: i32) -> *mut pinion_error {
    set(config, |config| config.set_image_fd(fd))
}

/// The descriptor that pinion_config_set_image_fd set; -1 if none is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_config_image_fd(config: *mut pinion_config) -> i32 {
    answer(-1, || handle::with(config, |config| Ok(config.image_fd().unwrap_or(-1))))
}

/// Lets a descriptor survive stage 1 at the same number, with close-on-exec. `fd` stays the caller's, and must be
/// open when PrepareConfig returns. Errors: PINION_INVALID for a negative number, or more than 1024 descriptors.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_keep_file_descriptor(config: *mut pinion_config, fd: i32) -> *mut pinion_error {
    set(config, |config| config.keep_file_descriptor(fd))
}

/// Enlarges the bounding set of the RPC server, for nvidia-container-cli.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_nvccli_caps(config: *mut pinion_config, on: bool) -> *mut pinion_error {
    set(config, |config| config.set_nvccli_caps(on))
}

/// Leaves master outside the new user namespace in which the container runs (fakeroot).
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_hybrid_workflow(config: *mut pinion_config, on: bool) -> *mut pinion_error {
    set(config, |config| config.set_hybrid_workflow(on))
}

/// Allows setgroups in the container.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_allow_setgroups(config: *mut pinion_config, on: bool) -> *mut pinion_error {
    set(config, |config| config.set_allow_setgroups(on))
}

/// Keeps the host's supplementary groups.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_no_setgroups(config: *mut pinion_config, on: bool) -> *mut pinion_error {
    set(config, |config| config.set_no_setgroups(on))
}

/// A copy of the engine configuration's bytes, as last written; empty after the release. The caller frees `json` with
/// pinion_bytes_free.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_json(
    config: *mut pinion_config,
    json: *mut *mut pinion_bytes,
) -> *mut pinion_error {
    guard(|| put_bytes(json, || handle::with(config, |config| Ok(config.json_config()))))
}

/// Writes a document over the engine configuration, copied. Errors: PINION_INVALID for what is not one JSON value, or
/// more than 64 MiB.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_write(config: *mut pinion_config, json: pinion_view) -> *mut pinion_error {
    set(config, |config| config.write_json(json.bytes("the engine configuration")?.to_vec()))
}

/// Sets the user id map of `count` lines in place of an earlier one. Errors: PINION_INVALID for a size of 0, ids that
/// overlap or go beyond 4,294,967,294, more than 340 lines, or a text of more than 4,094 bytes.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_add_uid_mappings(
    config: *mut pinion_config,
    lines: *const pinion_id_mapping,
    count: usize,
) -> *mut pinion_error {
    set(config, |config| config.add_uid_mappings(&mappings(lines, count)?))
}

/// As pinion_config_add_uid_mappings, for groups.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_add_gid_mappings(
    config: *mut pinion_config,
    lines: *const pinion_id_mapping,
    count: usize,
) -> *mut pinion_error {
    set(config, |config| config.add_gid_mappings(&mappings(lines, count)?))
}

/// Finds newuidmap in the default PATH, to write a user id map of more than one id for an ordinary user. Errors:
/// PINION_REFUSED in the setuid flow, or where others than root can write it; PINION_NOT_FOUND.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_newuidmap_path(config: *mut pinion_config) -> *mut pinion_error {
    set(config, StarterConfig::set_newuidmap_path)
}

/// As pinion_config_set_newuidmap_path, for newgidmap.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_newgidmap_path(config: *mut pinion_config) -> *mut pinion_error {
    set(config, StarterConfig::set_newgidmap_path)
}

/// Sets the namespaces to create, as CLONE_NEW* bits (clone(2)). Errors: PINION_INVALID for other bits.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_ns_flags(config: *mut pinion_config, flags: i32) -> *mut pinion_error {
    set(config, |config| config.set_ns_flags(flags))
}

/// Sets the namespaces to create: those of `count` that have no path. Errors: PINION_INVALID for an unknown kind.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_ns_flags_from_spec(
    config: *mut pinion_config,
    list: *const pinion_namespace,
    count: usize,
) -> *mut pinion_error {
    set(config, |config| config.set_ns_flags_from_spec(&namespaces(list, count)?))
}

/// Sets a namespace to join. `path` may be relative to the working directory that is set. Errors: PINION_INVALID for
/// an unknown kind, or a path that is empty, has a NUL or more than 4,095 bytes.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_ns_path(
    config: *mut pinion_config,
    kind: pinion_view,
    path: pinion_view,
) -> *mut pinion_error {
    set(config, |config| config.set_ns_path(kind.text("a namespace's kind")?, path.text("a namespace's path")?))
}

/// Sets the namespaces to join: those of `count` that have a path; all or none. Errors: as pinion_config_set_ns_path.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_ns_path_from_spec(
    config: *mut pinion_config,
    list: *const pinion_namespace,
    count: usize,
) -> *mut pinion_error {
    set(config, |config| config.set_ns_path_from_spec(&namespaces(list, count)?))
}

/// Sets one of the container process's five capability sets (permitted, effective, inheritable, bounding, ambient) to
/// `count` names as in capabilities(7), CAP_CHOWN for example. Errors: PINION_INVALID for an unknown set or name.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_capabilities(
    config: *mut pinion_config,
    capability_set: pinion_view,
    names: *const pinion_view,
    count: usize,
) -> *mut pinion_error {
    set(config, |config| {
        let names = texts(names, count, "a capability's name")?;
        config.set_capabilities(capability_set.text("the capability set")?, &names)
    })
}

/// Sets the user id of the container process, 0 to 4,294,967,294. Errors: PINION_INVALID for any other number.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_target_uid(config: *mut pinion_config, uid: i64) -> *mut pinion_error {
    set(config, |config| config.set_target_uid(uid))
}

/// Sets the `count` group ids of the container process, each 0 to 4,294,967,294, the first being its gid. Of more
/// than 32 the first 32 count, with a warning. Errors: PINION_INVALID for any other number.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_target_gid(
    config: *mut pinion_config,
    gids: *const i64,
    count: usize,
) -> *mut pinion_error {
    set(config, |config| config.set_target_gid(list(gids, count, "the group ids")?))
}

/// Lets the RPC server serve built-in methods only, without the program's own runtime.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_native_rpc(config: *mut pinion_config, on: bool) -> *mut pinion_error {
    set(config, |config| config.set_native_rpc(on))
}

/// Sets the limits of the waits in milliseconds: of one message of a handshake, 1 to 3,600,000 (60,000 where nothing
/// is set), and of the container's life, 0 for none. Errors: PINION_INVALID.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_set_timeouts(
    config: *mut pinion_config,
    handshake_ms: u32,
    container_ms: u32,
) -> *mut pinion_error {
    set(config, |config| config.set_timeouts(Timeouts { handshake_ms, container_ms, ..config.settings().timeouts }))
}

/// Ends the use of this configuration. Errors: PINION_REFUSED if it was released before.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_release(config: *mut pinion_config) -> *mut pinion_error {
    set(config, StarterConfig::release)
}

/// What was accepted only in part, one line after the other, each ended by a NUL. The caller frees `lines` with
/// pinion_bytes_free.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_warnings(
    config: *mut pinion_config,
    lines: *mut *mut pinion_bytes,
) -> *mut pinion_error {
    guard(|| put_bytes(lines, || handle::with(config, |config| Ok(block(config.warnings())))))
}

fn note(
    config: *mut pinion_config,
    path: pinion_view,
    entry: impl FnOnce(std::path::PathBuf) -> Entry,
) -> *mut pinion_error {
    set(config, |config| {
        let path = path.text("a path for the journal")?.into();
        config.note(&entry(path))
    })
}

/// Writes down that PrepareConfig is about to mount something on the host, so that whoever survives unmounts it.
/// Before it is done. Errors: PINION_INVALID for a path that is not absolute; PINION_REFUSED where the launcher did not
/// ask for the cleanup-host process, or after a release; PINION_SYSTEM.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_note_mount(config: *mut pinion_config, path: pinion_view) -> *mut pinion_error {
    note(config, path, Entry::Mount)
}

/// As pinion_config_note_mount, for a file, symbolic link or socket.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_note_file(config: *mut pinion_config, path: pinion_view) -> *mut pinion_error {
    note(config, path, Entry::File)
}

/// As pinion_config_note_mount, for a directory, which is removed if it is empty by then.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_config_note_directory(
    config: *mut pinion_config,
    path: pinion_view,
) -> *mut pinion_error {
    note(config, path, Entry::Directory)
}

/// Frees a configuration that pinion_config_new made. NULL does nothing. Returns 0, or PINION_MISUSE for what is none
/// any more, or was lent to PrepareConfig.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_config_free(config: *mut pinion_config) -> i32 {
    free(config, |config| handle::take(config).map(drop))
}
