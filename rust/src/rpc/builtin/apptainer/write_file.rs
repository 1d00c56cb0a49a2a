// SPDX-License-Identifier: Apache-2.0 OR MIT
//! WriteFile: a new file with its content. What is there already stays as it is.

use std::fs::File;
use std::io::Write;

use rustix::fs::{Mode, OFlags, open};
use rustix::thread::CapabilitySet;

use crate::error::{CallbackError, Tried};
use crate::gob::{ByteString, Bytes, Typed};
use crate::gob_struct;
use crate::rpc::builtin::{Builtin, file_mode};

gob_struct! {
    /// The arguments of WriteFile.
    pub struct WriteFileArgs as "WriteFileArgs" {
        /// The file to make.
        pub filename: ByteString as "Filename",
        /// Its content.
        pub data: Bytes as "Data",
        /// Go's `FileMode`: permission bits, setuid, setgid and sticky, of which the umask takes its part.
        pub perm: u32 as "Perm" ("fs.FileMode"),
    }
}

/// WriteFile.
pub static METHOD: Builtin = Builtin {
    name: "WriteFile",
    raises: CapabilitySet::empty(),
    args: WriteFileArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| builtin.answered_by(set, write_file),
};

fn write_file(args: WriteFileArgs) -> Result<i64, CallbackError> {
    let name = &args.filename;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(file_mode::from_go(args.perm));
    let mut file = File::from(open(name.as_path(), flags, mode).tried(|| format!("open {name}"))?);
    file.write_all(&args.data.0).tried(|| format!("write {name}"))?;
    // Some file systems say only now that the content did not arrive.
    nix::unistd::close(file).tried(|| format!("close {name}"))?;
    Ok(0)
}
