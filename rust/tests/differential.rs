// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles under crun and under pinion: what the container itself sees must be the same, but for what stands in
//! `differential/known.rs` with its reason.

#[path = "differential/bundle.rs"]
mod bundle;
#[path = "differential/cases.rs"]
mod cases;
mod common;
#[path = "differential/known.rs"]
mod known;
#[path = "differential/run.rs"]
mod run;
#[path = "differential/seen.rs"]
mod seen;

use std::path::Path;
use std::process::{Command, Stdio};

use bundle::Who;
use cases::{Case, End};
use known::Known;
use run::{Outcome, Programs, Runtime, run};

#[test]
fn a_container_of_root_sees_the_same() {
    if !common::is_root() {
        return eprintln!("left out: not root");
    }
    compare_all(Who::Root);
}

#[test]
fn a_container_of_an_ordinary_user_sees_the_same() {
    compare_all(Who::User);
}

fn compare_all(who: Who) {
    if let Some(tool) = missing_tool() {
        assert!(std::env::var_os("CI").is_none(), "no {tool}");
        return eprintln!("left out: {}: no {tool}", who.word());
    }
    if !common::is_root() && !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        return eprintln!("left out: {}: crun wants a pure cgroup2 mount, which only root can make here", who.word());
    }
    let programs = Programs::copy();
    let mut used = vec![false; known::TABLE.len()];
    let (mut passed, mut left_out, mut failed) = (0, 0, Vec::new());
    for case in cases::all().filter(|case| case.who.contains(&who)) {
        if let Some(reason) = case.left_out(who) {
            eprintln!("left out: {} {}: {reason}", who.word(), case.name);
            left_out += 1;
            continue;
        }
        match compare(&programs, case, who, &mut used) {
            Ok(()) => {
                passed += 1;
                match case.end {
                    End::RefusedByCrunAlone(why) => println!("known: {}: crun refuses: {why}", case.name),
                    End::RefusedByPinionAlone(why) => println!("known: {}: pinion refuses: {why}", case.name),
                    _ => {}
                }
            }
            Err(difference) => failed.push(format!("{} {}: {difference}", who.word(), case.name)),
        }
    }
    println!("{}: {passed} passed, {} failed, {left_out} left out", who.word(), failed.len());
    assert!(failed.is_empty(), "\n{}", failed.join("\n\n"));
    let unused = known::TABLE.iter().zip(used).filter(|(row, used)| row.who.contains(&who) && !used && left_out == 0);
    let unused: Vec<&Known> = unused.map(|(row, _)| row).collect();
    assert!(unused.is_empty(), "these differences are none any more: {unused:#?}");
}

/// What the comparison cannot do without.
fn missing_tool() -> Option<&'static str> {
    let runs = |name: &&str| {
        let tried = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        tried.is_ok()
    };
    let busybox = (!Path::new(bundle::BUSYBOX).exists()).then_some("busybox (Debian: busybox-static)");
    ["crun", "timeout", "unshare", "setpriv"].into_iter().find(|name| !runs(name)).or(busybox)
}

/// The known differences of mounts are between two of the same place: none may be missing.
fn places(mounts: &[String]) -> Vec<&str> {
    let mut places: Vec<&str> =
        mounts.iter().filter_map(|line| line.split_once(") ").map(|(place, _)| place)).collect();
    places.sort_unstable();
    places
}

fn compare(programs: &Programs, case: &Case, who: Who, used: &mut [bool]) -> Result<(), String> {
    let mut document = bundle::document(who);
    (case.change)(&mut document, who);
    let [crun, pinion] =
        [Runtime::Crun, Runtime::Pinion].map(|runtime| run(programs, runtime, who, &document, case.options));
    let mut differences = String::new();
    ends(case, &crun, &pinion).unwrap_or_else(|difference| differences.push_str(&difference));
    let compared = matches!(case.end, End::Probe).then(|| crun.seen.differences(&pinion.seen));
    for (section, theirs, ours) in compared.unwrap_or_default() {
        if section == "mounts" && places(&theirs) != places(&ours) {
            differences.push_str("\n  mounts: they are at different places");
        }
        for (runtime, line) in
            theirs.iter().map(|line| (Runtime::Crun, line)).chain(ours.iter().map(|line| (Runtime::Pinion, line)))
        {
            let row = known::TABLE.iter().position(|row| row.is(who, case.name, &section, runtime, line));
            match row {
                Some(row) => used[row] = true,
                None => differences.push_str(&format!("\n  {section}, only {runtime:?}: {line}")),
            }
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!("{differences}\n  crun said: {}\n  pinion said: {}", crun.stderr.trim_end(), pinion.stderr.trim_end()))
}

/// The way in which both ended.
fn ends(case: &Case, crun: &Outcome, pinion: &Outcome) -> Result<(), String> {
    let codes = (crun.code, pinion.code);
    let as_expected = match case.end {
        End::Probe => codes == (0, 0) && crun.seen.is_whole() && pinion.seen.is_whole(),
        End::Code(code) => codes == (code, code) && crun.stdout == pinion.stdout,
        // The words and numbers of a refusal are each runtime's own.
        End::Refused => crun.code != 0 && pinion.code == 255 && crun.stdout.is_empty() && pinion.stdout.is_empty(),
        End::RefusedByCrunAlone(_) => crun.code != 0 && pinion.code == 0 && pinion.seen.is_whole(),
        End::RefusedByPinionAlone(_) => crun.code == 0 && pinion.code == 255 && pinion.stdout.is_empty(),
    };
    if as_expected {
        return Ok(());
    }
    Err(format!("\n  end: wanted {:?}, crun {}, pinion {}", case.end, crun.code, pinion.code))
}
