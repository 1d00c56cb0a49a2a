// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The library for C, and the starters in other languages.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::built;

/// The archive for C, as this build's features make it. Only C needs it, so that no other build pays for it.
pub fn c_archive() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let features: &[&str] = if cfg!(feature = "_fault") { &["--features", "_fault"] } else { &[] };
    BUILT.get_or_init(|| archive(built().parent().expect("target folder"), features)).clone()
}

/// The archive for C, built in a folder of cargo's, with options about features.
fn archive(target: &Path, features: &[&str]) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["rustc", "--quiet", "--lib", "--crate-type", "staticlib"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(features).arg("--target-dir").arg(target);
    assert!(cargo.status().expect("cargo").success(), "the archive for C was not built");
    target.join(built().file_name().expect("profile")).join("libpinion.a")
}

/// c-tests/probe.c, with the archive.
pub fn c_probe() -> PathBuf {
    static COMPILED: OnceLock<PathBuf> = OnceLock::new();
    COMPILED.get_or_init(|| probe_with(&c_archive(), "probe")).clone()
}

/// The same with the archive of a product that has root's policy hold, as `make lib POLICY=1` builds it.
pub fn c_probe_with_policy() -> PathBuf {
    let archive = archive(&built().with_file_name("policy"), &["--no-default-features", "--features", "c-policy"]);
    probe_with(&archive, "probe-with-policy")
}

fn probe_with(archive: &Path, name: &str) -> PathBuf {
    let program = built().join(name);
    let fresh = tempfile::Builder::new().tempdir_in(built()).expect("folder").keep();
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-Iinclude", "-o"]).arg(fresh.join("probe"));
    cc.arg("c-tests/probe.c").arg(archive).args(C_LIBRARIES).current_dir(env!("CARGO_MANIFEST_DIR"));
    assert!(cc.status().expect("cc").success(), "c-tests/probe.c was not compiled");
    // Another test may be about to do the same.
    std::fs::rename(fresh.join("probe"), &program).expect("rename");
    std::fs::remove_dir(fresh).expect("empty");
    program
}

/// go/cmd/probe-starter, with the archive.
pub fn go_probe() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let fresh = tempfile::Builder::new().tempdir_in(built()).expect("folder").keep();
        let (program, archive) = (built().join("probe-go"), c_archive());
        let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
        let pc = format!(
            "Name: pinion\nDescription: for this test\nVersion: 0\nCflags: -I{}\nLibs: {} {}\n",
            tree.join("include").display(),
            archive.display(),
            C_LIBRARIES.join(" ")
        );
        std::fs::write(fresh.join("pinion.pc"), pc).expect("file");
        // Go knows a build by the words of its commands, and would take a header or an archive that has changed for the one before.
        let changed = |path: &Path| {
            let time = path.metadata().and_then(|file| file.modified()).expect("a file with a time");
            time.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos()
        };
        let header = changed(&tree.join("include/pinion.h"));
        let mut go = Command::new("go");
        go.env("PKG_CONFIG_PATH", &fresh).env("CGO_CFLAGS", format!("-g -O2 -DPINION_HEADER_OF={header}"));
        go.arg("build").arg(format!("-ldflags=-X=main.archiveOf={}", changed(&archive)));
        go.arg("-o").arg(fresh.join("probe-go")).arg("./cmd/probe-starter");
        assert!(go.current_dir(tree.join("go")).status().expect("go").success(), "go/cmd/probe-starter was not built");
        // Another test may be about to do the same.
        std::fs::rename(fresh.join("probe-go"), &program).expect("rename");
        std::fs::remove_dir_all(fresh).expect("removed");
        program
    };
    BUILT.get_or_init(build).clone()
}

/// What Rust's standard library needs of the system.
pub const C_LIBRARIES: [&str; 7] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"];
