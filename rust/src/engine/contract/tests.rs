// SPDX-License-Identifier: Apache-2.0 OR MIT

use std::fmt::Write;

use super::holdings::Descriptor;
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
- A process is *dumpable* where others of its user may trace it, read its memory and take its descriptors. A setuid
  starter closes itself, and so does each process that changes its ids, whatever `/proc/sys/fs/suid_dumpable` says.
- cleanup-host and cleanup-spare give the signal up before CleanupHost: master's death is what they are there for.
- A process has one thread until its role begins, since the kernel keeps most of this for each thread by itself. It is
  made with one, and asked where code of the program's has run before the role: at the start, and after Config and
  InitConfig in master and in the container process. From then on there are the threads of the program's own runtime,
  such as Go's, and of its engine; master has one for each activity of an engine that monitors.
- The environment is emptied before the first process is made, bytes included. What a program sets later is its own.
- The starter of an instance waits for its container with its user's ids for good and, unless that is root, without
  any capability; of descriptors it has its queues, the line to master and its pidfd. Where the launcher waits, as
  `pinion start` does, the starter has the line from the beginning and goes on as master.
- Where a running container is joined, master has one thread, calls no engine and drops to the real user for good. In a
  user namespace in which that is root it keeps what it may there, to pass signals on.
- Until there is a container the clean-up processes have stage 1's pidfd in the place of the container's.
- In the setuid flows an engine may get root back in master by its own raw calls and put it aside again (user ids u,
  u, 0, nothing effective), also at the entry of CleanupContainer.
- Under a policy the RPC server has directories of the host's open to be looked at (O_PATH), as long as it lives.
- The RPC server's bounding set is larger where the engine has asked for nvidia-container-cli. While a method runs
  more may be effective there: docs/wire.md.
- Not compared around callbacks: supplementary groups, and the bounding set, which nobody can add to and which takes a
  system call for each capability; stage2's is compared once, before its program is executed. The parent-death signal
  belongs to a thread: before a callback it is compared where that is the thread that has asked for it, and after each
  one with what it was before. The kernel takes it, and the dumpable attribute, from a process that changes its ids for a
  time: after a callback both are put back. The environment is compared before each callback.
- Nor are descriptors, for which the core would have to read /proc in each start. No process has to close what another
  one opened: each owns what it has, and lets go of it with the step that needed it, what the core opens is closed where a
  program is executed, and stage1 has a table of its own. The test counts them.
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
        page.push_str("no_new_privs | securebits | dumpable | at its parent's death | threads |\n");
        page.push_str(&("|".to_owned() + &" --- |".repeat(13) + "\n"));
        let conditions = Conditions { by_root: flow == Flow::Root, no_new_privs: true, join_only: false };
        for role in Role::ALL {
            page.push_str(&row(role, &privileges(flow, role, conditions)));
        }
        let variables = holdings::environment(flow.is_setuid()).join(", ");
        let _ = write!(page, "\nEnvironment: the message level, {variables}.\n");
    }
    page.push_str(&descriptors());
    page
}

fn descriptors() -> String {
    let in_words = |all: &[Descriptor]| all.iter().map(|one| one.words()).collect::<Vec<_>>().join(", ");
    let everywhere = in_words(&Descriptor::EVERYWHERE);
    let mut page = format!(
        "\n## Open descriptors\n\nAt the callback; of a process that calls none, while it waits for the one that it has made last. \
         Every process has: {everywhere}. Those of the processes on the host and of the record are there if these are.\n\n\
         | process | descriptors |\n| --- | --- |\n"
    );
    let joining = std::iter::once((Role::Master, true));
    for (role, join_only) in Role::ALL.into_iter().map(|role| (role, false)).chain(joining) {
        let which = if join_only { ", joining" } else { "" };
        let _ = writeln!(page, "| {role}{which} | {} |", in_words(Descriptor::of(role, join_only)));
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
    cells.push(row.death_signal.map_or("–", DeathSignal::name).into());
    cells.push(row.threads.words().into());
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
