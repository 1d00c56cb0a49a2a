// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command with the bundled engine, as a caller sees it: bundles, roots, exit codes, descriptors, and images that
//! attack. Needs a static busybox; what needs root or runc too is left out without it, and says so.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const BUSYBOX: &str = "/usr/bin/busybox";
const NOBODY: u32 = 65534;

fn pinion(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinion"));
    command.args(arguments).env("PINION_STARTER", env!("CARGO_BIN_EXE_pinion-starter"));
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a test that needs root runs.
fn needs_root() -> bool {
    if !is_root() {
        eprintln!("left out: not root");
    }
    is_root()
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).trim_end().to_owned()
}

#[track_caller]
fn stdout_of(mut command: Command) -> String {
    let output = command.output().expect("pinion");
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[track_caller]
fn refused(mut command: Command, words: &str) {
    let output = command.output().expect("pinion");
    assert_eq!(output.status.code(), Some(255), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
}

struct Bundle {
    directory: tempfile::TempDir,
    document: Value,
}

impl Bundle {
    /// A busybox root with a document for the caller.
    fn new() -> Option<Self> {
        if !Path::new(BUSYBOX).exists() {
            eprintln!("left out: no busybox");
            return None;
        }
        let directory = tempfile::tempdir().expect("directory");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("mode");
        fs::create_dir_all(directory.path().join("rootfs/bin")).expect("root");
        let bin = directory.path().join("rootfs/bin");
        // By another process: a descriptor open for writing, inherited by another test's child, would make it busy.
        let copied = Command::new("cp").arg(BUSYBOX).arg(&bin).status().expect("cp");
        assert!(copied.success(), "copy {BUSYBOX}");
        for name in ["sh", "id", "ls", "cat", "pwd", "hostname", "readlink", "umask"] {
            symlink("busybox", bin.join(name)).expect("link");
        }
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let mut namespaces = vec![json!({"type": "pid"}), json!({"type": "mount"}), json!({"type": "uts"})];
        let mut linux = json!({});
        if !is_root() {
            namespaces.push(json!({"type": "user"}));
            linux["uidMappings"] = json!([{"containerID": 0, "hostID": uid, "size": 1}]);
            linux["gidMappings"] = json!([{"containerID": 0, "hostID": gid, "size": 1}]);
        }
        linux["namespaces"] = Value::Array(namespaces);
        let document = json!({
            "ociVersion": "1.2.0",
            "process": {"args": ["sh"], "cwd": "/", "env": ["PATH=/bin"]},
            "root": {"path": "rootfs"},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            ],
            "linux": linux,
        });
        Some(Bundle { directory, document })
    }

    /// The same with what `runc spec` writes.
    fn by_runc(rootless: bool) -> Option<Self> {
        let mut bundle = Self::new()?;
        let mut command = Command::new("runc");
        command.arg("spec").args(rootless.then_some("--rootless")).current_dir(bundle.directory.path());
        if command.status().is_err() {
            eprintln!("left out: no runc");
            return None;
        }
        let written = fs::read(bundle.directory.path().join("config.json")).expect("document");
        bundle.document = serde_json::from_slice(&written).expect("document");
        Some(bundle)
    }

    fn path(&self) -> &str {
        self.directory.path().to_str().expect("text")
    }

    fn in_root(&self, path: &str) -> PathBuf {
        self.directory.path().join("rootfs").join(path)
    }

    fn run(&self, options: &[&str], program: &[&str]) -> Command {
        let config = self.directory.path().join("config.json");
        fs::write(config, self.document.to_string()).expect("document");
        let mut arguments = vec!["run", "--bundle", self.path()];
        arguments.extend(options);
        arguments.push("--");
        arguments.extend(program);
        pinion(&arguments)
    }
}

#[test]
fn a_program_runs_on_the_hosts_own_directories() {
    let script = "id -u; hostname; echo x > /tmp/x && cat /tmp/x; touch /usr/y 2> /dev/null || echo no";
    let seen = stdout_of(pinion(&["run", "sh", "-c", script]));
    let own = rustix::process::getuid().as_raw();
    assert_eq!(seen, format!("{own}\npinion\nx\nno"));
}

#[test]
fn exit_codes_and_signals_are_the_programs() {
    let status = |script: &str| pinion(&["run", "--", "sh", "-c", script]).status().expect("pinion");
    assert_eq!(status("exit 37").code(), Some(37));
    assert_eq!(status("kill -TERM $$").signal(), Some(libc::SIGTERM));
    refused(pinion(&["run", "/no/such"]), "execute \"/no/such\": no such file or directory");
    refused(pinion(&["run", "no-such"]), "execute \"no-such\": no such file or directory");
    refused(pinion(&["run", "/etc/passwd"]), "execute \"/etc/passwd\": permission denied");
    let Some(bundle) = Bundle::new() else { return };
    assert_eq!(bundle.run(&[], &["sh", "-c", "exit 5"]).status().expect("pinion").code(), Some(5));
    let status = bundle.run(&["--init"], &["sh", "-c", "kill -KILL $$"]).status().expect("pinion");
    assert_eq!(status.signal(), Some(libc::SIGKILL));
    refused(bundle.run(&[], &["no-such"]), "execute \"no-such\"");
}

#[test]
fn help_goes_to_stdout_and_complaints_to_stderr() {
    let output = |arguments: &[&str]| pinion(arguments).output().expect("pinion");
    for arguments in [&["help"][..], &["run", "--help"], &["version"]] {
        let Output { status, stdout, stderr } = output(arguments);
        assert!(status.success() && !stdout.is_empty() && stderr.is_empty(), "{arguments:?}");
    }
    for arguments in [&[][..], &["bogus"], &["run", "--bogus"], &["run", "--preserve-fds", "-1"]] {
        let Output { status, stdout, stderr } = output(arguments);
        assert!(status.code() == Some(255) && stdout.is_empty() && !stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_plan_is_shown_and_nothing_done() {
    let tree = stdout_of(pinion(&["plan"]));
    assert!(tree.contains("stage1"), "{tree}");
    let rows = tree.split("\nprivileges\n").nth(1).expect("a section of privileges");
    let stage2 = rows.lines().find(|line| line.starts_with("  stage2 ")).expect("a row of stage 2");
    let bounding = if is_root() { "bounding CAP_CHOWN " } else { "bounding none" };
    for words in [bounding, "inheritable none, ", "ambient none, securebits none, dumpable "] {
        assert!(stage2.contains(words), "{words:?} is not in {stage2}");
    }
    let plan: Value = serde_json::from_str(&stdout_of(pinion(&["plan", "--json"]))).expect("json");
    assert_eq!(plan["flow"], if is_root() { "root" } else { "user-namespace" });
}

#[test]
fn a_bundle_of_runc_runs() {
    let Some(bundle) = Bundle::by_runc(!is_root()) else { return };
    let seen =
        stdout_of(bundle.run(&[], &["sh", "-c", "id -u; hostname; pwd; echo $TERM; touch /x 2>/dev/null; echo $?"]));
    assert_eq!(seen, "0\nrunc\n/\nxterm\n1");
}

#[test]
fn a_bundle_of_runc_runs_for_an_ordinary_user() {
    if !needs_root() {
        return;
    }
    let Some(mut bundle) = Bundle::by_runc(true) else { return };
    for map in ["uidMappings", "gidMappings"] {
        bundle.document["linux"][map][0]["hostID"] = json!(NOBODY);
    }
    std::os::unix::fs::chown(bundle.in_root(""), Some(NOBODY), Some(NOBODY)).expect("owner");
    let mut command = bundle.run(&[], &["sh", "-c", "id -u; cat /proc/self/uid_map; umask"]);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    let output = match command.output() {
        Ok(output) => output,
        // Built where nobody may look.
        Err(error) => return eprintln!("left out: {error}"),
    };
    if text(&output.stderr).contains("launch starter") {
        return eprintln!("left out: {}", text(&output.stderr));
    }
    assert!(output.status.success(), "{}", text(&output.stderr));
    let seen = text(&output.stdout);
    let words: Vec<&str> = seen.split_whitespace().collect();
    assert_eq!(words[..4], ["0", "0", "65534", "1"]);
}

#[test]
fn what_a_bundle_asks_for_reaches_its_program() {
    let Some(mut bundle) = Bundle::new() else { return };
    let volume = tempfile::tempdir().expect("directory");
    fs::write(volume.path().join("file"), "text").expect("file");
    bundle.document["hostname"] = json!("h");
    bundle.document["domainname"] = json!("d");
    bundle.document["process"]["cwd"] = json!("/made/here");
    bundle.document["process"]["user"] = json!({"umask": 0o27});
    bundle.document["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]);
    bundle.document["mounts"]
        .as_array_mut()
        .expect("mounts")
        .push(json!({"destination": "/v/w", "source": volume.path(), "type": "none", "options": ["rbind", "ro"]}));
    let script = "pwd; umask; hostname; cat /proc/sys/kernel/domainname; ulimit -n; ulimit -Hn; cat /v/w/file; echo; \
                  echo $A; touch /v/w/x 2>/dev/null || echo no";
    let seen = stdout_of(bundle.run(&["--env", "A=1"], &["sh", "-c", script]));
    assert_eq!(seen, "/made/here\n0027\nh\nd\n100\n200\ntext\n1\nno");
}

/// The first process may not signal a program that has become another user.
#[test]
fn a_signal_that_cannot_be_delivered_ends_nothing() {
    let Some(mut bundle) = Bundle::new().filter(|_| needs_root()) else { return };
    let two = json!(["CAP_SETUID", "CAP_SETGID"]);
    bundle.document["process"]["capabilities"] = json!({"bounding": two, "permitted": two, "effective": two});
    fs::create_dir_all(bundle.in_root("etc")).expect("etc");
    fs::write(bundle.in_root("etc/passwd"), "other:x:65534:65534::/:/bin/sh\n").expect("users");
    let script = "exec busybox su -s /bin/sh other -c 'echo ready; exec sleep 1000'";
    symlink("busybox", bundle.in_root("bin/sleep")).expect("link");
    let mut command = bundle.run(&["--init", "--stop-timeout", "1"], &["sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("pinion");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("stdout")).read_line(&mut line).expect("ready");
    assert_eq!(line, "ready\n");
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    for signal in [nix::sys::signal::Signal::SIGUSR1, nix::sys::signal::Signal::SIGTERM] {
        nix::sys::signal::kill(pid, signal).expect("signal");
    }
    // Neither was delivered: it is killed at the end of its grace time.
    assert_eq!(child.wait().expect("pinion").signal(), Some(libc::SIGKILL));
}

#[test]
fn whatever_is_not_done_is_refused_by_its_name() {
    let Some(mut bundle) = Bundle::new() else { return };
    bundle.document["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ERRNO"});
    refused(bundle.run(&[], &[]), "linux.seccomp: not supported yet");
}

/// Nobody would write into the one, and the other has no end.
#[test]
fn a_document_is_a_file() {
    for make in ["mkfifo", "ln -s /dev/zero"] {
        let directory = tempfile::tempdir().expect("directory");
        let script = format!("{make} \"$0\"");
        let made = Command::new("sh").args(["-c", &script]).arg(directory.path().join("config.json")).status();
        assert!(made.expect("sh").success(), "{make}");
        refused(
            pinion(&["run", "--bundle", directory.path().to_str().expect("UTF-8")]),
            "config.json\": it is no file",
        );
    }
}

#[test]
fn only_the_agreed_descriptors_are_handed_down() {
    let Some(bundle) = Bundle::new() else { return };
    let directories: Vec<fs::File> = (0..300).map(|_| fs::File::open("/").expect("directory")).collect();
    let inherit = |mut command: Command| {
        for fd in &directories {
            rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).expect("inherit");
        }
        let output = command.output().expect("pinion");
        for fd in &directories {
            rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC).expect("keep");
        }
        output
    };
    let output = inherit(bundle.run(&[], &["sh", "-c", "cd /proc/self/fd; echo *"]));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let seen = text(&output.stdout);
    let words = seen.split_whitespace().filter(|word| word.parse::<i32>().is_ok_and(|number| number > 9)).count();
    assert_eq!(words, 0, "{seen}");
    for number in [directories[0].as_raw_fd(), directories[200].as_raw_fd()] {
        let cwd = format!("/proc/self/fd/{number}");
        let output = inherit(bundle.run(&["--cwd", &cwd], &["pwd"]));
        assert_eq!(output.status.code(), Some(255), "{}", text(&output.stdout));
    }
}

/// The small first process that a program gets without a bundle is the host's file, and was started with what the caller had open.
#[test]
fn the_first_process_shows_nothing_of_the_hosts() {
    // Beyond what the process has opened itself.
    let opened = fs::File::open("/").expect("directory");
    let directory = rustix::io::fcntl_dupfd_cloexec(&opened, 50).expect("directory");
    let way = format!("fd/{}", directory.as_raw_fd());
    let show = format!("for way in {way} exe root cwd; do [ -e /proc/1/$way ] && echo $way; done; ");
    let touch = "chmod 755 /proc/1/exe 2>/dev/null && echo changed; :";
    let inherit = |mut command: Command| {
        rustix::io::fcntl_setfd(&directory, rustix::io::FdFlags::empty()).expect("inherit");
        let output = command.output().expect("pinion");
        rustix::io::fcntl_setfd(&directory, rustix::io::FdFlags::CLOEXEC).expect("keep");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(inherit(pinion(&["run", "--", "sh", "-c", &format!("{show}{touch}")])), "");
    let Some(mut bundle) = Bundle::new() else { return };
    if is_root() {
        // With this capability nothing is hidden; what the caller has left open is not there either.
        for set in ["bounding", "effective", "permitted"] {
            bundle.document["process"]["capabilities"][set] = json!(["CAP_SYS_PTRACE"]);
        }
        assert_eq!(inherit(bundle.run(&["--init"], &["sh", "-c", &show])), "exe\nroot\ncwd");
    }
}

/// An image in which everything that a runtime touches is a link to the host.
#[test]
fn links_of_an_image_do_not_lead_out() {
    for link in ["dev", "proc", "v", "etc", "dev/null", "dev/shm", "v/w", "made"] {
        let Some(mut bundle) = Bundle::new() else { return };
        let outside = tempfile::tempdir().expect("directory");
        fs::write(outside.path().join("canary"), "alive").expect("canary");
        for relative in [false, true] {
            let target = if relative {
                format!("../../../../../../../..{}", outside.path().display())
            } else {
                outside.path().display().to_string()
            };
            let place = bundle.in_root(link);
            let _ = fs::remove_file(&place);
            fs::create_dir_all(place.parent().expect("parent")).expect("directory");
            symlink(target, &place).expect("link");
            bundle.document["process"]["cwd"] = json!("/made/here");
            bundle.document["mounts"] = json!([
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/v/w", "source": "/usr", "type": "none", "options": ["rbind", "ro"]},
                {"destination": "/etc/resolv.conf", "source": "/etc/hosts", "type": "bind"},
                {"destination": "/dev/shm", "type": "tmpfs", "source": "tmpfs"},
            ]);
            bundle.document["linux"]["maskedPaths"] = json!(["/etc/canary", "/v/canary"]);
            bundle.document["linux"]["readonlyPaths"] = json!(["/v", "/dev"]);
            // Whether it runs depends on the link: some stay inside the root, others are refused.
            let output =
                bundle.run(&[], &["sh", "-c", "echo x > /dev/null; echo x > /v/x; :"]).output().expect("pinion");
            let code = output.status.code();
            assert!(matches!(code, Some(0 | 255)), "{link}: {code:?}");
            let left: Vec<_> =
                fs::read_dir(&outside).expect("outside").map(|entry| entry.expect("entry").file_name()).collect();
            assert_eq!(left, ["canary"], "{link}");
            assert_eq!(fs::read_to_string(outside.path().join("canary")).expect("canary"), "alive");
            let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
            assert!(!mounts.contains(outside.path().to_str().expect("text")), "{link}");
        }
    }
}

#[test]
fn a_record_and_a_table_of_times() {
    let directory = tempfile::tempdir().expect("directory");
    let record = directory.path().join("record");
    let mut command = pinion(&["run", "--timing", "--record"]);
    let output = command.arg(&record).args(["sh", "-c", "exit 3"]).output().expect("pinion");
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("stage 2"), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
    let lines = fs::read_to_string(&record).expect("record");
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{lines}");
    refused(pinion(&["run", "--record", "/proc/self/nothing"]), "--record");
    // A record that nobody reads any more changes nothing.
    let (reader, writer) = std::io::pipe().expect("pipe");
    drop(reader);
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" run --record 3 sh -c 'exit 3' 3>&0", env!("CARGO_BIN_EXE_pinion")]);
    let output = command.stdin(writer).output().expect("pinion");
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(3), ""));
}
