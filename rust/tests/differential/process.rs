// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles about the program: who it is, what it may, what it has, how it ends.

use serde_json::{Value, json};

use super::{BOTH, Case, End, ROOT, case, ending};
use crate::bundle::{Who, kinds, lean};
use crate::run::Options;

const SOME: &[&str] = &["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETUID", "CAP_SYS_CHROOT"];

fn capabilities(document: &mut Value, sets: &[(&str, &[&str])]) {
    lean(document);
    document["process"]["noNewPrivileges"] = json!(false);
    document["process"]["capabilities"] = sets.iter().map(|(set, names)| ((*set).to_owned(), json!(names))).collect();
}

fn ordinary(document: &mut Value) {
    document["process"]["user"] = json!({"uid": 1000, "gid": 1000});
}

fn script(document: &mut Value, script: &str) {
    lean(document);
    document["process"]["args"] = json!(["/bin/sh", "-c", script]);
    // A program that dies by a signal leaves no core file.
    document["process"]["rlimits"] = json!([{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]);
}

/// Who the program is and what it may.
const IDENTITY: &[Case] = &[
    case("user, groups and umask", ROOT, |document, _| {
        lean(document);
        document["process"]["user"] = json!({"uid": 1000, "gid": 1001, "additionalGids": [5, 6, 1001], "umask": 0o27});
    }),
    case("umask", BOTH, |document, _| {
        lean(document);
        document["process"]["user"] = json!({"uid": 0, "gid": 0, "umask": 0o77});
    }),
    case("no capabilities", BOTH, |document, _| capabilities(document, &[])),
    case("capabilities not mentioned", BOTH, |document, _| {
        lean(document);
        document["process"].as_object_mut().expect("process").remove("capabilities");
    }),
    case("bounding set alone", BOTH, |document, _| capabilities(document, &[("bounding", SOME)])),
    case("permitted, not effective", BOTH, |document, _| {
        capabilities(document, &[("bounding", SOME), ("permitted", SOME)]);
    }),
    case("inheritable too", BOTH, |document, _| {
        let sets = [("bounding", SOME), ("permitted", SOME), ("effective", SOME), ("inheritable", SOME)];
        capabilities(document, &sets);
    }),
    case("ambient for root", BOTH, |document, _| {
        let sets =
            [("bounding", SOME), ("permitted", SOME), ("effective", SOME), ("inheritable", SOME), ("ambient", SOME)];
        capabilities(document, &sets);
    }),
    case("ambient for an ordinary user", ROOT, |document, _| {
        let some: &[&str] = &["CAP_KILL", "CAP_NET_BIND_SERVICE"];
        let sets =
            [("bounding", SOME), ("permitted", SOME), ("effective", SOME), ("inheritable", some), ("ambient", some)];
        capabilities(document, &sets);
        ordinary(document);
    }),
    case("an ordinary user without ambient", ROOT, |document, _| {
        capabilities(document, &[("bounding", SOME), ("permitted", SOME), ("effective", SOME), ("inheritable", SOME)]);
        ordinary(document);
    }),
    case("no_new_privs off", BOTH, |document, _| document["process"]["noNewPrivileges"] = json!(false)),
    case("limits", ROOT, |document, _| {
        lean(document);
        document["process"]["rlimits"] = json!([
                    {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 1},
                    {"type": "RLIMIT_NPROC", "soft": 1000, "hard": 2000}, {"type": "RLIMIT_STACK", "soft": 1 << 20, "hard": 1 << 22},
        {"type": "RLIMIT_SIGPENDING", "soft": 10, "hard": 20},
                ]);
    }),
    case("lower limits", BOTH, |document, _| {
        lean(document);
        document["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 64}, {"type": "RLIMIT_FSIZE", "soft": 1000, "hard": 1000}]);
    }),
];

/// What the program has.
const ENVIRONMENT: &[Case] = &[
    case("environment", BOTH, |document, _| {
        lean(document);
        document["process"]["env"] = json!(["PATH=/bin", "EMPTY=", "A=1=2", "A=again", "SPACE=a  b", "LINE=\u{e9}"]);
    }),
    case("no environment", BOTH, |document, _| {
        lean(document);
        document["process"].as_object_mut().expect("process").remove("env");
    }),
    case("working directory that is there", BOTH, |document, _| {
        lean(document);
        document["process"]["cwd"] = json!("/there");
    }),
    case("working directory that is made", BOTH, |document, _| {
        lean(document);
        document["process"]["cwd"] = json!("/made/here");
    }),
    case("program found by PATH", BOTH, |document, _| {
        lean(document);
        document["process"]["args"] = json!(["sh", "/probe", "/there"]);
        document["process"]["env"] = json!(["PATH=/etc:/nowhere:/bin"]);
    }),
    case("program relative to the working directory", BOTH, |document, _| {
        lean(document);
        document["process"]["args"] = json!(["../bin/sh", "/probe"]);
        document["process"]["cwd"] = json!("/there");
    }),
    Case {
        options: Options { preserve: 2, shared: false },
        ..case("descriptors handed down", BOTH, |document, _| lean(document))
    },
];

/// How the program ends.
const ENDS: &[Case] = &[
    ending(End::Code(0), case("exit 0", BOTH, |document, _| script(document, "echo done"))),
    ending(End::Code(1), case("exit 1", BOTH, |document, _| script(document, "echo done; exit 1"))),
    ending(End::Code(37), case("exit 37", BOTH, |document, _| script(document, "exit 37"))),
    ending(End::Code(255), case("exit 255", BOTH, |document, _| script(document, "exit 255"))),
    ending(
        End::Code(128 + libc::SIGABRT),
        case("aborted", BOTH, |document, who| {
            script(document, "echo about; kill -ABRT $$");
            document["linux"]["namespaces"] =
                kinds(if who == Who::User { &["mount", "uts", "user"] } else { &["mount", "uts"] });
            document["mounts"].as_array_mut().expect("mounts").remove(0);
        }),
    ),
    ending(
        End::Code(128 + libc::SIGKILL),
        case("killed by a child", BOTH, |document, who| {
            script(document, "sh -c 'kill -KILL '$$; echo not reached");
            document["linux"]["namespaces"] =
                kinds(if who == Who::User { &["mount", "uts", "user"] } else { &["mount", "uts"] });
            document["mounts"].as_array_mut().expect("mounts").remove(0);
        }),
    ),
    ending(
        End::Code(3),
        case("first process ignores its own signal", BOTH, |document, _| {
            script(document, "kill -TERM $$; exit 3");
        }),
    ),
];

/// What cannot be.
const REFUSED: &[Case] = &[
    ending(
        End::Refused,
        case("no such program", BOTH, |document, _| document["process"]["args"] = json!(["/no/such"])),
    ),
    ending(
        End::Refused,
        case("no such program in PATH", BOTH, |document, _| {
            document["process"]["args"] = json!(["no-such"]);
        }),
    ),
    ending(
        End::Refused,
        case("not a program", BOTH, |document, _| document["process"]["args"] = json!(["/not-a-program"])),
    ),
    ending(
        End::Refused,
        case("a directory as program", BOTH, |document, _| document["process"]["args"] = json!(["/etc"])),
    ),
    ending(
        End::Refused,
        case("working directory is a file", BOTH, |document, _| {
            document["process"]["cwd"] = json!("/etc/file");
        }),
    ),
    ending(End::Refused, case("no root directory", BOTH, |document, _| document["root"]["path"] = json!("nowhere"))),
    ending(
        End::Refused,
        case("source of a bind mount is missing", BOTH, |document, _| {
            crate::bundle::mount(document, "/v", "bind", "$BUNDLE/nowhere", &["bind"]);
        }),
    ),
    ending(
        End::RefusedByCrunAlone(
            "crun wants a console socket or a terminal of its own to copy to; ours are handed down",
        ),
        case("terminal without a terminal", BOTH, |document, _| document["process"]["terminal"] = json!(true)),
    ),
];

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Case> {
    IDENTITY.iter().chain(ENVIRONMENT).chain(ENDS).chain(REFUSED)
}
