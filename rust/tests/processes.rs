// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What needs a process of its own: replacing it by a starter, standard streams that it opened by itself, emptying its environment, the panic hook, the message
//! level. This program starts itself again for each step; the step is argv[0].

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use pinion::ffi::sys::environ;
use pinion::launch::{Host, Launch, intake};
use pinion::log;

type Step = Result<(), Box<dyn std::error::Error>>;

fn main() -> Step {
    match std::env::args().next().as_deref() {
        Some("exec by environment") => exec(false),
        Some("exec by descriptor") => exec(true),
        Some("streams of low numbers") => streams(),
        Some("starter") => starter(),
        Some("scrub") => scrub(),
        Some("panic") => panic(),
        Some("level") => level(),
        _ => all(),
    }
}

fn all() -> Step {
    for step in ["exec by environment", "exec by descriptor", "streams of low numbers", "scrub", "panic", "level"] {
        let mut command = Command::new(std::env::current_exe()?);
        std::os::unix::process::CommandExt::arg0(&mut command, step);
        command.env_clear().env("SECRET", "s3cret").env("KEPT", "yes").env("SECRETKEPT", "no");
        command.env("LEVEL", "-92").env("WRONG", "loud");
        let output = command.output()?;
        assert!(output.status.success(), "{step}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.is_empty(), "{step}: {}", String::from_utf8_lossy(&output.stdout));
        let written = String::from_utf8_lossy(&output.stderr);
        match step {
            "panic" => {
                assert!(written.starts_with("pinion: debug: panic: second at "), "{written}");
                assert!(written.contains("processes::panic"), "no stack: {written}");
            }
            "level" => assert_eq!(written, "pinion: error: no\n  help: yes\npinion: warning: careful\n"),
            _ => assert_eq!(written, ""),
        }
        println!("{step}: ok");
    }
    Ok(())
}

/// What the caller opened while its own streams were closed has their numbers.
fn streams() -> Step {
    let host = Host {
        starter: "/bin/sh".into(),
        starter_suid: None,
        level_variable: "LEVEL".to_owned(),
        level: 1,
        by_descriptor: false,
    };
    let mut script = tempfile::tempfile()?;
    script.write_all(b"echo said")?;
    script.rewind()?;
    let output = tempfile::tempfile()?;
    let mut kept = output.try_clone()?;
    // At 0 it would be replaced before it is put to 1.
    let output = at_standard_input(&output)?;
    let status = Launch::new(&host, "sh", CONFIG).stdin(script).stdout(output).run()?;
    let mut said = String::new();
    kept.rewind()?;
    kept.read_to_string(&mut said)?;
    assert_eq!((status.exit_code(), said.as_str()), (Some(0), "said\n"));
    Ok(())
}

/// The same open file, as the descriptor 0, which is closed before.
fn at_standard_input(file: &File) -> std::io::Result<File> {
    pinion::ffi::sys::descriptor::close(0);
    let low = rustix::io::fcntl_dupfd_cloexec(file, 0)?;
    assert_eq!(low.as_raw_fd(), 0);
    Ok(low.into())
}

const CONFIG: &[u8] = b"{\"engineName\":\"e\"}\n";

fn exec(by_descriptor: bool) -> Step {
    let host = Host {
        starter: std::env::current_exe()?,
        starter_suid: None::<PathBuf>,
        level_variable: "LEVEL".to_owned(),
        level: 1,
        by_descriptor,
    };
    Err(Launch::new(&host, "starter", CONFIG).cleanup_host(true).exec().err().map_or("executed".into(), Into::into))
}

fn starter() -> Step {
    assert_eq!(std::env::var_os("SECRET"), None);
    assert_eq!(std::env::var("CLEANUP_HOST")?, "1");
    assert_eq!(intake(std::env::vars_os())?, CONFIG);
    if std::env::var_os("PINION_CONFIG_FD").is_some() {
        assert!(intake(std::env::vars_os()).is_err(), "the descriptor is still open");
    }
    Ok(())
}

fn scrub() -> Step {
    environ::scrub(vec!["KEPT".to_owned()]);
    let rest: Vec<_> = std::env::vars().collect();
    assert_eq!(rest, [("KEPT".to_owned(), "yes".to_owned())]);
    let block = std::fs::read("/proc/self/environ")?;
    let strings: Vec<&[u8]> = block.split(|byte| *byte == 0).filter(|string| !string.is_empty()).collect();
    assert_eq!(strings, [b"KEPT=yes"]);
    assert_eq!(environ::beyond_kept(), None);
    // To where the variable behind it was.
    let own = std::fs::OpenOptions::new().write(true).open("/proc/self/mem")?;
    own.write_all_at(b"BACK=yes", environment_begins()? + b"KEPT=yes".len() as u64 + 1)?;
    assert_eq!(environ::beyond_kept(), Some(("BACK ".to_owned(), "KEPT".to_owned())));
    environ::scrub(Vec::new());
    assert_eq!(std::env::vars_os().count(), 0);
    Ok(())
}

/// Where the kernel has put it (proc_pid_stat(5)).
fn environment_begins() -> Result<u64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    Ok(fields.split(' ').nth(50 - 3).ok_or("no env_start")?.parse()?)
}

fn panic() -> Step {
    log::install_panic_hook();
    let error = log::guard("first step", || panic!("first")).err().ok_or("no error")?;
    let place = format!("first step panicked: first at {}:", file!());
    assert!(error.to_string().starts_with(&place), "{error}");
    assert_eq!(log::take_panic(), None);
    log::set_level(5);
    assert!(log::guard("second step", || panic!("second")).is_err());
    Ok(())
}

fn level() -> Step {
    log::set_level_from("UNSET")?;
    assert_eq!(log::level(), 1);
    assert!(log::set_level_from("WRONG").is_err());
    assert_eq!(log::level(), 1);
    log::set_level_from("LEVEL")?;
    log::error(&pinion::Error::invalid("no").with_help("yes"));
    log::warning(format_args!("careful"));
    log::log(format_args!("not written"));
    log::info(format_args!("not written"));
    log::verbose(2, format_args!("not written"));
    log::debug(format_args!("not written"));
    Ok(())
}
