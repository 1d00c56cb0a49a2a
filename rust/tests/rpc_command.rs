// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pinion rpc` and `pinion run --rpc-trace`, as a caller sees them. The served methods themselves are called by Go in
//! go/internal/live.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Output, Stdio};

use pinion::ffi::sys::inherited::inherit;
use pinion::gob::Limits;
use pinion::rpc::builtin::chdir::ChdirArgs;
use pinion::rpc::builtin::{self, Options};
use pinion::rpc::{Client, MethodSet, Service, serve};

fn pinion(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinion"));
    command.args(arguments).env("PINION_STARTER", env!("CARGO_BIN_EXE_pinion-starter"));
    command
}

/// Starts `pinion rpc WORDS --fd N ARGUMENTS` with one end of a socket pair.
fn on_a_socket(word: &str, arguments: &[&str]) -> (Child, UnixStream) {
    let (near, far) = UnixStream::pair().expect("socket pair");
    let number = far.as_raw_fd().to_string();
    let mut command = pinion(&["rpc", word, "--fd", &number]);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    inherit(&mut command, vec![OwnedFd::from(far)]);
    (command.spawn().expect("pinion"), near)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

#[track_caller]
fn refused(output: &Output, words: &str) {
    assert_eq!(output.status.code(), Some(255), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn a_server_ends_well_when_its_client_closes() {
    let (server, stream) = on_a_socket("serve", &["--name", "t"]);
    let mut client = Client::new(stream, "t");
    assert_eq!(client.call::<_, i64>("Chdir", &ChdirArgs { dir: "/".into() }).expect("Chdir"), 0);
    drop(client);
    let output = server.wait_with_output().expect("end");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn a_server_says_what_is_wrong_with_its_arguments() {
    let serve = |arguments: &[&str]| pinion(&["rpc", "serve"]).args(arguments).output().expect("pinion");
    refused(&serve(&["--name", "t"]), "--fd <N>");
    refused(&serve(&["--fd", "3", "--name", "t"]), "--fd 3: take over descriptor 3: bad file descriptor");
    refused(&serve(&["--fd", "1", "--name", "t"]), "3 and above");
    refused(&serve(&["--fd", "3", "--name", "t", "--mount-reply", "x"]), "[possible values: plain, struct]");
    let directory = tempfile::tempdir().expect("directory");
    for (content, words) in [
        ("{\"*rpc.other\": \"x\"}", "let \"*rpc.other\" travel as \"x\""),
        ("[]", "expected a map"),
        ("{\"a\": 1}", "expected a string"),
    ] {
        let file = directory.path().join("names");
        fs::write(&file, content).expect("names");
        let (server, _stream) = on_a_socket("serve", &["--name", "t", "--names", file.to_str().expect("path")]);
        refused(&server.wait_with_output().expect("end"), words);
    }
}

#[test]
fn a_call_prints_the_reply_as_json() {
    let methods = MethodSet::new()
        .method("Sum", |numbers: Vec<i64>| Ok(numbers.iter().sum::<i64>()))
        .method("Fail", |_: bool| Err::<i64, _>("no luck".into()))
        .or(builtin::methods(&Options::default()).expect("methods"));
    let call_as = |options: &[&str], method: &str, argument: &str| {
        let (caller, stream) = on_a_socket("call", &[options, &[method, argument]].concat());
        let service = Service::new("t", methods.clone(), MethodSet::new());
        let served = serve(stream, &service, &Limits::default());
        let output = caller.wait_with_output().expect("end");
        served.expect("the caller ends the connection well");
        output
    };
    let call = |method: &str, argument: &str| call_as(&[], method, argument);
    let reply_as = |options: &[&str], method: &str, argument: &str| {
        let output = call_as(options, method, argument);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{method}");
        text(&output.stdout)
    };
    let reply = |method: &str, argument: &str| reply_as(&[], method, argument);
    // The types of a built-in method's arguments are known, those of others come from the JSON.
    assert!(reply("t.Lstat", "{\"Path\":\"/\"}").contains("\"N\":\"/\""));
    assert_eq!(reply("t.Sum", "[1,2,-4]"), "-1");
    refused(
        &call("t.Sum", "[1.5,2]"),
        "call t.Sum: gob: decoding into local type *[]int64, received remote type []float",
    );
    assert_eq!(reply_as(&["--type", "[]int"], "t.Sum", "[]"), "0");
    let error = "call t.Sum: the type of a value: byte 2: expected a type, found the end";
    refused(&call_as(&["--type", "[]"], "t.Sum", "[]"), error);
    refused(&call("t.Fail", "true"), "call t.Fail: no luck");
    refused(&call("t.Sum", "[1,\"x\"]"), "call t.Sum: ");
    refused(&call("t.Sum", "null"), "null has no Go type");
    refused(&call("t.Sum", "[1"), "call t.Sum: the argument is no JSON");
    refused(&call("t.Nope", "1"), "rpc: can't find method t.Nope");
    refused(&call("nope", "1"), "call nope: no method of an engine");
}

#[test]
fn what_is_no_request_ends_the_server_with_an_error() {
    let (server, stream) = on_a_socket("serve", &["--name", "t"]);
    std::io::Write::write_all(&mut &stream, b"GET / HTTP/1.0\r\n\r\n").expect("write");
    stream.shutdown(std::net::Shutdown::Write).expect("end");
    refused(&server.wait_with_output().expect("end"), "serve rpc of t");
}

#[test]
fn each_call_of_a_run_is_printed_with_arguments_and_reply() {
    let directory = tempfile::tempdir().expect("directory");
    let (trace, record) = (directory.path().join("trace"), directory.path().join("record"));
    let run = |arguments: &[&str]| {
        let mut command = pinion(&["run", "--hostname", "traced"]);
        command.args(arguments).args(["--", "sh", "-c", "echo out; exit 3"]).output().expect("pinion")
    };
    let output = run(&["--rpc-trace", trace.to_str().expect("path"), "--record", record.to_str().expect("path")]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(3), "out".to_owned()), "{}", text(&output.stderr));
    let calls = fs::read_to_string(&trace).expect("trace");
    let hostname = "oci.SetHostname({\"Hostname\":\"traced\"}) = 0 (";
    assert!(calls.lines().any(|line| line.starts_with(hostname) && line.ends_with(" µs)")), "{calls}");
    // The record has them too, and all the rest.
    let record = fs::read_to_string(&record).expect("record");
    let rpc = record.lines().filter(|line| line.contains("\"event\":\"rpc\"")).count();
    assert_eq!(rpc, calls.lines().count());
    assert!(record.contains("\"event\":\"exit\""), "{record}");
    let output = run(&["--rpc-trace", "-"]);
    assert_eq!(text(&output.stdout), "out");
    assert!(text(&output.stderr).contains(hostname), "{}", text(&output.stderr));
}

#[test]
fn a_trace_that_cannot_be_written_starts_nothing() {
    let output = pinion(&["run", "--rpc-trace", "/none/x", "--", "sh", "-c", "echo out"]).output().expect("pinion");
    refused(&output, "--rpc-trace: open \"/none/x\": no such file or directory");
}
