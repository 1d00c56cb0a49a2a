// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every setter and getter of the starter configuration in every flow: it has an effect that an observer sees from outside, or
//! the start is refused, or it has no say there, for a reason that the table gives and with nothing changed.
//!
//! | file | what it holds |
//! | --- | --- |
//! | rows.rs | the table: what is set, in which flows, and the verdict |
//! | flows.rs | the columns: how each flow starts |
//! | sight.rs | what the observer sees of a run |
//! | stand.rs | a run, brought to the moment at which it is looked at |
//!
//! `cargo test` does it for the starter in Rust, `PINION_SETTERS=all` (`make test-setters`) for those in C and Go besides.
//! Needs root: it looks into the processes of an ordinary user, and of a setuid-root program.

mod common;
#[path = "setters/flows.rs"]
mod flows;
#[path = "setters/rows.rs"]
mod rows;
#[path = "setters/sight.rs"]
mod sight;
#[path = "setters/stand.rs"]
mod stand;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;

use common::Starter;
use flows::{FLOWS, Flow};
use rows::{ROWS, Row, Verdict};
use sight::See;
use stand::{Outcome, Stand};

/// One setter, as a row has it, in one flow.
type Cell = (&'static Row, &'static Flow);

/// What is seen without the setter: by flow, conditions and configuration, each thing that some row looks for.
type Controls = BTreeMap<(char, Conditions), BTreeMap<See, Outcome>>;

/// Two rows with the same ones share a run without their setters.
type Conditions = (&'static str, &'static [&'static str], bool, sight::Moment);

#[test]
fn every_setter_has_its_verdict_in_every_flow() {
    if !stand::may_look() {
        println!("left out: all of it: to look into the processes of others needs root");
        return;
    }
    let all = std::env::var_os("PINION_SETTERS").is_some_and(|asked| asked == "all");
    let mut failed = Vec::new();
    for (face, way) in [("Rust", "starter"), ("C", "probe"), ("Go", Starter::GO)] {
        if face == "Rust" || all {
            failed.extend(walk(face, way));
        }
    }
    assert!(failed.is_empty(), "{} cells:\n{}", failed.len(), failed.join("\n"));
}

/// Judges each cell with one starter. Returns what is wrong.
fn walk(face: &str, way: &'static str) -> Vec<String> {
    let stand = Stand::new(way);
    let wanted = |row: &&Row| face == "Rust" || !row.late && matches!(row.verdict, Verdict::Sees(_) | Verdict::Is(_));
    let cells: Vec<Cell> =
        ROWS.iter().filter(wanted).flat_map(|row| row.flows().map(move |flow| (row, flow))).collect();
    let controls = controls(&stand, &cells);
    let judged = in_parallel(&cells, |(row, flow)| {
        let judged = catch_unwind(AssertUnwindSafe(|| judge(&stand, &controls, row, flow)));
        let wrong = judged.unwrap_or_else(|_| Err("the run did not come to its moment".into())).err();
        wrong.map(|wrong| format!("{face}: {}, {}: {}: {wrong}", row.setter, row.with, flow.name))
    });
    stand.end();
    let failed: Vec<String> = judged.into_iter().flatten().collect();
    let count = |is: fn(&Verdict) -> bool| cells.iter().filter(|(row, _)| is(&row.verdict)).count();
    let setters: BTreeSet<&str> = cells.iter().map(|(row, _)| row.setter).collect();
    println!(
        "{face}: {} setters x {} flows: {} cells, {} effects, {} refusals, {} without a say, {} failed",
        setters.len(),
        FLOWS.len(),
        cells.len(),
        count(|verdict| matches!(verdict, Verdict::Sees(_) | Verdict::Is(_))),
        count(|verdict| matches!(verdict, Verdict::Refused(_))),
        count(|verdict| matches!(verdict, Verdict::Nothing(_))),
        failed.len()
    );
    failed
}

fn conditions(row: &'static Row) -> Conditions {
    (row.without, row.around, row.late, row.see.moment())
}

/// Runs without the setters: one for all rows that need the same.
fn controls(stand: &Stand, cells: &[Cell]) -> Controls {
    let mut wanted: BTreeMap<(char, Conditions), BTreeSet<See>> = BTreeMap::new();
    for (row, flow) in cells.iter().filter(|(row, _)| matches!(row.verdict, Verdict::Sees(_) | Verdict::Nothing(_))) {
        wanted.entry((flow.letter, conditions(row))).or_default().insert(row.see);
    }
    let wanted: Vec<_> = wanted.into_iter().collect();
    let seen = in_parallel(&wanted, |((letter, (without, around, late, _)), sees)| {
        let flow = FLOWS.iter().find(|flow| flow.letter == *letter).expect("a flow");
        let sees: Vec<See> = sees.iter().copied().collect();
        sees.iter().copied().zip(stand.look(flow, without, around, *late, &sees)).collect()
    });
    wanted.into_iter().map(|(key, _)| key).zip(seen).collect()
}

fn judge(stand: &Stand, controls: &Controls, row: &'static Row, flow: &'static Flow) -> Result<(), String> {
    let is = stand.look(flow, row.with, row.around, row.late, &[row.see]).remove(0);
    let without = || &controls[&(flow.letter, conditions(row))][&row.see];
    match (row.verdict, &is) {
        (Verdict::Refused(words), Outcome::Refused(said)) if said.contains(words) => Ok(()),
        (Verdict::Refused(words), is) => Err(format!("wanted a refusal with {words:?}, is {is:?}")),
        (Verdict::Is(text), Outcome::Seen(seen)) if seen == text => Ok(()),
        (Verdict::Sees(text), Outcome::Seen(seen)) if seen == text => match without() {
            Outcome::Seen(before) if before == text => Err(format!("{text:?} is seen without it as well")),
            Outcome::Failed(why) => Err(format!("without it: {why}")),
            _ => Ok(()),
        },
        (Verdict::Is(text) | Verdict::Sees(text), is) => Err(format!("wanted {text:?}, is {is:?}")),
        (Verdict::Nothing(_), is @ Outcome::Seen(_)) if is == without() => Ok(()),
        (Verdict::Nothing(why), is) => Err(format!("{why}: without it {:?}, with it {is:?}", without())),
    }
}

/// Does work in three threads: a run mostly waits. The results stand in the order of the items.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, done) = (Mutex::new(items.iter().enumerate()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let item = next.lock().expect("queue").next();
                    let Some((at, item)) = item else { break };
                    let result = work(item);
                    done.lock().expect("results").insert(at, result);
                }
            });
        }
    });
    done.into_inner().expect("results").into_values().collect()
}

/// The methods of Go's type are those of the family's own, and what pinion adds.
#[test]
fn the_table_has_each_setter_in_each_flow() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("go/engine/config/starter/config.go");
    let source = std::fs::read_to_string(file).expect("config.go");
    let methods = source.lines().filter_map(|line| line.strip_prefix("func (c *Config) ")?.split('(').next());
    // Notes go to the journal, whatever the configuration says.
    let setters: BTreeSet<&str> =
        methods.filter(|name| name.starts_with(char::is_uppercase) && !name.starts_with("Note")).collect();
    let rows: BTreeSet<&str> = ROWS.iter().map(|row| row.setter).collect();
    assert_eq!(rows, setters);
    for setter in setters {
        let of_setter = ROWS.iter().filter(|row| row.setter == setter);
        let covered: BTreeSet<char> = of_setter.flat_map(|row| row.in_flows.chars()).collect();
        let missing: Vec<&str> =
            FLOWS.iter().filter(|flow| !covered.contains(&flow.letter)).map(|flow| flow.name).collect();
        assert!(missing.is_empty(), "{setter} has no verdict in: {}", missing.join("; "));
    }
}
