// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The four JSON keys that every engine has, read as Go's encoding/json reads them and written in its order.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex};

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::engine::json::tree::Tree;
use crate::engine::json::{self, Item, Scanner, Span, Token};
use crate::engine::lock;
use crate::error::{Error, Result};

/// The largest engine configuration, in bytes.
pub const MAX_CONFIG: usize = 64 << 20;

/// An engine's own configuration object, filled from JSON and written back to it.
pub trait EngineConfig: Send + Sync {
    /// Fills the object from its JSON. Not called where the document has none, or `null`.
    fn decode(&self, json: &RawValue) -> Result<()>;
    /// The object as JSON.
    fn encode(&self) -> Result<Box<RawValue>>;
    /// The whole document around the object, where the program keeps all four keys itself.
    fn document(&self) -> Option<&dyn WholeDocument> {
        None
    }
    /// The object as the program knows it that registered the engine through the C interface; NULL for all others.
    fn foreign(&self) -> *mut c_void {
        std::ptr::null_mut()
    }
}

/// A document that a program keeps as a whole, for the types of its language. The core reads the four keys from what it is given
/// and leaves the rest to this.
pub trait WholeDocument {
    /// Fills it, in place of [`EngineConfig::decode`].
    fn decode(&self, document: &[u8]) -> Result<()>;
    /// The document as it is now.
    fn encode(&self) -> Result<Vec<u8>>;
}

/// Any serde type is an engine's configuration. Its fields match by their exact names, and what it types may be 128
/// arrays and objects deep: serde's rules, where a Go engine has Go's.
impl<T: Serialize + DeserializeOwned + Send> EngineConfig for Mutex<T> {
    fn decode(&self, json: &RawValue) -> Result<()> {
        *lock(self) = typed(json).map_err(|error| Error::invalid(format!("engineConfig{error}")))?;
        Ok(())
    }

    fn encode(&self) -> Result<Box<RawValue>> {
        serde_json::value::to_raw_value(&*lock(self)).map_err(|error| Error::invalid(format!("engineConfig: {error}")))
    }
}

/// A value of a type, or `.path: what is wrong there`.
fn typed<T: DeserializeOwned>(json: &RawValue) -> Result<T, String> {
    let mut source = serde_json::Deserializer::from_str(json.get());
    serde_path_to_error::deserialize(&mut source).map_err(|error| match error.path().iter().next() {
        None => format!(": {}", error.inner()),
        Some(serde_path_to_error::Segment::Seq { .. }) => format!("{}: {}", error.path(), error.inner()),
        Some(_) => format!(".{}: {}", error.path(), error.inner()),
    })
}

/// The four keys as a document holds them, before an engine has typed its own.
///
/// Reading accepts and refuses what Go's `json.Unmarshal` does: keys match without regard to case, a repeated
/// key's last value wins while objects merge, `null` leaves a field at its zero value, unknown keys are ignored,
/// and what is not UTF-8 becomes U+FFFD. What the raw values hold is repaired in the same way, each key once.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// `engineName`; empty where the document has none.
    pub engine_name: String,
    /// `containerID`; empty where the document has none.
    pub container_id: String,
    /// `engineConfig`, unless missing or `null`.
    pub engine_config: Option<Box<RawValue>>,
    /// `plugin`: each plugin's own JSON by the plugin's name.
    pub plugin: BTreeMap<String, Box<RawValue>>,
}

#[derive(Clone, Copy)]
enum Field {
    EngineName,
    ContainerId,
    EngineConfig,
    Plugin,
}

impl Field {
    /// Go folds keys by Unicode's simple folding. Beyond ASCII that reaches only the letters k (U+212A) and s
    /// (U+017F), which none of the names has, so that ASCII folding is the same.
    fn of(key: &str) -> Option<(Self, &'static str)> {
        let fields = [
            (Field::EngineName, "engineName"),
            (Field::ContainerId, "containerID"),
            (Field::EngineConfig, "engineConfig"),
            (Field::Plugin, "plugin"),
        ];
        fields.into_iter().find(|(_, name)| name.eq_ignore_ascii_case(key))
    }
}

impl Document {
    /// Reads a document of at most 64 MiB. Errors: not one JSON value (with the byte where it ends being one), or
    /// a key of a wrong type (with its path).
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_CONFIG {
            return Err(too_large(bytes.len()));
        }
        json::check(bytes).map_err(|error| error.during("engine configuration"))?;
        Self::read(bytes)
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let mut document = Document::default();
        let mut engine_config = Tree::new(bytes);
        let whole = Span { start: 0, end: bytes.len() };
        for_members(bytes, whole, "engine configuration", |key, value| {
            let Some((field, name)) = Field::of(key) else { return Ok(()) };
            match field {
                Field::EngineName => read_string(value.of(bytes), name, &mut document.engine_name),
                Field::ContainerId => read_string(value.of(bytes), name, &mut document.container_id),
                Field::EngineConfig => engine_config.absorb(value),
                Field::Plugin => read_plugins(bytes, value, &mut document.plugin),
            }
        })?;
        if !engine_config.is_null() {
            document.engine_config = Some(engine_config.to_raw()?);
        }
        Ok(document)
    }

    /// Types the engine's own configuration: decodes it, or `bytes`, the whole document, into the very object given.
    pub fn into_common(self, bytes: &[u8], engine_config: Arc<dyn EngineConfig>) -> Result<Common> {
        match (engine_config.document(), &self.engine_config) {
            (Some(document), _) => document.decode(bytes)?,
            (None, Some(json)) => engine_config.decode(json)?,
            (None, None) => {}
        }
        let Document { engine_name, container_id, plugin, .. } = self;
        Ok(Common { engine_name, container_id, engine_config, plugin })
    }
}

/// Calls `each` with the members of a checked object; `null` has none.
fn for_members(bytes: &[u8], object: Span, what: &str, mut each: impl FnMut(&str, Span) -> Result<()>) -> Result<()> {
    let mut scanner = Scanner::new(bytes, object);
    match scanner.next()? {
        Some(Item { token: Token::BeginObject, .. }) => {}
        Some(Item { span, .. }) if span.of(bytes) == b"null" => return Ok(()),
        Some(Item { span, .. }) => return Err(wrong_type(what, "an object", span.of(bytes))),
        None => return Ok(()),
    }
    while let Some(Item { token: Token::Key, span: key }) = scanner.next()? {
        if let Some(first) = scanner.next()? {
            let value = scanner.finish(first)?;
            each(&json::unquote(key.of(bytes)), value)?;
        }
    }
    Ok(())
}

fn read_string(value: &[u8], name: &str, into: &mut String) -> Result<()> {
    match value.first() {
        Some(b'"') => *into = json::unquote(value).into_owned(),
        Some(b'n') => {}
        _ => return Err(wrong_type(name, "a string", value)),
    }
    Ok(())
}

/// A plugin's repeated value replaces the one before: elements of a Go map are not read over.
fn read_plugins(bytes: &[u8], value: Span, plugins: &mut BTreeMap<String, Box<RawValue>>) -> Result<()> {
    if value.of(bytes) == b"null" {
        plugins.clear();
    }
    for_members(bytes, value, "plugin", |name, value| {
        let mut tree = Tree::new(bytes);
        tree.absorb(value)?;
        plugins.insert(name.to_owned(), tree.to_raw()?);
        Ok(())
    })
}

fn wrong_type(what: &str, expected: &str, found: &[u8]) -> Error {
    Error::invalid(format!("{what}: expected {expected}, found {}", json::type_of(found)))
}

fn too_large(size: usize) -> Error {
    Error::invalid(format!("engine configuration: {size} bytes, at most {MAX_CONFIG} are possible"))
}

/// What every engine has: the engine's name, the container's id, the engine's own configuration, plugins.
///
/// Serialises in Go's order of keys. No plugin at all becomes `null`, as Go writes a map that was never made. A clone has the
/// same engine's configuration object.
#[derive(Clone)]
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

impl Common {
    /// A `Common` for a launch, without plugins.
    pub fn new(
        engine_name: impl Into<String>,
        container_id: impl Into<String>,
        engine_config: Arc<dyn EngineConfig>,
    ) -> Self {
        let (engine_name, container_id) = (engine_name.into(), container_id.into());
        Common { engine_name, container_id, engine_config, plugin: BTreeMap::new() }
    }

    /// Reads a document around an engine's own configuration object. Errors: those of [`Document::parse`], and
    /// what the object's `decode` returns.
    pub fn parse(bytes: &[u8], engine_config: Arc<dyn EngineConfig>) -> Result<Self> {
        Document::parse(bytes)?.into_common(bytes, engine_config)
    }

    /// The document. Errors: the engine's own configuration cannot be serialised; more than 64 MiB.
    ///
    /// The engine's own code runs in here, and may look at what it shares with the core: not under a lock of that.
    pub fn encode(&self) -> Result<Vec<u8>> {
        if let Some(document) = self.engine_config.document() {
            let bytes = document.encode().map_err(|error| error.during("serialise the engine configuration"))?;
            return if bytes.len() > MAX_CONFIG { Err(too_large(bytes.len())) } else { Ok(bytes) };
        }
        let engine_config =
            self.engine_config.encode().map_err(|error| error.during("serialise the engine configuration"))?;
        encode(&self.around(&engine_config))
    }

    /// The engine's name and the document, as they go to the next process. A program that keeps the document itself may have
    /// named another engine there.
    pub(crate) fn hand_over(&self) -> Result<(String, Vec<u8>)> {
        let document = self.encode()?;
        let name = match self.engine_config.document() {
            Some(_) => Document::parse(&document)?.engine_name,
            None => self.engine_name.clone(),
        };
        Ok((name, document))
    }

    /// The document around an engine's own part.
    fn around<'a>(&'a self, engine_config: &'a RawValue) -> Wire<'a> {
        Wire {
            engine_name: &self.engine_name,
            container_id: &self.container_id,
            engine_config,
            plugin: (!self.plugin.is_empty()).then_some(&self.plugin),
        }
    }

    /// A plugin's configuration; `None` where the plugin has none. Errors: it is not a `T`.
    pub fn plugin_config<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(json) = self.plugin.get(name) else { return Ok(None) };
        typed(json).map(Some).map_err(|error| Error::invalid(format!("plugin.{name}{error}")))
    }

    /// Sets a plugin's configuration. Errors: it cannot be serialised.
    pub fn set_plugin_config<T: Serialize + ?Sized>(&mut self, name: impl Into<String>, config: &T) -> Result<()> {
        let name = name.into();
        let json = serde_json::value::to_raw_value(config)
            .map_err(|error| Error::invalid(format!("plugin.{name}: {error}")))?;
        self.plugin.insert(name, json);
        Ok(())
    }
}

impl Serialize for Common {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let engine_config = self.engine_config.encode().map_err(serde::ser::Error::custom)?;
        self.around(&engine_config).serialize(serializer)
    }
}

/// The document, in Go's order of keys.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    engine_name: &'a str,
    #[serde(rename = "containerID")]
    container_id: &'a str,
    engine_config: &'a RawValue,
    plugin: Option<&'a BTreeMap<String, Box<RawValue>>>,
}

/// Serialises an engine configuration of at most 64 MiB.
pub(crate) fn encode<T: Serialize + ?Sized>(payload: &T) -> Result<Vec<u8>> {
    let bytes = serde_json::to_vec(payload)
        .map_err(|error| Error::invalid(error.to_string()).during("serialise the engine configuration"))?;
    if bytes.len() > MAX_CONFIG {
        return Err(too_large(bytes.len()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
