// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The README's commands that start containers do what it says, as root and as an ordinary user.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

/// What a code block begins and ends with.
const FENCE: &str = "```";

/// The block that begins so.
fn text(first: &str) -> String {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md");
    let mut blocks = text.split(FENCE).skip(1).step_by(2);
    let found = blocks.find(|block| block.trim_start().starts_with(first));
    found.unwrap_or_else(|| panic!("no block begins with {first}")).to_owned()
}

/// Its command lines, in their order.
fn block(first: &str) -> Vec<String> {
    text(first).lines().filter(|line| line.starts_with("pinion ")).map(str::to_owned).collect()
}

/// The programs, as an installation has them.
fn installed() -> TempDir {
    let folder = common::shared_folder();
    for (from, to) in
        [("pinion", "pinion"), ("pinion-starter", "pinion-starter"), ("pinion-starter", "pinion-starter-suid")]
    {
        common::copy_program(&common::built().join(from), &folder.path().join(to));
    }
    if common::is_root() {
        let setuid = folder.path().join("pinion-starter-suid");
        std::fs::set_permissions(setuid, PermissionsExt::from_mode(0o4755)).expect("mode");
    }
    folder
}

/// Runs a line as a user would, and compares its exit code with the one that its comment names.
fn run(line: &str, folder: &Path, user: Option<u32>) {
    let expected = line.split_once("exit code ").map_or(0, |(_, code)| code.trim().parse().expect("code"));
    // What stands for something of the reader's own.
    let line = line.replace("--root DIR -- PROGRAM ARGS...", "--root / -- true").replace("FILE", "/dev/null");
    let mut command = match user {
        None => Command::new("sh"),
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".into(), "sh".into()]);
            command
        }
    };
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.display());
    let output = command.args(["-c", &line]).current_dir("/").env("PATH", path).output().expect("sh");
    let text = format!(
        "{user:?}: {line}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(expected), "{text}");
}

fn run_all(lines: &[String], user: Option<u32>) {
    let folder = installed();
    lines.iter().for_each(|line| run(line, folder.path(), user));
}

/// Removes the output of instances that have ended, which stays for their user to read.
fn forget(user: Option<u32>) {
    let user = user.unwrap_or_else(|| nix::unistd::getuid().as_raw());
    for folder in ["/run/pinion".to_owned(), format!("/run/user/{user}/pinion"), format!("/tmp/pinion-{user}")] {
        for name in ["web.out", "web.err", "job.out", "job.err"] {
            let path = Path::new(&folder).join(name);
            if path.exists() {
                std::fs::remove_file(path).expect("removed");
            }
        }
    }
}

/// The user of the README's configuration is the one of these tests.
fn bundle() -> TempDir {
    let json = text("json").trim_start_matches("json").replace("1000,", &format!("{},", common::USER));
    let mut document: Value = serde_json::from_str(&format!("{{{json}}}")).expect("JSON");
    document["ociVersion"] = "1.2.0".into();
    document["root"] = json!({ "path": "rootfs" });
    document["mounts"] = json!([{ "destination": "/proc", "type": "proc", "source": "proc" }]);
    let script = "[ $(busybox id -u) = 0 ] && busybox grep -q '1 *100000 *65536' /proc/self/uid_map";
    let process = document["process"].as_object_mut().expect("process");
    process.extend([("args".into(), json!(["busybox", "sh", "-c", script])), ("cwd".into(), "/".into())]);
    process.insert("env".into(), json!(["PATH=/bin"]));
    let folder = common::shared_folder();
    let bin = folder.path().join("rootfs/bin");
    std::fs::create_dir_all(&bin).expect("root");
    common::copy_program(Path::new("/usr/bin/busybox"), &bin.join("busybox"));
    std::os::unix::fs::chown(folder.path().join("rootfs"), Some(common::USER), Some(common::USER)).expect("owner");
    std::fs::write(folder.path().join("config.json"), document.to_string()).expect("document");
    folder
}

#[test]
fn a_user_is_root_in_a_container() {
    if !common::is_root() {
        println!("skipped: needs a user with ranges of ids, and a setuid starter");
        return;
    }
    let bundle = bundle();
    let lines = block("pinion run --setuid --bundle DIR");
    let lines: Vec<String> =
        lines.iter().map(|line| line.replace("DIR", &bundle.path().display().to_string())).collect();
    run_all(&lines, ordinary());
    let by_helpers: Vec<String> = lines.iter().map(|line| line.replace("--setuid ", "")).collect();
    run_all(&by_helpers, ordinary());
}

fn ordinary() -> Option<u32> {
    common::is_root().then_some(common::USER)
}

#[test]
fn containers_run() {
    let mut lines = block("pinion run -- sh");
    // The host's own root is no container's, and a bundle is the reader's own.
    lines.retain(|line| !line.contains("--bundle DIR") && !line.contains("--root DIR"));
    assert!(lines.len() >= 4, "{lines:?}");
    run_all(&lines, None);
    run_all(&lines, ordinary());
}

/// In one test: their names are the same.
#[test]
fn instances_run() {
    let lines = block("pinion start web");
    assert!(lines.iter().any(|line| line.contains(" wait ")), "{lines:?}");
    // Whatever else this user has is none of the test's business.
    let lines: Vec<String> = lines.into_iter().filter(|line| !line.starts_with("pinion sweep")).collect();
    run_all(&lines, ordinary());
    forget(ordinary());
    if !common::is_root() {
        println!("skipped: root's instances, and those of the setuid starter: needs root");
        return;
    }
    run_all(&lines, None);
    forget(None);
    let setuid = block("pinion run --setuid");
    assert!(setuid.iter().any(|line| line.contains("start --setuid")), "{setuid:?}");
    run_all(&setuid, ordinary());
    forget(ordinary());
}
