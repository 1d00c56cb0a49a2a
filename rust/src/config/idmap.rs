// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Id maps as the kernel takes them: one line of three numbers for each range (user_namespaces(7)).

use std::fmt::Write;

use super::settings::IdMapping;
use crate::error::{Error, Result};

/// The longest text of a map, in bytes: the kernel takes less than one page in one write, and the reference
/// keeps a page with a final NUL.
pub const MAX_TEXT: usize = 4_094;

/// The kernel's limit of lines.
pub const MAX_LINES: usize = 340;

/// The text of a map: `container host size` and a newline for each range. Errors: what [`check`] finds.
pub fn text(mappings: &[IdMapping]) -> Result<String> {
    check(mappings)?;
    Ok(render(mappings))
}

fn render(mappings: &[IdMapping]) -> String {
    mappings.iter().fold(String::new(), |mut text, mapping| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {} {}", mapping.container_id, mapping.host_id, mapping.size);
        text
    })
}

/// Refuses what the kernel would: a range of no ids, one beyond id 4,294,967,294, ranges that overlap on either
/// side, more than [`MAX_LINES`] lines, more than [`MAX_TEXT`] bytes of text.
pub fn check(mappings: &[IdMapping]) -> Result<()> {
    if mappings.len() > MAX_LINES {
        return Err(Error::invalid(format!("{} ranges, at most {MAX_LINES} are possible", mappings.len())));
    }
    for mapping in mappings {
        let IdMapping { container_id, host_id, size } = *mapping;
        if size == 0 {
            return Err(Error::invalid(format!("range \"{container_id} {host_id} 0\" has no ids")));
        }
        // 4,294,967,295 is (uid_t)-1, which means no id at all.
        if container_id.checked_add(size).is_none() || host_id.checked_add(size).is_none() {
            let range = format!("{container_id} {host_id} {size}");
            return Err(Error::invalid(format!("range \"{range}\" goes beyond id 4294967294")));
        }
    }
    disjoint(mappings, "container", |mapping| mapping.container_id)?;
    disjoint(mappings, "host", |mapping| mapping.host_id)?;
    let length = render(mappings).len();
    if length > MAX_TEXT {
        return Err(Error::invalid(format!("the text has {length} bytes, at most {MAX_TEXT} are possible")));
    }
    Ok(())
}

fn disjoint(mappings: &[IdMapping], side: &str, first: impl Fn(&IdMapping) -> u32) -> Result<()> {
    let mut ranges: Vec<(u32, u32)> = mappings.iter().map(|mapping| (first(mapping), mapping.size)).collect();
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        let [(start, size), (next, _)] = pair else { continue };
        if next - start < *size {
            return Err(Error::invalid(format!("the ranges from {side} ids {start} and {next} overlap")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(container_id: u32, host_id: u32, size: u32) -> IdMapping {
        IdMapping { container_id, host_id, size }
    }

    fn refusal(mappings: &[IdMapping]) -> String {
        text(mappings).expect_err("accepted").to_string()
    }

    #[test]
    fn a_line_for_each_range() {
        assert_eq!(text(&[]).unwrap(), "");
        assert_eq!(text(&[map(0, 1000, 1), map(1, 100_000, 65_536)]).unwrap(), "0 1000 1\n1 100000 65536\n");
    }

    #[test]
    fn ranges_the_kernel_refuses_are_refused() {
        assert_eq!(refusal(&[map(0, 5, 0)]), "range \"0 5 0\" has no ids");
        assert!(text(&[map(0, u32::MAX - 1, 1)]).is_ok());
        assert_eq!(refusal(&[map(0, u32::MAX, 1)]), "range \"0 4294967295 1\" goes beyond id 4294967294");
        assert!(text(&[map(0, 0, u32::MAX)]).is_ok());
        assert_eq!(refusal(&[map(1, 0, u32::MAX)]), "range \"1 0 4294967295\" goes beyond id 4294967294");
        assert!(text(&[map(0, 100, 10), map(10, 110, 10)]).is_ok());
        assert_eq!(refusal(&[map(0, 100, 10), map(9, 200, 1)]), "the ranges from container ids 0 and 9 overlap");
        assert_eq!(refusal(&[map(0, 100, 10), map(20, 91, 10)]), "the ranges from host ids 91 and 100 overlap");
        assert_eq!(refusal(&[map(0, 7, 1), map(1, 7, 1)]), "the ranges from host ids 7 and 7 overlap");
    }

    #[test]
    fn lines_and_text_have_their_limits() {
        let short: Vec<IdMapping> = (0..341).map(|id| map(id, id, 1)).collect();
        assert!(text(&short[..340]).is_ok());
        assert_eq!(refusal(&short), "341 ranges, at most 340 are possible");
        // 23 bytes a line.
        let mut long: Vec<IdMapping> = (0..178).map(|id| map(100_000_000 + id, 1_000_000_000 + id, 1)).collect();
        assert_eq!(text(&long).unwrap().len(), MAX_TEXT);
        long[177].size = 10;
        assert_eq!(refusal(&long), "the text has 4095 bytes, at most 4094 are possible");
    }

    proptest! {
        #[test]
        fn an_accepted_map_is_one_to_one(mappings in prop::collection::vec((0u32..64, 0u32..64, 0u32..8), 0..8)) {
            let mappings: Vec<IdMapping> = mappings.into_iter().map(|(c, h, size)| map(c, h, size)).collect();
            let ids = |first: fn(&IdMapping) -> u32| {
                mappings.iter().flat_map(move |m| first(m)..first(m) + m.size).collect::<Vec<_>>()
            };
            let unique = |mut ids: Vec<u32>| { let all = ids.len(); ids.sort_unstable(); ids.dedup(); ids.len() == all };
            let legal = mappings.iter().all(|m| m.size > 0) && unique(ids(|m| m.container_id)) && unique(ids(|m| m.host_id));
            prop_assert_eq!(text(&mappings).is_ok(), legal);
        }

        #[test]
        fn no_map_panics(mappings in prop::collection::vec(any::<(u32, u32, u32)>(), 0..400)) {
            let mappings: Vec<IdMapping> = mappings.into_iter().map(|(c, h, size)| map(c, h, size)).collect();
            if let Ok(text) = text(&mappings) {
                prop_assert!(text.len() <= MAX_TEXT);
            }
        }
    }
}
