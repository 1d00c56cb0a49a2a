// SPDX-License-Identifier: Apache-2.0 OR MIT
//! EvalRelative: the path that symbolic links inside a root lead to. Nothing is confined here; the client does this
//! before it mounts.
//!
//! The client does the same itself for other mounts of the same container, and both must come to the same end. So this
//! follows its rules to the letter, which are not those of a chroot in all cases:
//! - `..` is resolved in the text, before any link of that path is known.
//! - A relative link is applied to the path outside: one that climbs out of the root and comes in again by the root's
//!   name is inside, one that stays out counts from the root on.
//! - "Inside" compares bytes, not names: with a link in `/lib` to `../lib64/x` the result is `/lib/4/x`, since `/lib`
//!   and one more byte are taken off.
//! - The 40th link is the last, and the names after it are dropped.
//! - What is no link, or cannot be read, is a name like any other; a root that is a link can become one itself.

use rustix::fs::readlink;
use rustix::thread::CapabilitySet;

use crate::error::CallbackError;
use crate::gob::{ByteString, Typed};
use crate::gob_struct;
use crate::rpc::builtin::Builtin;

gob_struct! {
    /// The arguments of EvalRelative.
    pub struct EvalRelativeArgs as "EvalRelativeArgs" {
        /// The path inside the root.
        pub name: ByteString as "Name",
        /// The root.
        pub root: ByteString as "Root",
    }
}

/// EvalRelative.
pub static METHOD: Builtin = Builtin {
    name: "EvalRelative",
    raises: CapabilitySet::empty(),
    args: EvalRelativeArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| {
        builtin.answered_by(set, |args: EvalRelativeArgs| -> Result<ByteString, CallbackError> {
            Ok(evaluate(&args.name, &args.root, link_target).into())
        })
    },
};

/// As many links as are followed.
const LINKS: u32 = 40;

/// Where a symbolic link leads.
fn link_target(place: &[u8]) -> Option<Vec<u8>> {
    // The kernel reads no further; without this a path of megabytes would be copied for each of its names.
    let possible = place.len() < libc::PATH_MAX as usize;
    possible.then(|| readlink(place, Vec::new()).ok()).flatten().map(|target| target.into_bytes())
}

/// Where `path` leads beneath `root`, as a path from the root on. `target_of` knows the links.
fn evaluate(path: &[u8], root: &[u8], target_of: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let root = join(b"/", root);
    let mut names = join(b"/", path).split_off(1);
    let mut place = root.clone();
    let mut next = if path.is_empty() { None } else { Some(0) };
    let mut links = 0;
    while let Some(start) = next {
        let length = names[start..].iter().position(|byte| *byte == b'/');
        next = length.map(|length| start + length + 1);
        push(&mut place, &names[start..length.map_or(names.len(), |length| start + length)]);
        let Some(target) = target_of(&place) else { continue };
        links += 1;
        let (from, way) = follow(&root, &mut place, target);
        if links == LINKS {
            break;
        }
        if way.is_empty() {
            continue;
        }
        place = from;
        names = match next {
            Some(next) => [&way[1..], &names[next..]].join(&b'/'),
            None => way[1..].to_vec(),
        };
        next = Some(0);
    }
    join(b"/", place.strip_prefix(&root[..]).unwrap_or(&place))
}

/// Replaces a link by where it leads. Tells from where to go there, and on which way: one byte, then names.
fn follow(root: &[u8], place: &mut Vec<u8>, target: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    if target.starts_with(b"/") {
        *place = join(root, &target);
        return (root.to_vec(), target);
    }
    let parent = join(place, b"..");
    *place = join(&parent, &target);
    let Some(from_root) = place.strip_prefix(root) else {
        let way = join(b"/", &target);
        *place = join(root, &way);
        return (root.to_vec(), way);
    };
    match place.strip_prefix(&parent[..]) {
        Some(from_parent) => (parent.clone(), from_parent.to_vec()),
        None => (root.to_vec(), from_root.to_vec()),
    }
}

/// An absolute path and further names, with `..` resolved in the text.
fn join(base: &[u8], more: &[u8]) -> Vec<u8> {
    let mut path = b"/".to_vec();
    base.split(|byte| *byte == b'/').chain(more.split(|byte| *byte == b'/')).for_each(|name| push(&mut path, name));
    path
}

/// Goes one name further.
fn push(path: &mut Vec<u8>, name: &[u8]) {
    match name {
        b"" | b"." => {}
        b".." => {
            let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or_default();
            path.truncate(slash.max(1));
        }
        name => {
            if path.len() > 1 {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    /// The links of a file system, with their targets.
    const TREE: [(&str, &str); 22] = [
        ("/r/abs", "/usr/lib"),
        ("/r/abs-dots", "/usr//./lib/../bin"),
        ("/r/abs-out", "/../etc"),
        ("/r/abs-root", "/"),
        ("/r/bin", "usr/bin"),
        ("/r/usr/bin", "../opt/bin"),
        ("/r/usr/here", "."),
        ("/r/usr/top", ".."),
        ("/r/usr/out", "../../../etc/x"),
        ("/r/usr/back", "../../r/opt"),
        ("/r/usr/beside", "../../rx/y"),
        ("/r/lib/to64", "../lib64/y"),
        ("/r/lib/same", "../lib"),
        ("/r/loop", "loop"),
        ("/r/pair1", "pair2"),
        ("/r/pair2", "pair1"),
        ("/r/chain", "chain/chain"),
        ("/r/slash", "usr/"),
        ("/r/dangling", "nowhere"),
        ("/r/bytes", "b\u{fffd}"),
        ("/link", "real"),
        ("/top", "usr/bin"),
    ];

    fn evaluated(path: &str, root: &str) -> String {
        let target = |place: &[u8]| {
            let link = TREE.iter().find(|(link, _)| link.as_bytes() == place);
            link.map(|(_, target)| target.as_bytes().to_vec())
        };
        String::from_utf8(evaluate(path.as_bytes(), root.as_bytes(), target)).unwrap()
    }

    #[test]
    fn links_stay_inside_the_root() {
        for (path, want) in [
            ("", "/"),
            ("/", "/"),
            (".", "/"),
            ("..", "/"),
            ("/../../etc", "/etc"),
            ("a//b/./c/", "/a/b/c"),
            ("/none/x", "/none/x"),
            ("/abs", "/usr/lib"),
            ("/abs/x/y", "/usr/lib/x/y"),
            ("/abs/../x", "/x"),
            ("/abs-dots/x", "/opt/bin/x"),
            ("/abs-out/x", "/etc/x"),
            ("/abs-root/x", "/x"),
            ("/abs-root", "/"),
            ("bin/sh", "/opt/bin/sh"),
            ("/usr/here/x", "/usr/x"),
            ("/usr/top/x", "/x"),
            ("/usr/top", "/"),
            ("/usr/out/z", "/etc/x/z"),
            ("/slash/x", "/usr/x"),
            ("/dangling/x", "/nowhere/x"),
            ("/bytes", "/b\u{fffd}"),
        ] {
            assert_eq!(evaluated(path, "/r"), want, "{path}");
            assert_eq!(evaluated(path, "r/./x/.."), want, "{path} with an odd root");
        }
    }

    #[test]
    fn what_the_client_does_too() {
        for (path, root, want) in [
            ("/usr/back/x", "/r", "/opt/x"),
            ("/usr/beside", "/r", "/y"),
            ("/lib/to64", "/r", "/lib/4/y"),
            ("/lib/same/x", "/r", "/lib/x"),
            ("/loop/x", "/r", "/loop"),
            ("/pair1/x", "/r", "/pair1"),
            ("/chain", "/r", "/chain/chain"),
            ("/", "/link", "/real"),
            ("/x", "/link", "/x"),
            ("/top/x", "/", "/sr/bin/x"),
            ("/top/x", "", "/sr/bin/x"),
        ] {
            assert_eq!(evaluated(path, root), want, "{path} in {root:?}");
        }
    }
}
