// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Processes: a clone that returns twice, the end of a process, whether the file is setuid.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use rustix::process::Pid;

use crate::error::Error;

/// Which side of [`clone`] this is.
pub enum Cloned {
    /// The new process, on a copy of the caller's memory and stack.
    Child,
    /// The caller: the new process's pid in the caller's PID namespace, and its pidfd (close-on-exec).
    Parent(Pid, OwnedFd),
}

/// Makes a process as fork(2) does, with `flags` (CLONE_NEW*, CLONE_FS) besides, by clone3(2) without a stack.
/// On kernels and under seccomp filters without clone3 (ENOSYS) clone(2) does the same.
///
/// The caller must have one thread: locks of other threads would stay held in the child for ever.
///
/// The C library caches the thread's id; the kernel is told to renew that cache in the child
/// (CLONE_CHILD_SETTID at the address that PR_GET_TID_ADDRESS names), without which its setuid functions
/// would leave the child's main thread out.
pub fn clone(flags: u64) -> Result<Cloned, Errno> {
    let mut pidfd: RawFd = -1;
    let tid_slot = rustix::thread::get_clear_child_tid_address().ok().flatten();
    let tid_address = tid_slot.map_or(0, |slot| slot.as_ptr() as u64);
    let tid_flags = if tid_slot.is_some() { libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID } else { 0 };
    let flags = flags | libc::CLONE_PIDFD as u64 | tid_flags as u64;
    // SAFETY: all-zero is a valid clone_args; every field that the kernel reads is set below.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags;
    args.pidfd = (&raw mut pidfd) as u64;
    args.child_tid = tid_address;
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM the child runs on its own copy of this stack, so returning twice is as sound as
    // with fork(2); the pointers are valid for the call, and the tid slot is the C library's own for this thread.
    let mut pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    if pid < 0 && Errno::last() == Errno::ENOSYS {
        pid = clone_without_clone3(flags, &raw mut pidfd, tid_address);
    }
    match pid {
        0 => Ok(Cloned::Child),
        pid if pid > 0 => {
            // SAFETY: on success the kernel stored a new descriptor here; nobody else owns it.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::ERANGE)?;
            Ok(Cloned::Parent(pid, pidfd))
        }
        _ => Err(Errno::last()),
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
fn clone_without_clone3(flags: u64, pidfd: *mut RawFd, tid_address: u64) -> libc::c_long {
    let flags = flags | libc::SIGCHLD as u64;
    #[cfg(target_arch = "x86_64")]
    let (fourth, fifth) = (tid_address, 0u64);
    #[cfg(not(target_arch = "x86_64"))]
    let (fourth, fifth) = (0u64, tid_address);
    // SAFETY: as for clone3 above; with CLONE_PIDFD the parent-tid argument receives the descriptor. The order of
    // the last two arguments (child tid, tls) depends on the architecture (clone(2)).
    unsafe { libc::syscall(libc::SYS_clone, flags, 0u64, pidfd, fourth, fifth) }
}

/// The error of a process or a thread that could not be made, with what helps at the limit of them.
#[must_use]
pub fn not_made(error: Error) -> Error {
    match error.errno() {
        Some(libc::EAGAIN) => {
            error.with_help("the limit of processes is reached (ulimit -u, or the pids limit of a cgroup)")
        }
        _ => error,
    }
}

/// Sends a signal by its number, real-time ones included, to the process behind a pidfd. One that has ended already is no
/// error.
pub fn send_signal(pidfd: impl AsFd, number: i32) -> Result<(), Error> {
    let fd = pidfd.as_fd().as_raw_fd();
    // SAFETY: the descriptor is borrowed for the call; a null siginfo asks for the one of kill(2).
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, std::ptr::null::<u8>(), 0) };
    match Errno::last() {
        _ if sent == 0 => Ok(()),
        Errno::ESRCH => Ok(()),
        errno => Err(Error::system(format!("send signal {number}"), errno as i32)),
    }
}

/// The same for a signal that was sent to the caller. A process that has become another user's by now does not get it, which is no
/// reason to end it.
pub fn pass_signal_on(pidfd: impl AsFd, number: i32) -> Result<(), Error> {
    match send_signal(pidfd, number) {
        Err(error) if error.errno() == Some(libc::EPERM) => Ok(()),
        sent => sent.map_err(|error| error.during("pass it on to the container")),
    }
}

/// Ends the process at once, without exit handlers: a forked child must not run those of its parent.
pub fn exit(code: i32) -> ! {
    // SAFETY: _exit(2) takes no pointers and does not return.
    unsafe { libc::_exit(code) }
}

/// Whether the kernel started this program with more privileges than its caller has: a setuid file or one with
/// file capabilities (AT_SECURE, getauxval(3)).
pub fn is_secure_execution() -> bool {
    // SAFETY: getauxval(3) takes no pointers.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Whether the process has one thread, from the kernel and without /proc: unsharing the thread group (unshare(2)) changes
/// nothing then and is refused otherwise. `None` where a filter refuses the question.
pub fn has_one_thread() -> Option<bool> {
    match nix::sched::unshare(nix::sched::CloneFlags::CLONE_THREAD) {
        Ok(()) => Some(true),
        Err(Errno::EINVAL) => Some(false),
        Err(_) => None,
    }
}

/// The caller's user and group ids: real, effective, saved.
pub fn ids() -> ([u32; 3], [u32; 3]) {
    let (mut uid, mut gid) = ([u32::MAX; 3], [u32::MAX; 3]);
    let [real, effective, saved] = &mut uid;
    // SAFETY: three valid pointers; the call cannot fail with those.
    unsafe { libc::getresuid(real, effective, saved) };
    let [real, effective, saved] = &mut gid;
    // SAFETY: as above.
    unsafe { libc::getresgid(real, effective, saved) };
    (uid, gid)
}

/// The calling thread's capabilities: effective, permitted, inheritable (capget(2)).
pub fn capabilities() -> Result<[u64; 3], Errno> {
    /// linux/capability.h: `_LINUX_CAPABILITY_VERSION_3`.
    const VERSION: u32 = 0x2008_0522;
    let mut header = [VERSION, 0];
    // Two halves of each set. Filled beforehand: checkers of memory know of the kernel's first element only.
    let mut halves = [[0u32; 3]; 2];
    // SAFETY: the kernel reads and writes 8 bytes of the header (version, and the pid 0, which is the caller) and writes the 24 bytes
    // of this version's two elements; both arrays have that size and alignment.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), halves.as_mut_ptr()) })?;
    let [low, high] = halves;
    Ok([0, 1, 2].map(|set: usize| u64::from(low[set]) | u64::from(high[set]) << 32))
}

/// The caller's user namespace, without a path (PIDFD_GET_USER_NAMESPACE). Linux 6.11 on; older ones answer `ENOTTY`.
pub fn own_user_namespace() -> Result<OwnedFd, Errno> {
    /// linux/pidfd.h: `_IO(0xFF, 9)`.
    const GET_USER_NAMESPACE: u32 = 0xFF09;
    let flags = rustix::process::PidfdFlags::empty();
    let pidfd = rustix::process::pidfd_open(rustix::process::getpid(), flags)
        .map_err(|errno| Errno::from_raw(errno.raw_os_error()))?;
    // SAFETY: the request takes no argument.
    let fd = Errno::result(unsafe { libc::ioctl(pidfd.as_raw_fd(), GET_USER_NAMESPACE as libc::Ioctl, 0) })?;
    // SAFETY: the kernel has just given us this close-on-exec descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    #[test]
    fn threads_of_this_process_are_seen() {
        // This test runs in one beside the main thread.
        assert_eq!(super::has_one_thread(), Some(false));
    }

    #[test]
    fn ids_are_those_of_the_kernel() {
        let status = std::fs::read_to_string("/proc/self/status").expect("status");
        let line = |name: &str| -> Vec<u32> {
            let line = status.lines().find(|line| line.starts_with(name)).expect("line");
            line.split_whitespace().skip(1).take(3).map(|id| id.parse().expect("id")).collect()
        };
        let (uid, gid) = super::ids();
        assert_eq!(uid.to_vec(), line("Uid:"));
        assert_eq!(gid.to_vec(), line("Gid:"));
    }
}
