// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a user's instances are written down: one directory, one record each, and the files with their output.
//!
//! Whoever changes something holds the directory's lock (flock(2)), and no longer than that takes. The processes of an
//! instance hold the lock of its record as long as they live, so that a record without one is of an instance that is gone.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, flock, fstat, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::Record;
use crate::error::{Error, ErrorKind, Result, Tried};

/// The longest name.
const LONGEST: usize = 64;
/// What the name of a record ends with.
const ENDING: &str = ".json";
/// What the names of the files with a container's standard output and standard error stream end with.
const OUTPUT: [&str; 2] = [".out", ".err"];

/// A user's directory.
pub struct Store {
    path: PathBuf,
    directory: OwnedFd,
}

/// An instance that is written down.
pub struct Found {
    /// The record.
    pub record: Record,
    /// The open file, whose content tells how the instance ended also when its name is gone.
    pub file: File,
    /// Whether it lives.
    pub alive: bool,
}

/// The directory's lock, while this lives.
pub struct Locked<'a> {
    store: &'a Store,
    _lock: OwnedFd,
}

impl Store {
    /// The calling user's, made if it is not there: `/run/pinion` for root, `/run/user/UID/pinion` where the system has that
    /// directory for the user, `/tmp/pinion-UID` elsewhere.
    pub fn open() -> Result<Self> {
        let uid = rustix::process::getuid().as_raw();
        Self::make(path_of(uid), uid)
    }

    /// The same in a process of an instance, in whose user namespace `user` may have another id than on the host. None where it is
    /// gone, as after that user's logout.
    pub fn of(user: u32) -> Result<Option<Self>> {
        match Self::at(path_of(user), rustix::process::getuid().as_raw()) {
            Err(error) if error.errno() == Some(libc::ENOENT) => Ok(None),
            opened => opened.map(Some),
        }
    }

    fn make(path: PathBuf, uid: u32) -> Result<Self> {
        match mkdirat(rustix::fs::CWD, &path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Self::at(path, uid),
            Err(errno) => Err(errno).tried(|| format!("make the directory of instances {path:?}")),
        }
    }

    fn at(path: PathBuf, uid: u32) -> Result<Self> {
        let what = || format!("open the directory of instances {path:?}");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        const HELP: &str = "it must be the caller's own, writable by nobody else: remove it, or have it removed";
        let directory = openat(rustix::fs::CWD, &path, flags, Mode::empty()).tried(what);
        let directory = directory.map_err(|error| match error.errno() {
            Some(libc::ENOTDIR | libc::ELOOP) => error.with_help(HELP),
            _ => error,
        })?;
        let status = fstat(&directory).tried(what)?;
        if status.st_uid != uid || Mode::from_raw_mode(status.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
            let text = format!("{}: it belongs to user {}, mode {:03o}", what(), status.st_uid, status.st_mode & 0o777);
            return Err(Error::new(ErrorKind::Refused, text).with_help(HELP));
        }
        Ok(Store { path, directory })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the directory's lock.
    pub fn lock(&self) -> Result<Locked<'_>> {
        let what = || format!("lock the directory of instances {:?}", self.path);
        // A file description of its own, to which the lock belongs.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let lock = openat(&self.directory, ".", flags, Mode::empty()).tried(what)?;
        loop {
            match flock(&lock, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Locked { store: self, _lock: lock }),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).tried(what),
            }
        }
    }
}

impl AsFd for Store {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

fn path_of(user: u32) -> PathBuf {
    let own = PathBuf::from(format!("/run/user/{user}"));
    match user {
        0 => PathBuf::from("/run/pinion"),
        _ if own.is_dir() => own.join("pinion"),
        _ => PathBuf::from(format!("/tmp/pinion-{user}")),
    }
}

/// Refuses a name by which no file should be called.
pub fn check_name(name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if first && name.len() <= LONGEST && name.bytes().all(fits) {
        return Ok(());
    }
    Err(Error::invalid(format!("an instance cannot be called {name:?}"))
        .with_help(format!("letters, digits and -_. can be in a name, at most {LONGEST}, a letter or digit first")))
}

impl Locked<'_> {
    /// Writes a new instance down, and returns the record's file, locked, and new files for the standard output and the standard error
    /// stream. One of that name that is gone makes room.
    pub fn create(&self, record: &Record) -> Result<(File, [File; 2])> {
        check_name(&record.name)?;
        if self.find(&record.name)?.is_some_and(|found| found.alive) {
            return Err(Error::new(ErrorKind::AlreadyExists, format!("start {:?}: it runs already", record.name))
                .with_help("choose another name, or stop it: pinion stop"));
        }
        self.remove(&record.name)?;
        let made = self.write_down(record);
        if made.is_err() {
            // On a full disk, say. What keeps it from being made keeps nothing from being removed.
            self.remove(&record.name)?;
        }
        made
    }

    fn write_down(&self, record: &Record) -> Result<(File, [File; 2])> {
        let name = &record.name;
        let file = self.make(&format!("{name}{ENDING}"), OFlags::RDWR)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).tried(|| "lock an instance's record")?;
        record.write(&file)?;
        let [out, err] = OUTPUT.map(|ending| self.make(&format!("{name}{ending}"), OFlags::RDWR | OFlags::APPEND));
        Ok((file, [out?, err?]))
    }

    /// Makes room for the older content of an output file, `NAME.1`, where so many files are kept of it. None if that
    /// is the only one.
    pub fn shift(&self, name: &str, files: u32) -> Result<Option<File>> {
        if files < 2 {
            return Ok(None);
        }
        self.unlink(&format!("{name}.{}", files - 1))?;
        for number in (1..files - 1).rev() {
            let (from, to) = (format!("{name}.{number}"), format!("{name}.{}", number + 1));
            match renameat(&self.store.directory, &from, &self.store.directory, &to) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno).tried(|| format!("rename {:?}", self.store.path.join(&from))),
            }
        }
        self.make(&format!("{name}.1"), OFlags::WRONLY).map(Some)
    }

    fn make(&self, name: &str, access: OFlags) -> Result<File> {
        let flags = access | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let made = openat(&self.store.directory, name, flags, Mode::RUSR | Mode::WUSR);
        made.map(File::from).tried(|| format!("make {:?}", self.store.path.join(name)))
    }

    /// The instance of a name. What is no file of the user's own has been written by no start, and counts as none.
    pub fn find(&self, name: &str) -> Result<Option<Found>> {
        check_name(name)?;
        let path = format!("{name}{ENDING}");
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.store.directory, &path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::LOOP | Errno::ACCESS | Errno::ISDIR | Errno::NXIO) => return Ok(None),
            Err(errno) => return Err(errno).tried(|| format!("open {:?}", self.store.path.join(&path))),
        };
        let during = |error: Error| error.during(format!("{:?}", self.store.path.join(&path)));
        let Some(alive) = is_locked(&file).map_err(during)? else { return Ok(None) };
        match Record::read(&file) {
            Ok(record) => Ok(Some(Found { alive: alive && record.boot == super::boot()?, record, file })),
            // Nobody lives whose record it could be.
            Err(_) if !alive => {
                Ok(Some(Found { record: Record { name: name.into(), ..Default::default() }, file, alive }))
            }
            Err(error) => Err(during(error)),
        }
    }

    /// Every instance that is written down, by name; an error is about a record that is held and cannot be read.
    pub fn all(&self) -> Result<Vec<(String, Result<Found>)>> {
        let names = self.names()?.into_iter().filter_map(|name| name.strip_suffix(ENDING).map(str::to_owned));
        Ok(names.filter_map(|name| self.find(&name).transpose().map(|found| (name, found))).collect())
    }

    /// Every file.
    pub fn names(&self) -> Result<Vec<String>> {
        let what = || format!("list {:?}", self.store.path);
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.store.directory).tried(what)? {
            let name = entry.tried(what)?.file_name().to_string_lossy().into_owned();
            if ![".", ".."].contains(&name.as_str()) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Removes what is written down of an instance, its output as well.
    pub fn remove(&self, name: &str) -> Result<()> {
        let mut files = self.names()?.into_iter().filter(|file| instance_of(file) == Some(name));
        files.try_for_each(|file| self.unlink(&file))
    }

    /// Removes the record if it is that of `id`, and the output as well of an instance that never ran.
    pub fn forget(&self, name: &str, id: &str) -> Result<()> {
        match self.find(name)?.filter(|found| found.record.id == id) {
            Some(found) if found.record.container.is_some() => self.unlink(&format!("{name}{ENDING}")),
            Some(_) => self.remove(name),
            None => Ok(()),
        }
    }

    /// Removes a file. One that is not there is no error.
    pub fn unlink(&self, name: &str) -> Result<()> {
        match unlinkat(&self.store.directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno).tried(|| format!("remove {:?}", self.store.path.join(name))),
        }
    }
}

/// Whose file this is by its name: a record, or output, older ones numbered.
pub fn instance_of(file: &str) -> Option<&str> {
    let (stem, ending) = file.rsplit_once('.')?;
    let numbered = ending.bytes().all(|byte| byte.is_ascii_digit());
    let whole = if numbered { stem } else { file };
    let named = OUTPUT.iter().find_map(|ending| whole.strip_suffix(ending));
    named.or_else(|| whole.strip_suffix(ENDING).filter(|_| !numbered))
}

/// Whether a process of the instance holds its lock; `None` if this is no regular file.
fn is_locked(file: &File) -> Result<Option<bool>> {
    let what = || "look at the lock of an instance's record";
    if !FileType::from_raw_mode(fstat(file).tried(what)?.st_mode).is_file() {
        return Ok(None);
    }
    match flock(file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => flock(file, FlockOperation::Unlock).tried(what).map(|()| Some(false)),
        Err(Errno::WOULDBLOCK) => Ok(Some(true)),
        Err(errno) => Err(errno).tried(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(folder: &tempfile::TempDir) -> Result<Store> {
        Store::make(folder.path().join("store"), rustix::process::getuid().as_raw())
    }

    #[test]
    fn a_name_is_taken_as_long_as_somebody_holds_its_record() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder).expect("store");
        let locked = store.lock().expect("lock");
        let (file, _) = locked.create(&Record::new("a", "1", false).expect("record")).expect("created");
        let again = Record::new("a", "2", false).expect("record");
        assert_eq!(locked.create(&again).expect_err("taken").kind(), ErrorKind::AlreadyExists);
        assert!(locked.find("a").expect("found").expect("there").alive);
        drop(file);
        let found = locked.all().expect("all");
        let [(name, Ok(found))] = found.as_slice() else { panic!("one") };
        assert_eq!((name.as_str(), found.alive, found.record.id.as_str()), ("a", false, "1"));
        let _file = locked.create(&again).expect("room was made");
        // The earlier one's clean-up finds another's record.
        locked.forget("a", "1").expect("nothing to forget");
        assert!(locked.find("a").expect("found").is_some());
        locked.forget("a", "2").expect("forgotten");
        assert!(locked.find("a").expect("looked").is_none());
    }

    #[test]
    fn the_output_of_what_never_ran_goes_with_its_record() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder).expect("store");
        let locked = store.lock().expect("lock");
        for (container, left) in [(None, 0), (Some(super::super::Identity { pid: 1, start: 1 }), 2)] {
            let mut record = Record::new("a", "1", false).expect("record");
            let (file, _) = locked.create(&record).expect("created");
            record.container = container;
            record.write(&file).expect("written");
            locked.forget("a", "1").expect("forgotten");
            assert_eq!(locked.names().expect("names").len(), left, "{container:?}");
        }
    }

    #[test]
    fn a_file_is_of_the_instance_that_its_name_begins_with() {
        for (file, name) in [
            ("a.json", Some("a")),
            ("a.out", Some("a")),
            ("a.err.12", Some("a")),
            ("a.out.json", Some("a.out")),
            ("a.out.1.out", Some("a.out.1")),
            ("a.json.1", None),
            ("a.1", None),
            ("a", None),
        ] {
            assert_eq!(instance_of(file), name, "{file}");
        }
    }

    #[test]
    fn a_record_of_another_boot_is_of_nobody() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder).expect("store");
        let locked = store.lock().expect("lock");
        let earlier = Record { boot: "another".into(), ..Record::new("a", "1", false).expect("record") };
        let _file = locked.create(&earlier).expect("created");
        assert!(!locked.find("a").expect("found").expect("there").alive);
    }

    #[test]
    fn a_directory_that_others_could_change_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("store");
        let own = rustix::process::getuid().as_raw();
        std::os::unix::fs::symlink("/tmp", &path).expect("link");
        assert!(Store::at(path.clone(), own).is_err());
        std::fs::remove_file(&path).expect("removed");
        std::fs::create_dir(&path).expect("folder");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o770)).expect("mode");
        let refused = Store::at(path.clone(), own).err().expect("refused").to_string();
        assert!(refused.contains("mode 770"), "{refused}");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).expect("mode");
        assert!(Store::at(path.clone(), own + 1).is_err());
        assert!(Store::at(path, own).is_ok());
    }

    #[test]
    fn what_is_no_record_is_of_nobody() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder).expect("store");
        let locked = store.lock().expect("lock");
        let path = store.path().join("a.json");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("fifo");
        assert!(locked.find("a").expect("looked").is_none());
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, "{").expect("written");
        assert!(!locked.find("a").expect("found").expect("there").alive);
        for name in ["", "..", "a/b", ".a", "-a", &"a".repeat(65)] {
            assert!(locked.find(name).is_err(), "{name}");
        }
    }
}
