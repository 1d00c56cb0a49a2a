// SPDX-License-Identifier: Apache-2.0 OR MIT
use std::os::unix::net::UnixStream;

use serde_json::value::RawValue;

use super::*;
use crate::config::StarterConfig;
use crate::engine::{CallbackResult, Context, EngineConfig, MasterConnection, Pid, SharedCommon, Signals, WaitStatus};

#[derive(Default)]
struct Test {
    config: Arc<Mutex<Vec<u32>>>,
    common: Mutex<Option<SharedCommon>>,
    panic: &'static str,
}

struct Panics;

impl EngineConfig for Panics {
    fn decode(&self, _: &RawValue) -> Result<()> {
        panic!("decoded")
    }

    fn encode(&self) -> Result<Box<RawValue>> {
        Err(Error::invalid("no value"))
    }
}

impl Operations for Test {
    fn config(&self) -> CallbackResult<Arc<dyn EngineConfig>> {
        match self.panic {
            "config" => panic!("configured"),
            "decode" => Ok(Arc::new(Panics)),
            _ => Ok(self.config.clone()),
        }
    }

    fn init_config(&self, common: SharedCommon) {
        assert!(self.panic != "init", "initialised");
        *lock(&self.common) = Some(common);
    }

    fn prepare_config(&self, _: &mut StarterConfig) -> CallbackResult {
        Ok(())
    }

    fn create_container(&self, _: &Context, _: Pid, _: UnixStream) -> CallbackResult {
        Ok(())
    }

    fn start_process(&self, _: &mut MasterConnection) -> CallbackResult<WaitStatus> {
        Ok(WaitStatus::default())
    }

    fn monitor_container(&self, _: Pid, _: &Signals) -> CallbackResult<WaitStatus> {
        Ok(WaitStatus::default())
    }
}

fn engine() -> Arc<Test> {
    Arc::new(Test::default())
}

fn refusal<T>(result: Result<T>) -> Error {
    result.err().expect("accepted")
}

#[test]
fn names_are_checked() {
    let registry = Registry::new();
    assert_eq!(refusal(registry.register("", engine())).to_string(), "register engine \"\": the name is empty");
    assert_eq!(refusal(registry.replace("a\0", engine())).to_string(), "register engine \"a\\0\": the name has a NUL");
    assert!(registry.register_rpc_methods("", MethodSet::default()).is_err());
    registry.register("a", engine()).unwrap();
    registry.register("A", engine()).unwrap();
    let error = refusal(registry.register("a", engine()));
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(error.to_string(), "register engine \"a\": already registered");
    registry.replace("a", engine()).unwrap();
}

#[test]
fn methods_are_registered_apart_from_the_engine() {
    let registry = Registry::new();
    registry.register_rpc_methods("a", MethodSet::default()).unwrap();
    let first = lock(&registry.0).methods["a"].clone();
    assert_eq!(refusal(registry.register_rpc_methods("a", MethodSet::default())).kind(), ErrorKind::AlreadyExists);
    registry.replace_rpc_methods("a", MethodSet::default()).unwrap();
    assert!(!Arc::ptr_eq(&first, &lock(&registry.0).methods["a"]));
}

#[test]
fn registration_ends_when_the_lifecycle_begins() {
    let registry = Registry::new();
    registry.register("a", engine()).unwrap();
    lock(&registry.0).begun = true;
    for result in [
        registry.register("b", engine()),
        registry.replace("a", engine()),
        registry.register_rpc_methods("a", MethodSet::default()),
        registry.replace_rpc_methods("a", MethodSet::default()),
    ] {
        let error = refusal(result);
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().ends_with(": registration after the lifecycle has begun"), "{error}");
    }
    assert!(registry.get(br#"{"engineName":"a"}"#).is_ok());
}

#[test]
fn the_engine_gets_the_very_object_it_gave() {
    let registry = Registry::new();
    let test = engine();
    registry.register("a", test.clone()).unwrap();
    let engine = registry.get(br#"{"engineName":"a","engineConfig":[1,2]}"#).unwrap();
    assert_eq!(*lock(&test.config), [1, 2]);
    assert!(Arc::ptr_eq(lock(&test.common).as_ref().unwrap(), &engine.common));
    lock(&test.config).push(3);
    let encoded = br#"{"engineName":"a","containerID":"","engineConfig":[1,2,3],"plugin":null}"#;
    assert_eq!(lock(&engine.common).encode().unwrap(), encoded);
}

#[test]
fn get_says_what_is_wrong() {
    let registry = Registry::new();
    assert_eq!(
        refusal(registry.get(b"{")).to_string(),
        "engine configuration: byte 1: expected a key in double quotes, found the end of the document"
    );
    for document in ["null", "{}", r#"{"engineName":""}"#, r#"{"engineName":null}"#] {
        assert_eq!(refusal(registry.get(document.as_bytes())).to_string(), "engineName: missing or empty");
    }
    let error = refusal(registry.get(br#"{"engineName":"x"}"#));
    assert_eq!((error.kind(), error.help()), (ErrorKind::NotFound, Some("no engine is registered")));
    registry.register("b", engine()).unwrap();
    registry.register("a", engine()).unwrap();
    let error = refusal(registry.get(br#"{"engineName":"x"}"#));
    assert_eq!(error.to_string(), "engine \"x\" is not found");
    assert_eq!(error.help(), Some("registered: \"a\", \"b\""));
}

#[test]
fn a_panic_names_the_callback() {
    let registry = Registry::new();
    for (panic, text) in [
        ("config", "Config of engine \"config\" panicked: configured"),
        ("decode", "decoding the configuration of engine \"decode\" panicked: decoded"),
        ("init", "InitConfig of engine \"init\" panicked: initialised"),
    ] {
        registry.register(panic, Arc::new(Test { panic, ..Test::default() })).unwrap();
        let error = refusal(registry.get(format!(r#"{{"engineName":"{panic}","engineConfig":[1]}}"#).as_bytes()));
        assert_eq!(error.kind(), ErrorKind::Panic);
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

#[test]
fn the_process_has_one_registry() {
    register("registry-test", engine()).unwrap();
    assert!(names().contains(&"registry-test".to_owned()));
    assert!(rpc_methods("registry-test").is_none());
    register_rpc_methods("registry-test", MethodSet::default()).unwrap();
    assert!(rpc_methods("registry-test").is_some());
    assert!(get(br#"{"engineName":"registry-test"}"#).is_ok());
    replace("registry-test", engine()).unwrap();
    replace_rpc_methods("registry-test", MethodSet::default()).unwrap();
}

#[test]
fn a_service_has_an_engines_own_methods_and_the_chosen_ones() {
    let registry = Registry::new();
    let error = registry.service("e").err().unwrap();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, "engine \"e\" is not found"));
    registry.register("e", engine()).unwrap();
    let service = registry.service("e").unwrap();
    assert_eq!(service.name(), "e");
    assert!(service.find("e.Mkdir").is_ok() && service.find("e.Umask").is_err());
    registry.register_rpc_methods("own", MethodSet::new().method("Own", |_: ()| Ok(1i64))).unwrap();
    let service = registry.service("own").unwrap();
    assert!(service.find("own.Own").is_ok() && service.find("own.Mkdir").is_ok());
    registry.choose_builtin_methods("own", builtin::Options::of(&builtin::APPTAINER)).unwrap();
    assert!(registry.service("own").unwrap().find("own.Umask").is_ok());
}

#[test]
fn the_methods_of_an_engine_are_served_until_the_peer_closes() {
    register_rpc_methods("registry.tests.served", MethodSet::new().method("Own", |number: i64| Ok(number + 1)))
        .unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    let server = std::thread::spawn(move || serve_rpc("registry.tests.served", far));
    let mut client = rpc::Client::new(near, "registry.tests.served");
    assert_eq!(client.call::<_, i64>("Own", &6i64).unwrap(), 7);
    drop(client);
    server.join().unwrap().unwrap();
    let (_, far) = UnixStream::pair().unwrap();
    assert_eq!(serve_rpc("registry.tests.none", far).unwrap_err().kind(), ErrorKind::NotFound);
}
