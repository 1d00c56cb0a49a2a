// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every file of the fuzz targets' corpus through what the targets do with it.

#[path = "../fuzz/src"]
mod fuzz {
    pub mod client;
    pub mod decode;
    #[allow(dead_code, reason = "the differential test counts by the reasons")]
    pub mod differences;
    pub mod go;
    pub mod oracle;
    pub mod session;
    pub mod targets;
}

use std::fs;
use std::path::Path;

use fuzz::oracle::{self, Oracle};

/// Hands the files for a target to `run`. Tells how many.
fn replay(target: &str, mut run: impl FnMut(&[u8])) -> usize {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("rust/fuzz/corpus").join(target);
    let mut count = 0;
    for file in fs::read_dir(corpus).unwrap() {
        let path = file.unwrap().path();
        run(&fs::read(&path).unwrap());
        count += 1;
    }
    println!("{target}: {count} files");
    count
}

#[test]
fn what_fuzzing_found_stays_mended() {
    let decoded = replay("gob_decode", fuzz::decode::run);
    let sessions = replay("rpc_session", fuzz::session::run);
    let clients = replay("rpc_client", fuzz::client::run);
    let dir = tempfile::tempdir().unwrap();
    let program = oracle::build("goboracle", dir.path());
    let mut go = Oracle::start(&program);
    let compared = replay("gob_vs_go", |bytes| {
        if !fuzz::go::run(&mut go, bytes) {
            go = Oracle::start(&program);
        }
    });
    assert!(decoded.min(sessions).min(clients).min(compared) > 5);
}
