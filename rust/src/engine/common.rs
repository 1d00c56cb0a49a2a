// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The four JSON keys that every engine has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::engine::lock;
use crate::error::{Error, Result};

/// An engine's own configuration object, filled from JSON and written back to it.
pub trait EngineConfig: Send + Sync {
    /// Fills the object from its JSON.
    fn decode(&self, json: &RawValue) -> Result<()>;
    /// The object as JSON.
    fn encode(&self) -> Result<Box<RawValue>>;
}

impl<T: Serialize + DeserializeOwned + Send> EngineConfig for Mutex<T> {
    fn decode(&self, json: &RawValue) -> Result<()> {
        let mut source = serde_json::Deserializer::from_str(json.get());
        let value = serde_path_to_error::deserialize(&mut source)
            .map_err(|error| Error::invalid(format!("engineConfig.{}: {}", error.path(), error.inner())))?;
        *lock(self) = value;
        Ok(())
    }

    fn encode(&self) -> Result<Box<RawValue>> {
        serde_json::value::to_raw_value(&*lock(self)).map_err(|error| Error::invalid(format!("engineConfig: {error}")))
    }
}

/// What the document of every engine holds.
pub struct Common {
    /// `engineName`: the registry name.
    pub engine_name: String,
    /// `containerID`: the container's id.
    pub container_id: String,
    /// `engineConfig`: the engine's own configuration.
    pub engine_config: Arc<dyn EngineConfig>,
    /// `plugin`: each plugin's own JSON by the plugin's name.
    pub plugin: BTreeMap<String, Box<RawValue>>,
}
