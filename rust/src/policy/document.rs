// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The policy as a document: JSON in which every oddity is an error, since a key that is misspelt or given twice would
//! otherwise leave a door open of which root believes that it is shut.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, de::DeserializeOwned};

use super::Policy;
use super::mount::{ImageKind, MountKind};
use crate::accounts;
use crate::config::names::capability_mask;
use crate::config::settings::NamespaceKind;
use crate::error::{Error, Result};

/// The version of the document.
const VERSION: u32 = 1;
/// The word of `join` that is no path.
const OWN_INSTANCES: &str = "own-instances";
/// The longest path of a namespace, in bytes.
const MAX_PATH: usize = 4095;

/// As much as every version of the document has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "version")]
    _version: u32,
    #[serde(default, deserialize_with = "given")]
    users: Option<Vec<Account>>,
    #[serde(default, deserialize_with = "given")]
    groups: Option<Vec<Account>>,
    #[serde(default, deserialize_with = "given")]
    engines: Option<BTreeSet<String>>,
    #[serde(default, deserialize_with = "given")]
    mounts: Option<BTreeSet<MountKind>>,
    #[serde(default, deserialize_with = "given")]
    images: Option<BTreeSet<ImageKind>>,
    #[serde(default, deserialize_with = "given")]
    image_owners: Option<Vec<Account>>,
    #[serde(default, deserialize_with = "given")]
    capabilities: Option<Vec<String>>,
    #[serde(default, deserialize_with = "given")]
    fakeroot: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    host_namespaces: Option<BTreeSet<NamespaceKind>>,
    #[serde(default, deserialize_with = "given")]
    join: Option<Vec<String>>,
}

/// A key that is there has a value: `null` would pass for a key that is not there.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A user or a group.
enum Account {
    Id(u32),
    Name(String),
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AccountVisitor)
    }
}

struct AccountVisitor;

impl Visitor<'_> for AccountVisitor {
    type Value = Account;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name, or an id from 0 to 4294967294")
    }

    fn visit_u64<E: serde::de::Error>(self, id: u64) -> Result<Account, E> {
        let id = u32::try_from(id).ok().filter(|id| *id != u32::MAX);
        id.map(Account::Id).ok_or_else(|| E::custom(format!("an id is a number from 0 to {}", u32::MAX - 1)))
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Account, E> {
        // Whether "1000" is a name or an id is not to depend on who has which name (CVE-2016-3697).
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(E::custom(format!("{name:?} is no name: an id is a number without quotes")));
        }
        Ok(Account::Name(name.to_owned()))
    }
}

impl Policy {
    /// Makes a policy of a document. `read` gives the content of /etc/passwd and /etc/group, which is asked for only if
    /// the document has names.
    pub(super) fn parse(text: &[u8], read: impl Fn(&'static str) -> Result<Vec<u8>>) -> Result<Policy> {
        let document = document(text)?;
        let users = |key: &str, list: Option<Vec<Account>>| ids(key, list, "user", || read(accounts::USERS));
        let groups = |key: &str, list: Option<Vec<Account>>| ids(key, list, "group", || read(accounts::GROUPS));
        let default = Policy::default();
        let (join_own_instances, join_paths) = match document.join {
            Some(words) => join(words)?,
            None => (default.join_own_instances, default.join_paths),
        };
        let capabilities = document.capabilities.as_deref().map(capability_mask).transpose();
        Ok(Policy {
            users: users("users", document.users)?,
            groups: groups("groups", document.groups)?,
            engines: document.engines.map_or(Ok(default.engines), engines)?,
            mounts: document.mounts.unwrap_or(default.mounts),
            images: document.images.unwrap_or(default.images),
            image_owners: users("image_owners", document.image_owners)?,
            capabilities: capabilities.map_err(|error| error.during("capabilities"))?.unwrap_or(default.capabilities),
            fakeroot: document.fakeroot.unwrap_or(default.fakeroot),
            host_namespaces: document.host_namespaces.map_or(Ok(default.host_namespaces), host_namespaces)?,
            join_own_instances,
            join_paths,
        })
    }
}

fn document(text: &[u8]) -> Result<Document> {
    let text = std::str::from_utf8(text).map_err(|error| Error::invalid(error.to_string()))?;
    if text.starts_with('\u{feff}') {
        return Err(Error::invalid("it begins with a byte order mark").with_help("store it as UTF-8 without one"));
    }
    // The parser would take an array as the values of the keys in their order.
    if !text.trim_start().starts_with('{') {
        return Err(Error::invalid("it is not a JSON object").with_help("the smallest one is {\"version\": 1}"));
    }
    let Versioned { version } = value(text)?;
    if version != VERSION {
        return Err(Error::invalid(format!("version: {version}, and this starter knows {VERSION} only"))
            .with_help("install the policy that belongs to the starter's version"));
    }
    value(text)
}

fn value<T: DeserializeOwned>(text: &str) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer);
    let value = value.map_err(|error| {
        let path = error.path().to_string();
        let why = error.into_inner();
        // Neither names a place: the document as a whole, and one at which the parser lost its way.
        Error::invalid(if matches!(path.as_str(), "." | "?") { why.to_string() } else { format!("{path}: {why}") })
    })?;
    deserializer.end().map_err(|error| Error::invalid(error.to_string()))?;
    Ok(value)
}

/// The ids of a list. A name without an account is an error: left out silently, whoever was meant would wonder.
fn ids(
    key: &str,
    list: Option<Vec<Account>>,
    what: &str,
    file: impl Fn() -> Result<Vec<u8>>,
) -> Result<Option<BTreeSet<u32>>> {
    let Some(list) = list else { return Ok(None) };
    let has_names = list.iter().any(|account| matches!(account, Account::Name(_)));
    let file = if has_names { file().map_err(|error| error.during(key))? } else { Vec::new() };
    let id = |account| match account {
        Account::Id(id) => Ok(id),
        Account::Name(name) => accounts::id(&file, &name).ok_or_else(|| {
            Error::invalid(format!("{key}: the machine's own files have no {what} \"{}\"", name.escape_debug()))
                .with_help("names of a directory service are not looked up: give the id, a number without quotes")
        }),
    };
    list.into_iter().map(id).collect::<Result<_>>().map(Some)
}

fn engines(engines: BTreeSet<String>) -> Result<BTreeSet<String>> {
    if engines.contains("") {
        return Err(Error::invalid("engines: a name is empty"));
    }
    Ok(engines)
}

fn host_namespaces(kinds: BTreeSet<NamespaceKind>) -> Result<BTreeSet<NamespaceKind>> {
    if kinds.contains(&NamespaceKind::Mount) {
        return Err(Error::invalid(
            "host_namespaces: with the host's mount namespace a container's mounts were the host's",
        ));
    }
    if kinds.contains(&NamespaceKind::User) {
        return Err(Error::invalid("host_namespaces: the user namespace is not listed here")
            .with_help("\"fakeroot\" says whether a container may have one of its own"));
    }
    Ok(kinds)
}

fn join(words: Vec<String>) -> Result<(bool, BTreeSet<String>)> {
    let (mut own_instances, mut paths) = (false, BTreeSet::new());
    for word in words {
        if word == OWN_INSTANCES {
            own_instances = true;
        } else if is_plain_path(&word) {
            paths.insert(word);
        } else {
            return Err(Error::invalid(format!("join: \"{}\" is no plain absolute path", word.escape_debug()))
                .with_help(format!("give \"{OWN_INSTANCES}\", or paths without \".\", \"..\" and repeated slashes")));
        }
    }
    Ok((own_instances, paths))
}

/// Paths are compared as text, so each has one spelling.
fn is_plain_path(path: &str) -> bool {
    let names = path.strip_prefix('/').unwrap_or_default();
    path.len() <= MAX_PATH && !path.contains('\0') && names.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

impl<'de> Deserialize<'de> for MountKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, &MountKind::ALL, MountKind::word)
    }
}

impl<'de> Deserialize<'de> for ImageKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, &ImageKind::ALL, ImageKind::word)
    }
}

fn word<'de, D: Deserializer<'de>, T: Copy>(
    deserializer: D,
    all: &[T],
    word_of: fn(T) -> &'static str,
) -> Result<T, D::Error> {
    let given = String::deserialize(deserializer)?;
    all.iter().copied().find(|kind| word_of(*kind) == given).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|kind| word_of(*kind)).collect();
        D::Error::custom(format!("{given:?} is unknown; known are {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests;
