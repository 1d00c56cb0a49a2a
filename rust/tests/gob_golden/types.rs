// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The samples of `go/internal/golden` as Rust types and values.

use std::collections::BTreeMap;
use std::fmt::Debug;

use pinion::gob::{Array, BigInt, ByteString, Bytes, Complex, Decoder, Encoder, Limits, Time, Typed};
use pinion::gob_struct;
use pinion::rpc::builtin::apptainer::{
    access::AccessArgs, chown::ChownArgs, eval_relative::EvalRelativeArgs, mkdir::MkdirArgs as PlainMkdirArgs,
    mount::MountArgs as PlainMountArgs, read_dir::ReadDirArgs, readlink::ReadlinkArgs, symlink::SymlinkArgs,
    umask::UmaskArgs, unmount::UnmountArgs, write_file::WriteFileArgs,
};
use pinion::rpc::builtin::chdir::ChdirArgs;
use pinion::rpc::builtin::chroot::ChrootArgs;
use pinion::rpc::builtin::decrypt::DecryptArgs;
use pinion::rpc::builtin::fuse_fd::{OpenSendFuseFdArgs, SendFuseFdArgs};
use pinion::rpc::builtin::hostname::HostnameArgs;
use pinion::rpc::builtin::loop_device::{LoopArgs, LoopInfo, LoopPathArgs};
use pinion::rpc::builtin::mkdir::MkdirArgs;
use pinion::rpc::builtin::mount::{MountArgs, MountErrorReply};
use pinion::rpc::builtin::nvidia::NvCcliArgs;
use pinion::rpc::builtin::stat::StatArgs;
use pinion::rpc::wire::{Request, Response};
use serde::{Serialize, de::DeserializeOwned};

gob_struct! {
    pub struct Inner as "Inner" {
        pub a: i32 as "A",
        pub b: u8 as "B",
    }
}

/// Takes a sample's name, its bytes, and whether a stream decodes to the very value.
type Check<'a> = &'a mut dyn FnMut(&str, Vec<u8>, &dyn Fn(&[u8]) -> bool);

fn one<T: Typed + Serialize + DeserializeOwned + PartialEq + Debug>(check: Check<'_>, name: &str, value: T) {
    let mut bytes = Vec::new();
    Encoder::new().encode(&value, &mut bytes).unwrap();
    check(name, bytes, &|stream| Decoder::new(stream, Limits::default()).decode::<T>().unwrap() == value);
}

/// Hands every sample to `check`.
pub fn every_sample(check: Check<'_>) {
    kinds(check);
    arguments(check);
    apptainer(check);
}

fn kinds(check: Check<'_>) {
    one(check, "bool", true);
    one(check, "int", -129i64);
    one(check, "int-zero", 0i64);
    one(check, "int-min", i64::MIN);
    one(check, "uint", u64::MAX);
    one(check, "float", 17.5f64);
    one(check, "float-negative-zero", -0.0f64);
    one(check, "complex", Complex(0.0, -2.5));
    one(check, "string", "h\u{e9}llo".to_owned());
    one(check, "string-empty", String::new());
    one(check, "string-bytes", ByteString::from(b"a\xffb".to_vec()));
    one(check, "bytes", Bytes(vec![0, 255, 3]));
    one(check, "array", [1i64, 0, -3]);
    one(check, "array-bytes", Array([9u8, 0, 200, 1]));
    one(check, "slice", vec!["a".to_owned(), String::new(), "c".to_owned()]);
    one(check, "slice-empty", Vec::<i64>::new());
    one(check, "slices", vec![vec![1i64], vec![], vec![2, 3]]);
    one(check, "structs", vec![Inner { a: 1, b: 0 }, Inner { a: 0, b: 2 }]);
    one(check, "map", BTreeMap::from([("a".to_owned(), -1i64)]));
    one(check, "map-structs", BTreeMap::from([(-4i16, vec![Inner { a: 1, b: 0 }])]));
    one(check, "empty", ());
    one(check, "time", Time { seconds: 1_795_460_401, nanoseconds: 999, offset: Some(3600) });
    one(check, "time-utc", Time { seconds: 0, nanoseconds: 5, offset: None });
    one(check, "time-seconds", Time { seconds: 1, nanoseconds: 0, offset: Some(-(19 * 60 + 32)) });
    let request = |method: &str, seq| Request { service_method: method.into(), seq };
    one(check, "request", request("singularity.Mount", 300));
    let error = "no: such luck".into();
    one(check, "response", Response { service_method: "singularity.Mount".into(), seq: 300, error });
    let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
    encoder.encode(&request("e.Mkdir", 7), &mut bytes).unwrap();
    encoder.encode(&Inner { a: 1, b: 0 }, &mut bytes).unwrap();
    encoder.encode(&vec![Inner { a: 2, b: 0 }], &mut bytes).unwrap();
    encoder.encode(&request("e.Stat", 8), &mut bytes).unwrap();
    encoder.encode(&Inner { a: 0, b: 2 }, &mut bytes).unwrap();
    check("stream", bytes, &|_| true);
}

fn loop_info() -> LoopInfo {
    let mut file_name = Array([0; 64]);
    file_name.0[..10].copy_from_slice(b"/image.sif");
    let (offset, size_limit, init) = (4096, 1 << 40, [0, 7]);
    LoopInfo { offset, size_limit, flags: 5, number: 3, init, file_name, ..LoopInfo::default() }
}

fn arguments(check: Check<'_>) {
    one(
        check,
        "mount-args",
        MountArgs {
            root: "/r".into(),
            source: "proc".into(),
            target: "/r/proc".into(),
            filesystem: "proc".into(),
            flags: 14,
            data: "x=y".into(),
        },
    );
    let reply = MountErrorReply { message: "m".into(), errno: 2, is_not_exist: true, is_permission: false };
    one(check, "mount-error-reply", reply);
    one(check, "mkdir-args", MkdirArgs { root: "/r".into(), path: b"a\xff".to_vec().into(), perm: 0o755 });
    one(check, "chroot-args", ChrootArgs { root: ".".into(), method: "pivot".into() });
    let (image_fd, mode, max_devices) = (7, 2, 256);
    one(check, "loop-args", LoopArgs { image_fd, mode, info: loop_info(), max_devices, shared: true });
    one(check, "hostname-args", HostnameArgs { hostname: "node".into() });
    one(check, "chdir-args", ChdirArgs { dir: "/work".into() });
    one(check, "stat-args", StatArgs { path: "/etc".into() });
    one(check, "send-fuse-fd-args", SendFuseFdArgs { socket: 5, fds: vec![6, 7] });
    let device = "/dev/loop3".into();
    one(check, "decrypt-args", DecryptArgs { offset: 4096, device, key: Bytes(vec![1, 2]), master: 77 });
    let variables = vec!["NVIDIA_A=a".into(), "NVIDIA_B=".into()];
    one(check, "nvccli-args", NvCcliArgs { variables, root: "/r".into(), user_namespace: true });
}

fn apptainer(check: Check<'_>) {
    let (source, target, filesystem) = ("proc".into(), "/p".into(), "proc".into());
    one(check, "apptainer-mount-args", PlainMountArgs { source, target, filesystem, flags: 1, data: "d".into() });
    one(check, "apptainer-mkdir-args", PlainMkdirArgs { path: "/p".into(), perm: 0o700 });
    let image = "/image.sif".into();
    let args = LoopPathArgs { image, mode: 2, info: loop_info(), max_devices: 8, shared: false };
    one(check, "apptainer-loop-args", args);
    one(check, "apptainer-access-args", AccessArgs { path: "/p".into(), mode: 4 });
    one(check, "apptainer-open-send-fuse-fd-args", OpenSendFuseFdArgs { socket: 5 });
    one(check, "apptainer-symlink-args", SymlinkArgs { target: "a".into(), link: "b".into() });
    one(check, "apptainer-read-dir-args", ReadDirArgs { dir: "/d".into() });
    one(check, "apptainer-chown-args", ChownArgs { name: "/f".into(), uid: 1000, gid: -1 });
    one(check, "apptainer-eval-relative-args", EvalRelativeArgs { name: "/a".into(), root: "/r".into() });
    one(check, "apptainer-readlink-args", ReadlinkArgs { name: "/l".into() });
    one(check, "apptainer-unmount-args", UnmountArgs { target: "/m".into(), flags: 2 });
    one(check, "apptainer-umask-args", UmaskArgs { mask: 0o22 });
    let data = Bytes(b"x".to_vec());
    one(check, "apptainer-write-file-args", WriteFileArgs { filename: "/f".into(), data, perm: 0o600 });
}

#[test]
fn a_big_int_of_go_is_read() {
    let stream = std::fs::read(super::golden().join("bigint.gob")).unwrap();
    let number: BigInt = Decoder::new(&stream[..], Limits::default()).decode().unwrap();
    assert_eq!(number, BigInt::new(true, &[0xc0, 0, 0, 0, 0, 0, 0, 0, 0]));
}
