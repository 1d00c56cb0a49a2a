// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pinion start --log-size`: an instance's output in files of limited size.
//!
//! pinion-log · child of: `pinion start`, later of nobody · privileges: the user's · holds: the reading ends of two pipes ·
//! ends: when nobody is left who could write into them. Without the option there is no such process.
//!
//! There are two of them: one copies, the other one waits for it. Whichever is left alone makes another, and what was read
//! and not yet written is all that is lost. Only where both are killed at once nobody reads any more: a program that writes
//! then gets SIGPIPE, by which it ends unless it has taken care of that, and `pinion wait` says so.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use nix::sys::wait::{WaitStatus as Waited, waitpid};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::engines::oci::instance::Store;
use crate::error::{Result, Tried};
use crate::ffi::sys::process::{Cloned, clone, exit, not_made};
use crate::ffi::sys::{descriptor, event};

/// What a pipe holds.
const CHUNK: usize = 64 << 10;
/// How long what was written before the end may take to come into the files.
const AFTER_END: Duration = Duration::from_secs(10);

/// How much of an instance's output is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes in a file.
    pub size: u64,
    /// How many files, the one that is written to among them.
    pub files: u32,
}

/// The process that was made first.
pub struct Copier(OwnedFd);

/// One of the two streams.
struct Stream {
    pipe: Option<PipeReader>,
    /// Open for reading, and for writing at its end. It stays the same file: its content is copied when it is full.
    file: File,
    /// Its name in the folder of records.
    name: String,
    limits: Limits,
}

/// Starts to copy into the instance's files. Returns where to write.
pub fn start(store: Store, name: &str, files: [File; 2], limits: Limits) -> Result<([PipeWriter; 2], Copier)> {
    let (out_reader, out) = std::io::pipe().tried(|| "make a pipe for an instance's output")?;
    let (err_reader, err) = std::io::pipe().tried(|| "make a pipe for an instance's output")?;
    match clone(0).tried(|| "make the process for an instance's output").map_err(not_made)? {
        Cloned::Parent(_, pidfd) => Ok(([out, err], Copier(pidfd))),
        Cloned::Child => {
            drop((out, err));
            let [out, err] = files;
            let stream =
                |pipe, file, ending| Stream { pipe: Some(pipe), file, name: format!("{name}.{ending}"), limits };
            let streams = [stream(out_reader, out, "out"), stream(err_reader, err, "err")];
            let kept = streams.iter().flat_map(Stream::numbers).chain([store.as_fd().as_raw_fd()]).collect::<Vec<_>>();
            let settled = settle(&kept).and_then(|()| keep(&store, streams));
            exit(i32::from(settled.is_err()))
        }
    }
}

impl Copier {
    /// Waits until everything is in the files. To be called when nobody is left who writes.
    pub fn end(&self) -> Result<()> {
        event::wait_readable(&[self.0.as_fd()], Some(AFTER_END)).map(drop)
    }
}

/// Lets go of everything that is the caller's.
fn settle(kept: &[RawFd]) -> Result<()> {
    rustix::thread::set_name(c"pinion-log").tried(|| "name the process for an instance's output")?;
    nix::unistd::setsid().tried(|| "leave the caller's session")?;
    std::env::set_current_dir("/").tried(|| "change to \"/\"")?;
    let null = File::options().read(true).write(true).open("/dev/null").tried(|| "open \"/dev/null\"")?;
    let streams = [rustix::stdio::dup2_stdin, rustix::stdio::dup2_stdout, rustix::stdio::dup2_stderr];
    streams.into_iter().try_for_each(|take| take(&null)).tried(|| "let go of the standard streams")?;
    drop(null);
    // Values of the caller's own among them: nothing of this process comes back to those.
    let open = descriptor::open_from(3)?;
    open.into_iter().filter(|number| !kept.contains(number)).for_each(descriptor::close);
    Ok(())
}

/// Makes who copies, until nothing is left to copy. Returns in whichever process was the last.
fn keep(store: &Store, mut streams: [Stream; 2]) -> Result<()> {
    loop {
        let own = pidfd_open(getpid(), PidfdFlags::empty()).tried(|| "open this process")?;
        let Ok(cloned) = clone(0) else {
            // At the limit of processes. Alone is better than not at all.
            return copy(store, &mut streams, &own).map(drop);
        };
        match cloned {
            Cloned::Child => {
                if copy(store, &mut streams, &own)? {
                    return Ok(());
                }
            }
            Cloned::Parent(pid, _) => {
                let ended = waitpid(nix::unistd::Pid::from_raw(pid.as_raw_pid()), None);
                if !matches!(ended, Ok(Waited::Signaled(..))) {
                    return Ok(());
                }
            }
        }
    }
}

/// Copies until nobody is left who could write. False if the process that waits for this one is gone before.
fn copy(store: &Store, streams: &mut [Stream; 2], other: &OwnedFd) -> Result<bool> {
    let mut chunk = vec![0; CHUNK];
    while streams.iter().any(|stream| stream.pipe.is_some()) {
        let pipes = streams.iter().flat_map(|stream| stream.pipe.as_ref().map(AsFd::as_fd));
        let ready = event::wait_readable(&pipes.chain([other.as_fd()]).collect::<Vec<_>>(), None)?;
        let mut readable = ready.iter();
        for stream in streams.iter_mut() {
            if stream.pipe.is_some() && readable.next() == Some(&true) {
                stream.take(store, &mut chunk)?;
            }
        }
        if ready.last() == Some(&true) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Stream {
    fn numbers(&self) -> impl Iterator<Item = RawFd> {
        self.pipe.iter().map(AsRawFd::as_raw_fd).chain([self.file.as_raw_fd()])
    }

    /// Copies what is there. What cannot be written, as on a full disk, is lost: the program is not to wait for it.
    fn take(&mut self, store: &Store, chunk: &mut [u8]) -> Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let read = pipe.read(chunk).tried(|| "read an instance's output")?;
        if read == 0 {
            self.pipe = None;
        }
        let _ = self.write(store, &chunk[..read]);
        Ok(())
    }

    fn write(&mut self, store: &Store, mut text: &[u8]) -> Result<()> {
        let what = || "write an instance's output";
        while !text.is_empty() {
            let used = self.file.metadata().tried(what)?.len();
            let room = usize::try_from(self.limits.size.saturating_sub(used)).unwrap_or(usize::MAX);
            let lines = text.iter().take(room).rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            // Whole lines, but for one that does not fit into a file.
            let piece = if text.len() <= room { text.len() } else { lines };
            match piece {
                0 if used > 0 => self.rotate(store)?,
                0 => text = self.put(text, room)?,
                _ => text = self.put(text, piece)?,
            }
        }
        Ok(())
    }

    fn put<'a>(&mut self, text: &'a [u8], length: usize) -> Result<&'a [u8]> {
        let (now, later) = text.split_at(length);
        self.file.write_all(now).tried(|| "write an instance's output")?;
        Ok(later)
    }

    fn rotate(&mut self, store: &Store) -> Result<()> {
        let what = || "empty a file with an instance's output";
        let locked = store.lock()?;
        // When its name is another one's, so are the older ones'.
        if self.file.metadata().tried(what)?.nlink() > 0
            && let Some(mut older) = locked.shift(&self.name, self.limits.files)?
        {
            self.file.seek(SeekFrom::Start(0)).tried(what)?;
            std::io::copy(&mut self.file, &mut older).tried(what)?;
        }
        self.file.set_len(0).tried(what)
    }
}
