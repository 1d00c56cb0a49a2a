// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decrypt: an encrypted file system (LUKS2) as a block device of its own, by the host's cryptsetup.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, OFlags, inotify, major, open, stat};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;

use super::{Builtin, raise};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys::event;
use crate::gob::{ByteString, Bytes, Typed};
use crate::gob_struct;
use crate::policy;
use crate::trusted::{Ended, Program, Root, Run};

gob_struct! {
    /// The arguments of Decrypt.
    pub struct DecryptArgs as "DecryptArgs" {
        /// Where the file system begins in its image, in bytes. Not used: the loop device begins there.
        pub offset: u64 as "Offset",
        /// The loop device: a name in /dev.
        pub device: ByteString as "Loopdev",
        /// The key, at most as many bytes as a pipe takes, usually 65,536.
        pub key: Bytes as "Key",
        /// A process in the host's IPC namespace, by its pid in /proc; 0 or less where the server is in that one itself.
        pub master: i64 as "MasterPid" ("int"),
    }
}

/// Decrypt.
pub static METHOD: Builtin = Builtin {
    name: "Decrypt",
    raises: CapabilitySet::SETUID
        .union(CapabilitySet::SETGID)
        .union(CapabilitySet::SYS_ADMIN)
        .union(CapabilitySet::IPC_LOCK),
    args: DecryptArgs::gob_type,
    secrets: &["Key"],
    add: |set, builtin, _| {
        let root = Root::present(policy::server().is_some());
        builtin.answered_by(set, move |args: DecryptArgs| {
            decrypt(&args, &root).map_err(|error| error.during(format!("decrypt {:?}", args.device)).into())
        })
    },
};

/// Where device mapper has its devices.
const MAPPER: &str = "/dev/mapper";

/// The first number of loop devices.
const LOOP_MAJOR: u32 = 7;

/// How cryptsetup ends when a key does not fit (cryptsetup(8)).
const NO_PERMISSION: i32 = 2;

/// How long the device's node may take to appear after cryptsetup has ended well.
const APPEARS: Duration = Duration::from_secs(30);

fn decrypt(args: &DecryptArgs, root: &Root) -> Result<String> {
    let cryptsetup = root.find("cryptsetup", &[0], "install Debian's package cryptsetup-bin")?;
    check_device(&args.device)?;
    let image = policy::server().map(|policy| policy.permits_decryption(&args.device)).transpose()?;
    let mapper = Mapper {
        cryptsetup,
        ipc: if args.master > 0 { Some(ipc_of(args.master)?) } else { None },
        // Random, so that no other start has the same name, nor has to be waited for.
        name: fs::read_to_string("/proc/sys/kernel/random/uuid").tried(|| "make a name")?.trim().to_owned(),
    };
    mapper.open(args)?;
    if let (Some(policy), Some(image)) = (policy::server(), image) {
        let made = stat(mapper.path()).tried(|| format!("look at {:?}", mapper.path()))?;
        policy.made(made.st_rdev, image);
    }
    Ok(mapper.path())
}

/// Loop devices alone, since with the server's privileges any disk could be opened; and by names that only root can give
/// to another one.
fn check_device(device: &ByteString) -> Result<()> {
    let refused = || Error::invalid("no loop device").with_help("as /dev/loop0");
    let name = device.strip_prefix(b"/dev/").ok_or_else(refused)?;
    if name.is_empty() || name.contains(&b'/') {
        return Err(refused());
    }
    let found = stat(device.as_path()).tried(|| "look at it")?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::BlockDevice if major(found.st_rdev) == LOOP_MAJOR => Ok(()),
        _ => Err(refused()),
    }
}

/// The IPC namespace of a process that may be another user's.
fn ipc_of(pid: i64) -> Result<OwnedFd> {
    let _raised = raise::raise(CapabilitySet::SYS_PTRACE)?;
    open(format!("/proc/{pid}/ns/ipc"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .tried(|| format!("open the IPC namespace of process {pid}"))
}

/// A device to be.
struct Mapper {
    cryptsetup: Program,
    /// Where the semaphores live by which device mapper and the host's udev wait for each other.
    ipc: Option<OwnedFd>,
    name: String,
}

impl Mapper {
    fn path(&self) -> String {
        format!("{MAPPER}/{}", self.name)
    }

    fn open(&self, args: &DecryptArgs) -> Result<()> {
        let words = ["open", "--batch-mode", "--type", "luks2", "--key-file", "-", "--"];
        let mut run = Run::with(words);
        run.arguments.extend([args.device.as_path().into(), self.name.as_str().into()]);
        run.input = &args.key.0;
        let ended = self.run(run)?;
        if !ended.status.success() {
            let failed = match ended.status.code() {
                Some(NO_PERMISSION) => Error::invalid(format!("the key does not fit: cryptsetup: {}", ended.text())),
                Some(_) if !has_device_mapper() => {
                    Error::new(ErrorKind::System, format!("cryptsetup: {}", ended.text()))
                        .with_help("this kernel has no device mapper: modprobe dm_crypt, or one with CONFIG_DM_CRYPT")
                }
                _ => Error::new(ErrorKind::System, format!("cryptsetup: {}", ended.text())),
            };
            // One that was killed has not cleaned up.
            let left = ended.status.code().is_none() || Path::new(&self.path()).exists();
            return Err(if left { self.close(failed) } else { failed });
        }
        appears(Path::new(&self.path())).map_err(|error| self.close(error))
    }

    /// Removes the device after an error.
    fn close(&self, error: Error) -> Error {
        match self.run(Run::with(["close", "--", &self.name])) {
            // 4: no such device.
            Ok(ended) if ended.status.success() || ended.status.code() == Some(4) => error,
            Ok(ended) => {
                error.because(Error::invalid(format!("{} stays: cryptsetup close: {}", self.path(), ended.text())))
            }
            Err(failed) => error.because(failed.during(format!("{} stays", self.path()))),
        }
    }

    fn run(&self, run: Run<'_>) -> Result<Ended> {
        self.cryptsetup.run(Run { root: true, ipc: self.ipc.as_ref(), ..run })
    }
}

fn has_device_mapper() -> bool {
    let control = open(format!("{MAPPER}/control"), OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    !matches!(control, Err(Errno::NOENT | Errno::NODEV | Errno::NXIO))
}

/// Waits for a node that udev makes. Without udev, or where device mapper waits for it, it is there already.
fn appears(node: &Path) -> Result<()> {
    if node.exists() {
        return Ok(());
    }
    let what = || format!("wait for {node:?}");
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).tried(what)?;
    inotify::add_watch(&watch, MAPPER, inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO).tried(what)?;
    let until = Instant::now() + APPEARS;
    while !node.exists() {
        let left = until.saturating_duration_since(Instant::now());
        if event::wait_readable(&[std::os::fd::AsFd::as_fd(&watch)], Some(left))? == [false] {
            let error = format!("{}: not there after {} s", what(), APPEARS.as_secs());
            return Err(Error::new(ErrorKind::Timeout, error));
        }
        while !matches!(rustix::io::read(&watch, &mut [0; 4096]), Err(Errno::AGAIN)) {}
    }
    Ok(())
}
