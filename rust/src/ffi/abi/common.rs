// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The configuration that every engine has: the engine's name, the container's id, the engine's own configuration
//! object, and what plugins have. Any thread; a change is seen by all holders of the same one. What PrepareConfig
//! leaves in it is what master, RPC server and stage 2 see: each parses it again.

use std::ffi::c_void;

use serde_json::value::RawValue;

use super::crossing::pinion_error;
use super::guard::{answer, free, guard};
use super::handle::{self, Opaque};
use super::view::{pinion_bytes, pinion_view, put_bytes};
use crate::engine::{Common, lock};
use crate::error::{Error, ErrorKind, Result};

/// One engine's configuration.
pub struct pinion_common {
    _opaque: (),
}

impl Opaque for pinion_common {
    type Inner = std::sync::Mutex<Common>;
    const NAME: &'static str = "pinion_common";
}

fn read<R>(common: *const pinion_common, body: impl FnOnce(&mut Common) -> Result<R>) -> Result<R> {
    let common = handle::get(common)?;
    let mut common = lock(&common);
    body(&mut common)
}

/// The engine's name in the registry. The caller frees `name` with pinion_bytes_free.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_common_engine_name(
    common: *const pinion_common,
    name: *mut *mut pinion_bytes,
) -> *mut pinion_error {
    guard(|| put_bytes(name, || read(common, |common| Ok(common.engine_name.clone().into_bytes()))))
}

/// The container's id. The caller frees `id` with pinion_bytes_free.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_common_container_id(
    common: *const pinion_common,
    id: *mut *mut pinion_bytes,
) -> *mut pinion_error {
    guard(|| put_bytes(id, || read(common, |common| Ok(common.container_id.clone().into_bytes()))))
}

/// Sets the container's id. Copied.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_common_set_container_id(
    common: *mut pinion_common,
    id: pinion_view,
) -> *mut pinion_error {
    guard(|| {
        let id = id.text("the container's id")?.to_owned();
        read(common, |common| {
            common.container_id = id;
            Ok(())
        })
    })
}

/// The engine's own configuration object, as its `config` callback made it; NULL for an engine that was not
/// registered from C. It stays the engine's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_common_engine_config(common: *const pinion_common) -> *mut c_void {
    answer(std::ptr::null_mut(), || read(common, |common| Ok(common.engine_config.foreign())))
}

/// A plugin's configuration as JSON. The caller frees `json` with pinion_bytes_free. Errors: PINION_NOT_FOUND.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_common_plugin(
    common: *const pinion_common,
    plugin: pinion_view,
    json: *mut *mut pinion_bytes,
) -> *mut pinion_error {
    guard(|| {
        let plugin = plugin.text("a plugin's name")?;
        put_bytes(json, || {
            read(common, |common| match common.plugin.get(plugin) {
                Some(json) => Ok(json.get().as_bytes().to_vec()),
                None => Err(Error::new(ErrorKind::NotFound, format!("plugin {plugin:?} has no configuration"))),
            })
        })
    })
}

/// Sets a plugin's configuration: one JSON value, copied. Errors: PINION_INVALID for what is no JSON.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_common_set_plugin(
    common: *mut pinion_common,
    plugin: pinion_view,
    json: pinion_view,
) -> *mut pinion_error {
    guard(|| {
        let (plugin, json) = (plugin.text("a plugin's name")?, json.text("a plugin's configuration")?);
        let json: Box<RawValue> = serde_json::from_str(json)
            .map_err(|error| Error::invalid(format!("configure plugin {plugin:?}: no JSON: {error}")))?;
        read(common, |common| {
            common.plugin.insert(plugin.to_owned(), json);
            Ok(())
        })
    })
}

/// The whole as the JSON document that a launch takes and PrepareConfig writes. The caller frees `json` with
/// pinion_bytes_free. Errors: the engine's own; more than 64 MiB.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_common_encode(
    common: *const pinion_common,
    json: *mut *mut pinion_bytes,
) -> *mut pinion_error {
    guard(|| put_bytes(json, || read(common, |common| Ok(common.clone()))?.encode()))
}

/// Lets go of a configuration that pinion_engine_common gave. NULL does nothing. Returns 0, or PINION_MISUSE for what
/// is none any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_common_free(common: *mut pinion_common) -> i32 {
    free(common, |common| handle::take_shared(common).map(drop))
}
