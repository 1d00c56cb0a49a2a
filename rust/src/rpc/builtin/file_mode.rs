// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Go's `os.FileMode`: the permission bits are the kernel's, everything above has other places.

/// The file's type and bits above 0777: those of the kernel, and Go's.
const TYPES: [(u32, u32); 7] = [
    (libc::S_IFBLK, DEVICE),
    (libc::S_IFCHR, DEVICE | 1 << 21),
    (libc::S_IFDIR, 1 << 31),
    (libc::S_IFIFO, 1 << 25),
    (libc::S_IFLNK, 1 << 27),
    (libc::S_IFREG, 0),
    (libc::S_IFSOCK, 1 << 24),
];
const DEVICE: u32 = 1 << 26;
const BITS: [(u32, u32); 3] = [(libc::S_ISUID, 1 << 23), (libc::S_ISGID, 1 << 22), (libc::S_ISVTX, 1 << 20)];

/// Go's mode for a `st_mode` of stat(2).
pub fn to_go(mode: u32) -> u32 {
    let kind = TYPES.iter().find(|(kernel, _)| *kernel == mode & libc::S_IFMT).map_or(0, |(_, go)| *go);
    BITS.iter().filter(|(kernel, _)| mode & kernel != 0).fold(mode & 0o777 | kind, |mode, (_, go)| mode | go)
}

/// The bits that Go gives to mkdir(2) and open(2) for its mode; the rest does not count there.
pub fn from_go(mode: u32) -> u32 {
    BITS.iter().filter(|(_, go)| mode & go != 0).fold(mode & 0o777, |mode, (kernel, _)| mode | kernel)
}
