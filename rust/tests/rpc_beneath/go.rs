// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The resolvers against Go's os.Root, through the program in `go-root`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use pinion::rpc::beneath::{self, Resolver};

use crate::tree::{self, Tree};

/// What Go says after its 8 links.
const TOO_MANY: &str = "too many levels of symbolic links";

/// How many paths.
const PATHS: usize = 3000;

/// Everything that Go opens, a resolver opens too, and the same file; what Go refuses, it refuses for the same reason.
/// So does Mkdir, which makes the same directory. One difference is known: Go follows 8 symbolic links, Linux 40.
pub fn compare(resolver: Resolver) {
    let folder = tempfile::tempdir().expect("folder");
    let program = folder.path().join("goroot");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("rust/tests/go-root");
    let built = Command::new("go").args(["build", "-o"]).arg(&program).arg(".").current_dir(source).status();
    assert!(built.expect("these tests need go").success());
    let tree = Tree::new();
    let root = tree.root();
    let known = tree::folders(&root);
    let mut go = Command::new(program);
    let mut go = go.arg(&root).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start");
    let mut questions = go.stdin.take().expect("stdin");
    let mut answers = BufReader::new(go.stdout.take().expect("stdout")).lines();
    let mut ask = |verb: &str, path: &str| {
        writeln!(questions, "{verb} {path}").expect("ask");
        let answer = answers.next().expect("an answer").expect("read");
        if answer.starts_with("ok") { Ok(answer) } else { Err(answer) }
    };
    let (mut accepted, mut refused, mut links) = (0, 0, 0);
    let mut same = |what: &str, go: Result<String, String>, own: Result<String, String>| match (&go, &own) {
        (Err(reason), Ok(_)) if reason.ends_with(TOO_MANY) => links += 1,
        (Err(reason), Err(own)) => {
            refused += 1;
            let same = reason.ends_with(own.as_str()) || reason.ends_with(": empty path");
            assert!(same || reason.ends_with(TOO_MANY), "{resolver:?}: {what}: {reason}, {own}");
        }
        _ => {
            accepted += 1;
            assert_eq!(own, go, "{resolver:?}: {what}");
        }
    };
    crate::served(resolver, |client| {
        for path in tree::paths(PATHS) {
            same(&format!("open {path:?}"), ask("open", &path), crate::open(&root, &path, resolver));
            // The method takes its path from the root on, whatever it begins with.
            let plain = beneath::relative(Path::new("/"), Path::new(&path));
            let go = ask("mkdir", plain.to_str().expect("UTF-8"));
            let go = go.map(|_| format!("{:?}", tree::take_new(&root, &known)));
            let own = crate::mkdir(client, &root, &path).map(|()| format!("{:?}", tree::take_new(&root, &known)));
            let own = own.map_err(|text| text.rsplit(": ").next().unwrap_or_default().to_owned());
            // The empty path is refused, and here it would have become the root.
            if !path.is_empty() {
                same(&format!("mkdir {path:?}"), go, own);
            }
        }
    });
    drop(questions);
    assert!(go.wait().expect("wait").success());
    println!(
        "os.Root and {resolver:?}: {accepted} accepted alike, {refused} refused alike, \
         {links} have more links than Go follows"
    );
    assert!(accepted > PATHS / 4 && refused > PATHS / 4);
}
