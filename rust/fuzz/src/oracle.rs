// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Go's own encoding/gob behind a pipe: the program in `go/internal/goboracle`, which also says what the verbs mean.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// One Go process.
pub struct Oracle {
    process: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
}

/// How far Go came: values that it accepted, and what ended them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Values before the end.
    pub count: u32,
    /// The error, `EOF` for none.
    pub text: String,
}

/// Reads an answer.
pub struct Answer {
    bytes: Vec<u8>,
    at: usize,
}

/// Builds the Go program `name` of the tree into `dir`.
pub fn build(name: &str, dir: &Path) -> PathBuf {
    let path = dir.join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|dir| dir.join("go/go.mod").is_file());
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&path)
        .arg(format!("./internal/{name}"))
        .current_dir(source.expect("the tree has a directory go").join("go"))
        .status();
    assert!(built.expect("this needs go").success(), "{name} cannot be built");
    path
}

impl Oracle {
    /// Starts the program.
    pub fn start(program: &Path) -> Oracle {
        let mut process = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let (input, output) = (process.stdin.take(), process.stdout.take().expect("is piped"));
        Oracle { process, input, output }
    }

    /// Sends a request and waits for its answer. None if the process ended: of too much memory, or of too much time.
    pub fn ask(&mut self, verb: u8, request: &[u8]) -> Option<Answer> {
        let mut message = vec![verb];
        put_bytes(&mut message, request);
        self.input.as_mut().expect("is open").write_all(&message).ok()?;
        let mut count = [0; 4];
        self.output.read_exact(&mut count).ok()?;
        let mut bytes = vec![0; u32::from_le_bytes(count) as usize];
        self.output.read_exact(&mut bytes).ok()?;
        Some(Answer { bytes, at: 0 })
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

/// Appends a number to a request.
pub fn put_number(request: &mut Vec<u8>, number: u32) {
    request.extend(number.to_le_bytes());
}

/// Appends bytes with their count.
pub fn put_bytes(request: &mut Vec<u8>, bytes: &[u8]) {
    put_number(request, bytes.len() as u32);
    request.extend_from_slice(bytes);
}

impl Answer {
    /// The next number.
    pub fn number(&mut self) -> u32 {
        let number = self.bytes[self.at..self.at + 4].try_into().expect("has four bytes");
        self.at += 4;
        u32::from_le_bytes(number)
    }

    /// The next bytes.
    pub fn bytes(&mut self) -> Vec<u8> {
        let count = self.number() as usize;
        self.at += count;
        self.bytes[self.at - count..self.at].to_vec()
    }

    /// The next bytes as text.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// How far Go came.
    pub fn outcome(&mut self) -> Outcome {
        Outcome { count: self.number(), text: self.text() }
    }
}
