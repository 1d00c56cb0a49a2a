// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Accounts in the machine's own files, and the ids that root has given them for user namespaces. The C library's look-up would load
//! modules of a directory service into the setuid starter, and a static program cannot do so reliably.

use std::path::Path;

use crate::config::settings::IdMapping;
use crate::error::{Error, ErrorKind, Result};
use crate::trusted::file;

/// Users, one a line: name, password, id and more, between colons (passwd(5)).
pub const USERS: &str = "/etc/passwd";
/// Groups likewise (group(5)).
pub const GROUPS: &str = "/etc/group";
/// The largest of these files, in bytes.
pub const MAX_FILE: usize = 16 << 20;

const SUBORDINATE_USERS: &str = "/etc/subuid";
const SUBORDINATE_GROUPS: &str = "/etc/subgid";

/// Ids that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// The first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

impl IdRange {
    /// Whether all of these ids are in it.
    fn contains(self, first: u32, count: u32) -> bool {
        let end = |first: u32, count: u32| u64::from(first) + u64::from(count);
        first >= self.first && end(first, count) <= end(self.first, self.count)
    }
}

/// The ids that root has given to a user for user namespaces (subuid(5), subgid(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubordinateIds {
    /// User ids.
    pub uids: Vec<IdRange>,
    /// Group ids.
    pub gids: Vec<IdRange>,
}

impl SubordinateIds {
    /// Reads them, with an effective user id of 0. A user whom only a directory service knows has those that are listed
    /// under its id. Errors: a file that others than root could have made or changed.
    pub fn read(uid: u32) -> Result<SubordinateIds> {
        let content = |path: &str| file::read(Path::new(path), MAX_FILE).map(Option::unwrap_or_default);
        let users = content(USERS)?;
        let of = |path| content(path).map(|file| ranges(&file, &users, uid));
        Ok(SubordinateIds { uids: of(SUBORDINATE_USERS)?, gids: of(SUBORDINATE_GROUPS)? })
    }

    /// Whether a user and group may have these maps: what newuidmap(1) and newgidmap(1) ask where root's id writes them.
    pub fn permit(&self, uid_map: &[IdMapping], gid_map: &[IdMapping], uid: u32, gid: u32) -> Result<()> {
        mapped("user", uid_map, uid, &self.uids, SUBORDINATE_USERS)?;
        mapped("group", gid_map, gid, &self.gids, SUBORDINATE_GROUPS)
    }
}

fn mapped(what: &str, map: &[IdMapping], own: u32, given: &[IdRange], file: &str) -> Result<()> {
    let within = |line: &IdMapping| given.iter().any(|range| range.contains(line.host_id, line.size));
    let allowed = |line: &IdMapping| (line.size == 1 && line.host_id == own) || within(line);
    match map.iter().find(|line| !allowed(line)) {
        None => Ok(()),
        Some(IdMapping { host_id, size, .. }) => {
            let text = format!("map {size} {what} ids from {host_id} on: they are not the user's");
            Err(Error::new(ErrorKind::Refused, text).with_help(format!("root can list them for the user in {file}")))
        }
    }
}

/// The id of a user in [`USERS`], or of a group in [`GROUPS`]: of the first line with the name, as everywhere.
pub fn id(file: &[u8], name: &str) -> Option<u32> {
    lines(file).find(|fields| fields.first() == Some(&name.as_bytes())).and_then(|fields| number(fields.get(2)?))
}

/// The ranges of a user, under its name or its id. A line that is odd gives nothing.
fn ranges(file: &[u8], users: &[u8], uid: u32) -> Vec<IdRange> {
    let names: Vec<&[u8]> =
        lines(users).filter(|fields| fields.get(2).and_then(number) == Some(uid)).map(|fields| fields[0]).collect();
    let of_user = |fields: &[&[u8]]| names.contains(&fields[0]) || number(&fields[0]) == Some(uid);
    let range = |fields: Vec<&[u8]>| {
        let [_, first, count] = fields[..] else { return None };
        Some(IdRange { first: number(&first)?, count: number(&count)? })
    };
    lines(file).filter(|fields| of_user(fields)).filter_map(range).collect()
}

/// The fields of each line, at least one.
fn lines(file: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    file.split(|byte| *byte == b'\n').map(|line| line.split(|byte| *byte == b':').collect())
}

/// A decimal number and nothing else; the highest is no id.
fn number(field: &&[u8]) -> Option<u32> {
    let digits = !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    let number = if digits { std::str::from_utf8(field).ok()?.parse().ok()? } else { return None };
    (number != u32::MAX).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] =
        b"root:x:0:0:root:/root:/bin/sh\n# note\n+nis:x:7:7::/:\nann:x:1000:1000::/home/ann:/bin/sh\n\
        ann:x:1001:1001::/:/bin/sh\nbob:*:1001:1001:B:/:/bin/sh\nodd:x:1x:1\nminus:x:-1:1\nfull:x:4294967295:1\nbig:x:\
        4294967296:1\nshort:x\nnone:x::\n:x:5:5\nlast:x:9:9";

    #[test]
    fn a_name_is_the_first_line_that_has_it() {
        for (name, expected) in [("root", Some(0)), ("ann", Some(1000)), ("bob", Some(1001)), ("last", Some(9))] {
            assert_eq!(id(PASSWD, name), expected, "{name}");
        }
        for name in
            ["odd", "minus", "full", "big", "short", "none", "roo", "root:x:0", "nobody", "note", "nis", "x", "1000"]
        {
            assert_eq!(id(PASSWD, name), None, "{name}");
        }
    }

    #[test]
    fn ranges_are_those_of_the_name_and_of_the_id() {
        let subuid = b"ann:100000:65536\n1000:200000:10\nbob:300000:10\nann:4:5:6\nann:x:5\nann:5\nann:1:4294967295\n";
        let range = |first, count| IdRange { first, count };
        assert_eq!(ranges(subuid, PASSWD, 1000), [range(100_000, 65_536), range(200_000, 10)]);
        // Two names of one id, and an id that has none.
        assert_eq!(ranges(b"bob:1:2\nann:3:4", PASSWD, 1001), [range(1, 2), range(3, 4)]);
        assert_eq!(ranges(b"7777:1:2\nann:3:4", PASSWD, 7777), [range(1, 2)]);
        assert_eq!(ranges(subuid, PASSWD, 4242), []);
    }

    #[test]
    fn only_what_is_the_users_is_mapped() {
        let range = |first| vec![IdRange { first, count: 65_536 }];
        let given = SubordinateIds { uids: range(100_000), gids: range(200_000) };
        let line = |host_id, size| IdMapping { container_id: 0, host_id, size };
        let permit = |uid_map: IdMapping, gid_map: IdMapping| {
            given
                .permit(&[line(1000, 1), uid_map], &[line(1001, 1), gid_map], 1000, 1001)
                .map_err(|error| error.to_string())
        };
        permit(line(100_000, 65_536), line(200_000, 1)).expect("their own");
        for (uid_map, gid_map, words) in [
            (line(0, 1), line(200_000, 1), "map 1 user ids from 0 on: they are not the user's"),
            (line(1000, 2), line(200_000, 1), "map 2 user ids from 1000 on"),
            (line(165_535, 2), line(200_000, 1), "map 2 user ids from 165535 on"),
            (line(200_000, 1), line(200_000, 1), "map 1 user ids from 200000 on"),
            (line(100_000, 1), line(100_000, 1), "map 1 group ids from 100000 on"),
        ] {
            let refused = permit(uid_map, gid_map).expect_err(words);
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn a_range_contains_what_lies_in_it_whole() {
        let range = IdRange { first: 100, count: 10 };
        for (first, count, inside) in [
            (100, 10, true),
            (109, 1, true),
            (99, 1, false),
            (99, 5, false),
            (100, 11, false),
            (109, 2, false),
            (110, 1, false),
            (105, u32::MAX, false),
        ] {
            assert_eq!(range.contains(first, count), inside, "{first} {count}");
        }
        assert!(IdRange { first: 1, count: u32::MAX }.contains(u32::MAX, 1));
    }

    #[test]
    fn the_machines_own_files_can_be_read() {
        let read = |path: &str| file::read(Path::new(path), MAX_FILE);
        let users = read(USERS).expect("readable").expect("there");
        assert_eq!(id(&users, "root"), Some(0));
        SubordinateIds::read(4_200_000_000).expect("readable");
    }
}
