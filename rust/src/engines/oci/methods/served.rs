// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The methods on the wire. Requests are lists of different things, which Go's gob has no shape for, so they travel as
//! JSON in one field; a failure travels in the reply, with its errno and what helps, as `Mount`'s does.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::Construction;
use crate::error::{CallbackError, Error, ErrorKind, Result};
use crate::rpc::service::MethodSet;

/// The names.
pub const OPEN_ROOT: &str = "OpenRoot";
/// See [`super::Mounts`].
pub const MOUNTS: &str = "Mounts";
/// See [`super::Furnish`].
pub const FURNISH: &str = "Furnish";
/// See [`super::Cover`].
pub const COVER: &str = "Cover";
/// See [`super::Enter`].
pub const ENTER: &str = "Enter";
/// See [`super::SetDomainname`].
pub const SET_DOMAINNAME: &str = "SetDomainname";

crate::gob_struct! {
    /// The argument of each of the methods.
    pub struct ActionArgs as "ActionArgs" {
        /// The request.
        pub json: String as "Json",
    }
}

crate::gob_struct! {
    /// The reply of each of the methods: empty for success.
    pub struct ActionReply as "ActionReply" {
        /// What was tried, on what, and why it failed.
        pub message: String as "Message",
        /// The number of the failed system call's error; 0 if none failed.
        pub errno: i32 as "Errno",
        /// What helps, if something is known to.
        pub help: String as "Help",
    }
}

impl ActionReply {
    fn from_result(result: Result<()>) -> Self {
        match result {
            Ok(()) => ActionReply::default(),
            Err(error) => ActionReply {
                message: error.to_string(),
                errno: error.errno().unwrap_or_default(),
                help: error.help().unwrap_or_default().to_owned(),
            },
        }
    }

    /// The error that the server had.
    pub fn into_result(self) -> Result<()> {
        if self.message.is_empty() {
            return Ok(());
        }
        let kind = if self.errno == 0 { ErrorKind::Rpc } else { ErrorKind::System };
        let mut error = Error::new(kind, self.message);
        if self.errno != 0 {
            error = error.with_errno(self.errno);
        }
        Err(if self.help.is_empty() { error } else { error.with_help(self.help) })
    }
}

/// The engine's methods, which share one root under construction.
pub fn set() -> MethodSet {
    let construction = Arc::new(Construction::default());
    let set = MethodSet::new();
    let set = add(set, OPEN_ROOT, &construction, Construction::open_root);
    let set = add(set, MOUNTS, &construction, Construction::mount);
    let set = add(set, FURNISH, &construction, Construction::furnish);
    let set = add(set, COVER, &construction, Construction::cover);
    let set = add(set, ENTER, &construction, Construction::enter);
    add(set, SET_DOMAINNAME, &construction, Construction::set_domainname)
}

fn add<A: DeserializeOwned + 'static>(
    set: MethodSet,
    name: &'static str,
    construction: &Arc<Construction>,
    method: fn(&Construction, &A) -> Result<()>,
) -> MethodSet {
    let construction = Arc::clone(construction);
    set.method(name, move |args: ActionArgs| -> Result<ActionReply, CallbackError> {
        let request = serde_json::from_str(&args.json)
            .map_err(|error| Error::new(ErrorKind::Protocol, format!("read the arguments of {name}: {error}")));
        Ok(ActionReply::from_result(request.and_then(|request: A| method(&construction, &request))))
    })
}
