// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The engines of this process by name, whichever language they are written in, and the RPC methods that each brings.
//! Names are case-sensitive texts without NUL. Any thread. Registration ends when a role begins to run.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::adapter::Engine;
use super::crossing::pinion_error;
use super::foreign::{Foreign, pinion_destroy};
use super::guard::guard;
use super::handle;
use super::methods::pinion_methods;
use super::operations::{Table, pinion_operations};
use super::view::{block, check, list, pinion_bytes, pinion_view, put_bytes, sized};
use crate::engine::Operations;
use crate::error::{Error, ErrorKind, Result};
use crate::registry::{self, Feeder};
use crate::rpc::builtin::{MountReply, Options, PRODUCTS, Resolver};

/// What registering and replacing an engine have in common.
fn put_engine(
    name: pinion_view,
    operations: *const pinion_operations,
    data: Foreign,
    put: impl FnOnce(&str, Arc<dyn Operations>) -> Result<()>,
) -> Result<()> {
    let name = name.text("the engine's name")?;
    let during = || format!("register engine \"{}\"", name.escape_debug());
    let table = Table::adopt(operations, data).map_err(|error| error.during(during()))?;
    put(name, Arc::new(Engine::new(table)))
}

/// Makes an engine known under a name. The table is copied. `data` is passed to every callback and is pinion's from
/// here on, refusals included: `destroy` is called once. Errors: PINION_INVALID for a name that is empty or has a
/// NUL; PINION_ALREADY_EXISTS; PINION_REFUSED once a role has begun to run, or for a table of a newer library;
/// PINION_MISUSE for a table without a mandatory callback.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_register(
    name: pinion_view,
    operations: *const pinion_operations,
    data: *mut c_void,
    destroy: pinion_destroy,
) -> *mut pinion_error {
    let data = Foreign::new(data, destroy);
    guard(|| put_engine(name, operations, data, registry::register))
}

/// As pinion_register, in place of an engine that has the name. That one's data is destroyed when nobody uses it any
/// more.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_replace(
    name: pinion_view,
    operations: *const pinion_operations,
    data: *mut c_void,
    destroy: pinion_destroy,
) -> *mut pinion_error {
    let data = Foreign::new(data, destroy);
    guard(|| put_engine(name, operations, data, registry::replace))
}

/// Makes the RPC methods known that the RPC server serves for an engine, before or after the engine itself. Takes
/// `methods`, refusals included. Errors: as pinion_register.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_register_rpc_methods(
    name: pinion_view,
    methods: *mut pinion_methods,
) -> *mut pinion_error {
    guard(|| {
        let methods = handle::take(methods)?;
        registry::register_rpc_methods(name.text("the engine's name")?, methods)
    })
}

/// As pinion_register_rpc_methods, in place of methods that were registered.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_replace_rpc_methods(
    name: pinion_view,
    methods: *mut pinion_methods,
) -> *mut pinion_error {
    guard(|| {
        let methods = handle::take(methods)?;
        registry::replace_rpc_methods(name.text("the engine's name")?, methods)
    })
}

/// A registered type of Go's that the clients' packages call otherwise.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinion_renamed {
    /// The name here, `*rpc.fileInfo` for example.
    pub local: pinion_view,
    /// The name on the wire.
    pub wire: pinion_view,
}

/// The product's own form of Mount's reply.
pub const PINION_MOUNT_REPLY_OF_PRODUCT: i32 = 0;
/// Mount's failure travels in the reply.
pub const PINION_MOUNT_REPLY_STRUCT: i32 = 1;
/// Mount's failure is the error of the call.
pub const PINION_MOUNT_REPLY_PLAIN: i32 = 2;

/// Paths inside a root are resolved by openat2(2), or by a walker with the same rules where the kernel has none.
pub const PINION_RESOLVER_KERNEL: i32 = 0;
/// By the walker alone.
pub const PINION_RESOLVER_WALKER: i32 = 1;

/// Which built-in methods answer beside an engine's own. All zero, but for the size, is the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinion_builtin_options {
    /// sizeof(pinion_builtin_options).
    pub size: usize,
    /// Whose methods: `singularityce`, which empty means too, or `apptainer`.
    pub product: pinion_view,
    /// One of PINION_MOUNT_REPLY_*.
    pub mount_reply: i32,
    /// One of PINION_RESOLVER_*.
    pub resolver: i32,
    /// Registered types under other names.
    pub renamed: *const pinion_renamed,
    /// How many.
    pub renamed_count: usize,
}

fn options(given: *const pinion_builtin_options) -> Result<Options> {
    let minimum = size_of::<pinion_builtin_options>();
    // SAFETY: numbers and pointers may be all zero; the structure begins with its size.
    let given: pinion_builtin_options = unsafe { sized(given, minimum, "the options of built-in methods") }?;
    let product = match given.product.text("the product")? {
        "" => PRODUCTS.first(),
        name => PRODUCTS.iter().find(|product| product.name == name),
    };
    let product = product.ok_or_else(|| {
        let known: Vec<&str> = PRODUCTS.iter().map(|product| product.name).collect();
        Error::new(ErrorKind::NotFound, "choose built-in methods: the product is unknown")
            .with_help(format!("known are {}", known.join(" and ")))
    })?;
    let mut options = Options::of(product);
    options.mount_reply = match given.mount_reply {
        PINION_MOUNT_REPLY_OF_PRODUCT => product.mount_reply,
        PINION_MOUNT_REPLY_STRUCT => MountReply::Struct,
        PINION_MOUNT_REPLY_PLAIN => MountReply::Plain,
        other => return Err(Error::invalid(format!("choose built-in methods: form {other} of Mount's reply is none"))),
    };
    options.resolver = match given.resolver {
        PINION_RESOLVER_KERNEL => Resolver::Kernel,
        PINION_RESOLVER_WALKER => Resolver::Walker,
        other => return Err(Error::invalid(format!("choose built-in methods: resolver {other} is none"))),
    };
    for renamed in list(given.renamed, given.renamed_count, "the renamed types")? {
        let (local, wire) = (renamed.local.text("a type's name")?, renamed.wire.text("a type's name on the wire")?);
        options.names.push((local.to_owned(), wire.to_owned()));
    }
    Ok(options)
}

/// Chooses the built-in methods that answer beside an engine's own; the last choice holds. Errors: PINION_NOT_FOUND
/// for an unknown product; PINION_INVALID; PINION_REFUSED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_choose_builtin_methods(
    name: pinion_view,
    choice: *const pinion_builtin_options,
) -> *mut pinion_error {
    guard(|| registry::choose_builtin_methods(name.text("the engine's name")?, options(choice)?))
}

/// Registers, by pinion_replace and pinion_replace_rpc_methods, what another runtime of the program keeps. On the
/// thread that looks at the registry; two threads may call it at once, and each returns when all is registered.
pub type pinion_feed = Option<unsafe extern "C" fn(data: *mut c_void)>;

struct Feed {
    call: unsafe extern "C" fn(*mut c_void),
    data: Foreign,
    registered: &'static AtomicU64,
}

impl Feeder for Feed {
    fn registered(&self) -> u64 {
        self.registered.load(Ordering::SeqCst)
    }

    fn feed(&self) {
        // SAFETY: the function and its data were given together, for any thread.
        unsafe { (self.call)(self.data.data()) }
    }
}

/// Lets another runtime of the program keep its engines to itself until somebody looks for one: for runtimes to which
/// a call into C is dear. `registered` counts what was registered there: it is read atomically before the registry is
/// looked at or changed, and where it has grown `feed` is called first. It stays valid as long as the process lives.
/// `data` is passed to `feed`; it is never destroyed. Once; any thread. Errors: PINION_ALREADY_EXISTS; PINION_MISUSE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_set_feeder(
    feed: pinion_feed,
    data: *mut c_void,
    registered: *const u64,
) -> *mut pinion_error {
    let data = Foreign::new(data, None);
    guard(|| {
        let missing =
            || Error::new(ErrorKind::Misuse, "let another runtime feed the registry: NULL in place of a function");
        let call = feed.ok_or_else(missing)?;
        check(registered, "the count of what was registered")?;
        // SAFETY: the caller promises that the number lives as long as the process and is changed atomically; the pointer is
        // aligned.
        let registered = unsafe { AtomicU64::from_ptr(registered.cast_mut()) };
        registry::set_feeder(Box::new(Feed { call, data, registered }))
    })
}

/// The names of the engines, sorted, each ended by a NUL. The caller frees `names` with pinion_bytes_free.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_names(names: *mut *mut pinion_bytes) -> *mut pinion_error {
    guard(|| put_bytes(names, || Ok(block(registry::names()))))
}
