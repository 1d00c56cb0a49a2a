// SPDX-License-Identifier: Apache-2.0 OR MIT
//! c-tests/under.c, which starts a program under conditions.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The program, compiled beside the test.
pub fn program() -> PathBuf {
    let folder = std::env::current_exe().expect("own path").parent().expect("folder").to_owned();
    let (fresh, program) = (folder.join(format!("under-{}", std::process::id())), folder.join("under"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("c-tests/under.c");
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o"]);
    assert!(cc.arg(&fresh).arg(source).status().expect("cc").success());
    // Others may be executing the one from before.
    std::fs::rename(fresh, &program).expect("rename");
    program
}

/// A condition for each system call of a list, so that it fails with an errno.
pub fn denied(calls: &[libc::c_long], errno: i32) -> Vec<String> {
    calls.iter().map(|call| format!("deny={call}:{errno}")).collect()
}
