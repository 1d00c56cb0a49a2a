// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A process that has come to its role and has not begun it: everything that the role needs, owned by it.
//!
//! Each role has two halves. Its `enter` runs in [`start`](super::start), with one thread, and leaves the process with the
//! namespaces, privileges, parent-death signal and signal mask that it is to have. Its `run` calls the engine, whenever the
//! program is ready for that and in whichever of its threads.

use super::hygiene;
use super::roles::Role;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::ffi::sys;
use crate::{log, registry};

/// A process whose role has not begun. A program that drops it gives the role up: the process ends with 255, and the others
/// take it for dead.
#[must_use = "the others wait for this process until it runs its role"]
pub struct Pending {
    role: Role,
    /// Until it runs.
    work: Option<Box<dyn Work>>,
}

/// What there is to do in a role.
pub trait Work: Send {
    /// The role.
    fn role(&self) -> Role;

    /// Does it, and ends the process.
    fn run(self: Box<Self>) -> !;

    /// Ends the process by an error of the program's, before anything was done.
    fn fail(self: Box<Self>, error: &Error) -> ! {
        // Undone, its parts would kill the processes that are to clean up.
        std::mem::forget(self);
        log::fatal(error);
        sys::process::exit(super::FAILURE)
    }
}

impl<W: Work + 'static> From<W> for Pending {
    fn from(work: W) -> Self {
        Pending { role: work.role(), work: Some(Box::new(work)) }
    }
}

impl Pending {
    /// Which role this process has.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Runs the role, after which nothing can be registered any more. The process ends in here.
    ///
    /// Any thread may call it, with the credentials, the signal mask and the working directory that [`start`](super::start)
    /// left. The thread that called that must live on: the kernel takes its end for the death of its children's parent.
    pub fn run(mut self) -> ! {
        registry::begin();
        match self.work.take() {
            Some(work) => work.run(),
            None => sys::process::exit(super::FAILURE),
        }
    }

    /// Ends the role by an error of the program's, whose engines cannot be had. It is said once: by stage 1, which comes first.
    pub fn fail(mut self, error: &Error) -> ! {
        match self.work.take() {
            Some(work) => work.fail(error),
            None => sys::process::exit(super::FAILURE),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let role = self.role;
        if let Some(work) = self.work.take() {
            work.fail(&Error::new(ErrorKind::Refused, format!("run {role}: the program has given its role up")));
        }
    }
}

/// An engine that is made ready as early as can be: beside the work of other processes if the program has registered it by
/// then, else when the role begins.
pub enum Readied {
    /// It is ready.
    Engine(Engine),
    /// It is not registered yet: its configuration.
    Configuration(Vec<u8>),
}

impl Readied {
    /// Makes the engine `name` ready, if it is registered: before the role no other code of the program's runs. Errors: it has made
    /// a thread, which would keep the privileges that this process gives up.
    pub fn early(name: &str, configuration: Vec<u8>) -> Result<Self> {
        if !registry::is_registered(name) {
            return Ok(Readied::Configuration(configuration));
        }
        let engine = registry::get(&configuration)?;
        hygiene::one_thread(
            "begin the role",
            "an engine makes threads in its callbacks, and none in Config or InitConfig",
        )?;
        Ok(Readied::Engine(engine))
    }

    /// The engine, which must be registered by now.
    pub fn get(self) -> Result<Engine> {
        match self {
            Readied::Engine(engine) => Ok(engine),
            Readied::Configuration(configuration) => registry::get(&configuration),
        }
    }
}

#[cfg(test)]
mod tests {
    /// A program may run the role in another thread.
    #[test]
    fn it_may_go_to_another_thread() {
        fn sendable<T: Send>() {}
        sendable::<super::Pending>();
    }
}
