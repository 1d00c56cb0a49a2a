// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A shell that reads its script from the standard input is the starter here: it shows what a launch hands over. What
//! needs a process of its own is in `rust/tests/processes.rs`.

use std::fs::File;
use std::io::{Read, Seek, Write};

use super::*;

fn host(by_descriptor: bool) -> Host {
    let starter = PathBuf::from("/bin/sh");
    Host { starter, starter_suid: None, level_variable: "LEVEL".to_owned(), level: -3, by_descriptor }
}

fn file(content: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}

/// Runs a launch with a script; the status and what the script wrote.
fn run(launch: Launch<'_>, script: &str) -> (WaitStatus, String) {
    let mut output = file("");
    let status = launch.stdin(file(script)).stdout(output.try_clone().unwrap()).run().unwrap();
    let mut text = String::new();
    output.rewind().unwrap();
    output.read_to_string(&mut text).unwrap();
    (status, text)
}

fn refusal(launch: Launch<'_>) -> Error {
    launch.run().expect_err("accepted")
}

/// What the shell was started with, not what it made of it.
const SHOW: &str = "echo $0; tr '\\0' '\\n' </proc/$$/environ | sort";

#[test]
fn the_environment_is_built_from_nothing() {
    let host = host(false);
    let (status, text) = run(Launch::new(&host, "some name", b"{}"), SHOW);
    assert_eq!(status.exit_code(), Some(0));
    assert_eq!(text, "some name\nENGINE_CONFIG1={}\nENGINE_CONFIG_CHUNKS=1\nGOGC=off\nLEVEL=-3\n");
    let launch = Launch::new(&host, "n", b"{}").post_start_host(true).cleanup_host(true).load_overlay_module(true);
    let (_, text) = run(launch.post_start_host(false), SHOW);
    let expected =
        "n\nCLEANUP_HOST=1\nENGINE_CONFIG1={}\nENGINE_CONFIG_CHUNKS=1\nGOGC=off\nLEVEL=-3\nLOAD_OVERLAY_MODULE=1\n";
    assert_eq!(text, expected);
}

#[test]
fn by_descriptor_nothing_of_the_configuration_is_in_the_environment() {
    let host = host(true);
    let config = vec![b'x'; 2 << 20];
    let script = format!("{SHOW}; eval wc -c \"</dev/fd/$PINION_CONFIG_FD\"");
    let (status, text) = run(Launch::new(&host, "n", &config).post_start_host(true), &script);
    assert_eq!(status.exit_code(), Some(0), "{text}");
    let mut lines = text.lines();
    assert_eq!([lines.next(), lines.next(), lines.next()], [Some("n"), Some("GOGC=off"), Some("LEVEL=-3")]);
    assert!(lines.next().is_some_and(|line| line.starts_with("PINION_CONFIG_FD=")));
    assert_eq!([lines.next(), lines.next()], [Some("POST_START_HOST=1"), Some("2097152")]);
}

#[test]
fn the_record_arrives() {
    let host = host(true);
    let mut record = file("");
    let launch = Launch::new(&host, "n", b"{}").record(record.try_clone().unwrap());
    let (status, _) = run(launch, "eval \"echo begun >&$PINION_RECORD_FD\"");
    assert_eq!(status.exit_code(), Some(0));
    let mut text = String::new();
    record.rewind().unwrap();
    record.read_to_string(&mut text).unwrap();
    assert_eq!(text, "begun\n");
}

#[test]
fn the_status_is_the_starter_s() {
    let host = host(true);
    assert_eq!(run(Launch::new(&host, "n", b"{}"), "exit 255").0.exit_code(), Some(255));
    assert_eq!(run(Launch::new(&host, "n", b"{}"), "kill -9 $$").0.signal(), Some(9));
}

#[test]
fn a_launch_that_cannot_be_says_why() {
    let mut host = host(false);
    assert_eq!(refusal(Launch::new(&host, "n", b"{}").use_suid(true)).kind(), ErrorKind::NotFound);
    assert_eq!(refusal(Launch::new(&host, "n", b"")).to_string(), "engine configuration: is empty");
    assert!(refusal(Launch::new(&host, "a\0b", b"{}")).to_string().starts_with("argv[0] \"a\\x00b\""));
    assert!(refusal(Launch::new(&host, "n", &[b'x'; 2 << 20])).to_string().contains("fit into the environment"));
    for level_variable in ["", "A=B", "A\0"] {
        host.level_variable = level_variable.to_owned();
        assert!(refusal(Launch::new(&host, "n", b"{}")).to_string().starts_with("level variable"));
    }
    host.level_variable = "LEVEL".to_owned();
    host.starter = "starter".into();
    assert!(refusal(Launch::new(&host, "n", b"{}")).to_string().ends_with("the path is not absolute"));
    host.starter_suid = Some("/bin/sh".into());
    assert_eq!(run(Launch::new(&host, "n", b"{}").use_suid(true), "exit 3").0.exit_code(), Some(3));
}

#[test]
fn a_starter_that_cannot_be_executed_comes_with_advice() {
    let mut host = host(false);
    host.starter = "/nonexistent/starter".into();
    let error = refusal(Launch::new(&host, "n", b"{}"));
    assert_eq!((error.kind(), error.errno()), (ErrorKind::NotFound, Some(libc::ENOENT)));
    assert_eq!(error.to_string(), "launch starter \"/nonexistent/starter\": no such file or directory");
    assert!(error.help().is_some());
    host.starter = "/".into();
    let error = Launch::new(&host, "n", b"{}").exec().expect_err("executed");
    assert_eq!(error.errno(), Some(libc::EACCES));
    assert!(error.help().is_some());
}

#[test]
fn the_intake_takes_chunks_without_a_descriptor() {
    let variable = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
    let chunks = [variable("ENGINE_CONFIG_CHUNKS", "1"), variable("ENGINE_CONFIG1", "{}")];
    assert_eq!(intake(chunks.clone()).unwrap(), b"{}");
    let error = intake([]).unwrap_err();
    assert_eq!(error.to_string(), "ENGINE_CONFIG_CHUNKS: not set");
    assert!(error.help().is_some());
    for number in ["", "-1", "+3", " 3", "3 ", "3a", "0x3", "4294967299"] {
        let error = intake(chunks.iter().cloned().chain([variable(CONFIG_FD, number)])).unwrap_err();
        assert_eq!(error.to_string(), format!("PINION_CONFIG_FD: {number:?} is no descriptor's number"));
    }
    let error = intake([variable(CONFIG_FD, "0")]).unwrap_err();
    assert_eq!(error.to_string(), "PINION_CONFIG_FD: take over descriptor 0: 3 and above are possible");
    assert_eq!(intake([variable(CONFIG_FD, "1000000")]).unwrap_err().errno(), Some(libc::EBADF));
}

#[test]
fn the_intake_takes_a_sealed_descriptor_over() {
    use std::os::fd::IntoRawFd;
    let fd = sealed::write(b"{\"a\":1}").unwrap();
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::empty()).unwrap();
    let number = fd.into_raw_fd();
    let environment = [(OsString::from(CONFIG_FD), OsString::from(number.to_string()))];
    assert_eq!(intake(environment).unwrap(), b"{\"a\":1}");
}
