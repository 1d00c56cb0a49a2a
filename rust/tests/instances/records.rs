// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Records that no start of these programs has written: nobody is harmed by them, and they do not hide the real ones.

use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::{Child, Command, Stdio};

use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};

use crate::common;
use crate::life::LONG;
use crate::world::{FLOWS, Process, World};

/// A process that is nobody's instance.
struct Bystander(Child);

impl Bystander {
    fn new(uid: u32) -> Self {
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".into()]);
        command.args(["sleep", "1000"]).stdin(Stdio::null());
        Bystander(command.spawn().expect("sleep"))
    }

    fn identity(&self) -> Value {
        let pid = self.0.id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
        let start: u64 =
            stat.rsplit(") ").next().expect("fields").split(' ').nth(19).expect("start").parse().expect("number");
        json!({ "pid": pid, "start": start })
    }

    fn lives(&self) -> bool {
        Process::of(self.0.id().cast_signed()).lives()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes a file into the folder of records as the folder's user would, and holds its lock as an instance does.
fn forge(world: &World, name: &str, text: &[u8]) -> File {
    let path = world.state().join(format!("{name}.json"));
    std::fs::write(&path, text).expect("record");
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("mode");
    chown(&path, Some(world.uid()), Some(world.uid())).expect("owner");
    let file = File::open(&path).expect("record");
    flock(&file, FlockOperation::LockExclusive).expect("lock");
    file
}

/// A world with an instance that really runs, and its record.
fn real(world: &World) -> Value {
    let name = world.name("real");
    world.start(&name, LONG);
    world.listed(&name).expect("in the list")
}

#[test]
fn a_record_with_somebody_elses_process_gives_no_power_over_it() {
    for world in FLOWS.into_iter().filter_map(World::of_root) {
        // Root may signal everybody anyway.
        if world.uid() == 0 {
            continue;
        }
        let (flow, mut record, others) = (world.flow, real(&world), Bystander::new(0));
        let name = world.name("forged");
        record["name"] = json!(name);
        record["container"] = others.identity();
        record["master"] = others.identity();
        for setuid in [false, true] {
            record["setuid"] = json!(setuid);
            let _lock = forge(&world, &name, record.to_string().as_bytes());
            let seen = world.run(&["stop", "--signal", "KILL", &name]);
            assert_eq!(seen.exit, 255, "{flow:?}");
            assert!(seen.err.contains("operation not permitted"), "{flow:?}: {}", seen.err);
            let seen = world.run(&["exec", &name, "sh", "-c", "echo in"]);
            assert_eq!((seen.exit, seen.out.as_str()), (255, ""), "{flow:?}: {}", seen.err);
            assert_eq!(seen.err.matches("pinion: error: ").count(), 1, "{flow:?}: {}", seen.err);
            assert!(others.lives(), "{flow:?}");
        }
    }
}

/// Namespaces of the host are none that the setuid starter lets a user join, whatever a record says.
#[test]
fn a_record_with_a_process_of_the_users_on_the_host_leads_nowhere() {
    for world in FLOWS.into_iter().filter_map(World::of_root) {
        let (flow, mut record) = (world.flow, real(&world));
        if world.uid() == 0 {
            continue;
        }
        let name = world.name("forged");
        let own = Bystander::new(world.uid());
        record["name"] = json!(name);
        record["container"] = own.identity();
        record["master"] = own.identity();
        for setuid in [false, true] {
            record["setuid"] = json!(setuid);
            record["join"]["uid"] = json!(0);
            record["join"]["capabilities"] =
                json!([["effective", ["CAP_SYS_ADMIN"]], ["permitted", ["CAP_SYS_ADMIN"]]]);
            record["join"]["no_new_privs"] = json!(false);
            let _lock = forge(&world, &name, record.to_string().as_bytes());
            let seen = world.run(&["exec", &name, "sh", "-c", "id; grep CapEff /proc/self/status"]);
            let powerless = seen.out.is_empty() || seen.out.contains("CapEff:\t0000000000000000");
            assert!(seen.exit != 0 && powerless, "{flow:?}, setuid {setuid}: {} {}", seen.out, seen.err);
        }
    }
}

#[test]
fn a_pid_of_a_later_process_is_not_taken_for_the_instance() {
    for world in FLOWS.into_iter().filter_map(World::of_root) {
        let (flow, mut record, later) = (world.flow, real(&world), Bystander::new(world.uid()));
        let name = world.name("reused");
        record["name"] = json!(name);
        let mut earlier = later.identity();
        earlier["start"] = json!(earlier["start"].as_u64().expect("start") - 1);
        record["container"] = earlier.clone();
        record["master"] = earlier;
        let _lock = forge(&world, &name, record.to_string().as_bytes());
        for arguments in [&["stop", "--signal", "KILL", &name][..], &["wait", &name], &["exec", &name, "echo", "in"]] {
            let seen = world.run(arguments);
            assert_eq!((seen.exit, seen.out.as_str()), (255, ""), "{flow:?}: {arguments:?}");
            assert!(seen.err.contains("has ended"), "{flow:?}: {}", seen.err);
        }
        assert!(later.lives(), "{flow:?}");
    }
}

#[test]
fn a_record_of_another_boot_is_of_nobody() {
    for world in FLOWS.into_iter().filter_map(World::of_root) {
        let (flow, mut record) = (world.flow, real(&world));
        let name = world.name("boot");
        record["name"] = json!(name);
        record["boot"] = json!("00000000-0000-0000-0000-000000000000");
        let _lock = forge(&world, &name, record.to_string().as_bytes());
        assert!(world.listed(&name).is_none(), "{flow:?}");
        let seen = world.run(&["stop", &name]);
        assert!(seen.exit == 255 && seen.err.contains("there is no instance"), "{flow:?}: {}", seen.err);
        let swept = world.run(&["sweep"]);
        assert!(swept.out.contains(&format!("{name}.json\n")), "{flow:?}: {}{}", swept.out, swept.err);
    }
}

/// The instance beside such files stays within reach, and `sweep` removes them.
#[test]
fn rubbish_beside_a_record_is_no_obstacle() {
    type Make = fn(&World, &str);
    let kinds: [(&str, Make); 7] = [
        ("garbage", |world, name| drop(forge(world, name, b"\x00{not JSON"))),
        ("empty", |world, name| drop(forge(world, name, b""))),
        ("huge", |world, name| drop(forge(world, name, &vec![b' '; 3 << 20]))),
        ("version", |world, name| drop(forge(world, name, b"{\"version\": 99}"))),
        ("fifo", |world, name| {
            let path = world.state().join(format!("{name}.json"));
            nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("fifo");
            chown(&path, Some(world.uid()), Some(world.uid())).expect("owner");
        }),
        ("link", |world, name| {
            symlink("/etc/passwd", world.state().join(format!("{name}.json"))).expect("link");
        }),
        ("foreign", |world, name| {
            let path = world.state().join(format!("{name}.json"));
            std::fs::write(&path, "{}").expect("file");
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("mode");
            chown(&path, Some(4321), Some(4321)).expect("owner");
        }),
    ];
    for world in FLOWS.into_iter().filter_map(World::of_root) {
        let flow = world.flow;
        real(&world);
        for (kind, make) in kinds {
            let name = world.name(kind);
            make(&world, &name);
            assert!(world.listed(&name).is_none(), "{flow:?}: {kind}");
            assert!(world.listed(&world.name("real")).is_some(), "{flow:?}: {kind}");
            let seen = world.run(&["exec", &world.name("real"), "echo", "in"]);
            assert_eq!((seen.exit, seen.out.as_str()), (0, "in\n"), "{flow:?}: {kind}: {}", seen.err);
            for verb in ["stop", "wait", "exec"] {
                let seen = world.run(&[verb, &name]);
                assert_eq!((seen.exit, seen.out.as_str()), (255, ""), "{flow:?}: {kind}: {verb}");
                assert!(seen.err.contains(&name), "{flow:?}: {kind}: {verb}: {}", seen.err);
            }
            let swept = world.run(&["sweep"]);
            assert_eq!(swept.exit, 0, "{flow:?}: {kind}: {}", swept.err);
            assert!(world.files(&name).is_empty(), "{flow:?}: {kind}: {}", swept.err);
            // A name that such a file has had can be given.
            make(&world, &name);
            world.start(&name, LONG);
            assert_eq!(world.run(&["stop", &name]).exit, 0, "{flow:?}: {kind}");
        }
        assert!(std::fs::metadata("/etc/passwd").expect("file").len() > 0);
    }
}

/// A record that is held and cannot be read is named, and others are shown all the same.
#[test]
fn what_is_held_and_is_no_record_is_named() {
    for world in FLOWS.into_iter().filter_map(World::of_root) {
        let flow = world.flow;
        real(&world);
        let name = world.name("held");
        let lock = forge(&world, &name, b"{");
        let seen = world.run(&["list"]);
        assert_eq!(seen.exit, 0, "{flow:?}: {}", seen.err);
        assert!(seen.out.contains(&world.name("real")), "{flow:?}: {}{}", seen.out, seen.err);
        assert!(seen.err.contains(&format!("{name}.json")), "{flow:?}: {}", seen.err);
        assert_eq!(world.run(&["sweep"]).exit, 0, "{flow:?}");
        assert_eq!(world.files(&name).len(), 1, "{flow:?}: somebody holds it");
        drop(lock);
        world.run(&["sweep"]);
        assert!(world.files(&name).is_empty(), "{flow:?}");
    }
}

#[test]
fn a_folder_that_others_could_change_is_refused() {
    for world in FLOWS.into_iter().filter_map(World::of_root) {
        real(&world);
        std::fs::set_permissions(world.state(), Permissions::from_mode(0o720)).expect("mode");
        for arguments in [&["list"][..], &["stop", "x"], &["start", "x", "true"], &["sweep"]] {
            let seen = world.run(arguments);
            assert_eq!((seen.exit, seen.out.as_str()), (255, ""), "{:?}: {arguments:?}", world.flow);
            assert!(seen.err.contains("mode 720") && seen.err.contains("help: "), "{:?}: {}", world.flow, seen.err);
        }
        std::fs::set_permissions(world.state(), Permissions::from_mode(0o700)).expect("mode");
        common::look_again();
        assert!(world.listed(&world.name("real")).is_some(), "{:?}", world.flow);
    }
}
