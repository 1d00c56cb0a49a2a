// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a server with the host's rights and a policy lets nobody mount. As long as its root is the host's it executes
//! programs and trusts files there: what a client puts over them would be executed and trusted in their place.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, PROC_SUPER_MAGIC, fstat, open, openat, statfs};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;

use super::raise;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::policy;
use crate::trusted::{Place, Root};

/// The kernel's own file systems, devices, settings, programs and what these load. Nothing is mounted on one of them,
/// beneath it, or on a directory above it.
const KEPT: [&str; 22] = [
    "/proc",
    "/sys",
    "/dev",
    "/etc",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
    "/usr/libexec",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/local/lib",
    "/usr/local/lib32",
    "/usr/local/lib64",
];

/// How a directory is opened that is only looked at.
const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// What the server knows of the host's tree from before its first mount on.
#[derive(Debug)]
pub struct Host(Option<Result<Tree>>);

#[derive(Debug)]
struct Tree {
    root: Root,
    /// Open, so that the numbers of their mounts go to no others.
    kept: Vec<(Place, OwnedFd)>,
    above: Vec<Place>,
}

impl Host {
    /// To be called before the first mount. Where no policy is asked, everything is permitted.
    pub fn noted() -> Host {
        Host(policy::server().map(|_| Tree::present()))
    }

    /// Whether something may be mounted on what was opened. In a root of the container's it may: nothing of the host's is
    /// used any more, and no Chroot leads back.
    pub fn permits_target(&self, target: BorrowedFd<'_>) -> Result<()> {
        let Some(noted) = &self.0 else { return Ok(()) };
        let unknown = |error: &Error| Error::new(ErrorKind::Refused, format!("tell the host's tree: {error}"));
        let tree = noted.as_ref().map_err(unknown)?;
        if tree.root.is_present()? { tree.permits_target(target) } else { Ok(()) }
    }
}

impl Tree {
    fn present() -> Result<Tree> {
        // A directory's user need not be allowed to search it.
        let _raised = raise::raise(CapabilitySet::DAC_READ_SEARCH)?;
        let mut tree = Tree { root: Root::present(true), kept: Vec::new(), above: Vec::new() };
        // What is a link itself is found in another directory than what it leads to.
        for parent in KEPT.iter().filter_map(|path| Path::new(path).parent()).collect::<BTreeSet<_>>() {
            if let Some(opened) = directory(parent)? {
                tree.add_above(Upwards::from(opened)?)?;
            }
        }
        for path in KEPT.map(Path::new) {
            if let Some(opened) = directory(path)? {
                tree.add_above(Upwards::from(&opened)?.skip(1))?;
                tree.kept.push((Place::of(&opened)?, opened));
            }
        }
        Ok(tree)
    }

    /// Up to one that is known, and with it all above that.
    fn add_above(&mut self, upwards: impl Iterator<Item = Result<Place>>) -> Result<()> {
        for above in upwards {
            let above = above?;
            if self.above.contains(&above) {
                break;
            }
            self.above.push(above);
        }
        Ok(())
    }

    fn permits_target(&self, target: BorrowedFd<'_>) -> Result<()> {
        let _raised = raise::raise(CapabilitySet::DAC_READ_SEARCH)?;
        let about = fstat(target).tried(|| "look at the target")?;
        // A directory covers what is in it, anything else (a link least of all) may be on the way.
        let start = match FileType::from_raw_mode(about.st_mode) {
            FileType::Directory => openat(target, ".", DIRECTORY, Mode::empty()).tried(|| "open the target")?,
            _ => parent(target)?,
        };
        if self.above.contains(&Place::of(&start)?) {
            return Err(refused());
        }
        let mut upwards = Upwards::from(start)?;
        let kept = |place: &Place| self.kept.iter().any(|(kept, _)| kept == place);
        match upwards.find(|directory| directory.as_ref().map_or(true, kept)) {
            Some(Err(error)) => Err(error),
            Some(Ok(_)) => Err(refused()),
            None => Ok(()),
        }
    }
}

fn refused() -> Error {
    Error::new(
        ErrorKind::Refused,
        "the policy forbids: mounting over the host's programs, settings or devices, or on what leads to them",
    )
    .with_help("mount beneath a directory that the container's root is prepared in")
}

/// A directory of the host's, if it is there.
fn directory(path: &Path) -> Result<Option<OwnedFd>> {
    match open(path, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        opened => opened.map(Some).tried(|| format!("open {path:?}")),
    }
}

/// A directory, the one above it, and so on up to the root: by descriptors, whoever renames them meanwhile.
struct Upwards(Option<(OwnedFd, Place)>);

impl Upwards {
    fn from(directory: impl AsFd) -> Result<Upwards> {
        let opened = directory.as_fd().try_clone_to_owned().map_err(|error| Error::io("share a descriptor", &error))?;
        let place = Place::of(&opened)?;
        Ok(Upwards(Some((opened, place))))
    }
}

impl Iterator for Upwards {
    type Item = Result<Place>;

    fn next(&mut self) -> Option<Result<Place>> {
        let (here, place) = self.0.take()?;
        let above = || -> Result<(OwnedFd, Place)> {
            let above = openat(&here, "..", DIRECTORY, Mode::empty()).tried(|| "open the directory above")?;
            let place = Place::of(&above)?;
            Ok((above, place))
        };
        match above() {
            Ok((_, same)) if same == place => {}
            Ok(next) => self.0 = Some(next),
            Err(error) => return Some(Err(error)),
        }
        Some(Ok(place))
    }
}

/// The directory that has an opened file: as the kernel names it, and looked at whether it has the file.
fn parent(file: BorrowedFd<'_>) -> Result<OwnedFd> {
    let moved = || Error::new(ErrorKind::Refused, "find the target's directory: it is another one meanwhile");
    let names = "/proc/self/fd";
    if !statfs(names).is_ok_and(|found| found.f_type == PROC_SUPER_MAGIC) {
        return Err(Error::new(ErrorKind::Refused, "find the target's directory: this takes /proc"));
    }
    let path: PathBuf =
        std::fs::read_link(format!("{names}/{}", file.as_raw_fd())).tried(|| "find the target's name")?;
    let (directory, name) = path.parent().zip(path.file_name()).filter(|_| path.is_absolute()).ok_or_else(moved)?;
    let directory = open(directory, DIRECTORY, Mode::empty()).tried(|| "open the target's directory")?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = openat(&directory, Path::new(name), flags, Mode::empty()).tried(|| "open the target again")?;
    if Place::of(&found)? == Place::of(file)? { Ok(directory) } else { Err(moved()) }
}
