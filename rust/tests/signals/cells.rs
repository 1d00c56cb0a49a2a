// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The cells of the table in docs/signals.md.

use nix::sys::signal::Signal;

use crate::host::{First, Host};
use crate::terminal::{Outcome, Terminal};

const PAGE: &str = include_str!("../../../docs/signals.md");

/// One line of the table in one place.
pub struct Cell {
    signal: i32,
    how: String,
    /// `terminal` or `master`; `–` for nobody.
    from: String,
    stops: bool,
}

/// The places, in the table's order.
pub fn places() -> Vec<String> {
    lines().next().expect("heading").into_iter().skip(2).collect()
}

/// The cells of a place that can happen.
pub fn cells(place: &str) -> Vec<Cell> {
    let at = 2 + places().iter().position(|name| name == place).expect("place");
    let cell = |line: Vec<String>| {
        let mut words = line[at].split(", ");
        let from = words.next().unwrap_or_default().to_owned();
        let signal = format!("SIG{}", line[0]).parse::<Signal>().expect("signal") as i32;
        let how = line[1].trim_matches('`').to_owned();
        Cell { signal, how, from, stops: words.next() == Some("stops") }
    };
    lines().skip(2).map(cell).filter(|cell| !cell.from.is_empty()).collect()
}

fn lines() -> impl Iterator<Item = Vec<String>> {
    let section = PAGE.split("\n## ").find(|section| section.starts_with("Signals\n")).expect("section");
    let lines = section.lines().filter(|line| line.starts_with("| "));
    lines.map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()).map(|mut cells| {
        // What is before the first line and after the last one.
        cells.pop();
        cells.remove(0);
        cells
    })
}

impl Cell {
    fn command(&self) -> Outcome<String> {
        Ok(match self.how.as_str() {
            "sent" => format!("signal {}", self.signal),
            "^C" => "type \x03".to_owned(),
            "^\\" => "type \x1c".to_owned(),
            "^Z" => "type \x1a".to_owned(),
            "resize" => "resize".to_owned(),
            other => return Err(format!("the page has a way to send a signal that is not known here: {other}")),
        })
    }

    /// What the container's program says.
    fn received(&self) -> Outcome<Option<String>> {
        match self.from.as_str() {
            "terminal" => Ok(Some(format!("got {} kernel", self.signal))),
            "master" => Ok(Some(format!("got {} process", self.signal))),
            "–" => Ok(None),
            other => Err(format!("the page has a sender that is not known here: {other}")),
        }
    }

    fn happen(&self, place: &str, terminal: &mut Terminal) -> Outcome {
        let mut expected: Vec<String> = self.received()?.into_iter().collect();
        if expected.is_empty() {
            // The shell has the terminal, and so the signal.
            expected.push(format!("shell {}", self.signal));
        }
        terminal.tell(&self.command()?)?;
        if self.stops {
            expected.push(format!("stopped {}", self.signal));
        }
        terminal.expect(&expected.iter().map(String::as_str).collect::<Vec<_>>())?;
        if self.stops {
            if place == "foreground" {
                terminal.tell("front")?;
                terminal.expect(&["front"])?;
            }
            terminal.tell("signal 18")?;
            terminal.expect(&["continued", "got 18 process"])?;
        }
        terminal.settle()
    }
}

/// Runs one container in a place and has everything of the table happen to it. Returns how many cells that were.
pub fn run(host: &Host, place: &str, caller: &str, first: First, options: &[&str]) -> Outcome<usize> {
    // A TERM among the others is not to end it.
    let options = [&["--stop-timeout", "86400"], options].concat();
    let mut terminal = Terminal::ready(host, place, caller, first, "count", &options)?;
    terminal.settle()?;
    let cells = cells(place);
    let (hang_up, others): (Vec<_>, Vec<_>) = cells.iter().partition(|cell| cell.how == "hang-up");
    others.iter().try_for_each(|cell| cell.happen(place, &mut terminal))?;
    if !hang_up.is_empty() {
        let mut expected: Vec<String> = Vec::new();
        for cell in hang_up {
            expected.extend(cell.received()?);
        }
        if place != "leader" {
            expected.extend(["shell 1".to_owned(), "gone".to_owned()]);
        }
        terminal.exactly("hangup", &expected.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    terminal.end()?;
    Ok(cells.len())
}
