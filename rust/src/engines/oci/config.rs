// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The engine's own configuration.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::actions::Action;
use super::instance::{Instance, Started, Target};
use super::process::Process;
use crate::error::{Error, Result};

/// What a caller asks for. `bundle`, `root` and `spec` name where the container comes from; without any of them a
/// root is made of the host's own system directories ([`default_root`](super::default_root)).
///
/// Written by the launcher, read in stage 1, which leaves nothing of it but [`prepared`](Self::prepared).
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct OciConfig {
    /// A bundle: an absolute path of a directory with a config.json.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// The bundle's document, if it is not the config.json in it. A relative `root.path` is relative to the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<Value>,
    /// A root directory, absolute, furnished with the defaults of the bundled engine. Not together with a bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Program and arguments, instead of the document's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// NAME=VALUE, added to the document's environment; one of the same name is replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The working directory, instead of the document's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The host name, instead of the document's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// How many of the caller's descriptors from 3 on the program inherits; 0 to 1024.
    #[serde(skip_serializing_if = "is_zero")]
    pub preserve_fds: u32,
    /// Whether the program runs as the child of a small first process, which passes signals on and reaps orphans.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub init: bool,
    /// The instance that the container is to be; without it the container ends with the starter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<Instance>,
    /// The running instance in which the program is to run, beside that one's own. No container is made then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// How many seconds the program has to end after a SIGTERM before it is killed; 10 without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u32>,
    /// What stage 1 made of all that. What a caller writes here is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepared: Option<Prepared>,
}

/// What is left to do after stage 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepared {
    /// What the RPC server does, in this order. Read: master.
    pub actions: Vec<Action>,
    /// The program. Read: master, stage 2.
    pub process: Process,
    /// The instance that this is. Read: master, stage 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Started>,
    /// Whether the init shim hides itself from the container. One that is to be found by those who join it does not. Read: stage 2.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// Whether the process that becomes the program sets its limits by itself: where master may not, and where there is none that
    /// would. Read: master, stage 2.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_limits: bool,
    /// The working directory of a program that joins. Read: stage 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
}

impl OciConfig {
    /// What stage 1 left.
    pub fn prepared(&self) -> Result<&Prepared> {
        self.prepared.as_ref().ok_or_else(|| Error::invalid("engineConfig.prepared: stage 1 has not run"))
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
