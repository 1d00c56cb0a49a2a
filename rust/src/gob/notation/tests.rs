// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is read is what was written, whatever stands between; and no text at all is more than an error.

use proptest::prelude::*;

use super::*;

/// A Go type as it was meant.
#[derive(Clone, Debug)]
enum Go {
    /// A notation and the gob type that it stands for.
    Known(&'static str, &'static str),
    Pointer(Box<Go>),
    Slice(Box<Go>),
    Array(usize, Box<Go>),
    Map(Box<Go>, Box<Go>),
    Struct(Vec<(String, Go)>),
}

const KNOWN: [(&str, &str); 27] = [
    ("bool", "bool"),
    ("int", "int"),
    ("int8", "int"),
    ("int16", "int"),
    ("int32", "int"),
    ("int64", "int"),
    ("rune", "int"),
    ("uint", "uint"),
    ("uint8", "uint"),
    ("uint16", "uint"),
    ("uint32", "uint"),
    ("uint64", "uint"),
    ("uintptr", "uint"),
    ("byte", "uint"),
    ("float32", "float"),
    ("float64", "float"),
    ("complex64", "complex"),
    ("complex128", "complex"),
    ("string", "string"),
    ("[]byte", "bytes"),
    ("[ ]uint8", "bytes"),
    ("any", "interface"),
    ("error", "interface"),
    ("interface{}", "interface"),
    ("interface {\n}", "interface"),
    ("time.Time", "Time"),
    ("time . Time", "Time"),
];

fn known() -> impl Strategy<Value = Go> {
    prop::sample::select(&KNOWN[..]).prop_map(|(notation, ty)| Go::Known(notation, ty))
}

fn go() -> impl Strategy<Value = Go> {
    let key = prop::sample::select(&["string", "int", "uint", "bool"][..]).prop_map(|name| Go::Known(name, name));
    let name = "[A-ZÄΩ][a-z0-9_]{0,5}";
    known().prop_recursive(6, 40, 5, move |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Go::Pointer(inner.into())),
            inner.clone().prop_map(|inner| Go::Slice(inner.into())),
            (0..1000usize, inner.clone()).prop_map(|(len, inner)| Go::Array(len, inner.into())),
            (key.clone(), inner.clone()).prop_map(|(key, inner)| Go::Map(key.into(), inner.into())),
            prop::collection::btree_map(name, inner, 0..5).prop_map(|fields| Go::Struct(fields.into_iter().collect())),
        ]
    })
}

/// Writes a type, with what `gap` gives in each place where Go allows a space and in each that ends a line.
fn show(go: &Go, gap: &mut impl FnMut(bool) -> &'static str) -> String {
    match go {
        Go::Known(notation, _) => (*notation).to_owned(),
        Go::Pointer(inner) => format!("*{}{}", gap(false), show(inner, gap)),
        // `[]byte` is another type.
        Go::Slice(inner) if matches!(**inner, Go::Known(_, "uint")) => format!("[]*{}", show(inner, gap)),
        Go::Slice(inner) => format!("[{}]{}{}", gap(false), gap(false), show(inner, gap)),
        Go::Array(len, inner) => format!("[{}{len}]{}", gap(false), show(inner, gap)),
        Go::Map(key, inner) => format!("map{}[{}]{}", gap(false), show(key, gap), show(inner, gap)),
        Go::Struct(fields) => {
            let mut text = format!("struct {{{}", gap(false));
            for (name, ty) in fields {
                text += &format!("{name} {}{}", show(ty, gap), gap(true));
            }
            text + "}"
        }
    }
}

/// Whether a type is what was meant.
fn is(types: &Types, ty: Ref, go: &Go) -> bool {
    is_type(types, types.resolve(ty).unwrap(), go)
}

fn is_type(types: &Types, ty: &Type, go: &Go) -> bool {
    match (go, &ty.kind) {
        (Go::Known(_, name), _) => ty.name == *name,
        (Go::Pointer(inner), _) => is_type(types, ty, inner),
        (Go::Slice(inner), Kind::Slice { elem }) => is(types, *elem, inner),
        (Go::Array(count, inner), Kind::Array { elem, len }) => count == len && is(types, *elem, inner),
        (Go::Map(key, inner), Kind::Map { key: k, elem }) => is(types, *k, key) && is(types, *elem, inner),
        (Go::Struct(fields), Kind::Struct(read)) => {
            fields.len() == read.len()
                && fields
                    .iter()
                    .zip(read.iter())
                    .all(|((name, go), field)| field.name == *name && is(types, field.ty, go))
        }
        _ => false,
    }
}

const GAPS: [&str; 4] = ["", " ", "\t", "/* between **/"];
const ENDS: [&str; 7] = ["\n", ";", " `json:\"x\"`\n", " // end\n", "/* end\n*/", "\n\n ;\n", " \"a\\\"b\";"];

proptest! {
    #[test]
    fn what_is_read_is_what_was_written(go in go(), choices: Vec<prop::sample::Index>, named: bool) {
        let mut choices = choices.into_iter().cycle();
        let mut gap = |ends: bool| {
            let from = if ends { &ENDS[..] } else { &GAPS };
            choices.next().map_or(from[0], |choice| from[choice.index(from.len())])
        };
        let text = show(&go, &mut gap);
        let text = if named { format!("type Reply {text}\n") } else { text };
        let (types, ty) = parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        prop_assert!(is(&types, ty, &go), "{}", text);
        let name = &types.resolve(ty).unwrap().name;
        prop_assert!(!named || name == "Reply" || types.resolve(ty).unwrap().kind.builtin_id().is_some() || name == "Time");
    }

    #[test]
    fn any_text_is_a_type_or_an_error(text: String) {
        let _ = parse(&text);
    }

    #[test]
    fn any_tokens_are_a_type_or_an_error(
        words in prop::collection::vec(prop::sample::select(&[
            "type ", "struct", "{", "}", "[", "]", "*", "map", ";", "\n", ",", "A ", "B ", "int ", "byte ", "7", "09", "time",
            ".", "Time", "any ", "interface", "`t`", "\"", "//", "/*", "*/", "(", "ä", "é ", "_", "chan ",
        ][..]), 0..40)
    ) {
        let text = words.concat();
        match parse(&text) {
            Ok((types, ty)) => {
                // Every component is there.
                let ty = types.resolve_handle(ty).unwrap();
                prop_assert!(types.describe(&ty).len() < 10_000);
                for id in FIRST_USER_ID..FIRST_USER_ID + types.len() as Id {
                    prop_assert!(types.holds_interface(id).is_ok(), "{}", text);
                }
            }
            Err(error) => prop_assert!(error.to_string().starts_with("byte "), "{}: {}", text, error),
        }
    }

    #[test]
    fn what_messages_call_a_list_or_a_map_can_be_read(go in go()) {
        let (types, ty) = parse(&show(&go, &mut |ends| if ends { ";" } else { "" })).unwrap();
        let described = types.describe(types.resolve(ty).unwrap());
        // In messages a struct is a word, and what Go knows under several names has another one.
        if !["struct", "float", "complex", "bytes", "interface", "Time", "..."].iter().any(|word| described.contains(word)) {
            let (again, ty) = parse(&described).unwrap_or_else(|error| panic!("{described}: {error}"));
            prop_assert_eq!(again.describe(again.resolve(ty).unwrap()), described);
        }
    }
}

fn refused(text: &str) -> String {
    parse(text).err().unwrap_or_else(|| panic!("{text} was read")).to_string()
}

#[test]
fn errors_say_where_what_and_instead_of_what() {
    let cases = [
        ("", "byte 0: expected a type, found the end"),
        ("struct{ A int, B string }", "byte 13: expected \";\", the end of the line or \"}\", found \",\""),
        ("struct{ A int B string }", "byte 14: expected \";\", the end of the line or \"}\", found \"B\""),
        ("struct{ a int }", "byte 8: expected an exported field, which begins with an upper-case letter, found \"a\""),
        ("struct{ A, A int }", "byte 11: expected a field of another name, found \"A\""),
        ("struct{ Base }", "byte 13: expected a type, found \"}\""),
        ("struct{ A int", "byte 13: expected \";\", the end of the line or \"}\", found the end"),
        ("struct{ A fs.FileMode }", "byte 10: expected a type, found \"fs\""),
        ("struct{ A FileMode }", "byte 10: expected a type that Go has or this text declares, found \"FileMode\""),
        ("[x]int", "byte 1: expected \"]\" or the length of an array, found \"x\""),
        ("[-1]int", "byte 1: expected Go's notation of a type, found \"-\""),
        ("[0x10]int", "byte 1: expected the length of an array in decimal digits, found \"0x10\""),
        (
            "[9223372036854775808]int",
            "byte 1: expected the length of an array in decimal digits, found \"9223372036854775808\"",
        ),
        ("map[[]byte]int", "byte 4: expected the type of a key, which is no list and no map, found \"[\""),
        ("map[string int", "byte 11: expected \"]\", found \"int\""),
        ("chan int", "byte 0: expected a type, found \"chan\""),
        ("time.Duration", "byte 5: expected \"Time\", found \"Duration\""),
        ("int int", "byte 4: expected the end, found \"int\""),
        ("int; int", "byte 5: expected a declaration or the end, found \"int\""),
        ("Reply", "byte 0: expected a type that Go has or this text declares, found \"Reply\""),
        ("type int struct{}", "byte 5: expected a name that is not taken, found \"int\""),
        ("type A struct{}; type A struct{}", "byte 22: expected a name that is not taken, found \"A\""),
        ("type A struct{}; type M uint32", "byte 24: expected a struct, list or map to declare, found \"uint32\""),
        ("interface{ Name() string }", "byte 11: expected \"}\", found \"Name\""),
        ("struct{ A int `json }", "byte 14: expected the end of the tag, found \"`json }\""),
        ("/* int", "byte 0: expected the end of the comment, found \"/* int\""),
    ];
    for (text, error) in cases {
        assert_eq!(refused(text), error, "{text}");
    }
}

#[test]
fn texts_and_nesting_have_bounds() {
    let nested = |count: usize| "[]".repeat(count) + "int";
    assert!(parse(&nested(63)).is_ok());
    assert_eq!(refused(&nested(64)), "byte 128: expected no more than 64 types within one another, found \"int\"");
    assert!(refused(&"*".repeat(60_000)).starts_with("byte 64: expected no more than 64"));
    assert!(refused(&" ".repeat(MAX_TEXT + 1)).contains("bytes, more than 65536"));
    assert!(
        refused(&format!("struct{{ {} int }}", "A".repeat(1025))).starts_with("byte 8: expected the name of a field")
    );
    // Declared types within one another are bounded where they are sent.
    let chain: String = (0..3000).map(|place| format!("type A{place} []A{}\n", place + 1)).collect();
    let (types, ty) = parse(&format!("{chain}type A3000 []int")).unwrap();
    let sent = crate::gob::Encoder::new().encode_as(&types, ty, &serde_json::json!([]), &mut Vec::new());
    assert_eq!(sent.unwrap_err().to_string(), "gob: invalid nesting depth");
}

#[test]
fn declarations_may_name_themselves_and_each_other() {
    let text = "
        // Tree is what is sent.
        type Tree struct {
            Value int64 `json:\"value\"`
            Left, Right *Tree
            Leaves []Leaf
        }
        type Leaf struct { Tree *Tree; Data Data }
        type Data map[string][4]byte;
    ";
    let (types, ty) = parse(text).unwrap();
    let tree = types.resolve(ty).unwrap();
    let Kind::Struct(fields) = &tree.kind else { panic!("{tree:?}") };
    assert_eq!((tree.name.as_ref(), fields.len()), ("Tree", 4));
    assert!(std::ptr::eq(types.resolve(fields[2].ty).unwrap(), tree));
    let json = serde_json::json!({ "Value": 1, "Left": { "Value": 2 }, "Leaves": [{ "Data": { "x": [1, 2, 3, 4] } }] });
    let mut stream = Vec::new();
    crate::gob::Encoder::new().encode_as(&types, ty, &json, &mut stream).unwrap();
    let mut decoder = crate::gob::Decoder::new(&stream[..], Limits::default());
    let shown = decoder.next_value().unwrap().json().unwrap();
    assert_eq!(shown["Left"]["Value"], 2);
    assert_eq!(shown["Leaves"][0]["Data"]["x"], serde_json::json!([1, 2, 3, 4]));
}

#[test]
fn fields_are_known_by_their_names() {
    assert!(["A", "Path", "Ä1", "A_b"].into_iter().all(is_field));
    assert!(!["", "a", "_A", "1A", "A b", "A;", "A.B", " A", "A "].into_iter().any(is_field));
    assert!(!is_field(&"A".repeat(1025)));
}
