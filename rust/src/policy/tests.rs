// SPDX-License-Identifier: Apache-2.0 OR MIT

use super::*;

/// The text of a file that the tests below need not have.
pub(super) fn no_file(name: &'static str) -> Result<Vec<u8>> {
    panic!("{name} is read although no name is given")
}

/// A policy of a document without `version`.
pub(super) fn policy(keys: serde_json::Value) -> Policy {
    let mut document = keys;
    document["version"] = 1.into();
    Policy::parse(document.to_string().as_bytes(), no_file).expect("policy")
}

pub(super) fn words<T: std::fmt::Debug>(result: Result<T>) -> String {
    let error = result.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Refused);
    let text = error.to_string();
    assert!(text.starts_with("the policy forbids: "), "{text}");
    format!("{} ({})", &text["the policy forbids: ".len()..], error.help().expect("help"))
}

fn by_key(what: &str, key: &str) -> String {
    format!("{what} (root can allow it with \"{key}\" in {PATH})")
}

#[test]
fn everybody_with_an_account_starts_containers_unless_lists_say_who() {
    use serde_json::json;
    let ann = (1000, 1000, vec![27, 100]);
    for (lists, allowed) in [
        (json!({}), true),
        (json!({"users": [1000]}), true),
        (json!({"users": [1001]}), false),
        (json!({"users": []}), false),
        (json!({"groups": [1000]}), true),
        (json!({"groups": [5, 100]}), true),
        (json!({"groups": [5]}), false),
        (json!({"groups": []}), false),
        (json!({"users": [1001], "groups": [27]}), true),
        (json!({"users": [1000], "groups": []}), true),
        (json!({"users": [], "groups": [5]}), false),
    ] {
        let result = policy(lists.clone()).permits_caller(ann.0, ann.1, &ann.2);
        assert_eq!(result.is_ok(), allowed, "{lists}");
        if !allowed {
            let help = format!("root can list the user in \"users\" or one of its groups in \"groups\" of {PATH}");
            assert_eq!(words(result), format!("user 1000 starts a container ({help})"));
        }
    }
}

#[test]
fn an_id_without_an_account_must_be_listed_itself() {
    use serde_json::json;
    for uid in [65_534, 65_535, u32::MAX] {
        let text = by_key(&format!("user {uid} starts a container: this id belongs to no account"), "users");
        assert_eq!(words(Policy::default().permits_caller(uid, 1000, &[])), text);
        assert_eq!(words(policy(json!({"groups": [1000]})).permits_caller(uid, 1000, &[])), text);
    }
    policy(json!({"users": [65_534]})).permits_caller(65_534, 65_534, &[]).expect("listed");
    Policy::default().permits_caller(65_533, 65_534, &[65_534]).expect("an account");
}

#[test]
fn engines_are_those_that_are_listed_letter_by_letter() {
    Policy::default().permits_engine("oci").expect("the bundled one");
    for name in ["", "OCI", "oci ", "oci\0", "probe"] {
        let text = by_key(&format!("the engine \"{}\"", name.escape_debug()), "engines");
        assert_eq!(words(Policy::default().permits_engine(name)), text);
    }
    let own = policy(serde_json::json!({"engines": ["probe"]}));
    own.permits_engine("probe").expect("listed");
    assert!(own.permits_engine("oci").is_err());
    assert!(policy(serde_json::json!({"engines": []})).permits_engine("oci").is_err());
}

#[test]
fn the_policy_of_this_machine_is_one_or_says_what_is_odd() {
    match Policy::read() {
        Ok(policy) => assert!(Path::new(PATH).exists() || policy == Policy::default()),
        Err(error) => assert!(error.to_string().contains(PATH), "{error}"),
    }
}

mod pages {
    use super::*;
    use serde_json::Value;

    const PAGE: &str = include_str!("../../../docs/policy.md");

    /// The JSON blocks of the page.
    fn examples() -> Vec<&'static str> {
        PAGE.split("```json\n").skip(1).map(|rest| rest.split("```").next().expect("end")).collect()
    }

    fn names(name: &'static str) -> Result<Vec<u8>> {
        Ok(match name {
            "/etc/passwd" => b"root:x:0:0\nann:x:1000:1000\nimages:x:990:990\n".to_vec(),
            _ => b"containers:x:2000:\n".to_vec(),
        })
    }

    #[test]
    fn the_first_example_of_the_page_has_every_key() {
        let examples = examples();
        let whole: Value = serde_json::from_str(examples[0]).expect("json");
        let written: BTreeSet<&str> = whole.as_object().expect("object").keys().map(String::as_str).collect();
        let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        assert_eq!(written, rows.collect());
        let policy = Policy::parse(examples[0].as_bytes(), names).expect("policy");
        policy.permits_caller(1000, 1, &[]).expect("ann");
        policy.permits_caller(1001, 1, &[2000]).expect("a member");
        assert!(policy.permits_caller(1001, 1, &[]).is_err());
    }

    #[test]
    fn every_example_of_the_page_is_a_policy() {
        for example in examples() {
            Policy::parse(example.as_bytes(), names).unwrap_or_else(|error| panic!("{error}\n{example}"));
        }
    }

    #[test]
    fn the_page_names_the_codes_defaults() {
        let mut document = serde_json::Map::from_iter([("version".to_owned(), 1.into())]);
        for line in PAGE.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> =
                line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
            if let Ok(value) = serde_json::from_str::<Value>(cells[1]) {
                document.insert(cells[0].to_owned(), value);
            }
        }
        assert_eq!(document.len(), 8, "{document:?}");
        let written = Policy::parse(Value::Object(document).to_string().as_bytes(), no_file).expect("policy");
        assert_eq!(written, Policy::default());
    }
}
