// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What hostile bundles ask for, under the default policy: nothing is gained by it.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};

use serde_json::{Value, json};

use crate::common;
use crate::host::{Bundle, Ended, Host, mode};

/// A bundle with one change runs a script.
fn with(host: &Host, change: impl FnOnce(&mut Bundle), script: &str) -> Option<Ended> {
    let mut bundle = host.bundle("bundle")?;
    change(&mut bundle);
    let ended = host.run_bundle(&bundle, script);
    fs::remove_dir_all(&bundle.directory).expect("remove");
    Some(ended)
}

#[test]
fn file_systems_that_no_policy_lists() {
    let Some(host) = Host::new() else { return };
    let Some(whole) = host.bundle("bundle") else { return };
    let everything = json!(["bind", "tmpfs", "proc", "sysfs", "devpts", "mqueue", "cgroup", "overlay"]);
    host.allow(json!({ "mounts": everything, "images": ["squashfs", "ext3", "luks"] }));
    for kind in [
        "ext2",
        "ext3",
        "ext4",
        "xfs",
        "btrfs",
        "vfat",
        "squashfs",
        "iso9660",
        "fuse",
        "fuseblk",
        "nfs",
        "nfs4",
        "cifs",
        "9p",
        "virtiofs",
        "ramfs",
        "hugetlbfs",
        "devtmpfs",
        "debugfs",
        "tracefs",
        "securityfs",
        "configfs",
        "bpf",
        "binfmt_misc",
        "efivarfs",
        "pstore",
        "fusectl",
        "nsfs",
        "autofs",
        "selinuxfs",
        "rpc_pipefs",
        "TMPFS",
        "tmpfs ",
        "proc.x",
    ] {
        let mut bundle = Bundle { directory: whole.directory.clone(), document: whole.document.clone() };
        bundle.mount("/place", kind, "/dev/vda", &[]);
        host.run_bundle(&bundle, "echo started")
            .refused(&["container creation failed", "the policy forbids: mounting "]);
    }
}

#[test]
fn options_of_file_systems() {
    let Some(host) = Host::new() else { return };
    let Some(whole) = host.bundle("bundle") else { return };
    let refused = |kind: &str, source: &str, options: &[&str], word: &str| {
        let mut bundle = Bundle { directory: whole.directory.clone(), document: whole.document.clone() };
        bundle.mount("/place", kind, source, options);
        host.run_bundle(&bundle, "echo started").refused(&["the policy forbids", word]);
    };
    refused("tmpfs", "tmpfs", &["huge=always"], "huge=always");
    refused("tmpfs", "tmpfs", &["mand"], "mount flags 0x40");
    refused("tmpfs", "tmpfs", &["iversion"], "mount flags");
    refused("tmpfs", "tmpfs", &["idmap"], "a mount with other owners");
    refused("", "/etc", &["bind", "idmap"], "a mount with other owners");
    refused("", "/etc", &["rbind", "ridmap"], "a mount with other owners");

    let mut bundle = Bundle { directory: whole.directory.clone(), document: whole.document.clone() };
    bundle.mount("/proc", "proc", "proc", &["remount", "ro"]);
    host.run_bundle(&bundle, "echo started").refused(&["the policy forbids: changing a file system"]);
    refused("proc", "proc", &["gid=1000"], "gid=1000");
}

#[test]
fn nothing_that_is_mounted_loses_a_restriction() {
    let Some(host) = Host::new() else { return };
    let flags = |line: &str| line.split(' ').nth(5).unwrap_or_default().to_owned();
    let loosen = ["bind", "suid", "dev", "exec", "rw", "rsuid", "rdev", "rexec", "rrw"];
    let show = "grep -F ' /place ' /proc/self/mountinfo";
    let Some(mut bundle) = host.bundle("restricted") else { return };
    let place = host.directory("place").to_str().expect("UTF-8").to_owned();
    bundle.mount("/place", "", &place, &loosen);
    // Where root has restricted what the user binds.
    let run = format!(
        "mount -t tmpfs -o ro,nosuid,nodev,noexec tmpfs $1 && ({}); umount $1",
        host.command(&bundle, show).join(" ")
    );
    let ended = host.run_by_root(&["sh", "-c", &run, "sh", &place]);
    assert!(flags(&ended.stdout).starts_with("ro,nosuid,nodev,noexec"), "{ended:?}");
    let ended = with(&host, |bundle| bundle.mount("/place", "", "/usr", &loosen), show).expect("busybox");
    assert!(flags(&ended.stdout).contains("nosuid,nodev"), "{ended:?}");
    let tmpfs = ["suid", "dev", "rsuid", "rdev"];
    let ended = with(&host, |bundle| bundle.mount("/place", "tmpfs", "tmpfs", &tmpfs), show).expect("busybox");
    assert!(flags(&ended.stdout).contains("nosuid,nodev"), "{ended:?}");
    let remount = |bundle: &mut Bundle| {
        bundle.mount("/place", "tmpfs", "tmpfs", &["ro", "noexec"]);
        bundle.mount("/place", "", "", &["remount", "bind", "rw", "exec", "suid", "dev"]);
    };
    let ended = with(&host, remount, show).expect("busybox");
    assert!(flags(&ended.stdout).starts_with("ro,nosuid,nodev,noexec"), "{ended:?}");
    let root =
        with(&host, |_| (), "grep -F ' / / ' /proc/self/mountinfo; grep ' / ' /proc/self/mountinfo").expect("busybox");
    assert!(root.stdout.lines().all(|line| flags(line).contains("nosuid,nodev")), "{root:?}");
}

#[test]
fn files_of_roots_stay_closed() {
    let Some(host) = Host::new() else { return };
    let bind = |bundle: &mut Bundle| bundle.mount("/shadow", "", "/etc/shadow", &["bind"]);
    let Some(ended) = with(&host, bind, "cat /shadow || echo closed") else { return };
    assert!(!ended.stdout.contains("secret") && ended.stdout.trim() == "closed", "{ended:?}");
    // A directory that the user cannot search is not led past.
    fs::create_dir_all(host.path("closed/inner")).expect("directory");
    fs::write(host.path("closed/inner/file"), "secret").expect("file");
    mode(&host.path("closed"), 0o700);
    let inner = host.text("closed/inner");
    let ended =
        with(&host, |bundle| bundle.mount("/inner", "", &inner, &["bind"]), "cat /inner/file").expect("busybox");
    ended.refused(&["ermission denied"]);
    let ended = with(&host, |bundle| bundle.document["root"]["path"] = json!(inner), "echo started").expect("busybox");
    ended.refused(&["ermission denied"]);
    let none = host.text("closed/none");
    let missing = with(&host, |bundle| bundle.mount("/inner", "", &none, &["bind"]), "echo started").expect("busybox");
    missing.refused(&["ermission denied"]);
}

/// What is asked for through a link, and how.
type Change = (&'static str, fn(&mut Bundle));

#[test]
fn links_lead_nowhere_outside_the_root() {
    let Some(host) = Host::new() else { return };
    let victim = host.directory("victim");
    mode(&victim, 0o755);
    chown(&victim, Some(0), Some(0)).expect("owner");
    let out = victim.to_str().expect("UTF-8").to_owned();
    let before = fs::metadata(&victim).expect("victim").mtime_nsec();
    let targets: [Change; 5] = [
        ("a new directory", |bundle| bundle.mount("/link/new", "tmpfs", "tmpfs", &[])),
        ("a new file", |bundle| bundle.mount("/link/file", "", "/etc/passwd", &["bind"])),
        ("the working directory", |bundle| bundle.document["process"]["cwd"] = json!("/link/cwd")),
        ("masked paths", |bundle| bundle.document["linux"]["maskedPaths"] = json!(["/link", "/link/.."])),
        ("read-only paths", |bundle| bundle.document["linux"]["readonlyPaths"] = json!(["/link"])),
    ];
    for (name, change) in targets {
        // The root has what they lead to as well, and that is what is meant. Of the third there is nothing.
        for (link, code) in [(out.as_str(), 0), ("../../victim", 0), ("/proc/1/root", 255)] {
            let Some(mut bundle) = host.bundle("bundle") else { return };
            host.directory(&format!("bundle/rootfs{out}"));
            host.directory("bundle/rootfs/victim");
            change(&mut bundle);
            symlink(link, bundle.root("link")).expect("link");
            let ended = host.run_bundle(&bundle, "test -e /bin/sh && echo started");
            let harmless = name.contains("paths") && link == "/proc/1/root";
            assert!(ended.code == code || harmless, "{name} {link}: {ended:?}");
            assert_eq!(fs::read_dir(&victim).expect("victim").count(), 0, "{name} {link}: {ended:?}");
            fs::remove_dir_all(&bundle.directory).expect("remove");
        }
    }
    assert_eq!(fs::metadata(&victim).expect("victim").mtime_nsec(), before);
}

#[test]
fn what_stands_in_for_a_device_is_none() {
    let Some(host) = Host::new() else { return };
    let Some(bundle) = host.bundle("bundle") else { return };
    let dev = host.directory("bundle/rootfs/dev");
    for (name, make) in [("null", "link"), ("zero", "directory")] {
        let place = dev.join(name);
        match make {
            "link" => symlink("/etc/passwd", &place).expect("link"),
            _ => fs::create_dir(&place).expect("directory"),
        }
        host.run_bundle(&bundle, "echo started").refused(&["make the device", "stands where it belongs"]);
        let _ = fs::remove_file(&place).or_else(|_| fs::remove_dir(&place));
    }
    // A node of the disk's, as somebody's archive may have it, is of no use.
    let node = nix::sys::stat::makedev(8, 0);
    let kind = nix::sys::stat::SFlag::S_IFBLK;
    nix::sys::stat::mknod(&bundle.root("disk"), kind, nix::sys::stat::Mode::from_bits_truncate(0o666), node)
        .expect("node");
    host.run_bundle(&bundle, "head -c 1 /disk 2>&1 | grep -c 'ermission denied'").says("1");
    let mut devices = Bundle { directory: bundle.directory.clone(), document: bundle.document.clone() };
    devices.document["linux"]["devices"] =
        json!([{ "path": "/dev/disk", "type": "b", "major": 8, "minor": 0, "fileMode": 0o666 }]);
    let ended = host.run_bundle(&devices, "test -e /dev/disk || echo none");
    assert!(ended.code == 255 || ended.stdout.trim() == "none", "{ended:?}");
}

#[test]
fn setuid_programs_of_a_root_give_nothing() {
    let Some(host) = Host::new() else { return };
    let root_s = |bundle: &mut Bundle| {
        fs::remove_file(bundle.root("bin/id")).expect("link");
        common::copy_program(&bundle.root("bin/busybox"), &bundle.root("bin/id"));
        chown(bundle.root("bin/id"), Some(0), Some(0)).expect("owner");
        mode(&bundle.root("bin/id"), 0o6755);
    };
    let Some(ended) = with(&host, root_s, "id -u; id -g; stat -c %a /bin/id") else { return };
    ended.says("1000\n1000\n6755");
    let undone = |document: &mut Value| document["process"]["noNewPrivileges"] = json!(false);
    let ended =
        with(&host, |bundle| undone(&mut bundle.document), "grep NoNewPrivs /proc/self/status").expect("busybox");
    assert!(ended.code == 255 || ended.stdout.trim() == "NoNewPrivs:\t1", "{ended:?}");
}

#[test]
fn ids_of_others() {
    let Some(host) = Host::new() else { return };
    for user in [
        json!({ "uid": 0, "gid": 0 }),
        json!({ "uid": 1001, "gid": 1000 }),
        json!({ "uid": 1000, "gid": 0 }),
        json!({ "uid": 1000, "gid": 1000, "additionalGids": [0] }),
        json!({ "uid": 4_294_967_295_u32, "gid": 1000 }),
    ] {
        let change = |bundle: &mut Bundle| bundle.document["process"]["user"] = user.clone();
        let Some(ended) = with(&host, change, "echo started") else { return };
        ended.refused(&[]);
    }
}

/// By the process that becomes the program: master may not, for one that is not its user's yet.
#[test]
fn limits_are_the_programs() {
    let Some(host) = Host::new() else { return };
    let change = |bundle: &mut Bundle| {
        bundle.document["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]);
    };
    let Some(ended) = with(&host, change, "ulimit -n; ulimit -Hn") else { return };
    ended.says("100\n200");
    let change = |bundle: &mut Bundle| {
        bundle.document["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 1_u64 << 40}]);
    };
    let Some(ended) = with(&host, change, "echo started") else { return };
    ended.refused(&["set the limit RLIMIT_NOFILE"]);
}

/// A copy of it would be attached over the host's own, which root's server uses.
#[test]
fn a_root_is_not_among_the_hosts_programs() {
    let Some(host) = Host::new() else { return };
    for root in ["/usr/lib", "/etc", "/dev/shm"] {
        host.pinion(&["run", "--setuid", "--root", root, "--", "true"])
            .refused(&["the policy forbids: mounting over the host's programs"]);
    }
}

#[test]
fn the_hosts_name_stays() {
    let Some(host) = Host::new() else { return };
    let of_host = |bundle: &mut Bundle| {
        let namespaces = bundle.document["linux"]["namespaces"].as_array_mut().expect("namespaces");
        namespaces.retain(|namespace| namespace["type"] != "uts");
    };
    let name = rustix::system::uname().nodename().to_owned();
    for key in ["hostname", "domainname"] {
        let change = |bundle: &mut Bundle| {
            of_host(bundle);
            bundle.document[key] = json!(format!("taken-{}", std::process::id()));
        };
        let Some(ended) = with(&host, change, "echo started") else { return };
        ended.refused(&["UTS namespace"]);
    }
    assert_eq!(rustix::system::uname().nodename(), &*name);
}

#[test]
fn proc_and_cgroups_of_the_host_are_not_mounted_anew() {
    let Some(host) = Host::new() else { return };
    let of_host = |bundle: &mut Bundle| {
        let namespaces = bundle.document["linux"]["namespaces"].as_array_mut().expect("namespaces");
        namespaces.retain(|namespace| namespace["type"] != "pid");
    };
    let Some(ended) = with(&host, of_host, "echo started") else { return };
    ended.refused(&["the policy forbids: mounting proc in the host's pid namespace"]);
    // Without a cgroup namespace the host's are shown, and only that.
    let cgroups = |bundle: &mut Bundle| bundle.mount("/sys/fs/cgroup", "cgroup2", "cgroup2", &["rw"]);
    let mut bundle = host.bundle("cgroups").expect("busybox");
    cgroups(&mut bundle);
    let script = "grep -c ' /sys/fs/cgroup ro,' /proc/self/mountinfo; mkdir /sys/fs/cgroup/x 2>/dev/null || echo no";
    host.run_bundle(&bundle, script).says("1\nno");
    host.run_bundle_with_cgroups(&bundle, script).says("1\nno");
}

#[test]
fn a_proc_without_masks_gives_no_more_than_the_hosts() {
    let Some(host) = Host::new() else { return };
    let script = "for file in kcore sysrq-trigger sys/kernel/core_pattern sys/kernel/modprobe timer_list keys; do
        (: >>/proc/$file) 2>/dev/null && echo $file can be written; done; head -c 1 /proc/kcore 2>/dev/null; echo done";
    // Nothing of it is masked or read-only, and what is in its place is the same.
    let Some(ended) = with(&host, |_| (), script) else { return };
    let files: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!((ended.code, files), (0, vec!["done"]), "{ended:?}");
    let cover = |bundle: &mut Bundle| bundle.mount("/proc/sys", "tmpfs", "tmpfs", &[]);
    with(&host, cover, "echo started").expect("busybox").refused(&["cannot be covered"]);
}

#[test]
fn mounts_do_not_spread() {
    let Some(host) = Host::new() else { return };
    for propagation in ["shared", "rshared", "slave", "rslave", "private", "unbindable"] {
        let change = |bundle: &mut Bundle| {
            bundle.document["linux"]["rootfsPropagation"] = json!(propagation);
            bundle.mount("/host", "", "/", &["rbind", "rshared"]);
            bundle.mount("/host/tmp", "tmpfs", "tmpfs", &["shared"]);
        };
        // The host compares its own mounts before and after.
        let Some(ended) = with(&host, change, "echo started") else { return };
        assert!(ended.code == 0 || ended.code == 255, "{ended:?}");
    }
}

#[test]
fn hooks_are_not_run() {
    let Some(host) = Host::new() else { return };
    let place = host.directory("hooks").join("ran");
    for hook in ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] {
        let script = format!("id -u >{}", place.display());
        let change = |bundle: &mut Bundle| {
            bundle.document["hooks"][hook] = json!([{ "path": "/bin/sh", "args": ["sh", "-c", script] }]);
        };
        let Some(ended) = with(&host, change, "echo started") else { return };
        let ran = fs::read_to_string(&place).unwrap_or_default();
        assert!(ran.is_empty() || ran.trim() == "1000", "{hook} ran as {ran:?}: {ended:?}");
        let _ = fs::remove_file(&place);
    }
}

#[test]
fn documents_that_are_links_to_files_of_roots() {
    let Some(host) = Host::new() else { return };
    let Some(bundle) = host.bundle("bundle") else { return };
    symlink("/etc/shadow", bundle.directory.join("config.json")).expect("link");
    let directory = bundle.directory.to_str().expect("UTF-8");
    let ended = host.pinion(&["run", "--setuid", "--bundle", directory, "--", "echo", "started"]);
    ended.refused(&["ermission denied"]);
    assert!(!ended.stderr.contains("secret"), "{ended:?}");
}

#[test]
fn a_record_is_the_users_file() {
    let Some(host) = Host::new() else { return };
    let record = host.directory("own").join("record");
    symlink(host.path("etc/made"), &record).expect("link");
    let ended = host.pinion(&["run", "--setuid", "--record", record.to_str().expect("UTF-8"), "--", "echo", "started"]);
    ended.refused(&["ermission denied"]);
    assert!(!host.path("etc/made").exists());
    let own = host.directory("own").join("new");
    host.pinion(&["run", "--setuid", "--record", own.to_str().expect("UTF-8"), "--", "echo", "started"])
        .says("started");
    assert_eq!(fs::metadata(&own).expect("record").uid(), common::USER);
}
