// SPDX-License-Identifier: Apache-2.0 OR MIT
//! docs/lifecycle.md says what the code says.

use pinion::lifecycle::messages::TABLE;
use pinion::lifecycle::roles::{Role, Step};

const PAGE: &str = include_str!("../../docs/lifecycle.md");

fn rows(heading: &str) -> Vec<Vec<String>> {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(heading)).expect("section");
    let lines = section.lines().filter(|line| line.starts_with("| ")).skip(2);
    lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn the_page_lists_the_codes_steps() {
    let written: Vec<(String, String)> =
        rows("Steps").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let coded: Vec<_> = Step::ALL.iter().map(|step| (step.number().to_string(), step.word().to_owned())).collect();
    assert_eq!(written, coded);
}

#[test]
fn the_page_lists_the_codes_messages() {
    let mut written = rows("Messages");
    let row = |row: &pinion::lifecycle::messages::Row| {
        [row.name, row.from.word(), row.to.word(), &row.step.to_string(), row.wire].map(str::to_owned).to_vec()
    };
    let mut coded: Vec<Vec<String>> = TABLE.iter().map(row).collect();
    written.sort();
    coded.sort();
    assert_eq!(written, coded);
}

#[test]
fn the_page_lists_the_codes_processes() {
    let written: Vec<String> = rows("Processes").into_iter().map(|row| row[0].clone()).collect();
    for role in Role::ALL {
        assert!(written.iter().any(|name| name == role.word()), "{role}");
    }
    assert_eq!(written.len(), Role::ALL.len());
}
