// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The comparison with Go itself is in `rust/tests/json_go.rs`.

use serde::Deserialize;

use super::*;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Config {
    image: String,
    args: Vec<String>,
}

fn parse(document: impl AsRef<[u8]>) -> Result<(Common, Arc<Mutex<Config>>)> {
    let config = Arc::new(Mutex::new(Config::default()));
    let common = Common::parse(document.as_ref(), config.clone())?;
    Ok((common, config))
}

fn refusal(document: impl AsRef<[u8]>) -> String {
    parse(document).map(|_| ()).expect_err("accepted").to_string()
}

#[test]
fn keys_match_without_case_and_the_last_value_wins() {
    let document = r#"{"ENGINENAME":"a","engineName":"b","engine\u004eamE":null,"ContainerId":"c","x":[],
        "engineconfig":{"image":"i","args":["1"]},"engineConfig":{"args":["2","3"]},"engineConfig":null,
        "PLUGIN":{"p":{"a":1}},"plugin":{"q":null,"p":{"b":2}}}"#;
    let (common, config) = parse(document).unwrap();
    assert_eq!(common.engine_name, "b");
    assert_eq!(common.container_id, "c");
    assert_eq!(*lock(&config), Config { image: "i".into(), args: vec!["2".into(), "3".into()] });
    assert_eq!(common.plugin["p"].get(), r#"{"b":2}"#);
    assert_eq!(common.plugin["q"].get(), "null");
}

#[test]
fn no_other_letter_folds_onto_the_names() {
    for key in ["eng\u{131}neName", "conta\u{130}nerID", "p\u{13f}ugin", "engineName\u{17f}", "\u{212a}engineName"] {
        let (common, _) = parse(format!("{{\"{key}\":5}}")).unwrap();
        assert_eq!(common.engine_name, "");
    }
}

#[test]
fn null_is_a_document_of_zero_values() {
    for document in ["null", " { } ", r#"{"engineName":null,"engineConfig":null,"plugin":null}"#] {
        let (common, config) = parse(document).unwrap();
        assert_eq!(common.engine_name, "");
        assert_eq!(*lock(&config), Config::default());
        let encoded = r#"{"engineName":"","containerID":"","engineConfig":{"image":"","args":[]},"plugin":null}"#;
        assert_eq!(common.encode().unwrap(), encoded.as_bytes());
    }
}

#[test]
fn a_wrong_type_is_named_with_its_path() {
    assert_eq!(refusal("[]"), "engine configuration: expected an object, found an array");
    assert_eq!(refusal(r#"{"engineName":5}"#), "engineName: expected a string, found a number");
    assert_eq!(refusal(r#"{"containerid":{}}"#), "containerID: expected a string, found an object");
    assert_eq!(refusal(r#"{"plugin":"p"}"#), "plugin: expected an object, found a string");
    let error = refusal(r#"{"engineConfig":{"args":["a",7]}}"#);
    assert!(error.starts_with("engineConfig.args[1]: invalid type: integer `7`, expected a string"), "{error}");
    assert!(refusal(r#"{"engineConfig":7}"#).starts_with("engineConfig: invalid type"));
    assert!(refusal(r#"{"engineName":5} x"#).starts_with("engine configuration: byte 17: expected the end"));
    assert_eq!(refusal(""), "engine configuration: is empty");
}

#[test]
fn what_is_not_utf_8_is_replaced_for_the_engine_too() {
    let document = b"{\"containerID\":\"\xff\xfe\",\"engineConfig\":{\"image\":\"\\ud800/\xe2\x82\\u0000\"}}";
    let (common, config) = parse(document).unwrap();
    assert_eq!(common.container_id, "\u{fffd}\u{fffd}");
    assert_eq!(lock(&config).image, "\u{fffd}/\u{fffd}\u{fffd}\0");
}

#[test]
fn plugins_are_typed_on_demand() {
    let (mut common, _) = parse(r#"{"plugin":{"p":{"image":5},"l":[1]}}"#).unwrap();
    assert_eq!(common.plugin_config::<Config>("none").unwrap(), None);
    let error = common.plugin_config::<Config>("p").unwrap_err().to_string();
    assert!(error.starts_with("plugin.p.image: invalid type"), "{error}");
    assert!(common.plugin_config::<Vec<String>>("l").unwrap_err().to_string().starts_with("plugin.l[0]: "));
    common.set_plugin_config("p", &[1, 2]).unwrap();
    assert_eq!(common.plugin_config::<Vec<u8>>("p").unwrap(), Some(vec![1, 2]));
    let encoded = String::from_utf8(common.encode().unwrap()).unwrap();
    assert!(encoded.ends_with(r#""plugin":{"l":[1],"p":[1,2]}}"#), "{encoded}");
}

#[test]
fn a_document_may_be_deeper_than_the_stack() {
    let deep = format!("{{\"x\":{}{},\"engineName\":\"e\"}}", "[".repeat(9_999), "]".repeat(9_999));
    let thread = std::thread::Builder::new().stack_size(32 * 1024);
    let thread = thread.spawn(move || assert_eq!(parse(deep).unwrap().0.engine_name, "e"));
    thread.unwrap().join().unwrap();
}
