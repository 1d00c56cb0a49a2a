// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Limits: descriptors, processes, file size, memory, namespaces.

use serde_json::json;

use crate::{Case, Either, Fails, Works, run_all};

/// A user for whom nothing else runs on this machine: its processes are counted.
const LONELY: &str = "61234";

#[test]
fn descriptors() {
    let mut cases = Vec::new();
    for caller in ["root", "user"] {
        // With 3 the loader of a dynamic test program gives up.
        for limit in 4..=32 {
            let name = format!("{caller}: {limit} descriptors");
            let condition = format!("limit={}:{limit}", libc::RLIMIT_NOFILE);
            // The engine opens nothing: what fails is the core.
            let case = Case::new(&name, caller, Either(&["oo many open files"])).under(&[&condition]);
            cases.push(case.set("log", json!("")));
        }
    }
    run_all(cases);
}

#[test]
fn processes() {
    let mut cases = Vec::new();
    for limit in 1..=9 {
        let condition = format!("limit={}:{limit}", libc::RLIMIT_NPROC);
        let name = format!("{limit} processes");
        // One after the other: they are counted together.
        let case = Case::new(&name, LONELY, Either(&["resource temporarily unavailable"])).under(&[&condition]);
        cases.push(case);
    }
    for case in cases {
        run_all(vec![case]);
    }
}

/// The same without the count: each kind of process in turn, which the flags of its clone tell apart.
#[test]
fn one_kind_of_process() {
    let clone3 = format!("deny={}", libc::SYS_clone3);
    let mut cases = Vec::new();
    for caller in ["root", "user"] {
        for (name, flag, words) in [
            ("container", libc::CLONE_NEWPID, &["create the container process", "resource temporarily"][..]),
            (
                "rpc-server",
                libc::CLONE_FS & !libc::CLONE_VM,
                &["create the rpc-server process", "resource temporarily"],
            ),
        ] {
            let clone = format!("deny={}:{}:0:{flag}", libc::SYS_clone, libc::EAGAIN);
            let case = Case::new(&format!("{caller}: no {name}"), caller, Fails(words)).under(&[&clone3, &clone]);
            cases.push(case.set("core_monitor", json!(true)));
        }
        let thread = format!("deny={}:{}:0:{}", libc::SYS_clone, libc::EAGAIN, libc::CLONE_THREAD);
        let words = &["thread", "resource temporarily"];
        cases.push(Case::new(&format!("{caller}: no thread"), caller, Fails(words)).under(&[&clone3, &thread]));
    }
    run_all(cases);
}

#[test]
fn file_size_and_memory() {
    let mut cases = Vec::new();
    let limit = |number: u32, value: u64| format!("limit={number}:{value}");
    for caller in ["root", "user"] {
        let mut add = |name: &str, condition: String, outcome| {
            let case = Case::new(&format!("{caller}: {name}"), caller, outcome).under(&[&condition]);
            cases.push(case.set("log", json!("")));
        };
        add("no file may grow", limit(libc::RLIMIT_FSIZE, 0), Fails(&["file too large"]));
        add("256 kB of stack", limit(libc::RLIMIT_STACK, 256 << 10), Works);
        add("no locked memory", limit(libc::RLIMIT_MEMLOCK, 0), Works);
        add("no pending signals", limit(libc::RLIMIT_SIGPENDING, 0), Works);
        add("64 MB of address space", limit(libc::RLIMIT_AS, 64 << 20), Works);
    }
    run_all(cases);
}

#[test]
fn namespaces() {
    let mut cases = Vec::new();
    // In a user namespace of their own: the host's limits stay as they are.
    let with = |limit: &str| format!("echo 0 >/proc/sys/user/{limit} && exec \"$@\"");
    for (kind, limit, help) in [
        ("user", "max_user_namespaces", "user.max_user_namespaces is 0"),
        ("pid", "max_pid_namespaces", "user.max_pid_namespaces is 0"),
        ("network", "max_net_namespaces", "user.max_net_namespaces is 0"),
        ("uts", "max_uts_namespaces", "user.max_uts_namespaces is 0"),
        ("ipc", "max_ipc_namespaces", "user.max_ipc_namespaces is 0"),
        ("cgroup", "max_cgroup_namespaces", "user.max_cgroup_namespaces is 0"),
        ("mount", "max_mnt_namespaces", "user.max_mnt_namespaces is 0"),
    ] {
        let words: &'static [&'static str] = Box::leak(Box::new([help, "no space left on device"]));
        let case = Case::new(kind, "user", Fails(words)).by(&["unshare", "-Ur", "sh", "-c", &with(limit), "sh"]);
        let case = case.set("create", json!([kind]));
        let map = if kind == "user" { json!([[0, 0, 1]]) } else { json!([]) };
        cases.push(case.set("uid_map", map.clone()).set("gid_map", map));
    }
    run_all(cases);
}
