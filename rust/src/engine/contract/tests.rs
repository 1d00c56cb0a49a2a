// SPDX-License-Identifier: Apache-2.0 OR MIT

use std::fmt::Write;

use super::*;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/privileges.md");

const INTRODUCTION: &str = "\
<!-- Made from rust/src/engine/contract.rs: `make generated`. -->
# What each process may do

The core applies these rows. Before and after each callback it asks the kernel for what the thread of that callback
has, and where that differs it ends the run with an error that names both values. A test looks at every process of
every flow from outside (`make test-privileges`). `pinion plan` prints the rows of one configuration, with numbers and
names in place of some words.

- *The caller's* is what the starter was called with. Where the caller has no_new_privs every process has. Called by
  root, the processes on the host (stage1, post-start-host, cleanup-host, cleanup-spare) keep what root came with in
  any flow.
- *Root's* is what the kernel gives to a setuid-root program: all of the caller's bounding set.
- *Configured* is what the engine has set in the starter configuration; stage2 has it for good, and so has the
  container's program, as far as the kernel leaves it to programs (capabilities(7)).
- A process is *dumpable* where others of its user may trace it, read its memory and take its descriptors. For setuid
  programs, and for those that change their ids, the kernel answers no unless `/proc/sys/fs/suid_dumpable` is 1.
- cleanup-host and cleanup-spare give the signal up before CleanupHost: master's death is what they are there for.
- The starter of an instance waits for its container with its user's ids for good and, unless that is root, without
  any capability.
- In the setuid flows an engine may get root back in master by its own raw calls and put it aside again (user ids u,
  u, 0, nothing effective), also at the entry of CleanupContainer.
- The RPC server's bounding set is larger where the engine has asked for nvidia-container-cli. While a method runs
  more may be effective there: docs/wire.md.
- Not compared around callbacks: supplementary groups, and the bounding set, which nobody can add to and which takes a
  system call for each capability; stage2's is compared once, before its program is executed. The parent-death signal
  is read back by the thread that arms it. The kernel takes it, and the dumpable attribute, from a process that changes
  its ids for a time: after a callback both are put back.
";

fn page() -> String {
    let flows = [
        (Flow::Root, "called by root"),
        (Flow::UserNamespace, "called by an ordinary user"),
        (Flow::Hybrid, "called by an ordinary user"),
        (Flow::JoinUserNamespace, "called by an ordinary user"),
        (Flow::Setuid, "called by an ordinary user"),
        (Flow::SetuidHybrid, "called by an ordinary user"),
    ];
    let mut page = INTRODUCTION.to_owned();
    for (flow, caller) in flows {
        let words = flow.words();
        let _ = write!(page, "\n## {}{}: {caller}\n\n", words[..1].to_uppercase(), &words[1..]);
        page.push_str("| process | callbacks | user ids | effective | permitted | inheritable | bounding | ambient | ");
        page.push_str("no_new_privs | securebits | dumpable | at its parent's death |\n");
        page.push_str(&("|".to_owned() + &" --- |".repeat(12) + "\n"));
        for role in Role::ALL {
            page.push_str(&row(role, &privileges(flow, role, flow == Flow::Root, true)));
        }
    }
    page
}

fn row(role: Role, row: &Privileges) -> String {
    let callbacks: Vec<&str> = Callback::of(role).iter().map(|callback| callback.name()).collect();
    let ids = match row.ids {
        Ids::RealUser => "the caller's",
        Ids::RealUserSavedRoot => "the caller's, root's saved",
        Ids::RootForUser => "root's, the caller's as real ones and for files",
        Ids::MappedUser => "the caller's, mapped",
        Ids::MappedUserOrRoot => "the caller's, mapped; 0 of its user namespace where they are not",
        Ids::Target => "the target's",
    };
    let mut cells = vec![role.word().to_owned(), callbacks.join(", "), ids.to_owned()];
    cells.extend(row.sets.named().map(|(_, set)| set.words("configured")));
    cells.push(if row.no_new_privs { "configured" } else { "the caller's" }.into());
    cells.push(row.securebits.words().into());
    cells.push(row.dumpable.words().into());
    cells.push(row.death_signal.map_or("–".into(), |signal| format!("SIG{signal}")));
    let cells = cells.into_iter().map(|cell| if cell.is_empty() { "–".into() } else { cell });
    format!("| {} |\n", cells.collect::<Vec<String>>().join(" | "))
}

/// With PINION_WRITE the page is written anew: `make generated`.
#[test]
fn the_privileges_page_is_the_contract() {
    if std::env::var_os("PINION_WRITE").is_some() {
        std::fs::write(PAGE, page()).expect("write the page");
    }
    assert!(std::fs::read_to_string(PAGE).is_ok_and(|is| is == page()), "{PAGE} is not up to date: make generated");
}
