// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The kernel puts the environment of a new program on its stack and gives it a quarter of the soft limit.

use rustix::process::{Resource, Rlimit, getrlimit};

use crate::error::{Error, ErrorKind, Result};

/// What arguments and other variables need beside the configuration, in bytes.
const RESERVE: u64 = 4096;

/// Checks that an environment with a configuration of `size` bytes fits under the stack limit of this process. Errors:
/// it does not; the advice is the command that raises the soft limit, or that the hard limit is too low.
pub fn check(size: usize) -> Result<()> {
    check_against(getrlimit(Resource::Stack), size)
}

/// Without a limit a bound of the kernel's own holds, 6 MiB, which no configuration by environment reaches.
fn check_against(limit: Rlimit, size: usize) -> Result<()> {
    let Some(soft) = limit.current else { return Ok(()) };
    let needed = (size as u64).saturating_add(RESERVE);
    if needed <= soft / 4 {
        return Ok(());
    }
    let kilobytes = needed.saturating_mul(4).div_ceil(1024);
    let text = format!(
        "engine configuration: {size} bytes do not fit into the environment: a quarter of the stack limit of {} kB \
         must hold them and {RESERVE} bytes",
        soft / 1024
    );
    let help = match limit.maximum {
        Some(hard) if hard / 1024 < kilobytes => {
            format!("a stack limit of {kilobytes} kB would do, but the hard limit of {} kB is reached", hard / 1024)
        }
        _ => format!("raise the soft limit: ulimit -S -s {kilobytes}"),
    };
    Err(Error::new(ErrorKind::Refused, text).with_help(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(current: u64, maximum: Option<u64>, size: usize) -> Error {
        check_against(Rlimit { current: Some(current), maximum }, size).expect_err("accepted")
    }

    #[test]
    fn a_quarter_of_the_limit_holds_configuration_and_reserve() {
        let limit = Rlimit { current: Some(4 * (4096 + 100)), maximum: None };
        assert!(check_against(limit, 100).is_ok());
        assert!(check_against(limit, 101).is_err());
        assert!(check_against(Rlimit { current: None, maximum: None }, usize::MAX).is_ok());
        assert!(check_against(Rlimit { current: Some(8 << 20), maximum: None }, 1_048_448).is_ok());
    }

    #[test]
    fn the_advice_would_do() {
        let error = refusal(1 << 20, None, 500_000);
        assert_eq!(error.help(), Some("raise the soft limit: ulimit -S -s 1970"));
        assert!(check_against(Rlimit { current: Some(1970 * 1024), maximum: None }, 500_000).is_ok());
        assert!(check_against(Rlimit { current: Some(1969 * 1024), maximum: None }, 500_000).is_err());
        assert!(error.to_string().contains("a quarter of the stack limit of 1024 kB"), "{error}");
    }

    #[test]
    fn a_hard_limit_that_is_too_low_is_named() {
        let hard =
            |kilobytes: u64| refusal(1 << 20, Some(kilobytes * 1024), 500_000).help().unwrap_or_default().to_owned();
        assert_eq!(hard(1969), "a stack limit of 1970 kB would do, but the hard limit of 1969 kB is reached");
        assert_eq!(hard(1970), "raise the soft limit: ulimit -S -s 1970");
    }
}
