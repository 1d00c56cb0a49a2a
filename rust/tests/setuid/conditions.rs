// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a hostile caller leaves to the setuid starter: descriptors, signals, timers, variables, directories; and
//! starters that are installed in an odd way.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::process::Command;

use serde_json::json;

use crate::host::{Ended, Host, mode};

#[test]
fn closed_and_odd_standard_streams() {
    let Some(host) = Host::new() else { return };
    for closed in 0..8u32 {
        let numbers = (0..3).filter(|number| closed & (1 << number) != 0);
        let conditions: Vec<String> = numbers.map(|number| format!("close={number}")).collect();
        host.start(&[], &conditions.iter().map(String::as_str).collect::<Vec<_>>()).works();
    }
    for number in 0..3 {
        for what in ["open=N:/", "open=N:/dev/full", "socket=N"] {
            host.start(&[], &[&what.replace('N', &number.to_string())]).works();
        }
    }
    host.start(&[], &["many=300"]).works();
}

#[test]
fn signals_and_timers() {
    let Some(host) = Host::new() else { return };
    host.start(&[], &["block"]).works();
    for signal in [libc::SIGCHLD, libc::SIGPIPE, libc::SIGTERM, libc::SIGHUP, libc::SIGXFSZ, libc::SIGALRM] {
        host.start(&[], &[&format!("ignore={signal}")]).works();
    }
    // A timer of the caller's does not run on: neither its signal nor a request to pass it on comes to the program.
    let waits = "trap 'exit 8' ALRM VTALRM PROF; for second in 1 2 3 4 5 6; do sleep 0.1; done";
    for timer in ["timer=300", "virtual=5", "prof=5"] {
        let ended = host.start_script("1000", &[], &[timer], waits);
        assert_eq!(ended.code, crate::host::CODE, "{timer}: {ended:?}");
    }
}

#[test]
fn arguments_umask_and_directories() {
    let Some(host) = Host::new() else { return };
    for condition in ["argc0", "argv0=", "argv0=-sh", "umask=000", "umask=777", "nowhere"] {
        host.start(&[], &[condition]).works();
    }
    // A working directory that its user cannot read.
    fs::create_dir(host.path("closed")).expect("directory");
    mode(&host.path("closed"), 0o700);
    let words = host.start_words();
    let ids = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
    let closed = host.text("closed");
    let shell = ["sh", "-c", "cd \"$0\" && exec \"$@\"", &closed];
    let words: Vec<&str> = shell.into_iter().chain(ids).chain(words.iter().map(String::as_str)).collect();
    host.run_by_root(&words).works();
}

#[test]
fn variables() {
    let Some(host) = Host::new() else { return };
    let own = host.directory("own");
    let file = |name: &str| own.join(name).display().to_string();
    fs::write(own.join("evil.so"), "no library").expect("file");
    let many: Vec<String> = (0..16).map(|number| format!("MANY{number}={}", "x".repeat(1 << 16))).collect();
    host.start(&many.iter().map(String::as_str).collect::<Vec<_>>(), &[]).works();
    let hostile = [
        format!("LD_PRELOAD={}", file("evil.so")),
        format!("LD_LIBRARY_PATH={}", own.display()),
        format!("LD_AUDIT={}", file("evil.so")),
        "LD_DEBUG=all".into(),
        format!("LD_DEBUG_OUTPUT={}", file("debug")),
        "LD_BIND_NOW=1".into(),
        "GLIBC_TUNABLES=glibc.malloc.mxfast=glibc.malloc.mxfast=A".into(),
        format!("MALLOC_TRACE={}", file("trace")),
        "MALLOC_PERTURB_=1".into(),
        "RUST_BACKTRACE=full".into(),
        "RUST_MIN_STACK=1".into(),
        format!("TMPDIR={}", own.display()),
        format!("GCONV_PATH={}", own.display()),
        "LANG=../../../own".into(),
        format!("PINION_STARTER={}", file("evil.so")),
        format!("PINION_POLICY={}", file("policy.json")),
        "LOAD_OVERLAY_MODULE=1".into(),
        "POST_START_HOST=1".into(),
        "CLEANUP_HOST=1".into(),
        "=".into(),
    ];
    for variable in &hostile[..hostile.len() - 1] {
        host.start(&[variable], &[]).works();
    }
    host.start(&hostile[..hostile.len() - 1].iter().map(String::as_str).collect::<Vec<_>>(), &[]).works();
    let made: Vec<String> =
        fs::read_dir(&own).expect("own").map(|entry| entry.expect("entry").path().display().to_string()).collect();
    for path in &made {
        assert_ne!(fs::metadata(path).expect("file").uid(), 1000, "{path}: made by a start");
    }
    assert_eq!(made.len(), 1, "{made:?}");
}

/// It worked, or was refused with an error.
#[track_caller]
fn works_or_says_why(what: &str, ended: &Ended) {
    let errors = ended.stderr.lines().filter(|line| line.starts_with("pinion: error: ")).count();
    assert!(ended.code == crate::host::CODE || (ended.code == 255 && errors == 1), "{what}: {ended:?}");
}

#[test]
fn descriptors_by_number() {
    let Some(host) = Host::new() else { return };
    let own = host.directory("own");
    fs::write(own.join("document"), "{\"engineName\":\"oci\"").expect("file");
    fs::write(host.path("etc/root-s"), "root's").expect("file");
    let document = format!("config={}", own.join("document").display());
    let huge = own.join("huge").display().to_string();
    fs::File::create(&huge).expect("file").set_len(1 << 40).expect("size");
    chown(&huge, Some(1001), Some(1001)).expect("owner");
    mode(own.join("huge").as_path(), 0o666);
    for variable in ["PINION_RECORD_FD", "PINION_WAITER_FD", "PINION_CONFIG_FD"] {
        for number in ["", "0", "1", "2", "7", "99", "-1", "abc", "4294967303", "7 ", "2147483647"] {
            let variable = format!("{variable}={number}");
            works_or_says_why(&variable, &host.start(&[&variable], &[]));
            for condition in ["open=7:/", "open=7:/dev/full", "open=7:/etc/passwd", "socket=7"] {
                if condition != "open=7:/etc/passwd" {
                    works_or_says_why(&variable, &host.start(&[&variable], &[condition]));
                }
            }
        }
        // Seals of memory files: none, some, all; and a file of another user's that is larger than any memory.
        let variable = format!("{variable}=7");
        for seals in [0, 1, 2, 4, 8, 15] {
            let condition = format!("{document}:{seals}");
            works_or_says_why(&condition, &host.start(&[&variable], &[&condition]));
        }
        works_or_says_why("huge", &host.start(&[&variable], &[&format!("open=7:{huge}")]));
    }
    assert_eq!(fs::metadata(&huge).expect("file").uid(), 1001);
}

#[test]
fn privileges_of_the_file_that_do_not_count() {
    let Some(host) = Host::new() else { return };
    host.start(&[], &["nnp"]).refused(&["runs without root's id", "no_new_privs is set"]);
    let words = host.start_words();
    let user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
    let words = user.into_iter().chain(words.iter().map(String::as_str));
    let folder = host.path("").to_str().expect("UTF-8").trim_end_matches('/').to_owned();
    let nosuid = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,nosuid \"$0\" || exit 98
        \"$@\"; code=$?; umount \"$0\"; exit $code";
    let mounted: Vec<&str> = ["sh", "-c", nosuid, &folder].into_iter().chain(words).collect();
    host.run_by_root(&mounted).refused(&["runs without root's id", "is mounted nosuid"]);
    if Command::new("strace").arg("-V").output().is_err() {
        println!("left out: traced: no strace");
        return;
    }
    let words = host.start_words();
    let traced = ["strace", "-f", "-o", "/dev/null"].into_iter().chain(words.iter().map(String::as_str));
    host.run(&traced.collect::<Vec<_>>()).refused(&["runs without root's id", "this process is traced"]);
}

#[test]
fn odd_installations() {
    let Some(host) = Host::new() else { return };
    let starter = host.path("pinion-starter-suid");
    let owned = |uid, gid, bits| {
        chown(&starter, Some(uid), Some(gid)).expect("owner");
        mode(&starter, bits);
    };
    for bits in [0o4775, 0o4757, 0o4777] {
        owned(0, 0, bits);
        host.start(&[], &[]).refused(&["others than root may write to this setuid-root program", "chmod 4755"]);
    }
    let another_way = "has privileges of a file that is not setuid root";
    for (uid, gid, bits) in [(1001, 0, 0o4755), (0, 0, 0o2755), (0, 5000, 0o2755), (1001, 5000, 0o6755)] {
        owned(uid, gid, bits);
        host.start(&[], &[]).refused(&[another_way, "install it setuid root"]);
    }
    owned(0, 0, 0o755);
    let given = Command::new("setcap").arg("cap_sys_admin,cap_setuid+ep").arg(&starter).status();
    match given.is_ok_and(|status| status.success()) {
        true => host.start(&[], &[]).refused(&[another_way]),
        false => println!("left out: file capabilities: no setcap"),
    }
    fs::remove_file(&starter).expect("starter");
    let ended = host.script("echo started");
    ended.refused(&["setuid"]);
    crate::common::copy_program(&host.path("pinion-starter"), &starter);
    owned(0, 0, 0o6755);
    works_or_says_why("setuid and setgid", &host.start(&[], &[]));
}

#[test]
fn the_policy_holds_under_any_condition() {
    let Some(host) = Host::new() else { return };
    host.allow(json!({ "users": ["ben"] }));
    for condition in ["argc0", "block", "close=2", "umask=777", "nowhere", "ignore=17", "many=300", "close=0"] {
        let ended = host.start(&[], &[condition]);
        assert_eq!(ended.code, 255, "{condition}: {ended:?}");
    }
}
