// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which method answers a request: an engine's own before a built-in one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::owed::{Ledger, Owed};
use crate::error::{CallbackError, Error};
use crate::gob::schema::Ref;
use crate::gob::{self, Dynamic, Encoder, Names, Raw, Typed, Types};

/// A method in its most general form, in whatever language it is written.
pub trait Method: Send + Sync {
    /// Answers one call: reads `args`, puts exactly one value into `reply`. An error, or its text, becomes the error
    /// of the call; what was put into `reply` is dropped then.
    fn call(&self, args: &Raw<'_>, reply: &mut Reply<'_>) -> Result<(), CallbackError>;
}

/// Takes the reply to one call.
pub struct Reply<'a> {
    encoder: &'a mut Encoder,
    /// Messages for the connection: definitions, and the reply as the last.
    out: &'a mut Vec<u8>,
    given: Given,
    ledger: &'a mut Ledger,
}

/// What a method made of its reply.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Given {
    /// Nothing yet.
    Nothing,
    /// It is there.
    Now,
    /// It is promised.
    Later,
}

impl<'a> Reply<'a> {
    pub(crate) fn new(encoder: &'a mut Encoder, out: &'a mut Vec<u8>, ledger: &'a mut Ledger) -> Self {
        Reply { encoder, out, given: Given::Nothing, ledger }
    }

    /// Promises the reply: it is given later, from any thread, and the server takes other calls meanwhile. The connection
    /// ends only after it, even where the client closed its side.
    pub fn later(&mut self) -> Result<Owed, CallbackError> {
        self.once(Given::Later)?;
        Ok(self.ledger.promise()?)
    }

    /// Replies with a Rust value.
    pub fn send<T: Typed + Serialize + ?Sized>(&mut self, value: &T) -> gob::Result<()> {
        self.once(Given::Now)?;
        self.encoder.encode(value, self.out)
    }

    /// Replies with a value, JSON for example, that has the type `ty` of `types`.
    pub fn send_as<T: Serialize + ?Sized>(&mut self, types: &Types, ty: Ref, value: &T) -> gob::Result<()> {
        self.once(Given::Now)?;
        self.encoder.encode_as(types, ty, value, self.out)
    }

    /// Replies with a value that brings its type.
    pub fn send_value(&mut self, value: &Dynamic) -> gob::Result<()> {
        self.once(Given::Now)?;
        self.encoder.encode_value(value, self.out)
    }

    pub(crate) fn given(&self) -> Given {
        self.given
    }

    fn once(&mut self, how: Given) -> gob::Result<()> {
        if self.given != Given::Nothing {
            return Err(gob::Error::data("a method replied twice"));
        }
        self.given = how;
        Ok(())
    }
}

/// The RPC methods that an engine registers, by name.
#[derive(Clone, Default)]
pub struct MethodSet {
    methods: BTreeMap<String, Arc<dyn Method>>,
    names: Names,
}

impl MethodSet {
    /// No methods.
    pub fn new() -> Self {
        MethodSet::default()
    }

    /// Adds a method with typed argument and reply. One of the same name is replaced.
    #[must_use]
    pub fn method<A, R, F>(self, name: &str, answer: F) -> Self
    where
        A: Typed + DeserializeOwned + 'static,
        R: Typed + Serialize + 'static,
        F: Fn(A) -> Result<R, CallbackError> + Send + Sync + 'static,
    {
        struct Answer<A, R, F>(F, std::marker::PhantomData<fn(A) -> R>);

        impl<A, R, F> Method for Answer<A, R, F>
        where
            A: Typed + DeserializeOwned,
            R: Typed + Serialize,
            F: Fn(A) -> Result<R, CallbackError> + Send + Sync,
        {
            fn call(&self, args: &Raw<'_>, reply: &mut Reply<'_>) -> Result<(), CallbackError> {
                reply.send(&self.0(args.to()?)?)?;
                Ok(())
            }
        }

        self.with(name, Arc::new(Answer(answer, std::marker::PhantomData)))
    }

    /// Adds a method in its general form. One of the same name is replaced.
    #[must_use]
    pub fn with(mut self, name: &str, method: Arc<dyn Method>) -> Self {
        self.methods.insert(name.to_owned(), method);
        self
    }

    /// Adds the registered types of interface values in arguments and replies.
    #[must_use]
    pub fn with_names(mut self, names: &Names) -> Self {
        self.names.extend(names);
        self
    }

    /// Makes a registered type travel under another name: that of the product's Go package.
    pub fn renamed(mut self, local: &str, wire: &str) -> crate::Result<Self> {
        let renamed = self.names.rename(local, wire);
        renamed.map_err(|error| Error::invalid(format!("let {local:?} travel as {wire:?}: {error}")))?;
        Ok(self)
    }

    /// Adds the methods of `others` whose names are not taken.
    #[must_use]
    pub fn or(mut self, others: MethodSet) -> Self {
        for (name, method) in others.methods {
            self.methods.entry(name).or_insert(method);
        }
        let own = std::mem::replace(&mut self.names, others.names);
        self.names.extend(&own);
        self
    }

    /// The method of that name.
    pub fn get(&self, name: &str) -> Option<&dyn Method> {
        self.methods.get(name).map(|method| &**method)
    }

    /// The same, to be put into another set under any name.
    pub fn shared(&self, name: &str) -> Option<Arc<dyn Method>> {
        self.methods.get(name).cloned()
    }

    /// The names of the methods, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.methods.keys().map(String::as_str)
    }
}

/// What one server answers: a name and its methods.
#[derive(Clone)]
pub struct Service {
    name: String,
    methods: MethodSet,
}

impl Service {
    /// The service `name`: an engine's own methods first, then built-in ones.
    pub fn new(name: &str, own: MethodSet, builtin: MethodSet) -> Self {
        Service { name: name.to_owned(), methods: own.or(builtin) }
    }

    /// The engine's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The registered types of interface values.
    pub fn registered(&self) -> &Names {
        &self.methods.names
    }

    /// The method for `NAME.Method`, or the error text that Go's clients know.
    pub fn find(&self, service_method: impl AsRef<[u8]>) -> Result<&dyn Method, String> {
        let whole = service_method.as_ref();
        let failed = |what| Err(format!("rpc: {what} {}", String::from_utf8_lossy(whole)));
        let Some(dot) = whole.iter().rposition(|byte| *byte == b'.') else {
            return failed("service/method request ill-formed:");
        };
        if whole[..dot] != *self.name.as_bytes() {
            return failed("can't find service");
        }
        let method = std::str::from_utf8(&whole[dot + 1..]).ok().and_then(|method| self.methods.get(method));
        method.map_or_else(|| failed("can't find method"), Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_methods_win_and_unknown_ones_have_gos_texts() {
        let own = MethodSet::new().method("Mkdir", |_: ()| Ok(1i64));
        let builtin = MethodSet::new().method("Mkdir", |_: ()| Ok(2i64)).method("Chdir", |_: ()| Ok(0i64));
        let service = Service::new("a.b", own, builtin);
        let mut out = Vec::new();
        let (mut encoder, mut ledger) = (Encoder::new(), Ledger::default());
        let mut reply = Reply::new(&mut encoder, &mut out, &mut ledger);
        let empty = std::sync::Arc::default();
        let (names, limits) = (Names::new(), gob::Limits::default());
        let args = Raw::own(&empty, &names, &limits, 2, &[0, 0]);
        service.find("a.b.Mkdir").unwrap_or_else(|text| panic!("{text}")).call(&args, &mut reply).unwrap();
        assert_eq!(out, [3, 4, 0, 2]);
        assert!(service.find("a.b.Chdir").is_ok());
        let text = |name: &str| service.find(name).err().unwrap();
        assert_eq!(text("ill"), "rpc: service/method request ill-formed: ill");
        assert_eq!(text("b.Mkdir"), "rpc: can't find service b.Mkdir");
        assert_eq!(text("a.b.Nope"), "rpc: can't find method a.b.Nope");
    }
}
