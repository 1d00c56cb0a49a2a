// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The differences that are known and intended, each with its reason. Whatever else differs is a defect.

use crate::bundle::Who;
use crate::run::Runtime::{self, Crun, Pinion};

/// One difference, which must exist: a row that fits nothing fails the test.
#[derive(Debug)]
pub struct Known {
    /// Whose containers.
    pub who: &'static [Who],
    /// The bundle's name, or `*`.
    pub bundle: &'static str,
    /// The probe's section.
    pub section: &'static str,
    /// Who alone has the line.
    pub only: Runtime,
    /// What the line begins with.
    pub begins: &'static str,
    /// What else it holds.
    pub holds: &'static str,
    /// Why it is right that way.
    #[allow(dead_code, reason = "it is there to be read, and is printed with the row")]
    pub reason: &'static str,
}

impl Known {
    /// Whether it explains this line.
    pub fn is(&self, who: Who, bundle: &str, section: &str, only: Runtime, line: &str) -> bool {
        (self.section, self.only) == (section, only)
            && self.who.contains(&who)
            && (self.bundle == "*" || self.bundle == bundle)
            && line.starts_with(self.begins)
            && line.contains(self.holds)
    }
}

const BOTH: &[Who] = &[Who::Root, Who::User];
const ROOT: &[Who] = &[Who::Root];

const fn known(
    who: &'static [Who],
    section: &'static str,
    only: Runtime,
    begins: &'static str,
    holds: &'static str,
    reason: &'static str,
) -> Known {
    Known { who, bundle: "*", section, only, begins, holds, reason }
}

const fn of(bundle: &'static str, known: Known) -> Known {
    Known { bundle, ..known }
}

const HOME: &str = "crun adds a HOME; the specification leaves the environment to the document";
const SIGNAL: &str =
    "crun leaves the C library's own signal 32 ignored; the other one, SIGQUIT, is the probe's shell's";
const CORE: &str = "crun adds a link to the kernel's memory; the specification has none";
const GROUP: &str =
    "the group id is one of the groups here: a file that its group may not read stays so (CVE-2022-2989)";
const SUPER: &str = "`ro` is for a new file system too, as mount(2) has it; crun remounts the mount alone";
const CGROUP: &str = "crun names the source by the file system, the document says `cgroup`";
const MASK: &str = "what masks a directory here can neither be written nor hold programs, devices or set-id files";
const NULL: &str =
    "crun makes the null device that masks a file read-only: writing to a device is not what that forbids";
const DEVICE: &str = "crun adds nosuid and noexec to a bound device, which mean nothing for one";
const KEYRING: &str = "crun makes the program's keyring outside its user namespace; here it is the program's own";
const TRAVEL: &str =
    "crun makes all mounts private at the end, and undoes what they asked for; here, as with runc, it stays";
const RECEIVES: &str = "the document wants mounts of the host to arrive; crun's root is cut off from them";
const NEVER_OUT: &str =
    "mounts of a container arrive nowhere outside, also where its root is shared: it is a slave too";
const BENEATH: &str = "a read-only path is read-only with what is mounted beneath it";

const ACCESS: &str = "tmpfs, read-only and with access times";
const EACH: &str = "mounts that travel, each in its way";
const OUTSIDE: &str = "mounts that travel, shared ones outside";
const RSLAVE: &str = "root rslave, shared mounts outside";
const SLAVE: &str = "root slave, shared mounts outside";
const RSHARED: &str = "root rshared, shared mounts outside";
const COVERED: &str = "masked and read-only paths of its own";

/// All of them.
pub const TABLE: &[Known] = &[
    known(BOTH, "environment", Crun, "HOME=/", "", HOME),
    known(BOTH, "credentials", Crun, "SigIgn: 0000000080000004", "", SIGNAL),
    known(BOTH, "credentials", Pinion, "SigIgn: 0000000000000004", "", SIGNAL),
    known(BOTH, "devices", Crun, "/dev/core symbolic link", "/proc/kcore", CORE),
    known(BOTH, "credentials", Crun, "uid=", "", GROUP),
    known(BOTH, "credentials", Pinion, "uid=", "", GROUP),
    known(BOTH, "credentials", Crun, "Groups:", "", GROUP),
    known(BOTH, "credentials", Pinion, "Groups:", "", GROUP),
    known(BOTH, "mounts", Crun, "/sys (", " sysfs / rw", SUPER),
    known(BOTH, "mounts", Pinion, "/sys (", " sysfs / ro", SUPER),
    known(ROOT, "mounts", Crun, "/sys/fs/cgroup (", " cgroup2 cgroup2 / rw", CGROUP),
    known(ROOT, "mounts", Pinion, "/sys/fs/cgroup (", " cgroup2 cgroup / rw", CGROUP),
    known(BOTH, "mounts", Crun, "/", " relatime,ro [] tmpfs tmpfs / ", MASK),
    known(BOTH, "mounts", Pinion, "/", " nodev,noexec,nosuid,relatime,ro [] tmpfs tmpfs / ", MASK),
    known(BOTH, "covered", Crun, "/sys/firmware directory 1777", "", MASK),
    known(BOTH, "covered", Pinion, "/sys/firmware directory 755", "", MASK),
    known(BOTH, "mounts", Crun, "/", " relatime,ro [] devtmpfs devtmpfs /null ", NULL),
    known(BOTH, "mounts", Pinion, "/", " relatime,rw [] devtmpfs devtmpfs /null ", NULL),
    known(BOTH, "mounts", Crun, "/dev/", " noexec,nosuid,relatime,rw [] devtmpfs devtmpfs /", DEVICE),
    known(BOTH, "mounts", Pinion, "/dev/", " relatime,rw [] devtmpfs devtmpfs /", DEVICE),
    known(ROOT, "covered", Crun, "/proc/keys 0 bytes", "", KEYRING),
    known(ROOT, "covered", Pinion, "/proc/keys 1 bytes", "", KEYRING),
    of("no mounts on /dev", known(BOTH, "root", Crun, "/dev/core symbolic link", "/proc/kcore", CORE)),
    of(ACCESS, known(BOTH, "mounts", Pinion, "/a (", " tmpfs tmpfs / ", SUPER)),
    of(EACH, known(BOTH, "mounts", Crun, "/", " relatime,rw [] ", TRAVEL)),
    of(EACH, known(BOTH, "mounts", Pinion, "/", " relatime,rw [shared] ", TRAVEL)),
    of(EACH, known(BOTH, "mounts", Pinion, "/", " relatime,rw [unbindable] ", TRAVEL)),
    of(OUTSIDE, known(BOTH, "mounts", Crun, "/", " relatime,rw [] ", TRAVEL)),
    of(OUTSIDE, known(BOTH, "mounts", Pinion, "/", " relatime,rw [shared] ", TRAVEL)),
    of(RSLAVE, known(BOTH, "mounts", Crun, "/", " relatime,rw [] ", RECEIVES)),
    of(RSLAVE, known(BOTH, "mounts", Pinion, "/", " relatime,rw [master] ", RECEIVES)),
    of(SLAVE, known(BOTH, "mounts", Crun, "/", " relatime,rw [] ", RECEIVES)),
    of(SLAVE, known(ROOT, "mounts", Crun, "/v/sub (", " relatime,rw [shared] ", NEVER_OUT)),
    of(SLAVE, known(BOTH, "mounts", Pinion, "/", " relatime,rw [master] ", RECEIVES)),
    of(RSHARED, known(BOTH, "mounts", Crun, "/", "rw [shared] ", NEVER_OUT)),
    of(RSHARED, known(BOTH, "mounts", Pinion, "/", "rw [shared master] ", NEVER_OUT)),
    of(COVERED, known(BOTH, "covered", Crun, "/etc directory 1777", "", MASK)),
    of(COVERED, known(BOTH, "covered", Pinion, "/etc directory 755", "", MASK)),
    of(COVERED, known(BOTH, "root", Crun, "/etc directory 1777", "", MASK)),
    of(COVERED, known(BOTH, "root", Pinion, "/etc directory 755", "", MASK)),
    of(COVERED, known(BOTH, "mounts", Crun, "/v/sub (layer 2", " relatime,rw ", BENEATH)),
    of(COVERED, known(BOTH, "mounts", Pinion, "/v/sub (layer 2", " relatime,ro ", BENEATH)),
    of(COVERED, known(ROOT, "writable", Crun, "/v/sub/probe-was-here", "", BENEATH)),
    of(COVERED, known(ROOT, "writable", Pinion, "/v/sub not", "", BENEATH)),
];
