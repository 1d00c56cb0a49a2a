// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The engine configuration as environment variables, as launchers of the family pass it: `ENGINE_CONFIG1` and so
//! on hold its parts, `ENGINE_CONFIG_CHUNKS` their number.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// The variable that holds the number of chunks.
pub const COUNT_VARIABLE: &str = "ENGINE_CONFIG_CHUNKS";

/// In front of a chunk's number, from 1.
pub const CHUNK_VARIABLE: &str = "ENGINE_CONFIG";

/// How many chunks there may be.
pub const MAX_CHUNKS: usize = 8;

/// The largest chunk that is written, in bytes: the kernel's limit for one string is 131,072 with name and NUL.
pub const CHUNK: usize = 131_056;

/// The largest configuration that is written, in bytes.
pub const MAX_WRITTEN: usize = MAX_CHUNKS * CHUNK;

/// The largest chunk that is read: what the reference's starter takes, by a slip of arithmetic there.
pub const MAX_CHUNK_READ: usize = 131_062;

/// The largest configuration that is read, as above.
pub const MAX_READ: usize = 1_048_565;

// The chunks' own limits come first, so that the whole needs no check.
const _: () = assert!(MAX_CHUNKS * MAX_CHUNK_READ <= MAX_READ);

/// Cuts a configuration into variables, names and values. Errors: empty, has a NUL, more than [`MAX_WRITTEN`] bytes.
pub fn cut(config: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let size = config.len();
    if size == 0 {
        return Err(Error::invalid("engine configuration: is empty"));
    }
    if size > MAX_WRITTEN {
        let text = format!("engine configuration: {size} bytes, at most {MAX_WRITTEN} fit into the environment");
        return Err(Error::invalid(text).with_help("a starter of pinion takes it by descriptor, up to 64 MiB"));
    }
    if config.contains(&0) {
        return Err(Error::invalid("engine configuration: has a NUL, which no environment can hold"));
    }
    let chunks = config.chunks(CHUNK);
    let count = (COUNT_VARIABLE.to_owned(), chunks.len().to_string().into_bytes());
    let chunks = chunks.enumerate().map(|(index, chunk)| (format!("{CHUNK_VARIABLE}{}", index + 1), chunk.to_vec()));
    Ok(std::iter::once(count).chain(chunks).collect())
}

/// Puts the chunks of an environment together. Of a variable that is there twice the first counts, as in getenv(3);
/// other variables are ignored. Errors: no number of chunks, or none from 1 to 8 in plain decimal digits; a chunk that
/// is missing, empty or larger than [`MAX_CHUNK_READ`].
pub fn join<'a>(environment: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Result<Vec<u8>> {
    let mut found: BTreeMap<&[u8], &[u8]> = BTreeMap::new();
    for (name, value) in environment {
        if name.starts_with(CHUNK_VARIABLE.as_bytes()) {
            found.entry(name).or_insert(value);
        }
    }
    let count =
        found.get(COUNT_VARIABLE.as_bytes()).ok_or_else(|| Error::invalid(format!("{COUNT_VARIABLE}: not set")))?;
    let mut config = Vec::new();
    for number in 1..=parse_count(count)? {
        let name = format!("{CHUNK_VARIABLE}{number}");
        let chunk = found.get(name.as_bytes()).ok_or_else(|| Error::invalid(format!("{name}: not set")))?;
        if chunk.is_empty() || chunk.len() > MAX_CHUNK_READ {
            let size = chunk.len();
            return Err(Error::invalid(format!("{name}: {size} bytes, 1 to {MAX_CHUNK_READ} are possible")));
        }
        config.extend_from_slice(chunk);
    }
    Ok(config)
}

/// A decimal number from 1 to 8 without sign, space or anything behind it.
fn parse_count(value: &[u8]) -> Result<usize> {
    match value {
        [digit @ b'1'..=b'8'] => Ok(usize::from(digit - b'0')),
        _ => Err(Error::invalid(format!(
            "{COUNT_VARIABLE}: \"{}\" is no number from 1 to {MAX_CHUNKS}",
            value.get(..40).unwrap_or(value).escape_ascii()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Variable<'a> = (&'a str, &'a [u8]);

    fn joined(variables: &[Variable<'_>]) -> Result<Vec<u8>> {
        join(variables.iter().map(|(name, value)| (name.as_bytes(), *value)))
    }

    fn refusal(variables: &[Variable<'_>]) -> String {
        joined(variables).expect_err("accepted").to_string()
    }

    fn round(config: &[u8]) -> Vec<u8> {
        let variables = cut(config).unwrap();
        for (name, value) in &variables {
            assert!(name.len() + "=".len() + value.len() < 131_072);
        }
        join(variables.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()))).unwrap()
    }

    #[test]
    fn a_configuration_is_cut_where_a_chunk_is_full() {
        for (size, chunks) in [(1, 1), (CHUNK, 1), (CHUNK + 1, 2), (MAX_WRITTEN, 8)] {
            let config = vec![b'x'; size];
            let variables = cut(&config).unwrap();
            assert_eq!(variables.len(), chunks + 1);
            assert_eq!(variables[0], ("ENGINE_CONFIG_CHUNKS".to_owned(), chunks.to_string().into_bytes()));
            assert_eq!(variables[1].0, "ENGINE_CONFIG1");
            assert_eq!(round(&config), config);
        }
    }

    #[test]
    fn what_no_environment_can_hold_is_refused() {
        assert_eq!(cut(b"").unwrap_err().to_string(), "engine configuration: is empty");
        assert!(cut(b"a\0b").unwrap_err().to_string().contains("has a NUL"));
        let error = cut(&vec![b'x'; MAX_WRITTEN + 1]).unwrap_err();
        assert_eq!(error.to_string(), "engine configuration: 1048449 bytes, at most 1048448 fit into the environment");
        assert!(error.help().is_some());
    }

    #[test]
    fn the_number_is_read_strictly() {
        assert_eq!(refusal(&[]), "ENGINE_CONFIG_CHUNKS: not set");
        let wrong =
            ["", "0", "9", "-1", "+3", " 3", "3 ", "3abc", "0x3", "03", "3\n", "4294967297", "18446744073709551616"];
        for count in wrong {
            let error = refusal(&[(COUNT_VARIABLE, count.as_bytes()), ("ENGINE_CONFIG1", b"x")]);
            assert!(error.ends_with("is no number from 1 to 8"), "{error}");
        }
        assert!(refusal(&[(COUNT_VARIABLE, &[b'9'; 100_000])]).len() < 120);
    }

    #[test]
    fn chunks_have_limits() {
        let full = vec![b'x'; MAX_CHUNK_READ];
        assert_eq!(joined(&[(COUNT_VARIABLE, b"1"), ("ENGINE_CONFIG1", &full)]).unwrap(), full);
        let over = vec![b'x'; MAX_CHUNK_READ + 1];
        let error = refusal(&[(COUNT_VARIABLE, b"1"), ("ENGINE_CONFIG1", &over)]);
        assert_eq!(error, "ENGINE_CONFIG1: 131063 bytes, 1 to 131062 are possible");
        assert!(refusal(&[(COUNT_VARIABLE, b"1"), ("ENGINE_CONFIG1", b"")]).starts_with("ENGINE_CONFIG1: 0 bytes"));
        let error = refusal(&[(COUNT_VARIABLE, b"2"), ("ENGINE_CONFIG1", b"x"), ("ENGINE_CONFIG3", b"x")]);
        assert_eq!(error, "ENGINE_CONFIG2: not set");
    }

    #[test]
    fn eight_full_chunks_are_read() {
        let names: Vec<String> = (1..=8).map(|number| format!("ENGINE_CONFIG{number}")).collect();
        let full = vec![b'x'; MAX_CHUNK_READ];
        let mut variables: Vec<Variable<'_>> = names.iter().map(|name| (name.as_str(), full.as_slice())).collect();
        variables.push((COUNT_VARIABLE, b"8"));
        assert_eq!(joined(&variables).unwrap().len(), MAX_CHUNKS * MAX_CHUNK_READ);
    }

    #[test]
    fn the_first_of_a_repeated_variable_counts() {
        let variables: [Variable<'_>; 6] = [
            ("OTHER", &[b'o'; 1 << 20]),
            ("ENGINE_CONFIG1", b"first\nline"),
            (COUNT_VARIABLE, b"1"),
            (COUNT_VARIABLE, b"2"),
            ("ENGINE_CONFIG1", b"second"),
            ("ENGINE_CONFIG2", b"more"),
        ];
        assert_eq!(joined(&variables).unwrap(), b"first\nline");
    }

    proptest! {
        #[test]
        fn what_is_cut_is_joined_again(seed in prop::collection::vec(1u8.., 1..64), copies in 1usize..16_000) {
            let config = seed.repeat(copies);
            prop_assert_eq!(round(&config), config);
        }

        #[test]
        fn no_environment_panics(values in prop::collection::vec((0usize..12, any::<Vec<u8>>()), 0..12)) {
            let names: Vec<String> = (0..12).map(|number| format!("ENGINE_CONFIG{number}")).collect();
            let variables = values.iter().map(|(number, value)| match number {
                0 => (COUNT_VARIABLE.as_bytes(), value.as_slice()),
                _ => (names[*number].as_bytes(), value.as_slice()),
            });
            let _ = join(variables);
        }
    }
}
