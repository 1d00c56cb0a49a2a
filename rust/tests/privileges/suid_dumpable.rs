// SPDX-License-Identifier: Apache-2.0 OR MIT
//! /proc/sys/fs/suid_dumpable: what the kernel makes of the dumpable attribute of a process whose ids change (proc_sys_fs(5)). It
//! is the whole machine's, so that those who mind it hold the file's lock.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

use nix::fcntl::{Flock, FlockArg};

const FILE: &str = "/proc/sys/fs/suid_dumpable";

/// While this lives no test changes it.
pub struct Stays(#[allow(dead_code, reason = "held for its lock")] Flock<File>);

impl Stays {
    pub fn as_it_is() -> Self {
        Stays(locked(File::open(FILE).expect(FILE), FlockArg::LockShared))
    }
}

/// Changed, until this is dropped.
pub struct Changed {
    file: Flock<File>,
    before: String,
}

impl Changed {
    /// An error where this machine does not let its root change it.
    pub fn to(value: &str) -> std::io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(FILE)?;
        let file = locked(file, FlockArg::LockExclusive);
        let before = read()?;
        let changed = Changed { file, before };
        changed.set(value)?;
        Ok(changed)
    }

    /// What is written behind the beginning of such a file is ignored.
    fn set(&self, value: &str) -> std::io::Result<()> {
        self.file.write_all_at(value.as_bytes(), 0)?;
        assert_eq!(read()?.trim(), value.trim(), "{FILE} is not as it was set");
        Ok(())
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        self.set(&self.before).expect(FILE);
    }
}

fn read() -> std::io::Result<String> {
    std::fs::read_to_string(FILE)
}

fn locked(file: File, how: FlockArg) -> Flock<File> {
    Flock::lock(file, how).map_err(|(_, errno)| errno).expect("its lock")
}
