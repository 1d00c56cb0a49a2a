// SPDX-License-Identifier: Apache-2.0 OR MIT
use std::process::Command;

use serde_json::json;

use super::*;
use crate::engines::oci::actions::Action;
use crate::engines::oci::identity::Maps;

const USER: Caller = Caller { uid: 1000, gid: 1000, setuid: false };
const ROOT: Caller = Caller { uid: 0, gid: 0, setuid: false };

struct Bundle(tempfile::TempDir);

impl Bundle {
    fn new(document: Value) -> Self {
        let directory = tempfile::tempdir().expect("directory");
        fs::create_dir(directory.path().join("rootfs")).expect("root");
        fs::write(directory.path().join("config.json"), document.to_string()).expect("document");
        Bundle(directory)
    }

    /// What `runc spec` writes, if it is installed.
    fn by_runc(arguments: &[&str]) -> Option<Self> {
        let directory = tempfile::tempdir().expect("directory");
        fs::create_dir(directory.path().join("rootfs")).expect("root");
        let made = Command::new("runc").arg("spec").args(arguments).current_dir(directory.path()).status();
        match made {
            Ok(status) => {
                assert!(status.success());
                Some(Bundle(directory))
            }
            Err(_) => {
                eprintln!("left out: runc is not installed");
                None
            }
        }
    }

    fn config(&self) -> OciConfig {
        OciConfig { bundle: self.0.path().to_str().map(str::to_owned), ..Default::default() }
    }

    fn document(&self) -> Value {
        serde_json::from_slice(&fs::read(self.0.path().join("config.json")).expect("document")).expect("document")
    }
}

fn document() -> Value {
    json!({
        "ociVersion": "1.2.0",
        "process": {"args": ["sh"], "cwd": "/", "env": ["A=1", "B=2"]},
        "root": {"path": "rootfs"},
        "linux": {"namespaces": [{"type": "mount"}]},
    })
}

#[test]
fn what_runc_writes_for_root() {
    let Some(bundle) = Bundle::by_runc(&[]) else { return };
    let (decisions, prepared) = decide(&bundle.config(), ROOT).expect("decisions");
    use NamespaceKind::{Cgroup, Ipc, Mount, Network, Pid, Uts};
    let mut created = decisions.create.clone();
    created.retain(|kind| *kind != Cgroup);
    assert_eq!(created, [Pid, Network, Ipc, Uts, Mount]);
    assert_eq!(decisions.identity.maps, Maps::None);
    assert!(decisions.no_new_privs);
    let sets: Vec<_> = decisions.capabilities.iter().map(|(set, names)| (set.as_str(), names.len())).collect();
    assert_eq!(sets, [("permitted", 3), ("effective", 3), ("inheritable", 0), ("bounding", 3), ("ambient", 0)]);
    assert_eq!(prepared.process.args, ["sh"]);
    assert_eq!(prepared.process.limits.len(), 1);
    let names: Vec<String> = prepared.actions.iter().map(ToString::to_string).collect();
    let root = format!("prepare the root {:?}", bundle.0.path().join("rootfs").canonicalize().expect("root"));
    let rest = [
        "mount",
        "furnish the root",
        "cover paths",
        "enter the root",
        "change the root",
        "set the host name \"runc\"",
        "change to the working directory \"/\"",
    ];
    assert_eq!(names[0], root);
    assert_eq!(names[1..], rest);
}

#[test]
fn what_runc_writes_for_an_ordinary_user() {
    let Some(bundle) = Bundle::by_runc(&["--rootless"]) else { return };
    let mut document = bundle.document();
    for map in ["uidMappings", "gidMappings"] {
        document["linux"][map][0]["hostID"] = json!(1000);
    }
    let config = OciConfig { spec: Some(document), ..bundle.config() };
    let (decisions, prepared) = decide(&config, USER).expect("decisions");
    assert_eq!(decisions.identity.maps, Maps::OwnIds);
    assert!(decisions.create.contains(&NamespaceKind::User));
    assert!(!decisions.create.contains(&NamespaceKind::Network));
    let Action::Mount(mounts) = &prepared.actions[1] else { panic!("{:?}", prepared.actions) };
    let sys = mounts.mounts.iter().find(|mount| mount.target == "/sys").expect("/sys");
    assert_eq!((sys.filesystem.as_str(), sys.source.as_str()), ("", "/sys"));
}

#[test]
fn a_root_of_the_host() {
    for caller in [ROOT, USER] {
        let (decisions, prepared) = decide(&OciConfig::default(), caller).expect("decisions");
        assert_eq!(decisions.create.contains(&NamespaceKind::User), caller == USER);
        assert_eq!((decisions.identity.uid, &decisions.identity.gids), (caller.uid, &vec![caller.gid]));
        assert!(matches!(&prepared.actions[0], Action::OpenRoot(open) if open.fresh));
        assert!(prepared.actions.iter().any(|action| matches!(action, Action::Enter(enter) if enter.read_only)));
        let capabilities: usize = decisions.capabilities.iter().map(|(_, names)| names.len()).sum();
        assert_eq!(capabilities == 0, caller == USER);
    }
}

#[test]
fn a_root_directory() {
    let bundle = Bundle::new(document());
    let root = bundle.0.path().join("rootfs").canonicalize().expect("root");
    let config = OciConfig { root: root.to_str().map(str::to_owned), ..Default::default() };
    let (_, prepared) = decide(&config, USER).expect("decisions");
    assert!(matches!(&prepared.actions[0], Action::OpenRoot(open) if !open.fresh && Path::new(&open.path) == root));
    assert!(prepared.actions.iter().any(|action| matches!(action, Action::Enter(enter) if !enter.read_only)));
}

#[test]
fn the_caller_overrides_the_document() {
    let bundle = Bundle::new(document());
    let config = OciConfig {
        args: vec!["id".into(), "-u".into()],
        env: vec!["B=3".into(), "C=".into()],
        cwd: Some("/tmp".into()),
        preserve_fds: 2,
        ..bundle.config()
    };
    let (_, prepared) = decide(&config, ROOT).expect("decisions");
    assert_eq!(prepared.process.args, ["id", "-u"]);
    assert_eq!(prepared.process.env, ["A=1", "B=3", "C="]);
    assert_eq!(prepared.process.preserve_fds, 2);
    assert_eq!(prepared.actions.last(), Some(&Action::Chdir("/tmp".into())));
}

#[test]
fn what_a_caller_writes_as_prepared_counts_for_nothing() {
    let bundle = Bundle::new(document());
    let forged = Prepared { actions: vec![Action::Pivot], ..Default::default() };
    let (_, prepared) =
        decide(&OciConfig { prepared: Some(forged.clone()), ..bundle.config() }, ROOT).expect("decisions");
    assert_ne!(prepared, forged);
}

#[test]
fn namespaces_and_names_that_do_not_fit_are_refused() {
    let refused = |change: fn(&mut Value)| {
        let mut document = document();
        change(&mut document);
        decide(&Bundle::new(document).config(), ROOT).expect_err("refused").to_string()
    };
    let time = |d: &mut Value| d["linux"]["namespaces"] = json!([{"type": "mount"}, {"type": "time"}]);
    assert_eq!(refused(time), "linux.namespaces[1].type: time: not supported yet");
    let twice = |d: &mut Value| d["linux"]["namespaces"] = json!([{"type": "pid"}, {"type": "pid", "path": "/x"}]);
    assert_eq!(refused(twice), "linux.namespaces[1].type: pid is there twice");
    let relative = |d: &mut Value| d["linux"]["namespaces"] = json!([{"type": "pid", "path": "x"}]);
    assert_eq!(refused(relative), "linux.namespaces[0].path: is not an absolute path");
    let unknown = |d: &mut Value| d["linux"]["namespaces"] = json!([{"type": "x"}]);
    assert!(refused(unknown).starts_with("linux.namespaces[0].type: unknown variant"));
    for joined in [json!([]), json!([{"type": "mount", "path": "/proc/1/ns/mnt"}])] {
        let mut document = document();
        document["linux"]["namespaces"] = joined;
        let error = decide(&Bundle::new(document).config(), ROOT).expect_err("refused");
        assert_eq!(error.to_string(), "linux.namespaces: a new mount namespace is needed");
    }
    assert_eq!(refused(|d| d["hostname"] = json!("x")), "hostname: needs a UTS namespace (linux.namespaces)");
    assert_eq!(refused(|d| d["root"]["path"] = json!("")), "root.path: is missing");
    assert_eq!(refused(|d| d["root"]["path"] = json!("/")), "root.path: the host's own root cannot be a container's");
    assert!(refused(|d| d["root"]["path"] = json!("config.json")).ends_with("not a directory"));
    assert!(refused(|d| d["root"]["path"] = json!("nothing")).ends_with("no such file or directory"));
}

#[test]
fn sources_that_do_not_fit_are_refused() {
    let refused = |config| decide(&config, ROOT).expect_err("refused").to_string();
    let text = |text: &str| Some(text.to_owned());
    for config in [
        OciConfig { bundle: text("/b"), root: text("/r"), ..Default::default() },
        OciConfig { root: text("/r"), spec: Some(document()), ..Default::default() },
    ] {
        assert_eq!(refused(config), "engineConfig.root: a bundle has a root of its own");
    }
    let config = OciConfig { bundle: text("b"), ..Default::default() };
    assert_eq!(refused(config), "engineConfig.bundle: \"b\" is not an absolute path");
    let config = OciConfig { spec: Some(document()), ..Default::default() };
    assert_eq!(refused(config), "engineConfig.spec: needs engineConfig.bundle");
    let config = OciConfig { bundle: text("/no/such"), ..Default::default() };
    assert_eq!(refused(config), "read \"/no/such/config.json\": no such file or directory");
    let bundle = Bundle::new(document());
    let config = OciConfig { env: vec!["A".into()], ..bundle.config() };
    assert_eq!(refused(config), "engineConfig.env: \"A\" is not NAME=VALUE");
    let config = OciConfig { preserve_fds: 1025, ..bundle.config() };
    assert_eq!(refused(config), "preserveFds: 1025 is more than 1024");
}
