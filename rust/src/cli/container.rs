// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From options to the document that a starter reads.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::arguments::{Container, Exec};
use crate::engine::Common;
use crate::engines::oci::NAME;
use crate::engines::oci::config::OciConfig;
use crate::engines::oci::instance::{Instance, Target};
use crate::error::{Error, Result, Tried};
use crate::ffi::sys::descriptor;

/// The document of the bundled engine for a container.
pub fn document(container: &Container) -> Result<Vec<u8>> {
    encode(&format!("pinion-{}", std::process::id()), config(container)?)
}

/// The same for an instance.
pub fn instance(container: &Container, instance: Instance) -> Result<Vec<u8>> {
    let name = instance.name.clone();
    encode(&name, OciConfig { instance: Some(instance), ..config(container)? })
}

/// The same for a program that is to run in an instance.
pub fn program(name: &str, asked: &Exec, target: Target) -> Result<Vec<u8>> {
    let Exec { cwd, env, preserve_fds, stop_timeout, args, .. } = asked;
    let (cwd, env, args) = (cwd.clone(), env.clone(), args.clone());
    let (preserve_fds, stop_timeout, target) = (*preserve_fds, *stop_timeout, Some(target));
    encode(name, OciConfig { cwd, env, preserve_fds, stop_timeout, args, target, ..Default::default() })
}

fn encode(id: &str, config: OciConfig) -> Result<Vec<u8>> {
    Common::new(NAME, id.to_owned(), Arc::new(Mutex::new(config))).encode()
}

/// Refuses to hand down what is not open. To be called before anything is opened: that would be taken for the caller's.
pub fn check_descriptors(count: u32) -> Result<()> {
    let end = 3 + i32::try_from(count).unwrap_or(i32::MAX - 3).min(i32::MAX - 3);
    match (3..end).find(|number| !descriptor::is_open(*number)) {
        Some(number) => Err(Error::invalid(format!("--preserve-fds {count}: descriptor {number} is not open"))),
        None => Ok(()),
    }
}

fn config(container: &Container) -> Result<OciConfig> {
    let mut env = container.env.clone();
    let own_terminal = container.bundle.is_none() && !env.iter().any(|entry| entry.starts_with("TERM="));
    if let (true, Ok(terminal)) = (own_terminal, std::env::var("TERM")) {
        env.push(format!("TERM={terminal}"));
    }
    Ok(OciConfig {
        bundle: container.bundle.as_deref().map(absolute).transpose()?,
        root: container.root.as_deref().map(absolute).transpose()?,
        args: container.args.clone(),
        env,
        cwd: container.cwd.clone(),
        hostname: container.hostname.clone(),
        preserve_fds: container.preserve_fds,
        // A bundle says what its first process is; without one the program is any of the host's, not made to be one.
        init: container.init || container.bundle.is_none(),
        stop_timeout: container.stop_timeout,
        ..Default::default()
    })
}

fn absolute(path: &Path) -> Result<String> {
    let absolute = std::path::absolute(path).tried(|| format!("find {path:?}"))?;
    absolute.into_os_string().into_string().map_err(|path| Error::invalid(format!("the path {path:?} is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute() {
        let here = std::env::current_dir().expect("here");
        let config = config(&Container { bundle: Some("x/y".into()), ..Default::default() }).expect("config");
        assert_eq!(config.bundle.as_deref().map(Path::new), Some(here.join("x/y").as_path()));
    }

    #[test]
    fn descriptors_that_are_not_open_cannot_be_handed_down() {
        let error = check_descriptors(100_000).expect_err("refused").to_string();
        assert!(error.starts_with("--preserve-fds 100000: descriptor ") && error.ends_with(" is not open"), "{error}");
    }
}
