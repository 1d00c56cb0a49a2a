// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What stage 1 hands to the privileged side: a memory file with the settings and the engine configuration. The starter
//! makes it, stage 1 fills it; when stage 1 has decided the starter seals it, reads it, and never maps it: stage 1 may still live.

use std::io::Write;
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use serde::{Deserialize, Serialize};

use crate::config::Settings;
use crate::engine::Declaration;
use crate::engine::common::MAX_CONFIG;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::rpc::builtin;

/// The most bytes of serialised settings: 1,024 descriptors, two maps of 4 kB and six paths of 4 kB fit many times.
const MAX_SETTINGS: usize = 256 * 1024;
const HEADER: usize = 8;

/// What stage 1 decides, beside the engine configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// What PrepareConfig set.
    pub settings: Settings,
    /// What the engine says of itself.
    pub declaration: Declaration,
    /// The engine's name in the registry.
    pub engine_name: String,
    /// The methods that the RPC server serves without the program's own runtime, if it is to.
    pub native_rpc: Option<builtin::Options>,
}

/// The memory file, before it is sealed.
pub struct HandOver(OwnedFd);

impl HandOver {
    /// An empty one.
    pub fn new() -> Result<Self> {
        use rustix::fs::{MemfdFlags, memfd_create};
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        memfd_create("pinion-plan", flags).map(HandOver).tried(|| "make the memory file for stage 1's decisions")
    }

    /// In stage 1: fills it.
    pub fn write(&self, decision: &Decision, configuration: &[u8]) -> Result<()> {
        let settings =
            serde_json::to_vec(decision).map_err(|error| Error::invalid(format!("write the plan: {error}")))?;
        if settings.len() > MAX_SETTINGS {
            return Err(Error::invalid(format!(
                "the settings have {} bytes; {MAX_SETTINGS} are possible",
                settings.len()
            )));
        }
        let length = u64::try_from(settings.len()).unwrap_or(u64::MAX).to_le_bytes();
        let mut bytes = Vec::with_capacity(HEADER + settings.len() + configuration.len());
        bytes.extend_from_slice(&length);
        bytes.extend_from_slice(&settings);
        bytes.extend_from_slice(configuration);
        let mut file = std::fs::File::from(self.0.try_clone().tried(|| "write the plan")?);
        file.write_all(&bytes).tried(|| "write the plan to its memory file")
    }

    /// In the starter, when stage 1 has decided: seals it, reads it and takes it apart.
    pub fn seal_and_read(self) -> Result<(Decision, Vec<u8>)> {
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL;
        fcntl(&self.0, FcntlArg::F_ADD_SEALS(seals)).tried(|| "seal stage 1's decisions")?;
        let size = nix::sys::stat::fstat(&self.0).tried(|| "look at stage 1's decisions")?.st_size;
        let size = usize::try_from(size).ok().filter(|size| *size <= HEADER + MAX_SETTINGS + MAX_CONFIG);
        let size = size.ok_or_else(|| odd("its size"))?;
        let mut bytes = vec![0u8; size];
        let mut filled = 0;
        while filled < size {
            let offset = i64::try_from(filled).map_err(|_| odd("its size"))?;
            match nix::sys::uio::pread(&self.0, &mut bytes[filled..], offset) {
                Ok(0) => return Err(odd("its end")),
                Ok(read) => filled += read,
                Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(Error::system("read stage 1's decisions", errno as i32)),
            }
        }
        take_apart(bytes)
    }
}

fn take_apart(mut bytes: Vec<u8>) -> Result<(Decision, Vec<u8>)> {
    let header: [u8; HEADER] =
        bytes.get(..HEADER).and_then(|header| header.try_into().ok()).ok_or_else(|| odd("its header"))?;
    let length = usize::try_from(u64::from_le_bytes(header)).map_err(|_| odd("its header"))?;
    let end = HEADER.checked_add(length).filter(|end| length <= MAX_SETTINGS && *end <= bytes.len());
    let end = end.ok_or_else(|| odd("its header"))?;
    let decision = serde_json::from_slice(&bytes[HEADER..end])
        .map_err(|error| Error::new(ErrorKind::Protocol, format!("read stage 1's decisions: {error}")))?;
    bytes.drain(..end);
    Ok((decision, bytes))
}

fn odd(what: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("read stage 1's decisions: {what} is not what stage 1 writes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stage_1_wrote_comes_out_and_is_sealed() {
        let handover = HandOver::new().expect("memory file");
        let settings = Settings { no_new_privs: true, kept_fds: vec![5], ..Settings::default() };
        let decision = Decision {
            settings,
            declaration: Declaration::default(),
            engine_name: "x".into(),
            native_rpc: Some(builtin::Options::default()),
        };
        handover.write(&decision, b"{\"engineName\":\"x\"}").expect("write");
        let writer = handover.0.try_clone().expect("duplicate");
        let (read, configuration) = handover.seal_and_read().expect("read");
        assert_eq!((read, configuration.as_slice()), (decision, b"{\"engineName\":\"x\"}".as_slice()));
        assert_eq!(nix::unistd::write(&writer, b"x"), Err(nix::errno::Errno::EPERM));
    }

    #[test]
    fn every_truncation_is_an_error_and_no_panic() {
        let (settings, declaration) = (Settings::default(), Declaration::default());
        let decision = Decision { settings, declaration, engine_name: "x".into(), native_rpc: None };
        let settings = serde_json::to_vec(&decision).expect("decision");
        let mut bytes = (settings.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(&settings);
        for length in 0..bytes.len() {
            assert!(take_apart(bytes[..length].to_vec()).is_err(), "{length} bytes");
        }
        assert!(take_apart(u64::MAX.to_le_bytes().to_vec()).is_err());
    }
}
