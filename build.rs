// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Renders include/pinion.h into the build folder, from the source of the C interface.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

const MODULES: &str = "rust/src/ffi/abi.rs";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for path in ["preamble.h", "closing.h", "cbindgen.toml"] {
        println!("cargo::rerun-if-changed=include/{path}");
    }
    println!("cargo::rerun-if-changed={MODULES}");
    println!("cargo::rerun-if-changed=rust/src/ffi/abi");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("pinion.h"), header()).expect("write the header");
}

/// The preamble, then a section for each public module of the C interface in the order of its list.
fn header() -> String {
    let version = env::var("CARGO_PKG_VERSION").expect("cargo sets the version");
    let mut header = read("include/preamble.h").replace("@VERSION@", &version);
    for (key, part) in ["@MAJOR@", "@MINOR@", "@PATCH@"].into_iter().zip(version.split('.')) {
        header = header.replace(key, part);
    }
    let (mut classes, mut sections) = (String::new(), String::new());
    for module in read(MODULES).lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')) {
        let path = format!("rust/src/ffi/abi/{module}.rs");
        let source = read(&path);
        let prose = source.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim_end);
        let section = section(&path);
        let items = section.split("\n\n").map(str::trim).filter(|item| !item.is_empty()).map(with_one_name);
        // Objects are named before the first function uses one.
        let (objects, items): (Vec<String>, Vec<String>) = items.partition(|item| is_object(item));
        objects.iter().for_each(|object| write!(classes, "\n{object}\n").expect(GROWS));
        if items.is_empty() {
            continue;
        }
        write!(sections, "\n/* ---- {module}\n *\n").expect(GROWS);
        prose.for_each(|line| writeln!(sections, " *{line}").expect(GROWS));
        sections.push_str(" */\n");
        items.iter().for_each(|item| write!(sections, "\n{item}\n").expect(GROWS));
    }
    header.push_str(&classes);
    header.push_str(&sections);
    // The whole has its licence line at the top.
    let closing = read("include/closing.h");
    header.push('\n');
    header.extend(closing.split_inclusive('\n').skip(1));
    header
}

/// The types by the names that they have everywhere, without `struct` where they are used.
fn with_one_name(item: &str) -> String {
    let lines = item.lines().map(|line| match line.starts_with("typedef struct") {
        true => line.to_owned(),
        false => line.replace("struct pinion_", "pinion_"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

const GROWS: &str = "a string takes everything";

/// Whether an item declares an incomplete type.
fn is_object(item: &str) -> bool {
    item.lines().last().is_some_and(|line| line.starts_with("typedef struct ") && line.ends_with(';'))
        && !item.contains(['{', '('])
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("read {path}: {error}"))
}

fn section(path: &str) -> String {
    let config = cbindgen::Config::from_file("include/cbindgen.toml").expect("include/cbindgen.toml");
    let bindings = cbindgen::Builder::new().with_config(config).with_src(path).generate();
    let mut section = Vec::new();
    bindings.unwrap_or_else(|error| panic!("make the header's part of {path}: {error}")).write(&mut section);
    String::from_utf8(section).expect("cbindgen writes UTF-8")
}
