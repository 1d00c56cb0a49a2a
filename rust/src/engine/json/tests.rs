// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The comparison with Go itself is in `rust/tests/json_go.rs`.

use super::*;

fn refusal(document: impl AsRef<[u8]>) -> String {
    check(document.as_ref()).expect_err("accepted").to_string()
}

#[test]
fn errors_name_the_place() {
    assert_eq!(refusal(""), "is empty");
    assert_eq!(refusal("\u{feff}{}"), "byte 0: begins with a byte order mark");
    assert_eq!(refusal("{} x"), "byte 3: expected the end of the document, found `x`");
    assert_eq!(refusal("[1 2]"), "byte 3: expected `,` or `]`, found `2`");
    assert_eq!(refusal("{\"a\" 1}"), "byte 5: expected `:`, found `1`");
    assert_eq!(refusal("{\"a\":1,}"), "byte 7: expected a key in double quotes, found `}`");
    assert_eq!(refusal("[01]"), "byte 2: expected `,` or `]`, found `1`");
    assert_eq!(refusal("[\"\n\"]"), "byte 2: expected the rest of a string, found byte 0x0a");
    assert_eq!(refusal("tru"), "byte 3: expected `true`, found the end of the document");
    assert_eq!(refusal("[\"\\u12g4\"]"), "byte 6: expected four hexadecimal digits, found `g`");
    assert_eq!(refusal("[-]"), "byte 2: expected a digit, found `]`");
}

#[test]
fn a_document_cut_anywhere_is_refused() {
    let document = r#"{"a":[1.5e+3,true,null,"\ud83d\ude00"],"b":{"c":-0}}"#;
    assert!(check(document.as_bytes()).is_ok());
    for end in 0..document.len() {
        assert!(check(&document.as_bytes()[..end]).is_err(), "{}", &document[..end]);
    }
}

#[test]
fn depth_is_limited_and_costs_no_stack() {
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    let small = std::thread::Builder::new().stack_size(16 * 1024);
    let done = small.spawn(move || {
        assert!(check(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(refusal(nested(MAX_DEPTH + 1)), "byte 10000: more than 10000 arrays and objects are open");
    });
    done.unwrap().join().unwrap();
}

#[test]
fn strings_are_repaired_as_go_does() {
    let cases: [(&[u8], &str); 9] = [
        (b"\"plain\"", "plain"),
        (br#""\"\\\/\b\f\n\r\t\u0000""#, "\"\\/\u{8}\u{c}\n\r\t\0"),
        (br#""\ud83d\ude00""#, "\u{1f600}"),
        (br#""\ud800""#, "\u{fffd}"),
        (br#""\ud800\ud83d\ude00x""#, "\u{fffd}\u{1f600}x"),
        (br#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
        (br#""\ud83d\n""#, "\u{fffd}\n"),
        (b"\"\xe2\x82\"", "\u{fffd}\u{fffd}"),
        (b"\"\xed\xa0\x80\\n\xff\"", "\u{fffd}\u{fffd}\u{fffd}\n\u{fffd}"),
    ];
    for (literal, text) in cases {
        assert_eq!(unquote(literal), text);
    }
}
