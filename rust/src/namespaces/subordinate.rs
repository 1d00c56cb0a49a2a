// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which ids a user may map besides the own one: /etc/subuid and /etc/subgid (subuid(5)). newuidmap and newgidmap look there; in
//! the setuid flow, where root's id writes the maps, the core does so itself.

use std::fs::File;
use std::io::Read;

use crate::config::settings::IdMapping;
use crate::error::{Error, ErrorKind, Result, Tried};

/// The users' names and ids (passwd(5)). Names of directory services are not in it: their ranges are found by number.
const USERS: &str = "/etc/passwd";
/// A longer file than this is not read.
const LONGEST: u64 = 16 << 20;

/// Which kind of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// User ids.
    User,
    /// Group ids.
    Group,
}

impl Kind {
    const fn file(self) -> &'static str {
        match self {
            Kind::User => "/etc/subuid",
            Kind::Group => "/etc/subgid",
        }
    }
}

/// Refuses a map with ids that are neither `own` nor within the ranges that the system gives to the user `uid`.
pub fn check(kind: Kind, map: &[IdMapping], uid: u32, own: u32) -> Result<()> {
    if map.iter().all(|line| is_own(line, own)) {
        return Ok(());
    }
    let ranges = ranges(&read(kind.file())?, &read(USERS)?, uid);
    match map.iter().find(|line| !is_own(line, own) && !ranges.iter().any(|range| range.holds(line))) {
        None => Ok(()),
        Some(line) => {
            let IdMapping { host_id, size, .. } = line;
            let text =
                format!("map {size} host ids from {host_id} on for user {uid}: {} gives no such range", kind.file());
            Err(Error::new(ErrorKind::Refused, text)
                .with_help(format!("the administrator gives ranges with usermod --add-sub{}s", kind.word())))
        }
    }
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Kind::User => "uid",
            Kind::Group => "gid",
        }
    }
}

fn is_own(line: &IdMapping, own: u32) -> bool {
    line.host_id == own && line.size == 1
}

struct Range {
    start: u32,
    count: u32,
}

impl Range {
    fn holds(&self, line: &IdMapping) -> bool {
        let offset = line.host_id.checked_sub(self.start);
        offset.and_then(|offset| offset.checked_add(line.size)).is_some_and(|end| end <= self.count)
    }
}

/// A file that is missing gives nothing.
fn read(path: &str) -> Result<String> {
    let mut text = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(LONGEST).read_to_end(&mut text).tried(|| format!("read \"{path}\""))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(Error::io(format!("open \"{path}\""), &error)),
    };
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The ranges of a user, whose lines begin with the name or the number.
fn ranges(subordinate: &str, users: &str, uid: u32) -> Vec<Range> {
    let mut owners = vec![uid.to_string()];
    owners.extend(users.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty() && !name.bytes().all(|byte| byte.is_ascii_digit()))?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    }));
    let range = |line: &str| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let (start, count) = (fields.next()?.parse().ok()?, fields.next()?.trim_end().parse().ok()?);
        (fields.next().is_none() && owners.iter().any(|name| name == owner)).then_some(Range { start, count })
    };
    subordinate.lines().filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\n1001:x:1002:1::/:/bin/sh\nbad\n";

    fn holds(subordinate: &str, uid: u32, host_id: u32, size: u32) -> bool {
        let line = IdMapping { container_id: 1, host_id, size };
        ranges(subordinate, PASSWD, uid).iter().any(|range| range.holds(&line))
    }

    #[test]
    fn a_range_is_found_by_name_and_by_number() {
        for owner in ["ann", "1000"] {
            let text = format!("# x\nbob:1:2\n{owner}:100000:65536\n");
            assert!(holds(&text, 1000, 100_000, 65_536));
            assert!(holds(&text, 1000, 165_535, 1));
            assert!(!holds(&text, 1000, 165_535, 2));
            assert!(!holds(&text, 1000, 99_999, 2));
            assert!(!holds(&text, 1001, 100_000, 1));
        }
        // Two ranges side by side are two lines of a map.
        assert!(!holds("ann:10:5\nann:15:5\n", 1000, 14, 2));
    }

    #[test]
    fn odd_lines_give_nothing() {
        for line in ["ann:100", "ann:-1:5", "ann:0:99999999999", "ann:100:5:7", ":100:5", "ann :100:5", "ANN:100:5"] {
            assert!(!holds(line, 1000, 100, 1), "{line}");
        }
        // Nobody is called by a number of another user's.
        assert!(!holds("1001:100:5", 1002, 100, 1));
        assert!(!holds("ann:4294967295:4294967295", 1000, 4_294_967_294, 1));
        assert!(!holds("ann:4294967290:10", 1000, u32::MAX, u32::MAX));
    }

    #[test]
    fn the_own_id_needs_no_range() {
        let own = IdMapping { container_id: 0, host_id: 7, size: 1 };
        check(Kind::User, &[own], 7, 7).expect("own");
        let root = IdMapping { container_id: 1, host_id: 0, size: 1 };
        let refused = check(Kind::Group, &[own, root], 7, 7).expect_err("root's").to_string();
        assert!(refused.contains("map 1 host ids from 0 on for user 7: /etc/subgid gives no such range"), "{refused}");
    }
}
