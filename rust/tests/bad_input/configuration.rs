// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The configuration: environment chunks, the descriptor, the document.

use std::ffi::OsString;

use crate::common::Launch;
use crate::{Case, Fails, Works, run_all};

#[test]
fn chunks() {
    let mut cases = Vec::new();
    let mut add = |name: &str, words, prepare: fn(&mut Launch<'_>)| {
        cases.push(Case::new(name, "user", Fails(words)).prepare(prepare));
    };
    add("count missing", &["ENGINE_CONFIG_CHUNKS: not set"], |launch| unset(launch, "ENGINE_CONFIG_CHUNKS"));
    add("count empty", &["ENGINE_CONFIG_CHUNKS: \"\" is no number from 1 to 8"], |launch| count(launch, ""));
    add("count 0", &["\"0\" is no number"], |launch| count(launch, "0"));
    add("count 9", &["\"9\" is no number"], |launch| count(launch, "9"));
    add("count -1", &["\"-1\" is no number"], |launch| count(launch, "-1"));
    add("count +3", &["\"+3\" is no number"], |launch| count(launch, "+3"));
    add("count with a space before", &["\" 3\" is no number"], |launch| count(launch, " 3"));
    add("count with a space behind", &["\"3 \" is no number"], |launch| count(launch, "3 "));
    add("count 3abc", &["\"3abc\" is no number"], |launch| count(launch, "3abc"));
    add("count 0x3", &["\"0x3\" is no number"], |launch| count(launch, "0x3"));
    add("count 2^32+1", &["\"4294967297\" is no number"], |launch| count(launch, "4294967297"));
    add("count 2^64", &["\"18446744073709551616\" is no number"], |launch| count(launch, "18446744073709551616"));
    add("chunk missing", &["ENGINE_CONFIG2: not set"], |launch| count(launch, "2"));
    add("chunk empty", &["ENGINE_CONFIG1: 0 bytes"], |launch| set(launch, "ENGINE_CONFIG1", ""));
    // No program can be executed with a larger one: the kernel's limit for one variable is 131,072 bytes.
    cases.push(Case::new("the largest chunk", "user", Works).prepare(|launch| {
        let padded = format!("{}{}", launch.document, " ".repeat(131_056 - launch.document.len()));
        launch.document = "{}".into();
        set(launch, "ENGINE_CONFIG1", &padded);
    }));
    cases.push(Case::new("values with newlines, a megabyte of others", "user", Works).prepare(|launch| {
        launch.document = launch.document.replacen('{', "{\n\n", 1);
        for number in 0..10 {
            set(launch, &format!("OTHER{number}"), &"o\n".repeat(50_000));
        }
    }));
    run_all(cases);
}

fn set(launch: &mut Launch<'_>, name: &str, value: &str) {
    launch.variables.push((name.into(), OsString::from(value)));
}

fn count(launch: &mut Launch<'_>, value: &str) {
    set(launch, "ENGINE_CONFIG_CHUNKS", value);
}

fn unset(launch: &mut Launch<'_>, name: &str) {
    launch.under = vec!["env".into(), "-u".into(), name.into()];
}

#[test]
fn by_descriptor() {
    let by = |seals: &str| [format!("config=$DIR/kept:{seals}")];
    let mut cases = Vec::new();
    // In fcntl's numbers: 1 seal, 2 shrink, 4 grow, 8 write.
    for (name, seals, outcome) in [
        ("sealed", "15", Works),
        ("not sealed", "0", Fails(&["PINION_CONFIG_FD", "not sealed: SEAL, SHRINK, GROW, WRITE missing"])),
        ("without SEAL", "14", Fails(&["not sealed: SEAL missing"])),
        ("without SHRINK", "13", Fails(&["not sealed: SHRINK missing"])),
        ("without GROW", "11", Fails(&["not sealed: GROW missing"])),
        ("without WRITE", "7", Fails(&["not sealed: WRITE missing"])),
    ] {
        let [condition] = by(seals);
        cases.push(Case::new(name, "user", outcome).under(&[&condition]).prepare(|launch| descriptor(launch, "7")));
    }
    let [sealed] = by("15");
    let empty = Case::new("empty", "user", Fails(&["engine configuration: is empty"])).under(&[&sealed]);
    cases.push(empty.prepare(|launch| set(launch, "PINION_CONFIG_FD", "7")));
    for (name, condition, number, words) in [
        ("closed", "close=7", "7", &["PINION_CONFIG_FD: take over descriptor 7: bad file descriptor"][..]),
        ("a socket", "socket=7", "7", &["no regular file"]),
        ("a directory", "open=7:/", "7", &["no regular file"]),
        ("a file", "open=7:$DIR/kept", "7", &["no memory file"]),
        ("the null device", "open=7:/dev/null", "7", &["no regular file"]),
        ("standard input", "close=7", "0", &["take over descriptor 0: 3 and above are possible"]),
        ("standard error", "close=7", "2", &["take over descriptor 2: 3 and above are possible"]),
        ("no number", "close=7", "seven", &["PINION_CONFIG_FD: \"seven\" is no descriptor's number"]),
        ("negative", "close=7", "-1", &["\"-1\" is no descriptor's number"]),
        ("too large", "close=7", "2147483648", &["\"2147483648\" is no descriptor's number"]),
        ("nothing", "close=7", "", &["\"\" is no descriptor's number"]),
    ] {
        let prepare: fn(&mut Launch<'_>) = match number {
            "7" => |launch| descriptor(launch, "7"),
            "0" => |launch| descriptor(launch, "0"),
            "2" => |launch| descriptor(launch, "2"),
            "seven" => |launch| descriptor(launch, "seven"),
            "-1" => |launch| descriptor(launch, "-1"),
            "2147483648" => |launch| descriptor(launch, "2147483648"),
            _ => |launch| descriptor(launch, ""),
        };
        cases.push(Case::new(name, "user", Fails(words)).under(&[condition]).prepare(prepare));
    }
    run_all(cases);
}

/// The document by descriptor.
fn descriptor(launch: &mut Launch<'_>, number: &str) {
    std::fs::write(launch.folder().join("kept"), &launch.document).expect("kept");
    launch.document = "{}".into();
    set(launch, "PINION_CONFIG_FD", number);
}

#[test]
fn documents() {
    let mut cases = Vec::new();
    let mut add = |name: &str, words, prepare: fn(&mut Launch<'_>)| {
        cases.push(Case::new(name, "user", Fails(words)).prepare(prepare));
    };
    add("null", &["engineName: missing or empty"], |launch| launch.document = "null".into());
    add("an array", &["expected an object"], |launch| launch.document = "[]".into());
    add("a number", &["expected an object"], |launch| launch.document = "1".into());
    add("only space", &["byte 1: expected a value, found the end"], |launch| launch.document = " ".into());
    add("cut off", &["found the end of the document"], |launch| launch.document.truncate(100));
    add("something behind it", &["expected the end of the document"], |launch| launch.document.push('x'));
    add("byte order mark", &["byte order mark"], |launch| launch.document.insert(0, '\u{feff}'));
    add("too deep", &["more than 10000 arrays and objects"], |launch| launch.document = "[".repeat(10_001));
    add("no engine's name", &["engineName: missing or empty"], |launch| launch.document = "{}".into());
    add("unknown engine", &["engine \"other\" is not found", "registered: \"probe\""], |launch| {
        launch.document = launch.document.replace("\"probe\"", "\"other\"");
    });
    add("a name of a wrong type", &["engineName"], |launch| launch.document = "{\"engineName\":1}".into());
    add("an unknown key of the engine", &["engineConfig.what", "unknown field"], |launch| {
        launch.document = launch.document.replace("{\"create\"", "{\"what\":1,\"create\"");
    });
    add("a NUL in a path", &["NUL"], |launch| {
        launch.document =
            launch.document.replace("{\"create\"", "{\"join\":{\"network\":\"/proc/self\\u0000/ns/net\"},\"create\"");
    });
    cases.push(Case::new("keys in another case, repeated", "user", Works).prepare(|launch| {
        launch.document =
            launch.document.replace("{\"engineName\":\"probe\"", "{\"ENGINENAME\":\"x\",\"engineName\":\"probe\"");
    }));
    run_all(cases);
}
