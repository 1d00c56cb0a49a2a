// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The C interface: every program of c-tests/ against the archive for C, and the header against the crate.

#[path = "common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const HEADER: &str = include_str!("../../include/pinion.h");
const GENERATED: &str = include_str!(concat!(env!("OUT_DIR"), "/pinion.h"));
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Warnings of the header, and of everything else.
const WARNINGS: [&str; 5] = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion"];

/// A program that has said nothing for as long has come to a standstill.
const PATIENCE: Duration = Duration::from_secs(300);

macro_rules! programs {
    ($($name:ident)*) => {
        const PROGRAMS: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                tap(stringify!($name));
            }
        )*
    };
}

programs! {
    callbacks client config config_words errors feeder guest later launch layout lifecycle misuse misuse_places misuse_threads operations
    ownership ownership_objects panics reentry registry
}

fn c_tests() -> PathBuf {
    Path::new(ROOT).join("c-tests")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A compiler for this machine with these arguments.
fn compiler(cpp: bool, standard: &str) -> Command {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut build = cc::Build::new();
    build.cpp(cpp).target(&target).host(&target).opt_level(1).debug(true).warnings(false).cargo_metadata(false);
    let mut command = build.get_compiler().to_command();
    command.arg(format!("-std={standard}")).args(WARNINGS);
    command.arg("-I").arg(Path::new(ROOT).join("include"));
    command
}

/// Compiles and links sources of c-tests/.
fn build(mut compiler: Command, sources: &[&str], program: &Path) {
    compiler.args(sources.iter().map(|source| c_tests().join(source)));
    compiler.arg("-o").arg(program).arg(common::languages::c_archive()).args(common::languages::C_LIBRARIES);
    succeed(compiler);
}

fn succeed(mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{}", errors.lines().take(40).collect::<Vec<_>>().join("\n"));
}

/// Runs a program in a folder; what it says is in its files `out` and `err`.
fn run(program: &Path, folder: &Path) -> ExitStatus {
    let file = |name| File::create(folder.join(name)).expect("a file");
    let mut command = Command::new(program);
    command.stdout(file("out")).stderr(file("err")).env_remove("PINION_STRICT");
    if std::env::var_os("CI").is_some() {
        command.env("PINION_STRICT", "1");
    }
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("wait") {
            return status;
        }
        if began.elapsed() > PATIENCE {
            child.kill().expect("kill");
            child.wait().expect("wait");
            let said = read(folder.join("out"));
            let last = said.lines().last().unwrap_or_default();
            panic!("{}: no end after {PATIENCE:?}; the last that it said: {last}", program.display());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a program that says in TAP what holds.
fn tap(name: &str) {
    let folder = TempDir::new().expect("a folder");
    let program = folder.path().join(name);
    let mut compiler = compiler(false, "c99");
    compiler.arg("-D_GNU_SOURCE");
    if cfg!(feature = "_fault") {
        compiler.arg("-DPINION_FAULT");
    }
    build(compiler, &[&format!("{name}.c")], &program);
    let status = run(&program, folder.path());
    let (out, err) = (read(folder.path().join("out")), read(folder.path().join("err")));
    for skipped in out.lines().filter_map(|line| line.split_once(" # SKIP ")) {
        println!("left out: {}: {}", skipped.0, skipped.1);
    }
    let counted = out.lines().filter(|line| line.starts_with("ok ") || line.starts_with("not ok ")).count();
    let failed = failures(&out);
    assert!(failed.is_empty() && status.success(), "{name}: {status}, {counted} checks\n{failed}{err}");
    assert_eq!(out.lines().last(), Some(&*format!("1..{counted}")), "{name}: not all of it ran");
}

/// What does not hold, with what is said about it before and after that.
fn failures(out: &str) -> String {
    let lines: Vec<&str> = out.lines().collect();
    let mut shown = String::new();
    for (number, _) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("not ok ")) {
        let remark = |line: &&&str| line.starts_with('#');
        let before = lines.iter().take(number).rev().take_while(remark).count();
        let after = lines.iter().skip(number + 1).take_while(remark).count();
        for part in lines.iter().skip(number - before).take(before + 1 + after) {
            shown.push_str(part);
            shown.push('\n');
        }
    }
    shown
}

/// Sequences of calls that once mattered to a fuzzer.
#[test]
fn the_corpus_of_call_sequences_leaves_nothing() {
    let folder = TempDir::new().expect("a folder");
    let program = folder.path().join("corpus");
    let mut compiler = compiler(false, "c99");
    compiler.args(["-D_GNU_SOURCE", "-Wno-conversion"]);
    build(compiler, &["fuzz_main.c", "fuzz_abi.c"], &program);
    let corpus = Path::new(ROOT).join("rust/fuzz/corpus/c_abi_sequence");
    let inputs = fs::read_dir(corpus).expect("the corpus").map(|entry| entry.expect("an entry").path());
    succeed({
        let mut replay = Command::new(program);
        replay.args(inputs);
        replay
    });
}

#[test]
fn every_program_is_in_the_list() {
    let files = fs::read_dir(c_tests()).expect("c-tests").map(|entry| entry.expect("an entry").path());
    let sources = files.filter(|path| path.extension() == Some(OsStr::new("c")));
    let tests = sources.filter(|path| read(path).contains("return done();"));
    let names: BTreeSet<String> =
        tests.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
    assert_eq!(names, PROGRAMS.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn the_header_compiles_alone_in_each_standard() {
    for source in ["header_c.c", "header_twice.c", "header_unit.c"] {
        for standard in ["c99", "c11", "c17"] {
            let mut compiler = compiler(false, standard);
            compiler.args(["-Wstrict-prototypes", "-Wmissing-prototypes", "-fsyntax-only"]).arg(c_tests().join(source));
            succeed(compiler);
        }
    }
    for standard in ["c++11", "c++17"] {
        let mut compiler = compiler(true, standard);
        compiler.arg("-fsyntax-only").arg(c_tests().join("header_cxx.cc"));
        succeed(compiler);
    }
}

fn run_header(cpp: bool, standard: &str, sources: &[&str]) {
    let folder = TempDir::new().expect("a folder");
    let program = folder.path().join("header");
    build(compiler(cpp, standard), sources, &program);
    let status = run(&program, folder.path());
    assert!(status.success(), "{sources:?}: {status}\n{}", read(folder.path().join("err")));
}

#[test]
fn the_header_works_in_c() {
    run_header(false, "c99", &["header_c.c"]);
}

#[test]
fn the_header_works_in_cxx() {
    run_header(true, "c++11", &["header_cxx.cc"]);
}

#[test]
fn the_header_works_in_two_units() {
    run_header(false, "c99", &["header_twice.c", "header_unit.c"]);
}

#[test]
fn the_committed_header_is_the_generated_one() {
    assert!(HEADER == GENERATED, "include/pinion.h is not what the source says: run `make header`");
}

/// The functions of the header and the numbers of their lines; those in C itself are none.
fn functions() -> Vec<(String, usize)> {
    let declares = |line: &str| {
        !line.starts_with([' ', '\t', '#', '/', '*', '}'])
            && !line.starts_with("typedef")
            && !line.starts_with("static")
    };
    let lines = HEADER.lines().enumerate().filter(|(_, line)| declares(line));
    let named = lines.filter_map(|(number, line)| {
        let before = line.split_once('(')?.0;
        let name = before.rsplit([' ', '*']).next()?;
        name.starts_with("pinion_").then(|| (name.to_owned(), number))
    });
    named.collect()
}

#[test]
fn every_function_has_a_comment() {
    let lines: Vec<&str> = HEADER.lines().collect();
    let functions = functions();
    assert!(functions.len() > 100, "only {} functions are found", functions.len());
    for (name, number) in functions {
        let before = lines.iter().take(number).rev().find(|line| **line != "PINION_MUST_USE");
        assert_eq!(before.copied(), Some(" */"), "{name} has no comment");
    }
}

#[test]
fn every_function_is_in_the_list_of_symbols() {
    let symbols = Path::new(ROOT).join("include/pinion.symbols");
    let listed: BTreeSet<String> = read(symbols).lines().map(str::to_owned).collect();
    let declared: BTreeSet<String> = functions().into_iter().map(|(name, _)| name).collect();
    assert_eq!(listed, declared, "run `make header`");
}

#[test]
fn every_function_is_misused() {
    let sources = ["misuse.c", "misuse_places.c", "misuse_threads.c"].map(|name| read(c_tests().join(name))).concat();
    let missing: Vec<String> =
        functions().into_iter().map(|(name, _)| name).filter(|name| !sources.contains(&format!("{name}("))).collect();
    assert!(missing.is_empty(), "add to c-tests/misuse.c or misuse_places.c: {missing:?}");
}

#[test]
fn the_versions_are_the_crates() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(HEADER.contains(&format!("#define PINION_VERSION \"{version}\"\n")));
    let parts = ["MAJOR", "MINOR", "PATCH"];
    for (part, number) in parts.iter().zip(version.split('.')) {
        assert!(HEADER.contains(&format!("#define PINION_VERSION_{part} {number}\n")), "{part}");
    }
}
