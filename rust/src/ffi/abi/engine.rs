// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An engine with its configuration, for programs that call its operations themselves: those that have a starter of
//! their own. In a lifecycle pinion calls them. In which process and with which privileges each may be called stands
//! with the callbacks of pinion_operations. A callback's error is returned as it is.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::common::pinion_common;
use super::config::pinion_config;
use super::context::{pinion_context, pinion_signals};
use super::crossing::{borrow_error, pinion_error};
use super::guard::{free, guard};
use super::handle::{self, Opaque};
use super::operations::{PINION_MONITOR_CORE, PINION_MONITOR_ENGINE, pinion_declaration};
use super::view::{pinion_view, put, put_sized};
use crate::engine::{CallbackResult, Context, Engine, MasterConnection, Monitor, WaitStatus, lock};
use crate::error::Error;
use crate::ffi::sys::descriptor;
use crate::registry;

/// An engine and its configuration. Any thread.
pub struct pinion_engine {
    _opaque: (),
}

impl Opaque for pinion_engine {
    type Inner = Engine;
    const NAME: &'static str = "pinion_engine";
}

fn call(
    engine: *const pinion_engine,
    context: *const pinion_context,
    body: impl FnOnce(&Engine, &Context) -> CallbackResult,
) -> *mut pinion_error {
    guard(|| {
        let (engine, context) = (handle::get(engine)?, Context::from(handle::get(context)?));
        body(&engine, &context).map_err(Error::callback)
    })
}

/// Finds the engine that a JSON document names, decodes the document around the engine's own configuration object and
/// hands it to InitConfig. The caller frees `engine` with pinion_engine_free. Errors: PINION_INVALID for what is no
/// JSON, a key of a wrong type, with its path, or a missing engineName; PINION_NOT_FOUND, with the names that are
/// registered; a callback's own.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_get(json: pinion_view, engine: *mut *mut pinion_engine) -> *mut pinion_error {
    guard(|| {
        let json = json.bytes("the engine configuration")?;
        put(engine, "the place for the engine", || handle::share(Arc::new(registry::get(json)?)))
    })
}

/// The engine's configuration, the same that InitConfig stored. The caller lets go of `common` with
/// pinion_common_free.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_engine_common(
    engine: *const pinion_engine,
    common: *mut *mut pinion_common,
) -> *mut pinion_error {
    guard(|| put(common, "the place for the configuration", || handle::share(handle::get(engine)?.common.clone())))
}

/// What the engine says of itself: to be asked after PrepareConfig.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_engine_declaration(
    engine: *const pinion_engine,
    declaration: *mut pinion_declaration,
) -> *mut pinion_error {
    guard(|| {
        let said = |size| {
            let said = handle::get(engine)?.operations.declaration().map_err(Error::callback)?;
            let monitor = match said.monitor {
                Monitor::Engine => PINION_MONITOR_ENGINE,
                Monitor::Core => PINION_MONITOR_CORE,
            };
            Ok(pinion_declaration { size, pre_start_process: said.pre_start_process, monitor })
        };
        // SAFETY: numbers, the first of which is the size.
        unsafe { put_sized(declaration, size_of::<pinion_declaration>(), "the place for the declaration", said) }
    })
}

/// Calls PrepareConfig. After success the configuration is written to `starter`, as a lifecycle does, unless
/// PrepareConfig released that.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_engine_prepare_config(
    engine: *const pinion_engine,
    starter: *mut pinion_config,
) -> *mut pinion_error {
    guard(|| {
        let engine = handle::get(engine)?;
        handle::with(starter, |starter| {
            engine.operations.prepare_config(starter).map_err(Error::callback)?;
            let common = lock(&engine.common).clone();
            starter.write_back(common.encode()?)
        })
    })
}

/// Calls CreateContainer. The socket `rpc` stays the caller's, who closes it after that.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_engine_create_container(
    engine: *const pinion_engine,
    context: *const pinion_context,
    container: i32,
    rpc: i32,
) -> *mut pinion_error {
    call(engine, context, |engine, context| {
        let rpc = UnixStream::from(descriptor::duplicate(rpc, "call CreateContainer")?);
        engine.operations.create_container(context, container, rpc)
    })
}

/// Calls StartProcess. Takes the socket `master`, refusals included. Returns where an init shim has come to its end;
/// `status` says how.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_engine_start_process(
    engine: *const pinion_engine,
    master: i32,
    status: *mut i32,
) -> *mut pinion_error {
    guard(|| {
        let mut master = MasterConnection::new(UnixStream::from(descriptor::take(master)?));
        put(status, "the place for the wait status", || {
            let status = handle::get(engine)?.operations.start_process(&mut master);
            status.map(WaitStatus::raw).map_err(Error::callback)
        })
    })
}

/// Calls PreStartProcess. The socket `master` stays the caller's.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_engine_pre_start_process(
    engine: *const pinion_engine,
    context: *const pinion_context,
    container: i32,
    master: i32,
) -> *mut pinion_error {
    call(engine, context, |engine, context| {
        let master = UnixStream::from(descriptor::duplicate(master, "call PreStartProcess")?);
        engine.operations.pre_start_process(context, container, &master)
    })
}

/// Calls PostStartHost.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_engine_post_start_host(
    engine: *const pinion_engine,
    context: *const pinion_context,
) -> *mut pinion_error {
    call(engine, context, |engine, context| engine.operations.post_start_host(context))
}

/// Calls PostStartProcess.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_engine_post_start_process(
    engine: *const pinion_engine,
    context: *const pinion_context,
    container: i32,
) -> *mut pinion_error {
    call(engine, context, |engine, context| engine.operations.post_start_process(context, container))
}

/// Calls MonitorContainer, which returns when the container has ended; `status` says how, as wait(2) encodes it. The
/// signals are those of pinion_signals_new.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_engine_monitor_container(
    engine: *const pinion_engine,
    container: i32,
    signals: *mut pinion_signals,
    status: *mut i32,
) -> *mut pinion_error {
    guard(|| {
        put(status, "the place for the wait status", || {
            let engine = handle::get(engine)?;
            handle::with(signals, |signals| {
                let status = engine.operations.monitor_container(container, signals);
                status.map(WaitStatus::raw).map_err(Error::callback)
            })
        })
    })
}

/// Calls CleanupContainer. `fatal` is the error that ended the run, or NULL; it stays the caller's. `status` is how
/// the container ended.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_engine_cleanup_container(
    engine: *const pinion_engine,
    context: *const pinion_context,
    fatal: *const pinion_error,
    status: i32,
) -> *mut pinion_error {
    call(engine, context, |engine, context| {
        let fatal = borrow_error(fatal)?;
        engine.operations.cleanup_container(context, fatal.as_ref(), WaitStatus::from_raw(status))
    })
}

/// Calls CleanupHost.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_engine_cleanup_host(
    engine: *const pinion_engine,
    context: *const pinion_context,
) -> *mut pinion_error {
    call(engine, context, |engine, context| engine.operations.cleanup_host(context))
}

/// Frees an engine. NULL does nothing. Returns 0, or PINION_MISUSE for what is none any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_engine_free(engine: *mut pinion_engine) -> i32 {
    free(engine, |engine| handle::take_shared(engine).map(drop))
}
