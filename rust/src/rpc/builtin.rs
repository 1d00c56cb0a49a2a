// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The methods that a container runtime's privileged server needs, so that no second runtime has to run with
//! privileges in the container's namespaces. Another product's methods are another table, with one file for each.

use rustix::thread::CapabilitySet;

use super::service::MethodSet;

pub mod chdir;
pub mod chroot;
pub mod hostname;
pub mod mkdir;
pub mod mount;
pub mod raise;

pub use super::beneath::Resolver;
pub use mount::MountReply;

/// What differs between the products that the methods serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// The wire form of Mount's reply.
    pub mount_reply: MountReply,
    /// Who resolves paths inside a root.
    pub resolver: Resolver,
}

impl Default for Options {
    fn default() -> Self {
        Options { mount_reply: MountReply::Struct, resolver: Resolver::Kernel }
    }
}

/// A built-in method.
pub struct Builtin {
    /// Its name on the wire.
    pub name: &'static str,
    /// The capabilities that it raises for its own duration, as far as the process is permitted them.
    pub raises: CapabilitySet,
    /// Adds it to a set.
    pub add: fn(MethodSet, &Builtin, &Options) -> MethodSet,
}

/// The built-in methods.
pub static TABLE: &[&Builtin] = &[&mount::METHOD, &mkdir::METHOD, &chroot::METHOD, &hostname::METHOD, &chdir::METHOD];

/// All built-in methods.
pub fn methods(options: &Options) -> MethodSet {
    TABLE.iter().fold(MethodSet::new(), |set, builtin| (builtin.add)(set, builtin, options))
}
