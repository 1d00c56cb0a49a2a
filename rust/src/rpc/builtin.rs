// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The methods that a container runtime's privileged server needs, so that no second runtime has to run with
//! privileges in the container's namespaces. Another product's methods are another table, with one file for each.

use rustix::thread::CapabilitySet;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::service::MethodSet;
use crate::error::{CallbackError, Error, Result};
use crate::gob::{Type, Typed};

pub mod apptainer;
pub mod chdir;
pub mod chroot;
pub mod decrypt;
mod file_mode;
pub mod fuse_fd;
pub(crate) mod host;
pub mod hostname;
pub mod loop_device;
pub mod mkdir;
pub mod mount;
pub mod nvidia;
pub mod raise;
pub mod registered;
pub mod stat;

pub use super::beneath::Resolver;
pub use mount::MountReply;

/// A container runtime whose RPC clients the methods serve.
pub struct Product {
    /// Its name.
    pub name: &'static str,
    /// Its methods.
    pub methods: &'static [&'static Builtin],
    /// The wire form of its Mount's reply.
    pub mount_reply: MountReply,
}

impl PartialEq for Product {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Product {}

impl std::fmt::Debug for Product {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Product {
    /// Arguments of `NAME.Method` that no trace may show.
    pub fn secrets(&self, service_method: &str) -> &'static [&'static str] {
        let method = service_method.rsplit('.').next();
        self.methods.iter().find(|row| Some(row.name) == method).map_or(&[], |row| row.secrets)
    }
}

/// SingularityCE.
pub static SINGULARITYCE: Product = Product {
    name: "singularityce",
    methods: &[
        &mount::METHOD,
        &mkdir::METHOD,
        &chroot::METHOD,
        &loop_device::METHOD,
        &hostname::METHOD,
        &chdir::METHOD,
        &stat::STAT,
        &stat::LSTAT,
        &fuse_fd::METHOD,
        &decrypt::METHOD,
        &nvidia::METHOD,
    ],
    mount_reply: MountReply::Struct,
};

/// Apptainer, as of its version 1.5.
pub static APPTAINER: Product = Product {
    name: "apptainer",
    methods: &[
        &apptainer::mount::METHOD,
        &apptainer::unmount::METHOD,
        &apptainer::mkdir::METHOD,
        &chroot::METHOD,
        &loop_device::METHOD_BY_PATH,
        &hostname::METHOD,
        &chdir::METHOD,
        &stat::STAT,
        &stat::LSTAT,
        &decrypt::METHOD,
        &nvidia::METHOD,
        &apptainer::access::METHOD,
        &apptainer::symlink::METHOD,
        &apptainer::read_dir::METHOD,
        &apptainer::chown::CHOWN,
        &apptainer::chown::LCHOWN,
        &apptainer::eval_relative::METHOD,
        &apptainer::readlink::METHOD,
        &apptainer::umask::METHOD,
        &apptainer::write_file::METHOD,
        &fuse_fd::METHOD,
        &fuse_fd::METHOD_OPEN,
    ],
    mount_reply: MountReply::Plain,
};

/// The products that are served.
pub static PRODUCTS: &[&Product] = &[&SINGULARITYCE, &APPTAINER];

/// Which methods are served, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Whose methods.
    #[serde(with = "by_name")]
    pub product: &'static Product,
    /// The wire form of Mount's reply.
    pub mount_reply: MountReply,
    /// Who resolves paths inside a root.
    pub resolver: Resolver,
    /// Registered types that the clients' Go packages call otherwise: the name here and the name on the wire.
    pub names: Vec<(String, String)>,
}

impl Options {
    /// What clients of a product expect.
    pub fn of(product: &'static Product) -> Options {
        Options { product, mount_reply: product.mount_reply, resolver: Resolver::Kernel, names: Vec::new() }
    }
}

impl Default for Options {
    /// For clients of SingularityCE.
    fn default() -> Self {
        Options::of(&SINGULARITYCE)
    }
}

/// A product as its name.
mod by_name {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{PRODUCTS, Product};

    pub fn serialize<S: Serializer>(product: &Product, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(product.name)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static Product, D::Error> {
        let name = String::deserialize(deserializer)?;
        let product = PRODUCTS.iter().find(|product| product.name == name);
        product.copied().ok_or_else(|| D::Error::custom(format!("product {name:?} is unknown")))
    }
}

/// A built-in method.
pub struct Builtin {
    /// Its name on the wire.
    pub name: &'static str,
    /// The capabilities that it raises for its own duration, as far as the process is permitted them.
    pub raises: CapabilitySet,
    /// The type of its arguments.
    pub args: fn() -> &'static Type,
    /// Arguments that no trace may show, by their Go names.
    pub secrets: &'static [&'static str],
    /// Adds it to a set.
    pub add: fn(MethodSet, &Builtin, &Options) -> MethodSet,
}

impl Builtin {
    /// Adds the method to a set, with the capabilities of its row raised while it answers.
    pub fn answered_by<A, R, F>(&self, set: MethodSet, answer: F) -> MethodSet
    where
        A: Typed + DeserializeOwned + 'static,
        R: Typed + Serialize + 'static,
        F: Fn(A) -> Result<R, CallbackError> + Send + Sync + 'static,
    {
        let raises = self.raises;
        set.method(self.name, move |args| {
            let _raised = raise::raise(raises)?;
            answer(args).map_err(with_help)
        })
    }
}

/// A client gets the text of an error and nothing else, so that what helps has to stand in it.
fn with_help(error: CallbackError) -> CallbackError {
    match error.downcast_ref::<Error>().and_then(Error::help) {
        Some(help) => format!("{error}; {help}").into(),
        None => error,
    }
}

/// All methods that the options choose.
pub fn methods(options: &Options) -> Result<MethodSet> {
    let set = MethodSet::new().with_names(&registered::names());
    let set = options.product.methods.iter().fold(set, |set, builtin| (builtin.add)(set, builtin, options));
    options.names.iter().try_fold(set, |set, (local, wire)| set.renamed(local, wire))
}
