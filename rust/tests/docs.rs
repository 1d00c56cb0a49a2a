// SPDX-License-Identifier: Apache-2.0 OR MIT
//! docs/lifecycle.md and docs/wire.md say what the code says.

use pinion::gob::schema::{Kind, Ref};
use pinion::gob::{Limits, Type};
use pinion::lifecycle::messages::TABLE;
use pinion::lifecycle::roles::{Role, Step};
use pinion::rpc::builtin::{Builtin, PRODUCTS};

const PAGE: &str = include_str!("../../docs/lifecycle.md");
const WIRE: &str = include_str!("../../docs/wire.md");

fn rows_of(page: &str, heading: &str) -> Vec<Vec<String>> {
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).expect("section");
    let lines = section.lines().filter(|line| line.starts_with("| ")).skip(2);
    lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn rows(heading: &str) -> Vec<Vec<String>> {
    rows_of(PAGE, heading)
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

#[test]
fn the_page_on_the_wire_lists_the_codes_limits() {
    // A limit that is not named here does not compile.
    let Limits { message, value, depth, definitions, definition_bytes, name, elements } = Limits::default();
    let coded = [
        ("message", message),
        ("value", value),
        ("depth", depth as usize),
        ("definitions", definitions),
        ("definition_bytes", definition_bytes),
        ("name", name),
        ("elements", elements),
    ];
    let coded: Vec<(String, String)> =
        coded.into_iter().map(|(name, limit)| (format!("`{name}`"), limit.to_string())).collect();
    let written: Vec<(String, String)> =
        rows_of(WIRE, "Limits").into_iter().map(|row| (row[0].clone(), row[1].replace(',', ""))).collect();
    assert_eq!(written, coded);
}

/// A type as the page writes it.
fn notation(ty: &Type) -> String {
    let component = |component: Ref| match component {
        Ref::Static(ty) => notation(ty()),
        Ref::Id(id) => panic!("type {id} has no description of its own"),
    };
    match &ty.kind {
        Kind::Slice { elem } => format!("[]{}", component(*elem)),
        Kind::Array { elem, len } => format!("[{len}]{}", component(*elem)),
        Kind::Bytes => "[]byte".to_owned(),
        _ => ty.name.to_string(),
    }
}

fn arguments(builtin: &Builtin) -> String {
    let Kind::Struct(fields) = &(builtin.args)().kind else { panic!("{} takes no struct", builtin.name) };
    let field = |field: &pinion::gob::schema::Field| {
        let Ref::Static(ty) = field.ty else { panic!("{}", field.name) };
        format!("{} {}", field.name, notation(ty()))
    };
    fields.iter().map(field).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_page_on_the_wire_lists_the_codes_methods() {
    let mut coded: Vec<Vec<String>> = Vec::new();
    for product in PRODUCTS {
        for builtin in product.methods {
            let raises: Vec<&str> = builtin.raises.iter_names().map(|(name, _)| name).collect();
            let row =
                vec![format!("`{}`", builtin.name), product.name.to_owned(), arguments(builtin), raises.join(", ")];
            match coded.iter_mut().find(|known| (&known[0], &known[2], &known[3]) == (&row[0], &row[2], &row[3])) {
                Some(known) => known[1] = "both".to_owned(),
                None => coded.push(row),
            }
        }
    }
    let written: Vec<Vec<String>> = rows_of(WIRE, "Methods")
        .into_iter()
        .map(|row| vec![row[0].clone(), row[1].clone(), row[2].clone(), row[4].replace('–', "")])
        .collect();
    let lines = |rows: &[Vec<String>]| rows.iter().map(|row| row.join(" | ")).collect::<Vec<_>>().join("\n");
    assert_eq!(lines(&written), lines(&coded));
}
