// SPDX-License-Identifier: Apache-2.0 OR MIT
//! ReadDir: what a directory holds. Apptainer 1.5 cannot hear it: what it registers for an `fs.DirEntry`, `*rpc.dirEntry`,
//! has no exported fields, which is all that gob carries. Go's own server closes the connection over the first entry; this
//! one fails the call. An empty directory and what is none are answered as by Go.

use rustix::fs::{Dir, Mode, OFlags, open};
use rustix::thread::CapabilitySet;
use serde::{Deserialize, Serialize};

use crate::error::{CallbackError, Error, Tried};
use crate::gob::schema::{self, Type};
use crate::gob::{ByteString, Typed};
use crate::gob_struct;
use crate::rpc::builtin::Builtin;

gob_struct! {
    /// The argument of ReadDir.
    pub struct ReadDirArgs as "ReadDirArgs" {
        /// The directory.
        pub dir: ByteString as "Dir",
    }
}

gob_struct! {
    /// The reply of ReadDir.
    pub struct ReadDirReply as "ReadDirReply" {
        /// Always empty.
        pub files: Vec<DirEntry> as "Files",
    }
}

/// An `fs.DirEntry`: no type that can be sent is registered for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum DirEntry {}

impl Typed for DirEntry {
    fn gob_type() -> &'static Type {
        &schema::INTERFACE
    }
}

/// ReadDir.
pub static METHOD: Builtin = Builtin {
    name: "ReadDir",
    raises: CapabilitySet::empty(),
    args: ReadDirArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| builtin.answered_by(set, read_dir),
};

fn read_dir(args: ReadDirArgs) -> Result<ReadDirReply, CallbackError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = open(args.dir.as_path(), flags, Mode::empty()).tried(|| format!("open {}", args.dir))?;
    let entries = Dir::new(open).tried(|| format!("readdirent {}", args.dir))?;
    for entry in entries {
        let entry = entry.tried(|| format!("readdirent {}", args.dir))?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            let text =
                format!("readdir {}: gob cannot carry its entries: rpc.dirEntry has no exported fields", args.dir);
            return Err(Error::invalid(text).into());
        }
    }
    Ok(ReadDirReply::default())
}
