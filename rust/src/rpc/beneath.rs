// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Paths inside a root. The rules are those of Go's `os.Root` and of openat2(2) with `RESOLVE_BENEATH` and
//! `RESOLVE_NO_MAGICLINKS`: symbolic links are followed as long as they stay inside; an absolute one, one that climbs
//! out, and `..` at the root are refused with `EXDEV`. Where the kernel or a filter lacks openat2, a walker takes its
//! place that holds a descriptor of every directory on the way, so that nothing can be exchanged under it. As many
//! symbolic links are followed as Linux follows, 40; Go gives up after 8.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, readlinkat};
use rustix::io::Errno;

/// What a path must lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Anything. A symbolic link in the last place is opened itself.
    Anything,
    /// A directory. A symbolic link in the last place is followed.
    Directory,
}

/// Who resolves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Resolver {
    /// openat2(2), and the walker where that is missing.
    Kernel,
    /// The walker.
    Walker,
}

/// As many symbolic links as the kernel follows.
const LINKS: u32 = 40;
/// How often openat2(2) is asked about a path with `..`, which any rename or mount on the machine disturbs.
const RACES: u32 = 8;

/// Set once openat2(2) turned out to be missing.
static WITHOUT_OPENAT2: AtomicBool = AtomicBool::new(false);

/// Opens a root directory; an empty path is `/`. The descriptor only marks the place (`O_PATH`).
pub fn open_root(root: &Path) -> rustix::io::Result<OwnedFd> {
    let root = if root.as_os_str().is_empty() { Path::new("/") } else { root };
    openat(CWD, root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// `target` as a path from `root` on, compared by components: under the root `/a/b`, `/a/b/c` is `c` and `/a/bc` is
/// `a/bc`. The root itself is `.`.
pub fn relative(root: &Path, target: &Path) -> PathBuf {
    let plain = |path: &Path| -> Vec<OsString> {
        let named = |component: Component<'_>| !matches!(component, Component::RootDir | Component::CurDir);
        path.components().filter(|component| named(*component)).map(|component| component.as_os_str().into()).collect()
    };
    let (root_names, target_names) = (plain(root), plain(target));
    let same_start = root.is_absolute() == target.is_absolute() || root_names.is_empty();
    let inside = if same_start { target_names.strip_prefix(&root_names[..]) } else { None };
    let names = inside.unwrap_or(&target_names);
    if names.is_empty() { PathBuf::from(".") } else { names.iter().collect() }
}

/// Opens `path` beneath `root` as a mark (`O_PATH`). `EXDEV` says that it leads out.
pub fn open(root: BorrowedFd<'_>, path: &Path, want: Want, resolver: Resolver) -> rustix::io::Result<OwnedFd> {
    if resolver == Resolver::Kernel && !WITHOUT_OPENAT2.load(Ordering::Relaxed) {
        match by_kernel(root, path, want) {
            // Filters of old container runtimes answer EPERM to calls that they do not know.
            Err(Errno::NOSYS | Errno::PERM) => WITHOUT_OPENAT2.store(true, Ordering::Relaxed),
            // Others must not be able to make a call fail; the walker is not disturbed by them.
            Err(Errno::AGAIN) => {}
            result => return result,
        }
    }
    walk(root, path, want)
}

/// The words for a failure to resolve.
pub fn failure(errno: Errno) -> String {
    match errno {
        Errno::XDEV => "path escapes from parent".to_owned(),
        errno => crate::error::errno_text(errno.raw_os_error()),
    }
}

fn last_flags(want: Want) -> OFlags {
    OFlags::PATH
        | OFlags::CLOEXEC
        | match want {
            Want::Anything => OFlags::NOFOLLOW,
            Want::Directory => OFlags::DIRECTORY,
        }
}

fn by_kernel(root: BorrowedFd<'_>, path: &Path, want: Want) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut result = Err(Errno::AGAIN);
    for _ in 0..RACES {
        result = openat2(root, path, last_flags(want), Mode::empty(), resolve);
        if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
            break;
        }
    }
    result
}

/// The walker: `open` holds the directories from the root's child to the present one.
fn walk(root: BorrowedFd<'_>, path: &Path, want: Want) -> rustix::io::Result<OwnedFd> {
    if path.as_os_str().is_empty() {
        return Err(Errno::NOENT);
    }
    let mut open: Vec<OwnedFd> = Vec::new();
    let mut links = 0;
    // What is still to be walked, the next name last.
    let mut names = Vec::new();
    push_names(&mut names, path)?;
    let mut found = None;
    while let Some(name) = names.pop() {
        let here = open.last().map_or(root, |open| open.as_fd());
        let last = names.is_empty();
        if name == "." || name == ".." {
            // Searching a directory needs the right to, also where nothing is looked up in it.
            openat(here, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            if name == ".." {
                open.pop().ok_or(Errno::XDEV)?;
            }
            continue;
        }
        let (next, kind) = step(here, &name, last && want == Want::Anything)?;
        if kind == FileType::Symlink && !(last && want == Want::Anything) {
            links += 1;
            if links > LINKS {
                return Err(Errno::LOOP);
            }
            let target = readlinkat(&next, c"", Vec::new())?;
            push_names(&mut names, Path::new(OsStr::from_bytes(target.as_bytes())))?;
        } else if last && kind != FileType::Directory {
            found = Some(next);
        } else if kind == FileType::Directory {
            open.push(next);
        } else {
            return Err(Errno::NOTDIR);
        }
    }
    match (found, open.pop()) {
        (Some(_), _) if want == Want::Directory => Err(Errno::NOTDIR),
        (Some(found), _) => Ok(found),
        (None, Some(directory)) => Ok(directory),
        (None, None) => openat(root, ".", last_flags(want), Mode::empty()),
    }
}

/// Opens a name in a directory, and says what it is.
fn step(here: BorrowedFd<'_>, name: &OsStr, mark: bool) -> rustix::io::Result<(OwnedFd, FileType)> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Most names are directories; asked for as such, one that is mounted on demand is mounted.
    if !mark {
        match openat(here, name, flags | OFlags::DIRECTORY, Mode::empty()) {
            Err(Errno::NOTDIR) => {}
            directory => return Ok((directory?, FileType::Directory)),
        }
    }
    let next = openat(here, name, flags, Mode::empty())?;
    let kind = FileType::from_raw_mode(fstat(&next)?.st_mode);
    Ok((next, kind))
}

/// Puts the names of a path on top of those still to be walked.
fn push_names(names: &mut Vec<OsString>, path: &Path) -> rustix::io::Result<()> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.starts_with(b"/") {
        return Err(Errno::XDEV);
    }
    // A slash at the end asks for a directory, as a dot after it does.
    let trailing: &[u8] = if bytes.ends_with(b"/") { b"." } else { b"" };
    let parts = bytes.split(|byte| *byte == b'/').chain([trailing]).filter(|part| !part.is_empty());
    let mut parts: Vec<OsString> = parts.map(|part| OsString::from_vec(part.to_vec())).collect();
    parts.reverse();
    names.append(&mut parts);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        fs::write(dir.path().join("outside"), "").unwrap();
        fs::write(root.join("a/file"), "").unwrap();
        for (name, target) in [
            ("abs", "/etc"),
            ("out", "../outside"),
            ("a/up", ".."),
            ("a/upup", "../.."),
            ("in", "a/b"),
            ("a/b/back", "../../in/c"),
            ("dangling", "nowhere"),
            ("loop", "loop"),
            ("tofile", "a/file"),
            ("slash", "a/b/"),
            ("fileslash", "a/file/"),
        ] {
            symlink(target, root.join(name)).unwrap();
        }
        let mut previous = "a".to_owned();
        for number in 0..42 {
            let name = format!("chain{number}");
            symlink(&previous, root.join(&name)).unwrap();
            previous = name;
        }
        dir
    }

    const PATHS: [&str; 52] = [
        "",
        ".",
        "..",
        "/",
        "/a",
        "a",
        "a/",
        "a/.",
        "a//b",
        "a/b/c",
        "a/..",
        "a/../..",
        "a/../a/b",
        "a/file",
        "a/file/",
        "a/file/x",
        "a/file/..",
        "a/none",
        "none/x",
        "abs",
        "abs/passwd",
        "out",
        "out/x",
        "a/up",
        "a/up/a",
        "a/upup",
        "a/upup/x",
        "in",
        "in/",
        "in/c",
        "a/b/back",
        "a/b/back/",
        "a/b/back/..",
        "dangling",
        "dangling/",
        "loop",
        "loop/",
        "tofile",
        "tofile/",
        "slash",
        "slash/c",
        "fileslash",
        "fileslash/",
        "chain38",
        "chain38/b",
        "chain39/b",
        "chain40/b",
        "chain41",
        "./in/./c/.",
        "in/../..",
        "in/../../a",
        "in/../../..",
    ];

    #[test]
    fn the_walker_decides_as_the_kernel_does() {
        let dir = tree();
        let root = open_root(&dir.path().join("root")).unwrap();
        for name in PATHS {
            for want in [Want::Anything, Want::Directory] {
                let identity = |result: rustix::io::Result<OwnedFd>| {
                    result.map(|fd| fs::File::from(fd).metadata().unwrap()).map(|found| (found.dev(), found.ino()))
                };
                let by = |resolver| identity(open(root.as_fd(), Path::new(name), want, resolver));
                let (kernel, walker) = (by(Resolver::Kernel), by(Resolver::Walker));
                assert_eq!(walker, kernel, "{name:?} as {want:?}");
            }
        }
    }

    #[test]
    fn what_leads_out_is_said_so() {
        let dir = tree();
        let root = open_root(&dir.path().join("root")).unwrap();
        assert!(open(root.as_fd(), Path::new("in/c"), Want::Directory, Resolver::Walker).is_ok());
        for resolver in [Resolver::Walker, Resolver::Kernel] {
            let escape = open(root.as_fd(), Path::new("out/x"), Want::Anything, resolver);
            assert_eq!(failure(escape.unwrap_err()), "path escapes from parent");
        }
    }

    #[test]
    fn magic_links_are_refused() {
        let root = open_root(Path::new("/proc")).unwrap();
        for resolver in [Resolver::Walker, Resolver::Kernel] {
            assert!(open(root.as_fd(), Path::new("self/cwd/x"), Want::Anything, resolver).is_err());
            assert!(open(root.as_fd(), Path::new("self/status"), Want::Anything, resolver).is_ok());
        }
    }

    #[test]
    fn prefixes_are_compared_by_components() {
        let relative = |root: &str, target: &str| relative(Path::new(root), Path::new(target)).display().to_string();
        assert_eq!(relative("/a/b", "/a/b/c"), "c");
        assert_eq!(relative("/a/b", "/a/bc/x"), "a/bc/x");
        assert_eq!(relative("/a/b/", "/a//b"), ".");
        assert_eq!(relative("", "/proc"), "proc");
        assert_eq!(relative("/", "/proc/"), "proc");
        assert_eq!(relative("/a", "/a/../etc"), "../etc");
        assert_eq!(relative("/a", "a/b"), "a/b");
        assert_eq!(relative("rootfs", "/rootfs/x"), "rootfs/x");
    }
}
