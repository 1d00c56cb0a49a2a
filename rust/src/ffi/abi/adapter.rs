// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An engine that was registered from C, as the core sees engines.

use std::ffi::c_void;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use serde_json::value::RawValue;

use super::common::pinion_common;
use super::context::{pinion_context, shared};
use super::crossing::{adopt, lend_error, pinion_error};
use super::foreign::Foreign;
use super::handle;
use super::operations::{
    PINION_MONITOR_CORE, PINION_MONITOR_ENGINE, Table, missing, pinion_declaration, pinion_operations,
};
use super::view::{adopt_bytes, pinion_view};
use crate::engine::{
    CallbackResult, Context, Declaration, EngineConfig, MasterConnection, Monitor, Operations, Pid, SharedCommon,
    Signals, StarterConfig, WaitStatus, WholeDocument, lock,
};
use crate::error::{Error, ErrorKind, Result};

/// What a mandatory callback is; missing ones were refused when the table was taken over.
macro_rules! mandatory {
    ($table:expr, $field:ident) => {
        $table.operations.$field.ok_or_else(|| missing(stringify!($field)))
    };
}

/// An engine's own configuration object, made by its `config` callback.
pub struct Config {
    table: Arc<Table>,
    object: Foreign,
}

impl Config {
    pub fn new(table: Arc<Table>, object: Foreign) -> Config {
        Config { table, object }
    }
}

impl EngineConfig for Config {
    fn decode(&self, json: &RawValue) -> Result<()> {
        let decode = mandatory!(self.table, decode_config)?;
        // SAFETY: the object is the one that `config` made, and lives as long as this; the view is valid for the
        // call.
        let returned = unsafe { decode(self.object.data(), pinion_view::of(json.get().as_bytes())) };
        called(returned, "decode_config")
    }

    fn encode(&self) -> Result<Box<RawValue>> {
        let encode = mandatory!(self.table, encode_config)?;
        let mut json = std::ptr::null_mut();
        // SAFETY: as above; the place for the bytes is valid for the call.
        let returned = called(unsafe { encode(self.object.data(), &raw mut json) }, "encode_config");
        let json = adopt_bytes(json, "encode_config", returned)?;
        let text = String::from_utf8(json).map_err(|error| Error::invalid(format!("encode_config: {error}")))?;
        RawValue::from_string(text).map_err(|error| Error::invalid(format!("encode_config returned no JSON: {error}")))
    }

    fn document(&self) -> Option<&dyn WholeDocument> {
        self.table.operations.decode_document.is_some().then_some(self)
    }

    fn foreign(&self) -> *mut c_void {
        self.object.data()
    }
}

impl WholeDocument for Config {
    fn decode(&self, document: &[u8]) -> Result<()> {
        let decode = mandatory!(self.table, decode_document)?;
        // SAFETY: as in EngineConfig::decode.
        called(unsafe { decode(self.object.data(), pinion_view::of(document)) }, "decode_document")
    }

    fn encode(&self) -> Result<Vec<u8>> {
        let encode = mandatory!(self.table, encode_document)?;
        let mut document = std::ptr::null_mut();
        // SAFETY: as in EngineConfig::encode.
        let returned = called(unsafe { encode(self.object.data(), &raw mut document) }, "encode_document");
        adopt_bytes(document, "encode_document", returned)
    }
}

/// What a callback returned, as a result of the core.
pub fn called(returned: *mut pinion_error, callback: &str) -> Result<()> {
    adopt(returned, callback).map_err(Error::callback)
}

/// How a process ended, from a callback. What no wait(2) would say is refused.
fn status(raw: i32, callback: &str) -> Result<WaitStatus> {
    let status = WaitStatus::from_raw(raw);
    let legal = status.exit_code().map(|code| code << 8 == raw).or(status.signal().map(|signal| raw & !0x80 == signal));
    if legal == Some(true) {
        return Ok(status);
    }
    let text = format!("{callback} stored {raw:#x} as how the container ended, which no process can have done");
    Err(Error::new(ErrorKind::Misuse, text).with_help("store what waitpid(2) filled in"))
}

/// An engine that was registered from C.
pub struct Engine {
    table: Arc<Table>,
    /// What the last InitConfig was given.
    common: Mutex<Option<Held>>,
}

/// A configuration that C holds, until this is dropped.
struct Held(usize);

impl Drop for Held {
    fn drop(&mut self) {
        // The program may have let go of it before.
        let _ = handle::take_shared(std::ptr::with_exposed_provenance_mut::<pinion_common>(self.0));
    }
}

impl Engine {
    pub fn new(table: Table) -> Engine {
        Engine { table: Arc::new(table), common: Mutex::new(None) }
    }

    fn operations(&self) -> &pinion_operations {
        &self.table.operations
    }

    fn data(&self) -> *mut c_void {
        self.table.data.data()
    }
}

// SAFETY of the calls below: the table's functions take what the header says that they take; `data` is what the
// program registered with them; pointers to results lead to variables of the caller, and objects are valid until the
// callback has returned.
impl Operations for Engine {
    fn declaration(&self) -> CallbackResult<Declaration> {
        let pre_start_process = self.operations().pre_start_process.is_some();
        let mut said = pinion_declaration {
            size: size_of::<pinion_declaration>(),
            pre_start_process,
            monitor: PINION_MONITOR_ENGINE,
        };
        if let Some(declare) = self.operations().declare {
            // SAFETY: see above.
            adopt(unsafe { declare(self.data(), &raw mut said) }, "declare")?;
        }
        let monitor = match said.monitor {
            PINION_MONITOR_ENGINE => Monitor::Engine,
            PINION_MONITOR_CORE => Monitor::Core,
            other => return Err(Error::new(ErrorKind::Misuse, format!("declare: monitor {other} is unknown")).into()),
        };
        if said.pre_start_process && !pre_start_process {
            return Err(missing("pre_start_process").into());
        }
        Ok(Declaration { pre_start_process: said.pre_start_process, monitor })
    }

    fn config(&self) -> CallbackResult<Arc<dyn EngineConfig>> {
        let config = mandatory!(self.table, config)?;
        let mut object = std::ptr::null_mut();
        // SAFETY: see above.
        adopt(unsafe { config(self.data(), &raw mut object) }, "config")?;
        let object = Foreign::new(object, self.operations().destroy_config);
        Ok(Arc::new(Config::new(Arc::clone(&self.table), object)))
    }

    fn init_config(&self, common: SharedCommon) {
        let Some(init_config) = self.operations().init_config else { return };
        // Without an object the engine has the configuration of its `config` callback alone.
        let Ok(common) = handle::share::<pinion_common>(common) else { return };
        // The one before stays valid until the engine has the new one. SAFETY: see above.
        unsafe { init_config(self.data(), common) };
        *lock(&self.common) = Some(Held(common.expose_provenance()));
    }

    fn prepare_config(&self, starter: &mut StarterConfig) -> CallbackResult {
        let prepare_config = mandatory!(self.table, prepare_config)?;
        // SAFETY: see above.
        let returned = handle::lend(starter, |starter| unsafe { prepare_config(self.data(), starter) })?;
        adopt(returned, "PrepareConfig")
    }

    fn create_container(&self, context: &Context, container: Pid, rpc: UnixStream) -> CallbackResult {
        let create_container = mandatory!(self.table, create_container)?;
        let returned = handle::share_meanwhile(shared(context), |context| {
            // SAFETY: see above.
            unsafe { create_container(self.data(), context, container, rpc.as_raw_fd()) }
        })?;
        adopt(returned, "CreateContainer")?;
        // A client that the engine forgot to free must not keep the server alive. A socket that has ended already is
        // no error.
        let _ = rpc.shutdown(std::net::Shutdown::Both);
        Ok(())
    }

    fn start_process(&self, master: &mut MasterConnection) -> CallbackResult<WaitStatus> {
        let start_process = mandatory!(self.table, start_process)?;
        let mut raw = 0;
        // SAFETY: see above.
        let returned = handle::lend(master, |master| unsafe { start_process(self.data(), master, &raw mut raw) })?;
        adopt(returned, "StartProcess")?;
        Ok(status(raw, "StartProcess")?)
    }

    fn pre_start_process(&self, context: &Context, container: Pid, master: &UnixStream) -> CallbackResult {
        let Some(pre_start_process) = self.operations().pre_start_process else { return Ok(()) };
        let returned = handle::share_meanwhile(shared(context), |context| {
            // SAFETY: see above.
            unsafe { pre_start_process(self.data(), context, container, master.as_raw_fd()) }
        })?;
        adopt(returned, "PreStartProcess")
    }

    fn post_start_host(&self, context: &Context) -> CallbackResult {
        let Some(post_start_host) = self.operations().post_start_host else { return Ok(()) };
        // SAFETY: see above.
        let call = |context: *mut pinion_context| unsafe { post_start_host(self.data(), context) };
        adopt(handle::share_meanwhile(shared(context), call)?, "PostStartHost")
    }

    fn post_start_process(&self, context: &Context, container: Pid) -> CallbackResult {
        let Some(post_start_process) = self.operations().post_start_process else { return Ok(()) };
        // SAFETY: see above.
        let call = |context: *mut pinion_context| unsafe { post_start_process(self.data(), context, container) };
        adopt(handle::share_meanwhile(shared(context), call)?, "PostStartProcess")
    }

    fn monitor_container(&self, container: Pid, signals: &Signals) -> CallbackResult<WaitStatus> {
        let monitor_container = mandatory!(self.table, monitor_container)?;
        let mut raw = 0;
        let returned = handle::lend(&mut signals.clone(), |signals| {
            // SAFETY: see above.
            unsafe { monitor_container(self.data(), container, signals, &raw mut raw) }
        })?;
        adopt(returned, "MonitorContainer")?;
        Ok(status(raw, "MonitorContainer")?)
    }

    fn cleanup_container(&self, context: &Context, fatal: Option<&Error>, status: WaitStatus) -> CallbackResult {
        let Some(cleanup_container) = self.operations().cleanup_container else { return Ok(()) };
        let returned = lend_error(fatal, |fatal| {
            handle::share_meanwhile(shared(context), |context| {
                // SAFETY: see above.
                unsafe { cleanup_container(self.data(), context, fatal, status.raw()) }
            })
        })??;
        adopt(returned, "CleanupContainer")
    }

    fn cleanup_host(&self, context: &Context) -> CallbackResult {
        let Some(cleanup_host) = self.operations().cleanup_host else { return Ok(()) };
        // SAFETY: see above.
        let call = |context: *mut pinion_context| unsafe { cleanup_host(self.data(), context) };
        adopt(handle::share_meanwhile(shared(context), call)?, "CleanupHost")
    }
}
