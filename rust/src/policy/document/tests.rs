// SPDX-License-Identifier: Apache-2.0 OR MIT

use proptest::prelude::*;

use super::super::tests::no_file;
use super::*;

const PASSWD: &[u8] = b"root:x:0:0\nann:x:1000:1000\n";
const GROUP: &[u8] = b"root:x:0:\nstaff:x:50:ann\n";

fn files(name: &'static str) -> Result<Vec<u8>> {
    Ok(if name == "/etc/passwd" { PASSWD } else { GROUP }.to_vec())
}

fn read(text: &str) -> Result<Policy> {
    Policy::parse(text.as_bytes(), files)
}

fn refusal(text: &str) -> String {
    let error = read(text).expect_err(text);
    match error.help() {
        Some(help) => format!("{error} ({help})"),
        None => error.to_string(),
    }
}

const WHOLE: &str = r#"{"version": 1, "users": ["ann", 7], "groups": ["staff", 8], "engines": ["oci", "mine"],
  "mounts": ["bind", "overlay"], "images": ["squashfs", "ext3", "luks"], "image_owners": ["root"],
  "capabilities": ["CAP_NET_BIND_SERVICE"], "fakeroot": false, "host_namespaces": ["network", "uts"],
  "join": ["/run/netns/lab"]}"#;

#[test]
fn each_key_says_what_it_says() {
    let expected = Policy {
        users: Some(BTreeSet::from([7, 1000])),
        groups: Some(BTreeSet::from([8, 50])),
        engines: BTreeSet::from(["mine".to_owned(), "oci".to_owned()]),
        mounts: BTreeSet::from([MountKind::Bind, MountKind::Overlay]),
        images: BTreeSet::from(ImageKind::ALL),
        image_owners: Some(BTreeSet::from([0])),
        capabilities: 1 << 10,
        fakeroot: false,
        host_namespaces: BTreeSet::from([NamespaceKind::Network, NamespaceKind::Uts]),
        join_own_instances: false,
        join_paths: BTreeSet::from(["/run/netns/lab".to_owned()]),
    };
    assert_eq!(read(WHOLE).expect("policy"), expected);
}

#[test]
fn a_key_that_is_not_there_has_its_default() {
    assert_eq!(Policy::parse(b" {\"version\": 1}\n", no_file).expect("policy"), Policy::default());
    let only = |key: &str, value: &str| read(&format!("{{\"version\": 1, \"{key}\": {value}}}")).expect("policy");
    assert_eq!(only("fakeroot", "false"), Policy { fakeroot: false, ..Policy::default() });
    assert_eq!(only("mounts", "[]"), Policy { mounts: BTreeSet::new(), ..Policy::default() });
    assert_eq!(only("join", "[\"own-instances\"]"), Policy::default());
    assert_eq!(only("join", "[]"), Policy { join_own_instances: false, ..Policy::default() });
    assert_eq!(only("users", "[]"), Policy { users: Some(BTreeSet::new()), ..Policy::default() });
    assert_eq!(only("image_owners", "[]"), Policy { image_owners: Some(BTreeSet::new()), ..Policy::default() });
}

#[test]
fn an_odd_document_is_refused_as_a_whole() {
    for (text, words) in [
        ("", "it is not a JSON object (the smallest one is {\"version\": 1})"),
        ("[1]", "it is not a JSON object (the smallest one is {\"version\": 1})"),
        ("null", "it is not a JSON object (the smallest one is {\"version\": 1})"),
        ("\u{feff}{\"version\": 1}", "it begins with a byte order mark (store it as UTF-8 without one)"),
        ("{}", "missing field `version` at line 1 column 2"),
        ("{\"version\": 1} {}", "trailing characters at line 1 column 16"),
        ("{\"version\": 1,}", "trailing comma at line 1 column 15"),
        ("{\"version\": 1} // note", "trailing characters at line 1 column 16"),
        (
            "{\"version\": 2, \"new\": 1}",
            "version: 2, and this starter knows 1 only (install the policy that belongs to the starter's version)",
        ),
    ] {
        assert_eq!(refusal(text), words);
    }
    for version in ["0", "-1", "1.0", "1e0", "\"1\"", "true", "null", "4294967297", "[1]", "{}"] {
        let text = refusal(&format!("{{\"version\": {version}}}"));
        assert!(text.starts_with("version: "), "{text}");
    }
    let bytes = Policy::parse(b"{\"version\": 1, \"engines\": [\"\xff\"]}", no_file).expect_err("refused").to_string();
    assert_eq!(bytes, "invalid utf-8 sequence of 1 bytes from index 28");
}

#[test]
fn a_key_is_known_and_given_once() {
    for (keys, words) in [
        ("\"user\": []", "user: unknown field `user`"),
        ("\"Users\": []", "Users: unknown field `Users`"),
        ("\"users\": [], \"users\": []", "duplicate field `users`"),
        ("\"users\": [], \"us\\u0065rs\": []", "duplicate field `users`"),
        ("\"version\": 1", "duplicate field `version`"),
    ] {
        let text = refusal(&format!("{{\"version\": 1, {keys}}}"));
        assert!(text.contains(words), "{words:?} is not in {text:?}");
    }
}

#[test]
fn each_value_is_of_its_own_type() {
    let lists =
        ["users", "groups", "engines", "mounts", "images", "image_owners", "capabilities", "host_namespaces", "join"];
    for key in lists {
        for value in ["null", "1", "\"bind\"", "true", "{}", "[null]", "[[]]", "[{}]", "[true]", "[1.5]"] {
            let text = refusal(&format!("{{\"version\": 1, \"{key}\": {value}}}"));
            assert!(text.starts_with(key), "{key} {value}: {text}");
        }
    }
    for value in ["null", "0", "\"true\"", "[]"] {
        let text = refusal(&format!("{{\"version\": 1, \"fakeroot\": {value}}}"));
        assert!(text.starts_with("fakeroot: "), "{text}");
    }
}

#[test]
fn each_word_is_a_known_one() {
    let squashfs = "known are squashfs, ext3, luks";
    for (keys, words) in [
        ("\"users\": [\"1000\"]", "users[0]: \"1000\" is no name: an id is a number without quotes".to_owned()),
        ("\"users\": [\"\"]", "users[0]: \"\" is no name".to_owned()),
        ("\"users\": [4294967295]", "users[0]: an id is a number from 0 to 4294967294".to_owned()),
        ("\"users\": [-1]", "a name, or an id from 0 to 4294967294".to_owned()),
        (
            "\"users\": [\"bob\"]",
            "users: the machine's own files have no user \"bob\" (names of a directory".to_owned(),
        ),
        ("\"users\": [\"staff\"]", "users: the machine's own files have no user \"staff\"".to_owned()),
        ("\"groups\": [\"ann\"]", "groups: the machine's own files have no group \"ann\"".to_owned()),
        ("\"image_owners\": [\"bob\"]", "image_owners: the machine's own files have no user \"bob\"".to_owned()),
        ("\"engines\": [\"\"]", "engines: a name is empty".to_owned()),
        (
            "\"mounts\": [\"bind\", \"Tmpfs\"]",
            "mounts[1]: \"Tmpfs\" is unknown; known are bind, tmpfs, proc".to_owned(),
        ),
        ("\"images\": [\"ext4\"]", format!("images[0]: \"ext4\" is unknown; {squashfs}")),
        ("\"capabilities\": [\"NET_RAW\"]", "capabilities: capability \"NET_RAW\" is unknown".to_owned()),
        ("\"host_namespaces\": [\"net\"]", "host_namespaces[0]: unknown variant `net`".to_owned()),
        ("\"host_namespaces\": [\"mount\"]", "host_namespaces: with the host's mount namespace".to_owned()),
        ("\"host_namespaces\": [\"user\"]", "host_namespaces: the user namespace is not listed here".to_owned()),
        ("\"join\": [\"own-instance\"]", "join: \"own-instance\" is no plain absolute path".to_owned()),
    ] {
        let text = refusal(&format!("{{\"version\": 1, {keys}}}"));
        assert!(text.contains(&words), "{words:?} is not in {text:?}");
    }
}

#[test]
fn a_path_to_join_has_one_spelling() {
    let longest = format!("/{}", "x".repeat(4094));
    for good in ["/run/netns/lab", "/a", "/run/..a/.b", &longest] {
        assert!(is_plain_path(good), "{good}");
    }
    let too_long = format!("{longest}x");
    for bad in ["", "/", "run", "/run/", "//run", "/run//a", "/run/./a", "/run/../a", "/..", "/a\0", &too_long] {
        assert!(!is_plain_path(bad), "{bad}");
    }
}

#[test]
fn a_policy_cut_off_is_no_policy() {
    for length in 0..WHOLE.len() {
        assert!(Policy::parse(&WHOLE.as_bytes()[..length], files).is_err(), "{length}");
    }
}

#[test]
fn a_byte_replaced_is_a_policy_or_an_error() {
    for position in 0..WHOLE.len() {
        let mut text = WHOLE.as_bytes().to_vec();
        for byte in 0..=u8::MAX {
            text[position] = byte;
            let _ = Policy::parse(&text, files);
        }
    }
}

#[test]
fn nesting_has_an_end() {
    for open in ["[", "{\"a\":"] {
        let text = format!("{{\"version\": 1, \"users\": {}", open.repeat(100_000));
        assert!(read(&text).is_err());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_policy_or_an_error(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Policy::parse(&text, files).is_err());
    }

    #[test]
    fn keys_of_any_values_are_a_policy_or_an_error(
        keys in proptest::collection::vec((
            proptest::sample::select(vec!["version", "users", "engines", "mounts", "images", "fakeroot", "join", "x"]),
            proptest::sample::select(vec!["1", "[]", "[1]", "[\"ann\"]", "[\"bind\"]", "[\"luks\"]", "true", "null"]),
        ), 0..5),
    ) {
        let pairs: Vec<String> = keys.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
        let policy = read(&format!("{{{}}}", pairs.join(", ")));
        let names: BTreeSet<&str> = keys.iter().map(|(key, _)| *key).collect();
        let fits = keys.contains(&("version", "1")) && names.len() == keys.len() && !names.contains("x");
        prop_assert!(fits || policy.is_err());
    }
}
