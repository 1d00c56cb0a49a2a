// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The engine configuration as a sealed memory file: who reads it knows that nobody can still change it.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{FileType, MemfdFlags, SealFlags};
use rustix::io::Errno;

use crate::engine::common::MAX_CONFIG;
use crate::error::{Error, Result, Tried};

/// What the file system of memory files says it is (statfs(2)).
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// What must be sealed: size, content, and the seals themselves.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::WRITE).union(SealFlags::SEAL);

/// Above the standard streams, which a launch may replace.
const FIRST_FREE: i32 = 3;

/// A sealed memory file with the configuration, close-on-exec. Errors: empty; more than 64 MiB; a system call.
pub fn write(config: &[u8]) -> Result<OwnedFd> {
    check_size(config.len() as u64)?;
    let fd = create().tried(|| "make a memory file for the engine configuration")?;
    let file = File::from(fd);
    file.write_all_at(config, 0).tried(|| "write the engine configuration into a memory file")?;
    rustix::fs::fcntl_add_seals(&file, SEALS).tried(|| "seal the engine configuration")?;
    Ok(OwnedFd::from(file))
}

fn create() -> rustix::io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = match rustix::fs::memfd_create("engine-config", flags | MemfdFlags::NOEXEC_SEAL) {
        // Kernels before 6.3 do not know that a memory file can be kept from being executed.
        Err(Errno::INVAL) => rustix::fs::memfd_create("engine-config", flags)?,
        other => other?,
    };
    rustix::io::fcntl_dupfd_cloexec(fd, FIRST_FREE)
}

/// The configuration that a sealed memory file holds, whatever its file position. Errors: not a regular memory file;
/// not sealed against every change; empty; more than 64 MiB; a system call.
pub fn read(fd: OwnedFd) -> Result<Vec<u8>> {
    check_seals(&fd)?;
    let stat = rustix::fs::fstat(&fd).tried(|| "look at the engine configuration's memory file")?;
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    check_size(size)?;
    let mut config = vec![0; size as usize];
    File::from(fd).read_exact_at(&mut config, 0).tried(|| "read the engine configuration's memory file")?;
    Ok(config)
}

fn check_seals(fd: impl AsFd) -> Result<()> {
    let wrong = |text: &str| Error::invalid(format!("engine configuration by descriptor: {text}"));
    let looked = || "look at the engine configuration's descriptor";
    let stat = rustix::fs::fstat(&fd).tried(looked)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(wrong("no regular file"));
    }
    let file_system = rustix::fs::fstatfs(&fd).tried(looked)?;
    let Ok(seals) = rustix::fs::fcntl_get_seals(&fd) else {
        return Err(wrong("no memory file"));
    };
    if file_system.f_type != TMPFS_MAGIC {
        return Err(wrong("no memory file"));
    }
    if !seals.contains(SEALS) {
        let missing: Vec<&str> = (SEALS - seals).iter_names().map(|(name, _)| name).collect();
        return Err(wrong(&format!("not sealed: {} missing", missing.join(", "))));
    }
    Ok(())
}

fn check_size(size: u64) -> Result<()> {
    if size == 0 {
        return Err(Error::invalid("engine configuration: is empty"));
    }
    if size > MAX_CONFIG as u64 {
        return Err(Error::invalid(format!("engine configuration: {size} bytes, at most {MAX_CONFIG} are possible")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    fn memory(content: &[u8], seals: SealFlags) -> OwnedFd {
        let mut file = File::from(create().unwrap());
        file.write_all(content).unwrap();
        rustix::fs::fcntl_add_seals(&file, seals).unwrap();
        file.into()
    }

    fn refusal(fd: impl Into<OwnedFd>) -> String {
        read(fd.into()).expect_err("accepted").to_string()
    }

    #[test]
    fn what_was_written_is_read() {
        for size in [1, 4096, 2 << 20] {
            let config = vec![b'x'; size];
            let fd = write(&config).unwrap();
            assert!(rustix::io::fcntl_getfd(&fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
            assert_eq!(read(fd).unwrap(), config);
        }
    }

    #[test]
    fn a_sealed_file_cannot_be_changed() {
        let file = File::from(write(b"config").unwrap());
        assert!(file.write_all_at(b"x", 0).is_err());
        assert!(file.set_len(1).is_err());
        assert!(file.set_len(10).is_err());
        assert!(rustix::fs::fcntl_add_seals(&file, SealFlags::FUTURE_WRITE).is_err());
    }

    #[test]
    fn the_file_position_does_not_matter() {
        let mut file = File::from(write(b"config").unwrap());
        file.seek(std::io::SeekFrom::Start(4)).unwrap();
        assert_eq!(read(file.into()).unwrap(), b"config");
    }

    #[test]
    fn each_seal_is_needed() {
        for (seal, name) in [(SealFlags::SHRINK, "SHRINK"), (SealFlags::GROW, "GROW"), (SealFlags::WRITE, "WRITE")] {
            let error = refusal(memory(b"x", SEALS - seal));
            assert_eq!(error, format!("engine configuration by descriptor: not sealed: {name} missing"));
        }
        let error = refusal(memory(b"x", SEALS - SealFlags::SEAL));
        assert_eq!(error, "engine configuration by descriptor: not sealed: SEAL missing");
        assert_eq!(read(memory(b"x", SEALS)).unwrap(), b"x");
    }

    #[test]
    fn other_files_are_refused() {
        let temporary = tempfile::tempfile().unwrap();
        (&temporary).write_all(b"{}").unwrap();
        let error = refusal(temporary);
        assert!(error.starts_with("engine configuration by descriptor: no"), "{error}");
        assert_eq!(refusal(File::open("/").unwrap()), "engine configuration by descriptor: no regular file");
        assert_eq!(
            refusal(File::open("/proc/self/status").unwrap()),
            "engine configuration by descriptor: no memory file"
        );
        let (pipe, _) = std::io::pipe().unwrap();
        assert_eq!(refusal(pipe), "engine configuration by descriptor: no regular file");
    }

    #[test]
    fn sizes_have_limits() {
        assert_eq!(write(b"").unwrap_err().to_string(), "engine configuration: is empty");
        assert_eq!(refusal(memory(b"", SEALS)), "engine configuration: is empty");
        for (size, legal) in [(MAX_CONFIG, true), (MAX_CONFIG + 1, false)] {
            let file = File::from(create().unwrap());
            file.set_len(size as u64).unwrap();
            rustix::fs::fcntl_add_seals(&file, SEALS).unwrap();
            assert_eq!(read(file.into()).is_ok(), legal);
        }
        assert!(write(&vec![b'x'; MAX_CONFIG + 1]).is_err());
    }
}
