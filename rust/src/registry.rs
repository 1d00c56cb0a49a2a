// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The engines of this process by name, and the RPC methods that each one brings. Registration ends when the
//! lifecycle begins its roles.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::engine::{Document, Engine, Operations, lock};
use crate::error::{Error, ErrorKind, Result};
use crate::gob::Limits;
use crate::log::guard;
use crate::rpc::service::{MethodSet, Service};
use crate::rpc::{self, builtin};

static REGISTRY: Registry = Registry::new();

/// Hands over what another runtime of the program has registered, by the calls in here.
pub trait Feeder: Send + Sync {
    /// How often something was registered there, so far.
    fn registered(&self) -> u64;
    /// Hands over what the registry has not been given yet.
    fn feed(&self);
}

/// The feeder, with how much of it was handed over when it was last asked.
static FEEDER: OnceLock<(Box<dyn Feeder>, AtomicU64)> = OnceLock::new();

thread_local! {
    /// The feeder's own registrations are made on this thread.
    static FEEDING: Cell<bool> = const { Cell::new(false) };
}

/// Lets engines be handed over when somebody looks for one, and not when they are registered. Errors: there is a feeder.
pub fn set_feeder(feeder: Box<dyn Feeder>) -> Result<()> {
    FEEDER
        .set((feeder, AtomicU64::new(0)))
        .map_err(|_| Error::new(ErrorKind::AlreadyExists, "let another runtime feed the registry: one does already"))
}

/// Asks the feeder, before the registry is looked at or changed. Two threads may do so at once: each comes back when all is there
/// that was registered before.
fn fed() -> &'static Registry {
    if let Some((feeder, seen)) = FEEDER.get()
        && !FEEDING.get()
    {
        let registered = feeder.registered();
        if seen.load(Ordering::Acquire) != registered {
            FEEDING.set(true);
            feeder.feed();
            FEEDING.set(false);
            seen.fetch_max(registered, Ordering::AcqRel);
        }
    }
    &REGISTRY
}

/// Makes an engine known under a name, which is case-sensitive. Errors: a name that is empty, has a NUL or is taken;
/// the lifecycle has begun its roles.
pub fn register(name: &str, operations: Arc<dyn Operations>) -> Result<()> {
    fed().register(name, operations)
}

/// As [`register`], in place of an engine that has the name.
pub fn replace(name: &str, operations: Arc<dyn Operations>) -> Result<()> {
    fed().replace(name, operations)
}

/// Makes the methods known that the RPC server serves for an engine, before or after the engine itself. Errors: as
/// [`register`].
pub fn register_rpc_methods(name: &str, methods: MethodSet) -> Result<()> {
    fed().register_rpc_methods(name, methods)
}

/// As [`register_rpc_methods`], in place of methods that were registered.
pub fn replace_rpc_methods(name: &str, methods: MethodSet) -> Result<()> {
    fed().replace_rpc_methods(name, methods)
}

/// Chooses the built-in methods that answer beside an engine's own: the table of its product, and what differs in it. The
/// default is [`builtin::Options::default`]; the last choice holds.
pub fn choose_builtin_methods(name: &str, options: builtin::Options) -> Result<()> {
    fed().choose_builtin_methods(name, options)
}

/// What was chosen for an engine.
pub fn builtin_methods(name: &str) -> builtin::Options {
    lock(&fed().0).builtin.get(name).cloned().unwrap_or_default()
}

/// The methods registered for an engine.
pub fn rpc_methods(name: &str) -> Option<Arc<MethodSet>> {
    lock(&fed().0).methods.get(name).cloned()
}

/// What the RPC server of an engine answers: its own methods and the built-in ones that were chosen for it. Errors: nothing
/// is registered under the name; a name of the built-in methods cannot be translated as chosen.
pub fn service(name: &str) -> Result<Service> {
    fed().service(name)
}

/// Serves the RPC methods of an engine on a connection until the peer closes it. Errors: as [`service`]; the connection
/// breaks, or a request cannot be read.
pub fn serve_rpc(name: &str, connection: UnixStream) -> Result<()> {
    rpc::serve(connection, &service(name)?, &Limits::default())
}

/// The names of the engines, sorted.
pub fn names() -> Vec<String> {
    lock(&fed().0).engines.keys().cloned().collect()
}

/// Whether an engine has this name.
pub fn is_registered(name: &str) -> bool {
    lock(&fed().0).engines.contains_key(name)
}

/// Finds the engine that a document names, decodes the document around the engine's own configuration object and
/// hands it to `init_config`. Errors: not JSON; a key of a wrong type (with its path); no or an empty `engineName`; no
/// such engine (with the names that are registered); a callback panicked.
pub fn get(json: &[u8]) -> Result<Engine> {
    fed().get(json)
}

/// Ends registration: a role begins.
pub fn begin() {
    lock(&fed().0).begun = true;
}

/// The lock is held for look-ups only, never while an engine is called or dropped.
struct Registry(Mutex<Entries>);

struct Entries {
    engines: BTreeMap<String, Arc<dyn Operations>>,
    methods: BTreeMap<String, Arc<MethodSet>>,
    builtin: BTreeMap<String, builtin::Options>,
    begun: bool,
}

impl Entries {
    fn check(&self, what: &str, name: &str) -> Result<()> {
        let (kind, text) = if name.is_empty() {
            (ErrorKind::Invalid, "the name is empty")
        } else if name.contains('\0') {
            (ErrorKind::Invalid, "the name has a NUL")
        } else if self.begun {
            (ErrorKind::Refused, "registration after the lifecycle has begun")
        } else {
            return Ok(());
        };
        Err(Error::new(kind, format!("register {what} \"{}\": {text}", name.escape_debug())))
    }
}

fn taken(what: &str, name: &str) -> Error {
    let text = format!("register {what} \"{}\": already registered", name.escape_debug());
    Error::new(ErrorKind::AlreadyExists, text).with_help("replace it by the call of that name")
}

impl Registry {
    const fn new() -> Self {
        Registry(Mutex::new(Entries {
            engines: BTreeMap::new(),
            methods: BTreeMap::new(),
            builtin: BTreeMap::new(),
            begun: false,
        }))
    }

    fn register(&self, name: &str, operations: Arc<dyn Operations>) -> Result<()> {
        let mut entries = lock(&self.0);
        entries.check("engine", name)?;
        if entries.engines.contains_key(name) {
            return Err(taken("engine", name));
        }
        entries.engines.insert(name.to_owned(), operations);
        Ok(())
    }

    fn replace(&self, name: &str, operations: Arc<dyn Operations>) -> Result<()> {
        let replaced = {
            let mut entries = lock(&self.0);
            entries.check("engine", name)?;
            entries.engines.insert(name.to_owned(), operations)
        };
        drop(replaced);
        Ok(())
    }

    fn register_rpc_methods(&self, name: &str, methods: MethodSet) -> Result<()> {
        let mut entries = lock(&self.0);
        entries.check("RPC methods of", name)?;
        if entries.methods.contains_key(name) {
            return Err(taken("RPC methods of", name));
        }
        entries.methods.insert(name.to_owned(), Arc::new(methods));
        Ok(())
    }

    fn replace_rpc_methods(&self, name: &str, methods: MethodSet) -> Result<()> {
        let replaced = {
            let mut entries = lock(&self.0);
            entries.check("RPC methods of", name)?;
            entries.methods.insert(name.to_owned(), Arc::new(methods))
        };
        drop(replaced);
        Ok(())
    }

    fn choose_builtin_methods(&self, name: &str, options: builtin::Options) -> Result<()> {
        let mut entries = lock(&self.0);
        entries.check("built-in methods of", name)?;
        entries.builtin.insert(name.to_owned(), options);
        Ok(())
    }

    fn service(&self, name: &str) -> Result<Service> {
        let (own, options) = {
            let entries = lock(&self.0);
            (entries.methods.get(name).cloned(), entries.builtin.get(name).cloned())
        };
        if own.is_none() && options.is_none() {
            self.find(name)?;
        }
        let own = own.map(|methods| MethodSet::clone(&methods)).unwrap_or_default();
        Ok(Service::new(name, own, builtin::methods(&options.unwrap_or_default())?))
    }

    fn find(&self, name: &str) -> Result<Arc<dyn Operations>> {
        let entries = lock(&self.0);
        if let Some(operations) = entries.engines.get(name) {
            return Ok(operations.clone());
        }
        let known: Vec<String> = entries.engines.keys().map(|name| format!("\"{}\"", name.escape_debug())).collect();
        let help = match known.as_slice() {
            [] => "no engine is registered".to_owned(),
            known => format!("registered: {}", known.join(", ")),
        };
        let text = format!("engine \"{}\" is not found", name.escape_debug());
        Err(Error::new(ErrorKind::NotFound, text).with_help(help))
    }

    fn get(&self, json: &[u8]) -> Result<Engine> {
        let document = Document::parse(json)?;
        if document.engine_name.is_empty() {
            return Err(Error::invalid("engineName: missing or empty"));
        }
        let operations = self.find(&document.engine_name)?;
        let name = document.engine_name.escape_debug().to_string();
        let during = |callback: &str| format!("{callback} of engine \"{name}\"");
        let config = guard(&during("Config"), || operations.config())?.map_err(Error::callback)?;
        let common = guard(&during("decoding the configuration"), || document.into_common(json, config))??;
        let common = Arc::new(Mutex::new(common));
        guard(&during("InitConfig"), || operations.init_config(common.clone()))?;
        Ok(Engine { operations, common })
    }
}

#[cfg(test)]
mod tests;
