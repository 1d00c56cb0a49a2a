// SPDX-License-Identifier: Apache-2.0 OR MIT
use clap::Arg;

use super::*;

fn parsed(arguments: &[&str]) -> Parsed {
    parse(std::iter::once(&"pinion").chain(arguments).map(OsString::from).collect())
}

fn run_of(arguments: &[&str]) -> Run {
    match parsed(arguments) {
        Parsed::Request(Request::Run(run)) => run,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

#[test]
fn the_command_is_consistent() {
    whole().debug_assert();
}

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");

/// With PINION_WRITE the files are written anew: `make generated`.
#[test]
fn the_completions_are_the_commands() {
    use clap_complete::Shell;
    for (shell, name) in [(Shell::Bash, "pinion.bash"), (Shell::Zsh, "_pinion"), (Shell::Fish, "pinion.fish")] {
        let path = format!("{DOCS}/completions/{name}");
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut whole(), "pinion", &mut text);
        if std::env::var_os("PINION_WRITE").is_some() {
            std::fs::write(&path, &text).expect("write the completions");
        }
        assert!(std::fs::read(&path).is_ok_and(|written| written == text), "{path} is not up to date: make generated");
    }
}

#[test]
fn the_manual_page_has_every_command_and_option() {
    fn look(page: &str, command: &Command) {
        for word in command.get_subcommands() {
            let name = word.get_name();
            assert!(page.lines().any(|line| line.starts_with(".Cm ") && line.contains(name)), "it lacks {name}");
            look(page, word);
        }
        for long in command.get_arguments().filter_map(Arg::get_long) {
            let flag = format!("Fl -{long}");
            assert!(page.lines().any(|line| line.starts_with(".It") && line.contains(&flag)), "it lacks --{long}");
        }
    }
    let page = std::fs::read_to_string(format!("{DOCS}/man/pinion.1")).expect("docs/man/pinion.1");
    look(&page, &whole());
}

#[test]
fn options_describe_a_container() {
    let run = run_of(&[
        "run",
        "--bundle",
        "b",
        "--cwd=/x",
        "-e",
        "A=1",
        "--env",
        "B=-2",
        "--hostname",
        "h",
        "--preserve-fds",
        "2",
        "--stop-timeout",
        "3",
        "--record",
        "5",
        "--rpc-trace=-",
        "--timing",
        "--setuid",
        "--",
        "sh",
        "-c",
        "exit 3",
    ]);
    let container = Container {
        bundle: Some("b".into()),
        cwd: Some("/x".into()),
        env: vec!["A=1".into(), "B=-2".into()],
        hostname: Some("h".into()),
        preserve_fds: 2,
        setuid: true,
        stop_timeout: Some(3),
        args: vec!["sh".into(), "-c".into(), "exit 3".into()],
        ..Default::default()
    };
    assert_eq!(run, Run { container, record: Some("5".into()), rpc_trace: Some("-".into()), timing: true });
    assert_eq!(run_of(&["run"]), Run::default());
}

#[test]
fn what_comes_after_the_program_is_the_programs() {
    for arguments in [["run", "ls", "--root", "/x", "--", "-l"], ["run", "--", "ls", "--root", "/x", "-l"]] {
        let run = run_of(&arguments);
        assert_eq!(run.container.root, None);
        assert_eq!(run.container.args[..2], ["ls", "--root"]);
    }
}

#[test]
fn a_plan_is_for_the_same_container() {
    let parsed = parsed(&["plan", "--json", "--root", "/r", "id"]);
    let container = Container { root: Some("/r".into()), args: vec!["id".into()], ..Default::default() };
    assert_eq!(parsed, Parsed::Request(Request::Plan(Plan { container, json: true })));
}

#[test]
fn instances_have_names() {
    let request = |arguments: &[&str]| match parsed(arguments) {
        Parsed::Request(request) => request,
        other => panic!("{arguments:?}: {other:?}"),
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let container = Container { hostname: Some("h".into()), args: words(&["sh", "-c", "x"]), ..Default::default() };
    let start = Start { name: "web".into(), container, json: true, log: None };
    assert_eq!(request(&["start", "web", "--json", "--hostname", "h", "sh", "-c", "x"]), Request::Start(start));
    let args = words(&["ls", "-l"]);
    let exec = Exec { name: "web".into(), env: words(&["A=1"]), stop_timeout: Some(3), args, ..Default::default() };
    assert_eq!(request(&["exec", "-e", "A=1", "--stop-timeout", "3", "web", "ls", "-l"]), Request::Exec(exec));
    for (word, signal) in [("TERM", 15), ("SIGHUP", 1), ("usr1", 10), ("37", 37)] {
        let stop = Stop { name: "web".into(), signal, timeout: 3 };
        assert_eq!(request(&["stop", "web", "--timeout", "3", "--signal", word]), Request::Stop(stop));
    }
    assert_eq!(request(&["stop", "web"]), Request::Stop(Stop { name: "web".into(), signal: 15, timeout: 10 }));
    assert_eq!(request(&["wait", "web"]), Request::Wait("web".into()));
    assert_eq!(request(&["sweep", "--dry-run"]), Request::Sweep(Sweep { dry_run: true }));
}

#[test]
fn help_and_version_are_no_errors() {
    for arguments in [
        &["--help"][..],
        &["help"],
        &["help", "run"],
        &["run", "--help"],
        &["version"],
        &["--version"],
        &["plan", "-h"],
    ] {
        assert!(matches!(parsed(arguments), Parsed::Text(text) if !text.is_empty()), "{arguments:?}");
    }
}

#[test]
fn every_command_has_help() {
    for command in whole().get_subcommands().map(Command::get_name).chain(["help"]) {
        for arguments in [[command, "-h"], [command, "--help"], ["help", command]] {
            let usage = format!("Usage: pinion {command}");
            assert!(matches!(parsed(&arguments), Parsed::Text(text) if text.contains(&usage)), "{arguments:?}");
        }
    }
}

#[test]
fn wrong_usage_says_what_is_wrong() {
    for (arguments, words) in [
        (&[][..], "Usage"),
        (&["rum"], "rum"),
        (&["help", "rum"], "rum"),
        (&["run", "--rot", "/"], "--rot"),
        (&["run", "--root"], "--root"),
        (&["run", "--root", "/r", "--bundle", "/b"], "cannot be used with"),
        (&["run", "--preserve-fds", "x"], "preserve-fds"),
        (&["run", "--json"], "--json"),
        (&["plan", "--timing"], "--timing"),
        (&["start"], "NAME"),
        (&["stop", "web", "--signal", "65"], "there is no signal 65"),
        (&["stop", "web", "--signal", "TREM"], "there is no signal TREM"),
    ] {
        assert!(matches!(parsed(arguments), Parsed::Usage(text) if text.contains(words)), "{arguments:?}");
    }
}
