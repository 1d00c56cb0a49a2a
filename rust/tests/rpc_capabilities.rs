// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each built-in method raises the capabilities of its row while it runs, no other ones, and none afterwards. The server is an
//! ordinary user's, with all capabilities permitted and none effective, as a setuid program leaves it; c-tests/watch.c
//! looks at it from outside at the moment of the system call that matters. Needs root.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use pinion::ffi::sys::inherited::inherit;
use pinion::gob::{Limits, Typed};
use pinion::rpc::builtin::chdir::ChdirArgs;
use pinion::rpc::builtin::chroot::ChrootArgs;
use pinion::rpc::builtin::decrypt::DecryptArgs;
use pinion::rpc::builtin::fuse_fd::{OpenSendFuseFdArgs, SendFuseFdArgs};
use pinion::rpc::builtin::hostname::HostnameArgs;
use pinion::rpc::builtin::loop_device::{LoopArgs, LoopPathArgs};
use pinion::rpc::builtin::mkdir::MkdirArgs;
use pinion::rpc::builtin::mount::{MountArgs, MountErrorReply};
use pinion::rpc::builtin::nvidia::NvCcliArgs;
use pinion::rpc::builtin::registered::GoError;
use pinion::rpc::builtin::stat::{StatArgs, StatReply};
use pinion::rpc::builtin::{
    Builtin, Options, PRODUCTS, Product, SINGULARITYCE, apptainer as sister, mount, registered,
};
use pinion::rpc::{Client, MethodSet, Service, serve};
use rustix::fs::{OFlags, XattrFlags, fcntl_setfl, setxattr};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

mod common;

/// A call of a method, and the system call that it is made for.
struct Case {
    method: &'static str,
    /// Only for this product, where two have other arguments.
    product: Option<&'static str>,
    /// The calls of watch.c, any of which will do; with `=` the second argument too.
    watched: &'static str,
    call: fn(&mut Client, &str, Value) -> pinion::Result<Value>,
    /// Arguments with which it succeeds; empty if that takes more than a test of capabilities should have. `$DIR` is a folder of the server's user, `"$IMAGE"` and `"$SOCKET"` its descriptors.
    works: &'static str,
    /// Arguments with which it fails; empty if there are none.
    fails: &'static str,
}

const fn case<A: Typed + Serialize + DeserializeOwned, R: Typed + Serialize + DeserializeOwned>(
    method: &'static str,
    watched: &'static str,
    works: &'static str,
    fails: &'static str,
) -> Case {
    Case { method, product: None, watched, call: call::<A, R>, works, fails }
}

fn call<A: Typed + Serialize + DeserializeOwned, R: Typed + Serialize + DeserializeOwned>(
    client: &mut Client,
    method: &str,
    args: Value,
) -> pinion::Result<Value> {
    let reply: R = client.call(method, &serde_json::from_value::<A>(args).unwrap())?;
    Ok(serde_json::to_value(reply).unwrap())
}

/// For the product alone whose method has other arguments than another one's.
const fn apptainer(case: Case) -> Case {
    Case { product: Some("apptainer"), ..case }
}

/// A line for each method of every product.
#[rustfmt::skip]
const CASES: &[Case] = &[
    case::<MountArgs, MountErrorReply>("Mount", "mount", r#"{"Root": "$DIR", "Source": "tmpfs", "Target": ".", "Filesystem": "tmpfs"}"#, r#"{"Root": "$DIR", "Source": "x", "Target": ".", "Filesystem": "none"}"#),
    case::<MkdirArgs, i64>("Mkdir", "mkdirat", r#"{"Root": "$DIR", "Path": "new", "Perm": 448}"#, r#"{"Root": "$DIR", "Path": "none/new"}"#),
    case::<ChrootArgs, i64>("Chroot", "chroot", r#"{"Root": "$DIR", "Method": "chroot"}"#, r#"{"Root": "$DIR", "Method": "pivot"}"#),
    case::<LoopArgs, i64>("LoopDevice", "ioctl=0x4c0a", r#"{"ImageFd": "$IMAGE", "Mode": 2, "Info": {"Flags": 4}, "MaxDevices": 4096}"#, r#"{"ImageFd": "$IMAGE", "Info": {"Flags": 4, "Encrypt_type": 18}, "MaxDevices": 4096}"#),
    case::<HostnameArgs, i64>("SetHostname", "sethostname", r#"{"Hostname": "inside"}"#, r#"{"Hostname": "01234567890123456789012345678901234567890123456789012345678901234"}"#),
    case::<ChdirArgs, i64>("Chdir", "chdir", r#"{"Dir": "$DIR"}"#, r#"{"Dir": "$DIR/none"}"#),
    case::<StatArgs, StatReply>("Stat", "newfstatat|statx", r#"{"Path": "$DIR"}"#, r#"{"Path": "$DIR/none"}"#),
    case::<StatArgs, StatReply>("Lstat", "newfstatat|statx", r#"{"Path": "$DIR"}"#, r#"{"Path": "$DIR/none"}"#),
    case::<DecryptArgs, String>("Decrypt", "newfstatat|statx", "", r#"{"Loopdev": "/dev/null"}"#),
    case::<NvCcliArgs, i64>("NvCCLI", "newfstatat|statx", "", r#"{"RootFsPath": "$DIR/none"}"#),
    case::<SendFuseFdArgs, i64>("SendFuseFd", "sendmsg", r#"{"Socket": "$SOCKET", "Fds": ["$IMAGE"]}"#, r#"{"Socket": "$SOCKET", "Fds": [-1]}"#),
    apptainer(case::<sister::mount::MountArgs, Option<GoError>>("Mount", "mount", r#"{"Source": "tmpfs", "Target": "$DIR", "Filesystem": "tmpfs"}"#, r#"{"Source": "x", "Target": "$DIR", "Filesystem": "none"}"#)),
    apptainer(case::<sister::mkdir::MkdirArgs, i64>("Mkdir", "mkdirat", r#"{"Path": "$DIR/new", "Perm": 448}"#, r#"{"Path": "$DIR/none/new"}"#)),
    apptainer(case::<LoopPathArgs, i64>("LoopDevice", "ioctl=0x4c0a", r#"{"Image": "$DIR/image", "Info": {"Flags": 4}, "MaxDevices": 4096}"#, r#"{"Image": "$DIR/image", "Mode": 2, "Info": {"Flags": 4}, "MaxDevices": 4096}"#)),
    case::<sister::unmount::UnmountArgs, Option<GoError>>("Unmount", "umount2", r#"{"Target": "/proc", "Unmountflags": 2}"#, r#"{"Target": "$DIR"}"#),
    case::<sister::access::AccessArgs, sister::access::AccessReply>("Access", "access|faccessat|faccessat2", r#"{"Path": "$DIR"}"#, r#"{"Path": "$DIR/none"}"#),
    case::<sister::symlink::SymlinkArgs, i64>("Symlink", "symlinkat", r#"{"Target": "x", "Link": "$DIR/link"}"#, r#"{"Target": "x", "Link": "$DIR/none/link"}"#),
    case::<sister::read_dir::ReadDirArgs, sister::read_dir::ReadDirReply>("ReadDir", "getdents64", r#"{"Dir": "$DIR/empty"}"#, r#"{"Dir": "$DIR/none"}"#),
    case::<sister::chown::ChownArgs, i64>("Chown", "fchownat", r#"{"Name": "$DIR", "UID": 1000, "GID": 1000}"#, r#"{"Name": "$DIR", "UID": 0, "GID": 0}"#),
    case::<sister::chown::ChownArgs, i64>("Lchown", "fchownat", r#"{"Name": "$DIR", "UID": 1000, "GID": 1000}"#, r#"{"Name": "$DIR", "UID": 0, "GID": 0}"#),
    case::<sister::eval_relative::EvalRelativeArgs, String>("EvalRelative", "readlinkat", r#"{"Name": "image", "Root": "$DIR"}"#, ""),
    case::<sister::readlink::ReadlinkArgs, String>("Readlink", "readlinkat", r#"{"Name": "/proc/self"}"#, r#"{"Name": "$DIR"}"#),
    case::<sister::umask::UmaskArgs, i64>("Umask", "umask", r#"{"Mask": 18}"#, ""),
    case::<sister::write_file::WriteFileArgs, i64>("WriteFile", "open|openat", r#"{"Filename": "$DIR/file", "Perm": 384}"#, r#"{"Filename": "$DIR/none/file"}"#),
    case::<OpenSendFuseFdArgs, i64>("OpenSendFuseFd", "open|openat", "", r#"{"Socket": -1}"#),
];

/// An overlay takes more than the row of Mount has.
const OVERLAY: Case = case::<MountArgs, MountErrorReply>(
    "Mount",
    "mount",
    r#"{"Root": "$DIR", "Source": "overlay", "Target": "empty", "Filesystem": "overlay", "Data": "lowerdir=/usr/bin:/usr/lib"}"#,
    r#"{"Root": "$DIR", "Source": "overlay", "Target": "empty", "Filesystem": "overlay", "Data": "lowerdir=$DIR/none"}"#,
);

impl Case {
    /// The name of the calls and the second argument, if that matters.
    fn watched(&self) -> (impl Iterator<Item = &'static str>, Option<u64>) {
        let (names, argument) = self.watched.split_once('=').map_or((self.watched, None), |(n, a)| (n, Some(a)));
        let argument = argument.map(|text| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap());
        (names.split('|'), argument)
    }

    fn find(builtin: &Builtin, product: &Product) -> Option<&'static Case> {
        let fits = |case: &&Case| case.method == builtin.name && case.product.is_none_or(|name| name == product.name);
        CASES.iter().filter(fits).max_by_key(|case| case.product.is_some())
    }
}

/// A copy of pinion that gives all capabilities to whoever executes it, but makes none effective.
fn permitted_copy(folder: &Path) -> PathBuf {
    let program = folder.join("pinion");
    common::copy_program(Path::new(env!("CARGO_BIN_EXE_pinion")), &program);
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let all = common::own_capabilities();
    // struct vfs_cap_data, revision 2 without the flag "effective" (linux/capability.h).
    let (low, high) = (all as u32, (all >> 32) as u32);
    let data: Vec<u8> = [0x0200_0000, low, 0, high, 0].iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
    setxattr(&program, "security.capability", &data, XattrFlags::empty()).unwrap();
    program
}

/// A server under watch.c, and a client of it.
struct Server {
    client: Option<Client>,
    watch: Child,
    lines: ChildStdout,
    program: i64,
    dir: TempDir,
    image: i32,
    socket: i32,
    _far: UnixStream,
}

impl Server {
    fn start(folder: &Path, program: &Path, product: &Product, calls: impl Iterator<Item = &'static str>) -> Server {
        let dir = tempfile::tempdir_in(folder).unwrap();
        std::os::unix::fs::chown(dir.path(), Some(common::USER), Some(common::USER)).unwrap();
        let image = File::options().read(true).write(true).create_new(true).open(dir.path().join("image")).unwrap();
        image.set_len(1 << 20).unwrap();
        fs::create_dir(dir.path().join("empty")).unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        let (socket, other) = UnixStream::pair().unwrap();
        let mut command = Command::new(common::c_program("watch", folder));
        command.arg(format!("user={}", common::USER)).arg("apart").args(calls).arg("--").arg(program);
        command
            .args(["rpc", "serve", "--name", "t", "--product", product.name, "--fd"])
            .arg(far.as_raw_fd().to_string());
        let fds: [OwnedFd; 3] = [far.into(), image.into(), socket.into()];
        let (image, socket) = (fds[1].as_raw_fd(), fds[2].as_raw_fd());
        inherit(&mut command, fds.into());
        let mut watch = command.stdout(Stdio::piped()).spawn().unwrap();
        drop(command);
        let lines = watch.stdout.take().unwrap();
        let client = Some(Client::new(near, "t").with_names(registered::names()));
        let mut server = Server { client, watch, lines, program: 0, dir, image, socket, _far: other };
        let first = server.lines();
        server.program = first[0]["program"].as_i64().unwrap();
        fcntl_setfl(&server.lines, OFlags::NONBLOCK).unwrap();
        server
    }

    /// What watch has printed since the last time. It prints before the kernel goes on, so that with a reply all lines of
    /// its call are there.
    fn lines(&mut self) -> Vec<Value> {
        let (mut text, mut buffer) = (String::new(), [0; 4096]);
        while let Ok(length @ 1..) = self.lines.read(&mut buffer) {
            text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
            if self.program == 0 && text.contains('\n') {
                break;
            }
        }
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn call(&mut self, case: &Case, args: &str) -> pinion::Result<Value> {
        let args = args.replace("$DIR", self.dir.path().to_str().unwrap());
        let args = args.replace("\"$IMAGE\"", &self.image.to_string()).replace("\"$SOCKET\"", &self.socket.to_string());
        (case.call)(self.client.as_mut().unwrap(), case.method, serde_json::from_str(&args).unwrap())
    }

    /// What the server's process has: effective and permitted capabilities, file system ids.
    fn now(&self) -> (u64, u64, [u32; 2]) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program)).unwrap();
        let last = |name| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().last().unwrap()
        };
        let set = |name| u64::from_str_radix(last(name), 16).unwrap();
        (set("CapEff:"), set("CapPrm:"), ["Uid:", "Gid:"].map(|name| last(name).parse().unwrap()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.client.take());
        self.watch.wait().unwrap();
    }
}

/// Looks for the capabilities `raises` in a running server; says what is wrong.
fn watch(server: &mut Server, raises: CapabilitySet, case: &Case) -> Result<(), String> {
    // One call that does nothing worth watching: the server has started then.
    let _ = server.client.as_mut().unwrap().call::<_, ()>("None", &0u64);
    server.lines();
    let before = server.now();
    if before != (0, common::own_capabilities(), [common::USER; 2]) {
        return Err(format!("not the conditions of a setuid program: {before:x?}"));
    }
    let mut seen = Vec::new();
    for (args, fails) in [(case.fails, true), (case.works, false)] {
        if args.is_empty() {
            continue;
        }
        match failure(server.call(case, args)) {
            None if fails => return Err("the call that has to fail succeeded".into()),
            Some(text) if !fails => return Err(text),
            _ if server.now() != before => return Err(format!("after {args} {:x?}", server.now())),
            _ => seen = server.lines(),
        }
    }
    let (names, argument) = case.watched();
    let names: Vec<_> = names.collect();
    let matters = |line: &&Value| {
        names.iter().any(|name| line["call"] == *name)
            && argument.is_none_or(|argument| line["arguments"][1].as_u64() == Some(argument))
    };
    let lines: Vec<_> = seen.iter().filter(matters).collect();
    if lines.is_empty() {
        return Err(format!("{} was not seen, but {seen:?}", case.watched));
    }
    let raised = format!("{:016x}", raises.bits());
    match lines.iter().find(|line| line["CapEff"] != *raised) {
        Some(line) => Err(format!("the row has {raised}, and {line}")),
        None if case.method == "LoopDevice"
            && lines.iter().any(|line| line["fsuid"] != 0 || line["fsgid"] != disk()) =>
        {
            Err(format!("not root's file system ids: {lines:?}"))
        }
        None => Ok(()),
    }
}

/// The failure of a call: an error, or what some methods have in their replies instead.
fn failure(outcome: pinion::Result<Value>) -> Option<String> {
    let reply = outcome.map_err(|error| error.to_string());
    match &reply {
        Err(text) => Some(text.clone()),
        Ok(reply) if reply["Errno"].as_u64().is_some_and(|errno| errno != 0) => Some(reply.to_string()),
        Ok(reply) if !reply["Err"].is_null() || !reply["syscall.Errno"].is_null() => Some(reply.to_string()),
        Ok(_) => None,
    }
}

/// The group of loop devices, as the C library knows it.
fn disk() -> u32 {
    let group = Command::new("getent").args(["group", "disk"]).output().unwrap().stdout;
    String::from_utf8(group).unwrap().split(':').nth(2).and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[test]
fn every_method_raises_the_capabilities_of_its_row_and_no_others() {
    if !common::is_root() {
        println!("skipped: giving a program capabilities needs root");
        return;
    }
    let folder = common::shared_folder();
    let program = permitted_copy(folder.path());
    let mut wrong = Vec::new();
    for product in PRODUCTS {
        for builtin in product.methods {
            let Some(case) = Case::find(builtin, product) else {
                wrong.push(format!("{} of {} has no line in this test's table", builtin.name, product.name));
                continue;
            };
            let mut server = Server::start(folder.path(), &program, product, case.watched().0);
            if let Err(text) = watch(&mut server, builtin.raises, case) {
                wrong.push(format!("{} of {}: {text}", builtin.name, product.name));
            }
        }
    }
    let mut server = Server::start(folder.path(), &program, &SINGULARITYCE, OVERLAY.watched().0);
    if let Err(text) = watch(&mut server, mount::METHOD.raises | mount::OVERLAY_RAISES, &OVERLAY) {
        wrong.push(format!("Mount of an overlay: {text}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A method that panics with a capability raised.
static PANICS: Builtin = Builtin {
    name: "Panics",
    raises: CapabilitySet::CHOWN,
    args: u64::gob_type,
    secrets: &[],
    add: |set, builtin, _| {
        builtin.answered_by(set, |_: u64| -> Result<u64, _> {
            panic!("effective {:x}", capabilities(None).unwrap().effective.bits())
        })
    },
};

#[test]
fn a_method_that_panics_keeps_nothing() {
    if !common::is_root() {
        println!("skipped: raising capabilities needs root");
        return;
    }
    let (near, far) = UnixStream::pair().unwrap();
    let server = std::thread::spawn(move || {
        let mut sets = capabilities(None).unwrap();
        sets.effective = CapabilitySet::KILL;
        set_capabilities(None, sets).unwrap();
        let methods = (PANICS.add)(MethodSet::new(), &PANICS, &Options::default());
        serve(far, &Service::new("t", MethodSet::new(), methods), &Limits::default()).unwrap();
        (capabilities(None).unwrap(), sets)
    });
    let mut client = Client::new(near, "t");
    let text = client.call::<_, u64>("Panics", &1u64).unwrap_err().to_string();
    let raised = CapabilitySet::KILL | CapabilitySet::CHOWN;
    assert_eq!(text, format!("rpc: method t.Panics panicked: effective {:x}", raised.bits()));
    drop(client);
    let (after, before) = server.join().unwrap();
    assert_eq!(after, before);
}
