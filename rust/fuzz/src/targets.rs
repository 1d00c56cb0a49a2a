// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rust types that the Go oracle has as well, by its numbers.

use std::collections::BTreeMap;

use pinion::gob::schema::{INTERFACE, Type};
use pinion::gob::{Array, BigInt, ByteString, Bytes, Complex, Decoder, Encoder, Limits, Names, Time, Typed};
use pinion::gob_struct;
use pinion::rpc::builtin::chdir::ChdirArgs;
use pinion::rpc::builtin::chroot::ChrootArgs;
use pinion::rpc::builtin::decrypt::DecryptArgs;
use pinion::rpc::builtin::fuse_fd::SendFuseFdArgs;
use pinion::rpc::builtin::hostname::HostnameArgs;
use pinion::rpc::builtin::loop_device::LoopArgs;
use pinion::rpc::builtin::mkdir::MkdirArgs;
use pinion::rpc::builtin::mount::{MountArgs, MountErrorReply};
use pinion::rpc::builtin::nvidia::NvCcliArgs;
use pinion::rpc::builtin::stat::StatArgs;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::oracle::Outcome;

macro_rules! structs {
    ($($name:ident as $go:literal { $($field:ident: $ty:ty as $field_go:literal $(($local:literal))?,)* })*) => {
        $(gob_struct! {
            /// As in Go.
            pub struct $name as $go {
                $(
                    /// As in Go.
                    pub $field: $ty as $field_go $(($local))?,
                )*
            }
        })*
    };
}

structs! {
    Inner as "Inner" { a: i32 as "A", b: u8 as "B", }
    StatReply as "StatReply" { info: Option<Any> as "Fi" ("fs.FileInfo"), error: Option<Any> as "Err" ("error"), }
    Every as "Every" {
        b: bool as "Bool", i8: i8 as "Int8", i16: i16 as "Int16", i32: i32 as "Int32", i64: i64 as "Int64",
        u8: u8 as "Uint8", u16: u16 as "Uint16", u32: u32 as "Uint32", u64: u64 as "Uint64", f32: f32 as "Float32",
        f64: f64 as "Float64", complex: Complex as "Complex", text: ByteString as "Text", bytes: Bytes as "Bytes",
        array: Array<i16, 3> as "Array", list: Vec<Inner> as "List", lists: Vec<Vec<ByteString>> as "Lists",
        map: BTreeMap<ByteString, Inner> as "Map", ints: BTreeMap<i32, Vec<u16>> as "Ints", inner: Inner as "Inner",
        pointer: Option<Inner> as "Pointer", next: Option<Box<Every>> as "Next", any: Option<Any> as "Any",
        time: Time as "Time", big: BigInt as "Big",
    }
}

/// What an interface value may hold here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Any {
    #[serde(rename = "github.com/pinion-runtime/pinion/go/internal/wire/rpc.Inner")]
    Inner(Inner),
    #[serde(rename = "int")]
    Int(i64),
    #[serde(rename = "string")]
    Text(ByteString),
}

impl Typed for Any {
    fn gob_type() -> &'static Type {
        &INTERFACE
    }

    fn go_name() -> std::borrow::Cow<'static, str> {
        "interface {}".into()
    }
}

/// How far a stream can be read as one type, and what came of it, sent again.
pub type Read = (Outcome, Vec<u8>);

fn read<T: Typed + Serialize + DeserializeOwned>(stream: &[u8]) -> Read {
    let names = || {
        Names::new()
            .with::<Inner>("github.com/pinion-runtime/pinion/go/internal/wire/rpc.Inner")
            .with::<i64>("int")
            .with::<ByteString>("string")
    };
    let mut decoder = Decoder::new(stream, Limits::default());
    decoder.set_names(names());
    let mut encoder = Encoder::with_names(names());
    let mut again = Vec::new();
    let mut count = 0;
    loop {
        match decoder.decode::<T>().and_then(|value| encoder.encode(&value, &mut again)) {
            Ok(()) => count += 1,
            Err(error) => return (Outcome { count, text: error.to_string() }, again),
        }
    }
}

/// The types in the order of the oracle's.
pub const TARGETS: &[fn(&[u8]) -> Read] = &[
    read::<MountArgs>,
    read::<MkdirArgs>,
    read::<ChrootArgs>,
    read::<HostnameArgs>,
    read::<ChdirArgs>,
    read::<LoopArgs>,
    read::<StatArgs>,
    read::<SendFuseFdArgs>,
    read::<DecryptArgs>,
    read::<NvCcliArgs>,
    read::<MountErrorReply>,
    read::<StatReply>,
    read::<isize>,
    read::<ByteString>,
    read::<Bytes>,
    read::<Every>,
    read::<Vec<ByteString>>,
    read::<BTreeMap<ByteString, i16>>,
    read::<Array<i8, 4>>,
    read::<Inner>,
];

/// How far a stream can be read without its types.
pub fn untyped(stream: &[u8]) -> Outcome {
    let mut decoder = Decoder::new(stream, Limits::default());
    let mut count = 0;
    loop {
        match decoder.next_value().and_then(|raw| raw.value()) {
            Ok(_) => count += 1,
            Err(error) => return Outcome { count, text: error.to_string() },
        }
    }
}
