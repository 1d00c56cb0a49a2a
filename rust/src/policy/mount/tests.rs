// SPDX-License-Identifier: Apache-2.0 OR MIT

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::super::PATH;
use super::super::tests::{policy, words};
use super::*;

const OWN: &[NamespaceKind] = &[NamespaceKind::Pid, NamespaceKind::Cgroup, NamespaceKind::Mount];
const BIND: u64 = libc::MS_BIND;
const REMOUNT: u64 = libc::MS_REMOUNT;

fn everything() -> Policy {
    let kinds: Vec<&str> = MountKind::ALL.into_iter().map(MountKind::word).collect();
    policy(json!({"mounts": kinds, "images": ["squashfs", "ext3", "luks"]}))
}

fn new<'a>(filesystem: &'a str, data: &'a str) -> MountRequest<'a> {
    MountRequest { filesystem: filesystem.as_bytes(), data: data.as_bytes(), own: OWN, ..MountRequest::default() }
}

fn bind(flags: u64) -> MountRequest<'static> {
    MountRequest { flags: BIND | flags, ..MountRequest::default() }
}

fn image(owner: u32, mode: u32) -> Option<ImageFile> {
    Some(ImageFile { owner, mode })
}

fn flags(result: Result<Forced>) -> u64 {
    let forced = result.expect("permitted");
    assert_eq!(forced.data, None);
    forced.flags
}

#[test]
fn each_kind_is_mounted_if_it_is_listed_and_has_what_it_must_have() {
    let rows = [
        (MountKind::Bind, "", NOSUID | NODEV),
        (MountKind::Tmpfs, "tmpfs", NOSUID | NODEV),
        (MountKind::Proc, "proc", NOSUID | NODEV | NOEXEC),
        (MountKind::Sysfs, "sysfs", NOSUID | NODEV | NOEXEC),
        (MountKind::Devpts, "devpts", NOSUID | NOEXEC),
        (MountKind::Mqueue, "mqueue", NOSUID | NODEV | NOEXEC),
        (MountKind::Cgroup, "cgroup2", NOSUID | NODEV | NOEXEC),
        (MountKind::Cgroup, "cgroup", NOSUID | NODEV | NOEXEC),
        (MountKind::Overlay, "overlay", NOSUID | NODEV),
    ];
    let kinds: BTreeSet<MountKind> = rows.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, BTreeSet::from(MountKind::ALL));
    for (kind, filesystem, forced) in rows {
        let request = if kind == MountKind::Bind { bind(0) } else { new(filesystem, "") };
        let only = policy(json!({"mounts": [kind.word()]}));
        assert_eq!(flags(only.permits_mount(&request)), forced, "{filesystem}");
        let others: Vec<&str> = kinds.iter().filter(|other| **other != kind).map(|other| other.word()).collect();
        let text = format!("{} mounts (root can allow it with \"mounts\" in {PATH})", kind.word());
        assert_eq!(words(policy(json!({"mounts": others})).permits_mount(&request)), text);
        assert_eq!(Policy::default().permits_mount(&request).is_ok(), kind != MountKind::Overlay, "{filesystem}");
    }
}

#[test]
fn another_type_is_refused_however_it_is_spelt() {
    let odd = [
        "",
        "none",
        "ext2",
        "ext4",
        "xfs",
        "btrfs",
        "fuse",
        "fuseblk",
        "nfs",
        "devtmpfs",
        "TMPFS",
        "tmpfs ",
        " proc",
        "proc\0",
        "Ext3",
        "ext3 ",
        "squashfs\n",
        "securityfs",
        "debugfs",
        "bpf",
        "luks",
        "bind",
    ];
    for filesystem in odd {
        let request = MountRequest { image: image(0, 0o644), ..new(filesystem, "") };
        let text = words(everything().permits_mount(&request));
        assert!(text.starts_with(&format!("mounting a file system of the type {filesystem:?}")), "{text}");
    }
    let request = MountRequest { filesystem: b"\xff", ..new("", "") };
    assert!(words(everything().permits_mount(&request)).contains("type \"\u{fffd}\""));
}

#[test]
fn what_a_file_system_shows_is_not_the_hosts() {
    for (filesystem, kind, word) in [
        ("proc", NamespaceKind::Pid, "proc in the host's pid"),
        ("cgroup2", NamespaceKind::Cgroup, "cgroup in the host's cgroup"),
        ("cgroup", NamespaceKind::Cgroup, "cgroup in the host's cgroup"),
    ] {
        everything().permits_mount(&MountRequest { own: &[kind], ..new(filesystem, "") }).expect("own");
        let others: Vec<NamespaceKind> = NamespaceKind::ALL.into_iter().filter(|other| *other != kind).collect();
        let text = words(everything().permits_mount(&MountRequest { own: &others, ..new(filesystem, "") }));
        let help = format!("ask for a {} namespace, or bind what the host has mounted", kind.word());
        assert_eq!(text, format!("mounting {word} namespace ({help})"));
    }
}

#[test]
fn options_are_those_that_are_known_to_be_harmless() {
    for (filesystem, good, bad) in [
        ("tmpfs", "mode=755,size=64m,nr_inodes=9,uid=0,gid=0", "mpol=bind"),
        ("tmpfs", ",,mode=755,", "context=x"),
        ("proc", "hidepid=2,subset=pid", "gid=0"),
        ("devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5,max=4", "uid=0"),
        ("sysfs", "", "x"),
        ("mqueue", "", "x"),
        ("cgroup2", "", "nsdelegate"),
        ("cgroup", "", "release_agent=/tmp/x"),
        ("overlay", "lowerdir=/a:/b,upperdir=/u,workdir=/w,xino=off", "userxattr"),
        ("overlay", "lowerdir=/a", "metacopy=on"),
    ] {
        everything().permits_mount(&new(filesystem, good)).expect(good);
        for data in [bad.to_owned(), format!("{good},{bad}"), format!("{bad},{good}")] {
            let text = words(everything().permits_mount(&new(filesystem, &data)));
            assert!(text.starts_with(&format!("the option {bad:?} for {filesystem:?} (")), "{text}");
        }
    }
    // A word that begins like another, one without its value, and one that hides behind a comma of a value.
    for (filesystem, data, option) in [
        ("tmpfs", "modest", "modest"),
        ("tmpfs", "mode", "mode"),
        ("tmpfs", " mode=1", " mode=1"),
        ("tmpfs", "MODE=1", "MODE=1"),
        ("devpts", "newinstance=1", "newinstance=1"),
        ("overlay", "lowerdir=/a\\,index=off", "index=off"),
    ] {
        let text = words(everything().permits_mount(&new(filesystem, data)));
        assert!(text.starts_with(&format!("the option {option:?} for ")), "{text}");
    }
    let text = words(everything().permits_mount(&new("mqueue", "x")));
    assert_eq!(text, "the option \"x\" for \"mqueue\" (leave it out)");
    let text = words(everything().permits_mount(&new("proc", "gid=0")));
    assert_eq!(text, "the option \"gid=0\" for \"proc\" (possible are hidepid= subset=)");
}

#[test]
fn what_is_bound_or_changed_keeps_its_restrictions() {
    let policy = Policy::default();
    let all = RDONLY | NOSUID | NODEV | NOEXEC | NOSYMFOLLOW;
    for act in [0, libc::MS_REC, REMOUNT, REMOUNT | RDONLY] {
        for present in [0, RDONLY, NOEXEC, NOSYMFOLLOW, all, all | libc::MS_NOATIME] {
            let request = MountRequest { present, ..bind(act) };
            assert_eq!(flags(policy.permits_mount(&request)), present & all | NOSUID | NODEV, "{act:#x} {present:#x}");
        }
        // Devices of the host's are of use only where nodev is not, and stay as restricted as they were.
        let devices = |present| MountRequest { present, devices: true, ..bind(act) };
        assert_eq!(flags(policy.permits_mount(&devices(0))), NOSUID);
        assert_eq!(flags(policy.permits_mount(&devices(NODEV))), NOSUID | NODEV);
    }
}

#[test]
fn a_file_system_itself_is_not_changed() {
    for flags in [REMOUNT, REMOUNT | RDONLY, REMOUNT | libc::MS_MOVE, REMOUNT | libc::MS_PRIVATE] {
        let text = words(everything().permits_mount(&MountRequest { flags, ..new("tmpfs", "") }));
        let help = "change the mount alone: remount together with bind";
        assert_eq!(text, format!("changing a file system, wherever it is mounted ({help})"));
    }
}

#[test]
fn the_kernels_order_says_which_bit_counts() {
    let policy = policy(json!({"mounts": []}));
    let refused = |flags: u64| words(policy.permits_mount(&MountRequest { flags, ..new("tmpfs", "") }));
    let listed = |kind: &str| format!("{kind} mounts (root can allow it with \"mounts\" in {PATH})");
    assert_eq!(refused(BIND | libc::MS_MOVE | libc::MS_SHARED), listed("bind"));
    assert_eq!(refused(RDONLY), listed("tmpfs"));
    for propagation in [libc::MS_PRIVATE, libc::MS_SLAVE | libc::MS_REC, libc::MS_SHARED, libc::MS_UNBINDABLE] {
        let request = MountRequest { flags: propagation | libc::MS_MOVE, ..new("tmpfs", "") };
        assert_eq!(policy.permits_mount(&request).expect("propagation"), Forced::default());
    }
}

#[test]
fn what_is_mounted_goes_nowhere_else() {
    let moved = MountRequest { flags: libc::MS_MOVE, ..new("tmpfs", "") };
    let text = "moving a mount: what the host covers with it would be seen (bind it instead)";
    assert_eq!(words(everything().permits_mount(&moved)), text);
}

#[test]
fn owners_are_shown_as_they_are() {
    let text = "a mount with other owners (leave idmap out, or ask for the hybrid workflow)";
    for request in [bind(0), bind(REMOUNT), new("tmpfs", "")] {
        assert_eq!(words(everything().permits_mount(&MountRequest { id_map: true, ..request })), text);
    }
}

#[test]
fn device_nodes_are_of_harmless_devices() {
    let policy = everything();
    for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0)] {
        policy.permits_device(major, minor).expect("harmless");
    }
    // mem, kmem, port, kmsg, disks, console, ptmx, fuse, and numbers the other way round.
    for (major, minor) in [(1, 1), (1, 2), (1, 4), (1, 11), (8, 0), (5, 1), (5, 2), (10, 229), (3, 1), (0, 0)] {
        let text =
            format!("a node of the device {major}:{minor} (possible are null, zero, full, random, urandom and tty)");
        assert_eq!(words(policy.permits_device(major, minor)), text);
    }
}

#[test]
fn unknown_bits_are_refused() {
    for bit in [libc::MS_MANDLOCK, libc::MS_POSIXACL, libc::MS_KERNMOUNT, libc::MS_I_VERSION, 1 << 30, 1 << 31, 1 << 63]
    {
        let text = words(everything().permits_mount(&bind(bit)));
        assert_eq!(text, format!("mount flags {bit:#x} (leave them out)"));
    }
}

#[test]
fn images_are_mounted_from_files_of_a_kind_that_is_listed() {
    let of = |kind: &'static str| MountRequest { image: image(1000, 0o666), ..new(kind, "") };
    for kind in ["squashfs", "ext3"] {
        let text = format!("images of the kind {kind} (root can allow it with \"images\" in {PATH})");
        assert_eq!(words(Policy::default().permits_mount(&of(kind))), text);
        let other = if kind == "ext3" { "squashfs" } else { "ext3" };
        assert_eq!(words(policy(json!({"images": [other, "luks"]})).permits_mount(&of(kind))), text);
        let text = words(everything().permits_mount(&MountRequest { image: None, ..of(kind) }));
        assert!(
            text.starts_with(&format!("mounting {kind} from something else than an image's loop device")),
            "{text}"
        );
    }
    let squashfs = policy(json!({"images": ["squashfs"]})).permits_mount(&of("squashfs")).expect("listed");
    assert_eq!(squashfs, Forced { flags: RDONLY | NOSUID | NODEV, data: None });
    let ext3 = policy(json!({"images": ["ext3"]})).permits_mount(&of("ext3")).expect("listed");
    assert_eq!(ext3, Forced { flags: NOSUID | NODEV, data: Some("errors=remount-ro") });
}

#[test]
fn an_image_does_not_end_the_kernel() {
    let mount = |kind: &'static str, data: &'static str| {
        everything().permits_mount(&MountRequest { image: image(1000, 0o600), ..new(kind, data) })
    };
    mount("ext3", "errors=remount-ro").expect("as forced");
    for (kind, data) in
        [("ext3", "errors=panic"), ("ext3", "errors=continue"), ("ext3", "journal_dev=1"), ("squashfs", "errors=panic")]
    {
        assert!(words(mount(kind, data)).starts_with(&format!("the option {data:?} for {kind:?}")));
    }
}

#[test]
fn images_are_of_owners_who_are_listed() {
    let listed = policy(json!({"images": ["squashfs", "luks"], "image_owners": [0, 990]}));
    let file = |owner, mode| ImageFile { owner, mode };
    for kind in [ImageKind::Squashfs, ImageKind::Luks] {
        for owner in [0, 990] {
            listed.permits_image(kind, file(owner, 0o100_644)).expect("listed");
            for mode in [0o100_664, 0o100_646, 0o100_666] {
                let text = "an image that others than its owner can write (chmod go-w the image)";
                assert_eq!(words(listed.permits_image(kind, file(owner, mode))), text);
            }
        }
        let text = format!("images of user 1000 (root can allow it with \"image_owners\" in {PATH})");
        assert_eq!(words(listed.permits_image(kind, file(1000, 0o600))), text);
        everything().permits_image(kind, file(1000, 0o666)).expect("everybody's");
        let nobodys = policy(json!({"images": [kind.word()], "image_owners": []}));
        assert!(nobodys.permits_image(kind, file(0, 0o600)).is_err());
    }
    assert!(words(listed.permits_image(ImageKind::Ext3, file(0, 0o600))).starts_with("images of the kind ext3"));
    let request = MountRequest { image: image(1000, 0o600), ..new("squashfs", "") };
    assert!(words(listed.permits_mount(&request)).starts_with("images of user 1000"));
}

#[test]
fn a_loop_device_is_for_images_that_are_permitted() {
    let file = ImageFile { owner: 1000, mode: 0o600 };
    let text = format!("images of any kind (root can allow it with \"images\" in {PATH})");
    assert_eq!(words(Policy::default().permits_loop_device(file, 0)), text);
    // LO_FLAGS_READ_ONLY and LO_FLAGS_AUTOCLEAR.
    everything().permits_loop_device(file, 1 | 4).expect("permitted");
    let text = "a search for partitions in an image (leave LO_FLAGS_PARTSCAN out)";
    assert_eq!(words(everything().permits_loop_device(file, 8 | 1)), text);
    let roots = policy(json!({"images": ["luks"], "image_owners": [0]}));
    assert!(words(roots.permits_loop_device(file, 0)).starts_with("images of user 1000"));
    roots.permits_loop_device(ImageFile { owner: 0, ..file }, 0).expect("root's");
}

proptest! {
    #[test]
    fn what_is_mounted_has_no_setuid_programs_and_no_devices(
        bits in any::<u64>(),
        mask in proptest::sample::select(
            vec![u64::MAX, 0x1f, BIND | REMOUNT | 0x1f, BIND | libc::MS_REC, libc::MS_MOVE],
        ),
        filesystem in proptest::sample::select(
            vec!["", "tmpfs", "proc", "ext3", "ext4", "squashfs", "devpts", "overlay"],
        ),
        data in proptest::sample::select(vec!["", "mode=755", "errors=panic", "dev", "suid", "lowerdir=/a"]),
        present in 0u64..0x20,
    ) {
        let request = MountRequest { flags: bits & mask, present, image: image(1000, 0o600), ..new(filesystem, data) };
        let Ok(forced) = everything().permits_mount(&request) else { return Ok(()) };
        let acts = request.flags & (libc::MS_MOVE | PROPAGATION) == 0 || request.flags & BIND != 0;
        prop_assert!(!acts || forced.flags & NOSUID != 0);
        prop_assert!(!acts || forced.flags & NODEV != 0 || (filesystem == "devpts" && request.flags & BIND == 0));
        prop_assert!(request.flags & REMOUNT == 0 || request.flags & BIND != 0);
    }
}
