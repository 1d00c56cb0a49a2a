// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The operations of an engine: ten callbacks in the order of a container's life, an optional one, and what belongs
//! to the engine's configuration object. Each is called in the process and with the privileges that its comment
//! names; `data` is what the program registered with the table.
//!
//! A callback returns NULL, or an error made by pinion_error_new or returned by another function of pinion, which is
//! pinion's then; what it stored beside an error is pinion's as well. It leaves user and group ids, capabilities,
//! signal mask, umask and working directory as it found them, does not execute another program or end the process
//! (StartProcess may), and does not come back in a process that it forked: where it does, that is noticed. The forked
//! process ends with 255, a process that was ended is named, and everything else is the callback's error. Jumping or
//! throwing out of a callback is undefined.
//!
//! Signals are blocked in a lifecycle, but in StartProcess; a child that a callback makes inherits that, and empties
//! its mask before it executes anything. Where pinion monitors, SIGTERM and SIGALRM are open in master's callbacks:
//! its handlers end master if a callback does not come back in time after a SIGTERM.
//!
//! Callbacks of one process may run at the same time: CreateContainer, MonitorContainer, and PreStartProcess or
//! PostStartProcess, each in a thread of its own, unless `declare` leaves the monitoring to pinion: then one after
//! the other. CleanupContainer comes after them, also in a thread of its own, or when one of them has hung for too long.

use std::ffi::c_void;

use super::common::pinion_common;
use super::config::pinion_config;
use super::context::{pinion_context, pinion_master, pinion_signals};
use super::crossing::pinion_error;
use super::foreign::Foreign;
use super::view::{pinion_bytes, pinion_view, sized};
use crate::error::{Error, ErrorKind, Result};

/// MonitorContainer waits for the container, beside master's other two activities. The default.
pub const PINION_MONITOR_ENGINE: i32 = 0;
/// pinion waits for the container and passes signals on to it; MonitorContainer is not called.
pub const PINION_MONITOR_CORE: i32 = 1;

/// What an engine says of itself once, in stage 1 after PrepareConfig.
#[repr(C)]
pub struct pinion_declaration {
    /// sizeof(pinion_declaration): set by who provides the room.
    pub size: usize,
    /// Whether PreStartProcess is to be called: StartProcess then writes one byte to master before it executes. Set
    /// to whether the table has that callback.
    pub pre_start_process: bool,
    /// PINION_MONITOR_ENGINE, to which it is set, or PINION_MONITOR_CORE.
    pub monitor: i32,
}

/// The callbacks of an engine. A field that is not called mandatory may be NULL: then nothing is done there.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinion_operations {
    /// sizeof(pinion_operations).
    pub size: usize,
    /// Config, every process, with any privileges. Mandatory. Makes the engine's configuration object at its zero
    /// value and stores it in `config`: the JSON is decoded into this very object, and it is serialised after
    /// PrepareConfig.
    pub config: Option<unsafe extern "C" fn(data: *mut c_void, config: *mut *mut c_void) -> *mut pinion_error>,
    /// Fills the configuration object from its JSON, valid for the call. Mandatory. Called at most once for an
    /// object, of which there may be several at a time, and not where the document has none, or null.
    pub decode_config: Option<unsafe extern "C" fn(config: *mut c_void, json: pinion_view) -> *mut pinion_error>,
    /// Stores the object as JSON in `json`, made by pinion_bytes_new and pinion's then. Mandatory. Not while another
    /// callback of the process runs, but for PrepareConfig's own calls of pinion_common_encode.
    pub encode_config:
        Option<unsafe extern "C" fn(config: *mut c_void, json: *mut *mut pinion_bytes) -> *mut pinion_error>,
    /// Destroys the object, once.
    pub destroy_config: Option<unsafe extern "C" fn(config: *mut c_void)>,
    /// InitConfig, every process, with any privileges. Stores the parsed configuration, which stays valid until the
    /// next InitConfig, or the end of the engine. It makes no thread: before the process's role that ends the run.
    pub init_config: Option<unsafe extern "C" fn(data: *mut c_void, common: *mut pinion_common)>,
    /// Stage 1, after PrepareConfig: changes what the engine says of itself.
    pub declare:
        Option<unsafe extern "C" fn(data: *mut c_void, declaration: *mut pinion_declaration) -> *mut pinion_error>,
    /// PrepareConfig, stage 1: the real user, no privileges and none to be gained. Mandatory. Validates the
    /// configuration and decides how the container is to be started. `starter` is valid for the call, in its thread.
    pub prepare_config:
        Option<unsafe extern "C" fn(data: *mut c_void, starter: *mut pinion_config) -> *mut pinion_error>,
    /// CreateContainer, master. Mandatory. Prepares the container's environment through the RPC server at the other
    /// end of the socket `rpc`, which stays pinion's: after success it is shut down, which ends the server and
    /// releases stage 2.
    pub create_container: Option<
        unsafe extern "C" fn(
            data: *mut c_void,
            context: *const pinion_context,
            container: i32,
            rpc: i32,
        ) -> *mut pinion_error,
    >,
    /// StartProcess, stage 2: the container's process itself, with the container's privileges. Mandatory. Executes
    /// the program; or calls pinion_master_close and goes on as the container's first process for as long as it
    /// likes, an init shim: then it stores in `status` how the container ended, as wait(2) encodes it, and returns
    /// NULL.
    pub start_process: Option<
        unsafe extern "C" fn(data: *mut c_void, master: *mut pinion_master, status: *mut i32) -> *mut pinion_error,
    >,
    /// PreStartProcess, master, if declared: after stage 2 wrote one byte to the socket `master`, which stays
    /// pinion's, and before it executes.
    pub pre_start_process: Option<
        unsafe extern "C" fn(
            data: *mut c_void,
            context: *const pinion_context,
            container: i32,
            master: i32,
        ) -> *mut pinion_error,
    >,
    /// PostStartHost, a process of its own on the host, never privileged: after the container process executed.
    pub post_start_host:
        Option<unsafe extern "C" fn(data: *mut c_void, context: *const pinion_context) -> *mut pinion_error>,
    /// PostStartProcess, master: after the container process executed and PostStartHost succeeded.
    pub post_start_process: Option<
        unsafe extern "C" fn(data: *mut c_void, context: *const pinion_context, container: i32) -> *mut pinion_error,
    >,
    /// MonitorContainer, master. Mandatory. Waits for the container process, reaps it and stores in `status` how it
    /// ended, as wait(2) encodes it. `signals` is valid for the call, in its thread.
    pub monitor_container: Option<
        unsafe extern "C" fn(
            data: *mut c_void,
            container: i32,
            signals: *mut pinion_signals,
            status: *mut i32,
        ) -> *mut pinion_error,
    >,
    /// CleanupContainer, master, once. Tears down what CreateContainer made, in whatever state it is. `fatal` is the
    /// error that ended the run, or NULL; it stays pinion's. `status` is how the container ended. An error is logged
    /// and hides nothing.
    pub cleanup_container: Option<
        unsafe extern "C" fn(
            data: *mut c_void,
            context: *const pinion_context,
            fatal: *const pinion_error,
            status: i32,
        ) -> *mut pinion_error,
    >,
    /// CleanupHost, a process of its own on the host, never privileged, exactly once if the launcher asked for it;
    /// stage 1 if PrepareConfig failed. Undoes what was made on the host.
    pub cleanup_host:
        Option<unsafe extern "C" fn(data: *mut c_void, context: *const pinion_context) -> *mut pinion_error>,
    /// Fills the configuration object from the whole document, valid for the call, in place of decode_config: for a
    /// program that keeps the other keys together with the object, in its own types. The document's name, id and
    /// plugins are those of pinion_common as well, but changes there do not reach it.
    pub decode_document: Option<unsafe extern "C" fn(config: *mut c_void, document: pinion_view) -> *mut pinion_error>,
    /// Stores the whole document in `document`, made by pinion_bytes_new and pinion's then, in place of encode_config.
    /// It and decode_document are there both, or neither.
    pub encode_document:
        Option<unsafe extern "C" fn(config: *mut c_void, document: *mut *mut pinion_bytes) -> *mut pinion_error>,
}

/// The size of the table in version 1 of the interface.
const MINIMUM: usize = 16 * size_of::<usize>();

/// A table that was taken over.
pub struct Table {
    /// The callbacks; the mandatory ones are there.
    pub operations: pinion_operations,
    /// What each is called with.
    pub data: Foreign,
}

/// A callback that is not in the table.
pub fn missing(callback: &str) -> Error {
    Error::new(ErrorKind::Misuse, format!("the table of operations has no {callback}"))
}

impl Table {
    /// Takes a program's table over. Errors: its size; a mandatory callback that is missing.
    pub(super) fn adopt(given: *const pinion_operations, data: Foreign) -> Result<Table> {
        // SAFETY: numbers and nullable function pointers may be all zero; the structure begins with its size.
        let operations: pinion_operations = unsafe { sized(given, MINIMUM, "the table of operations") }?;
        let mandatory = [
            ("config", operations.config.is_some()),
            ("decode_config", operations.decode_config.is_some()),
            ("encode_config", operations.encode_config.is_some()),
            ("prepare_config", operations.prepare_config.is_some()),
            ("create_container", operations.create_container.is_some()),
            ("start_process", operations.start_process.is_some()),
            ("monitor_container", operations.monitor_container.is_some()),
        ];
        match mandatory.iter().find(|(_, there)| !there) {
            Some((callback, _)) => Err(missing(callback)),
            None if operations.decode_document.is_some() && operations.encode_document.is_none() => {
                Err(missing("encode_document"))
            }
            None if operations.encode_document.is_some() && operations.decode_document.is_none() => {
                Err(missing("decode_document"))
            }
            None => Ok(Table { operations, data }),
        }
    }
}
