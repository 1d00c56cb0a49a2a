// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--timing`: the steps of a start as a table, from the record of its life.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write as _};

use serde::Deserialize;

use crate::error::{Error, Result};

#[derive(Deserialize)]
struct Line {
    /// Nanoseconds on one clock.
    t: i64,
    role: String,
    event: String,
    step: Option<u32>,
    name: Option<String>,
}

/// Prints the table of a record to stderr; stdout is the container's.
pub fn print(mut record: File) -> Result<()> {
    let mut text = String::new();
    let read = record.seek(SeekFrom::Start(0)).and_then(|_| record.read_to_string(&mut text));
    read.map_err(|error| Error::io("read the record", &error).with_help("--timing needs a record in a file"))?;
    let written = std::io::stderr().write_all(table(&text).as_bytes());
    written.map_err(|error| Error::io("write to stderr", &error))
}

/// One row a step, with the time since the first line and since the row before.
fn table(record: &str) -> String {
    let mut lines: Vec<Line> = record.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    lines.sort_by_key(|line| line.t);
    let begin = lines.first().map_or(0, |line| line.t);
    let mut before = begin;
    let mut table = String::from("       µs        +   step  process          reached\n");
    for line in lines.iter().filter(|line| line.event == "step") {
        let (at, since) = ((line.t - begin) / 1000, (line.t - before) / 1000);
        before = line.t;
        let (step, name) = (line.step.unwrap_or_default(), line.name.as_deref().unwrap_or_default());
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{at:>9} {since:>8}   {step:>4}  {:<15}  {name}", line.role);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_in_the_order_of_time() {
        let record = concat!(
            "{\"t\":1000000,\"role\":\"starter\",\"event\":\"process\"}\n",
            "{\"t\":3000000,\"role\":\"container\",\"event\":\"step\",\"step\":13,\"name\":\"container\"}\n",
            "{\"t\":1500000,\"role\":\"starter\",\"event\":\"step\",\"step\":1,\"name\":\"facts\"}\n",
            "torn li",
        );
        let table = table(record);
        let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows, [["500", "500", "1", "starter", "facts"], ["2000", "1500", "13", "container", "container"]]);
    }
}
