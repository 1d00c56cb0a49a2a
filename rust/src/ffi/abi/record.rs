// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The record of a life: JSON lines, one write each, from every process into one descriptor. A lifecycle begins it by
//! itself where its launcher asked for it (pinion_launch_options); its events are those of `pinion run --record`.

use serde_json::Value;

use super::crossing::pinion_error;
use super::guard::{answer, guard};
use super::view::pinion_view;
use crate::error::Error;
use crate::trace;

/// Adds an event of the program's own to the record, if one is kept: a name, and a JSON object with its keys; empty
/// for none. Errors: PINION_INVALID for a name that is empty, or what is no JSON object.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_record_event(name: pinion_view, keys: pinion_view) -> *mut pinion_error {
    guard(|| {
        let (name, keys) = (name.text("an event's name")?, keys.bytes("an event's keys")?);
        if name.is_empty() {
            return Err(Error::invalid("an event's name is empty"));
        }
        let keys = match keys {
            [] => Value::Object(serde_json::Map::new()),
            keys => serde_json::from_slice(keys)
                .ok()
                .filter(Value::is_object)
                .ok_or_else(|| Error::invalid(format!("event {name:?}: its keys are no JSON object")))?,
        };
        trace::event(name, || keys);
        Ok(())
    })
}

/// Whether a record is kept.
#[unsafe(no_mangle)]
pub extern "C" fn pinion_record_is_on() -> bool {
    answer(false, || Ok(trace::is_on()))
}
