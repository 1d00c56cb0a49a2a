// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Go's own gob and net/rpc against this crate's, through the program in `go-gob`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use pinion::error::ErrorKind;
use pinion::gob::schema::{INTERFACE, Type};
use pinion::gob::{self, ByteString, Bytes, Decoder, Encoder, Limits, Names, Time, Typed};
use pinion::gob_struct;
use pinion::rpc::builtin::mkdir::MkdirArgs;
use pinion::rpc::builtin::mount::MountArgs;
use pinion::rpc::builtin::registered::GoError;
use pinion::rpc::builtin::{self, MountReply, Options};
use pinion::rpc::{Client, MethodSet, Service, gob_method, json_method, serve};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// The Go program, built once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-gob");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("rust/tests/go-gob");
        let built = Command::new("go").args(["build", "-o"]).arg(&path).arg(".").current_dir(source).status();
        assert!(built.expect("these tests need go").success());
        path
    })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    name: String,
    gob: Bytes,
    #[serde(rename = "JSON", default)]
    json: Vec<Json>,
}

fn encoded_by_go() -> Vec<Record> {
    let output = Command::new(program()).arg("encode").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// Equal as JSON numbers go: 3 and 3.0 are one number.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(x), Json::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Json::Array(x), Json::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Json::Object(x), Json::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(key, x)| y.get(key).is_some_and(|y| same(x, y)))
        }
        _ => a == b,
    }
}

#[test]
fn values_of_go_are_read_and_sent_back() {
    let mut back = Vec::new();
    let mut names = Vec::new();
    for record in encoded_by_go() {
        let mut decoder = Decoder::new(&record.gob.0[..], Limits::default());
        let mut encoder = Encoder::new();
        let mut gob = Vec::new();
        for want in &record.json {
            let value = decoder
                .next_value()
                .and_then(|raw| raw.value())
                .unwrap_or_else(|error| panic!("{}: {error}", record.name));
            let json = value.to_json();
            assert!(same(&json, want), "{}:\n{json}\n{want}", record.name);
            encoder.encode_value(&value, &mut gob).unwrap_or_else(|error| panic!("{}: {error}", record.name));
        }
        assert_eq!(decoder.next_value().err().unwrap().to_string(), "EOF", "{}", record.name);
        names.push(format!("done {}", record.name));
        let line = Record { name: record.name, gob: Bytes(gob), json: Vec::new() };
        back.extend(serde_json::to_vec(&line).unwrap());
        back.push(b'\n');
    }
    assert!(names.len() > 30);
    let mut go = Command::new(program()).arg("decode").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = go.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(&back).unwrap());
    let output = go.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), names);
}

#[test]
fn mount_arguments_are_sent_as_go_sends_them() {
    let mut ours = Vec::new();
    let args = MountArgs {
        root: "/r".into(),
        source: "proc".into(),
        target: "/r/proc".into(),
        filesystem: "proc".into(),
        flags: 14,
        data: "x=y".into(),
    };
    Encoder::new().encode(&args, &mut ours).unwrap();
    let theirs = Command::new(program()).arg("mountargs").output().unwrap().stdout;
    assert_eq!(ours, theirs);
}

#[test]
fn cut_and_changed_streams_of_go_are_errors_not_panics() {
    for record in encoded_by_go() {
        let bytes = &record.gob.0;
        let read = |bytes: &[u8]| {
            let mut decoder = Decoder::new(bytes, Limits::default());
            for _ in 0..=bytes.len() {
                let read = decoder.next_value().and_then(|raw| raw.value().map(drop));
                if matches!(read, Err(gob::Error::Eof | gob::Error::UnexpectedEof)) {
                    return;
                }
            }
        };
        for place in 0..bytes.len() {
            read(&bytes[..place]);
            for change in [0x00, 0x01, 0x7f, 0x80, 0xf8, 0xff] {
                let mut changed = bytes.clone();
                changed[place] = change;
                read(&changed);
            }
        }
    }
}

gob_struct! {
    struct EchoArgs as "EchoArgs" {
        data: Bytes as "Data",
        text: ByteString as "Text",
        count: i64 as "Count",
    }
}

gob_struct! {
    struct EchoReply as "EchoReply" {
        text: ByteString as "Text",
        data: Bytes as "Data",
        count: i64 as "Count",
    }
}

gob_struct! {
    struct FileInfo as "fileInfo" {
        name: ByteString as "N",
        size: i64 as "S",
        mode: u32 as "M",
        time: Time as "T",
    }
}

gob_struct! {
    struct PathError as "PathError" {
        op: ByteString as "Op",
        path: ByteString as "Path",
        err: Option<GoError> as "Err",
    }
}

/// The interface values of a StatReply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Registered {
    #[serde(rename = "*rpc.fileInfo")]
    FileInfo(FileInfo),
    #[serde(rename = "*fs.PathError")]
    PathError(PathError),
}

impl Typed for Registered {
    fn gob_type() -> &'static Type {
        &INTERFACE
    }
}

gob_struct! {
    struct StatReply as "StatReply" {
        info: Option<Registered> as "Fi",
        error: Option<Registered> as "Err",
    }
}

fn names() -> Names {
    let names = Names::new().with::<FileInfo>("*rpc.fileInfo").with::<PathError>("*fs.PathError");
    let mut names = names.with::<u64>("syscall.Errno");
    names.rename("*rpc.fileInfo", "*main.fileInfo").unwrap();
    names
}

fn methods() -> MethodSet {
    let plain = builtin::methods(&Options { mount_reply: MountReply::Plain, ..Options::default() }).unwrap();
    let plain_mount = plain.shared("Mount").unwrap();
    builtin::methods(&Options::default())
        .unwrap()
        .with_names(&names())
        .with("PlainMount", plain_mount)
        .method("PlainNil", |_: i64| Ok(None::<GoError>))
        .method("Echo", |args: EchoArgs| Ok(EchoReply { text: args.text, data: args.data, count: args.count }))
        .method("Fail", |_: i64| Err::<i64, _>("no: such luck".into()))
        .with(
            "JSONEcho",
            json_method("type EchoReply struct { Text string; Count int; Data []byte }", |argument| {
                let mut echo: serde_json::Map<String, Json> = serde_json::from_slice(argument)?;
                echo.remove("Extra").ok_or("all fields are there")?;
                Ok(serde_json::to_vec(&echo)?)
            })
            .unwrap(),
        )
        .with(
            "JSONStat",
            json_method("struct { Fi any; Err error }", |path| {
                let error = json!({ "type": "syscall.Errno", "value": 2 });
                let time = "2000-02-29T05:30:00.5Z";
                let info = json!({ "type": "*main.fileInfo", "value": { "N": "n", "S": 3, "M": 0o644, "T": time } });
                Ok(serde_json::to_vec(&if path == b"\"\"" { json!({ "Err": error }) } else { json!({ "Fi": info }) })?)
            })
            .unwrap(),
        )
        .with("GobEcho", gob_method(|argument| Ok(argument.to_vec())))
        .method("Boom", |_: i64| -> Result<i64, _> { panic!("boom") })
        .method("Stat", |path: ByteString| {
            Ok(if path.is_empty() {
                let err = Some(GoError::Errno(2));
                let error = PathError { op: "stat".into(), path, err };
                StatReply { info: None, error: Some(Registered::PathError(error)) }
            } else {
                let time = Time { seconds: 1, nanoseconds: 2, offset: None };
                let info = FileInfo { name: path, size: 42, mode: 0o644, time };
                StatReply { info: Some(Registered::FileInfo(info)), error: None }
            })
        })
}

#[test]
fn an_unmodified_go_client_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let client = Command::new(program()).arg("client").arg(&path).stdout(Stdio::piped()).spawn().unwrap();
    let (stream, _) = listener.accept().unwrap();
    let served = serve(stream, &Service::new("t", methods(), MethodSet::new()), &Limits::default());
    let output = client.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let want = r#"mkdir: 0 <nil>
mkdir again: true <nil>
mkdir setuid: <nil> mkdir /x: unsupported file mode
no method: <nil> rpc: can't find method t.Nope
no service: <nil> rpc: can't find service u.Mkdir
ill: <nil> rpc: service/method request ill-formed: ill
wrong kind: <nil> gob: type mismatch in decoder: want struct type rpc.MkdirArgs; got non-struct
wrong field: <nil> gob: wrong type (string) for received field .Root
no common field: <nil> gob: type mismatch: no fields matched compiling decoder for MkdirArgs
fail: <nil> no: such luck
boom: <nil> rpc: method t.Boom panicked: boom
echo: "a\xffb" -3 [0 1] <nil>
json echo: "a" -3 [0 1] <nil>
json echo of zeros: "" 0 [] <nil>
json stat: n3 -rw-r--r-- 2000-02-29 05:30:00.5 +0000 UTC <nil>
json stat none: true no such file or directory <nil>
gob echo: {"a\xffb" -3 [0 1] "known there"} <nil>
gob echo of interfaces: n5 true <nil>
mount: {mount on "/none/x": no such file or directory 2 true false} <nil>
plain mount: true <nil>
plain nil: <nil> <nil>
stat: name42 -rw-r--r-- 1970-01-01 00:00:01.000000002 +0000 UTC <nil> <nil>
stat none: <nil> true stat : no such file or directory <nil>
stat dropped: <nil> <nil>
together: 19900 <nil>
after close: <nil> connection is shut down
"#;
    assert_eq!(said, want);
    served.unwrap();
}

struct GoServer {
    process: Child,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl GoServer {
    fn start() -> GoServer {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let mut process = Command::new(program())
            .arg("server")
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // One test lets it panic.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        GoServer { process, path, _dir: dir }
    }

    fn client(&self) -> Client {
        Client::new(UnixStream::connect(&self.path).unwrap(), "t").with_names(names())
    }
}

impl Drop for GoServer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

#[test]
fn an_unmodified_go_server_is_called() {
    let server = GoServer::start();
    let mut client = server.client();
    let args = EchoArgs { data: Bytes(vec![7; 70_000]), text: vec![b'a', 0xff].into(), count: -5 };
    let reply: EchoReply = client.call("Echo", &args).unwrap();
    assert_eq!((reply.text, reply.data, reply.count), (args.text.clone(), args.data.clone(), -5));

    let error = client.call::<i64, i64>("Fail", &1).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Rpc, "no: such luck"));
    let error = client.call::<i64, i64>("Nope", &1).unwrap_err();
    assert_eq!(error.to_string(), "rpc: can't find method t.Nope");
    let error = client.call::<str, EchoReply>("Echo", "text").unwrap_err();
    assert_eq!(error.to_string(), "gob: type mismatch in decoder: want struct type main.EchoArgs; got non-struct");

    let notation = "struct { Text string; Count int64; Data []byte }";
    let json = json!({ "Text": "a", "Count": -5, "Data": "AP8=" });
    for _ in 0..3 {
        assert_eq!(client.call_json("Echo", Some(notation), &json).unwrap(), json);
    }
    // Bytes look like text.
    let error = client.call_json("Echo", None, &json).unwrap_err();
    assert_eq!(error.to_string(), "gob: wrong type ([]uint8) for received field .Data");
    let zeros = json!({ "Text": "", "Count": 0, "Data": null });
    assert_eq!(client.call_json("Echo", None, &json!({ "Text": "" })).unwrap(), zeros);
    assert_eq!(client.call_json("Slow", None, &json!(2)).unwrap(), json!(2));
    let stat = client.call_json("Stat", Some("string"), &json!("")).unwrap();
    assert_eq!(stat["Err"]["value"]["Err"], json!({ "type": "syscall.Errno", "value": 2 }));

    let dir = tempfile::tempdir().unwrap();
    let args = MkdirArgs { root: dir.path().into(), path: "made".into(), perm: 0o700 };
    assert_eq!(client.call::<_, i64>("Mkdir", &args).unwrap(), 0);
    assert!(dir.path().join("made").is_dir());

    // The answer spans several messages: its interface values bring their types.
    let reply: StatReply = client.call("Stat", "n").unwrap();
    let Some(Registered::FileInfo(info)) = reply.info else { panic!("{reply:?}") };
    assert_eq!((info.name, info.size, info.time.seconds), ("n".into(), 42, 1));
    let reply: StatReply = client.call("Stat", "").unwrap();
    let Some(Registered::PathError(error)) = reply.error else { panic!("no error") };
    assert_eq!((error.op, error.err), ("stat".into(), Some(GoError::Errno(2))));
}

#[test]
fn replies_out_of_order_large_pipelines_and_ends() {
    let server = GoServer::start();
    let mut client = server.client();
    let slow = client.send("Slow", &150i64).unwrap();
    let fast = client.send("Slow", &1i64).unwrap();
    assert_eq!(client.receive::<i64>(slow).unwrap(), 150);
    assert_eq!(client.receive::<i64>(fast).unwrap(), 1);
    assert_eq!(client.receive::<i64>(fast).unwrap_err().kind(), ErrorKind::Invalid);

    let args = EchoArgs { data: Bytes(vec![1; 200_000]), ..EchoArgs::default() };
    let sent: Vec<u64> = (0..50).map(|_| client.send("Echo", &args).unwrap()).collect();
    client.flush().unwrap();
    for seq in sent.into_iter().rev() {
        assert_eq!(client.receive::<EchoReply>(seq).unwrap().data.0.len(), 200_000);
    }

    let mut late = server.client().with_time_limit(Some(Duration::from_millis(50)));
    assert_eq!(late.call::<i64, i64>("Slow", &1000).unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(late.call::<i64, i64>("Slow", &1).unwrap_err().kind(), ErrorKind::PeerDied);

    let error = client.call::<i64, i64>("Panic", &1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PeerDied);
    assert!(error.to_string().ends_with("unexpected EOF"), "{error}");
    assert!(client.call::<i64, i64>("Panic", &1).unwrap_err().to_string().ends_with("connection is shut down"));
}
