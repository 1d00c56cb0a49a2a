// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SendFuseFd and OpenSendFuseFd: descriptors for master, which the server has and master has not.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::fs::{FileType, Mode, OFlags, fstat, open, statfs};
use rustix::thread::CapabilitySet;

use super::Builtin;
use crate::engine::lock;
use crate::error::{CallbackError, Error, Result, Tried};
use crate::ffi::sys::descriptor;
use crate::ffi::sys::process::own_user_namespace;
use crate::gob::Typed;
use crate::gob_struct;

gob_struct! {
    /// The arguments of SendFuseFd.
    pub struct SendFuseFdArgs as "SendFuseFdArgs" {
        /// A connected Unix socket of the server.
        pub socket: i64 as "Socket" ("int"),
        /// Descriptors of the server, at most 252.
        pub fds: Vec<i64> as "Fds" ("[]int"),
    }
}

gob_struct! {
    /// The argument of OpenSendFuseFd.
    pub struct OpenSendFuseFdArgs as "OpenSendFuseFdArgs" {
        /// A connected Unix socket of the server.
        pub socket: i64 as "Socket" ("int"),
    }
}

/// SendFuseFd.
pub static METHOD: Builtin = Builtin {
    name: "SendFuseFd",
    raises: CapabilitySet::empty(),
    args: SendFuseFdArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| builtin.answered_by(set, |args| send_fuse_fd(&args)),
};

/// OpenSendFuseFd. The descriptors stay open as long as the server lives: a later Mount names them by number.
pub static METHOD_OPEN: Builtin = Builtin {
    name: "OpenSendFuseFd",
    raises: CapabilitySet::empty(),
    args: OpenSendFuseFdArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| {
        let opened = Mutex::new(Vec::new());
        builtin.answered_by(set, move |args: OpenSendFuseFdArgs| {
            let fuse = open_send_fuse_fd(&args)?;
            let number = fuse.as_raw_fd();
            lock(&opened).push(fuse);
            Ok(i64::from(number))
        })
    },
};

/// As many descriptors as the kernel takes in one message (SCM_MAX_FD, unix(7)).
const MOST: usize = 253;

fn send_fuse_fd(args: &SendFuseFdArgs) -> Result<i64, CallbackError> {
    let during = |error: Error| error.during("send descriptors of the server");
    let mut fds = Vec::with_capacity(args.fds.len() + 1);
    for number in &args.fds {
        fds.push(open_number(*number).map_err(during)?);
    }
    let namespace = user_namespace().map_err(during)?;
    fds.push(namespace.as_raw_fd());
    if fds.len() > MOST {
        let text = format!(
            "{} and the user namespace: at most {MOST} fit into one message; send them by several calls",
            args.fds.len()
        );
        return Err(during(Error::invalid(text)).into());
    }
    send(args.socket, &fds).map_err(during)?;
    Ok(0)
}

fn open_send_fuse_fd(args: &OpenSendFuseFdArgs) -> Result<OwnedFd> {
    let during = |error: Error| error.during("send a descriptor of /dev/fuse");
    let fuse = open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .tried(|| "open it (needs the module fuse, and the node in this /dev)")
        .map_err(during)?;
    send(args.socket, &[fuse.as_raw_fd()]).map_err(during)?;
    Ok(fuse)
}

fn open_number(number: i64) -> Result<RawFd> {
    match RawFd::try_from(number) {
        Ok(fd) if descriptor::is_open(fd) => Ok(fd),
        _ => Err(Error::system(format!("descriptor {number}"), libc::EBADF)),
    }
}

/// Sends the descriptors in one message with one NUL byte: without a byte a stream carries none.
fn send(socket: i64, fds: &[RawFd]) -> Result<()> {
    let socket_fd = open_number(socket).map_err(|error| error.during("use the socket"))?;
    let kind = descriptor::with(socket_fd, |fd| fstat(fd))?.tried(|| "look at the socket")?.st_mode;
    if FileType::from_raw_mode(kind) != FileType::Socket {
        return Err(Error::system(format!("use the socket: descriptor {socket}"), libc::ENOTSOCK));
    }
    let rights = [ControlMessage::ScmRights(fds)];
    sendmsg::<()>(socket_fd, &[IoSlice::new(&[0])], &rights, MsgFlags::MSG_NOSIGNAL, None)
        .tried(|| format!("send {} descriptors over the socket {socket}", fds.len()))
        .map(drop)
}

/// linux/magic.h.
const NSFS_MAGIC: u32 = 0x6e73_6673;

/// The server's own user namespace: from the kernel itself, or through proc where the kernel is older.
fn user_namespace() -> Result<OwnedFd> {
    if let Ok(namespace) = own_user_namespace() {
        return Ok(namespace);
    }
    let path = "/proc/self/ns/user";
    let what = || format!("open the user namespace {path}");
    // What an image has in that place is no namespace.
    if statfs(path).tried(what)?.f_type as u32 != NSFS_MAGIC {
        let why = "it is none: mount proc on /proc first, which kernels before 6.11 need";
        return Err(Error::invalid(format!("{}: {why}", what())));
    }
    open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).tried(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_namespace_is_the_one_that_proc_shows() {
        let namespace = std::fs::File::from(user_namespace().unwrap());
        assert_eq!(namespace.metadata().unwrap().ino(), std::fs::metadata("/proc/self/ns/user").unwrap().ino());
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        let (near, _far) = UnixStream::pair().unwrap();
        let file = std::fs::File::open("/").unwrap();
        let (socket, file) = (i64::from(near.as_raw_fd()), i64::from(file.as_raw_fd()));
        let text = |socket, fds| send_fuse_fd(&SendFuseFdArgs { socket, fds }).unwrap_err().to_string();
        let bad = "bad file descriptor";
        assert_eq!(text(socket, vec![-1]), format!("send descriptors of the server: descriptor -1: {bad}"));
        assert_eq!(
            text(1 << 40, vec![]),
            format!("send descriptors of the server: use the socket: descriptor 1099511627776: {bad}")
        );
        assert!(
            text(file, vec![]).ends_with(&format!("use the socket: descriptor {file}: socket operation on non-socket"))
        );
        assert!(text(socket, vec![file; 253]).contains("253 and the user namespace: at most 253 fit into one message"));
        assert_eq!(send_fuse_fd(&SendFuseFdArgs { socket, fds: vec![file; 252] }).unwrap(), 0);
        drop(_far);
        assert!(text(socket, vec![file]).ends_with("broken pipe"));
    }
}
