// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The examples in C that docs/c-starter.md walks through: they are what the page shows, and a container runs with them.

mod common;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const EXAMPLES: [&str; 3] = ["hello", "hello_starter", "hello_bootstrap"];

fn source(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("c-tests").join(name).with_extension("c");
    fs::read_to_string(path).expect("an example")
}

/// Compiles the examples as a reader would, into a folder that every user can search.
fn compiled() -> TempDir {
    let folder = common::shared_folder();
    for name in EXAMPLES {
        let mut cc = Command::new("cc");
        cc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-Iinclude", "-pthread", "-o"])
            .arg(folder.path().join(name));
        cc.arg(format!("c-tests/{name}.c")).arg(common::languages::c_archive()).args(common::languages::C_LIBRARIES);
        assert!(cc.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cc").success(), "{name}");
    }
    folder
}

/// Runs a program of a shell under a starter, as root or as an ordinary user.
fn run(folder: &Path, starter: &str, as_root: bool) -> Output {
    let script = folder.join("program");
    fs::write(&script, "#!/bin/sh\necho \"$(hostname) $(id -u) $$\"\nexit 7\n").expect("a program");
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
    let mut command = Command::new("setpriv");
    if common::is_root() && !as_root {
        let ids = [format!("--reuid={}", common::USER), format!("--regid={}", common::USER), "--clear-groups".into()];
        command.args(ids);
    }
    command.arg("--").arg(folder.join("hello")).arg(folder.join(starter)).arg(script);
    command.output().expect("setpriv")
}

#[test]
fn a_container_runs_with_each_starter() {
    let folder = compiled();
    for starter in ["hello_starter", "hello_bootstrap"] {
        for as_root in [true, false] {
            if as_root && !common::is_root() {
                println!("left out: {starter}: needs root");
                continue;
            }
            let output = run(folder.path(), starter, as_root);
            let user = if as_root { 0 } else { common::own_user() };
            let said = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!((&*said, &*errors), (&*format!("hello {user} 1\n"), ""), "{starter}");
            assert_eq!(output.status.code(), Some(7), "{starter}");
        }
    }
}

#[test]
fn a_role_runs_in_a_second_thread() {
    let folder = compiled();
    let document = br#"{"engineName":"hello","containerID":"first","engineConfig":"/bin/true"}"#;
    let mut starter = Command::new(folder.path().join("hello_bootstrap"));
    starter.arg0("hello thread").env_clear();
    let environment = pinion::launch::chunks::cut(document).expect("fits");
    starter.envs(environment.into_iter().map(|(name, value)| (name, String::from_utf8(value).expect("UTF-8"))));
    let output = starter.output().expect("starter");
    assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), ""));
}

#[test]
fn what_cannot_start_says_why() {
    let folder = compiled();
    let output = run(folder.path(), "missing", false);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("no such file") && errors.contains("help: is it installed there"), "{errors}");
    assert_eq!(output.status.code(), Some(255));
    for starter in ["hello_starter", "hello_bootstrap"] {
        let alone = Command::new(folder.path().join(starter)).env_clear().output().expect("starter");
        let errors = String::from_utf8_lossy(&alone.stderr).into_owned();
        assert!(errors.contains("a starter is launched by its front end"), "{starter}: {errors}");
        assert_eq!(alone.status.code(), Some(255), "{starter}");
    }
}

#[test]
fn the_page_shows_what_the_examples_are() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/c-starter.md")).expect("the page");
    let examples = EXAMPLES.map(source).concat();
    let blocks: Vec<&str> = page.split("```c\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 7, "only {} pieces of code are found", blocks.len());
    for block in blocks {
        assert!(examples.contains(block), "no example has this:\n{block}");
    }
}
