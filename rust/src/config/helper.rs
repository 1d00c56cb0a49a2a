// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The programs that write id maps of more than one id for an ordinary user.

use crate::error::{Error, ErrorKind, Result};
use crate::trusted::Program;

/// The path of a helper.
pub(super) fn find(name: &str, is_suid: bool) -> Result<String> {
    if is_suid {
        return Err(Error::new(ErrorKind::Refused, format!("use {name}: not possible in the setuid flow")));
    }
    let help = "install Debian's package uidmap, elsewhere called shadow-utils or newuidmap";
    Program::find(name, &[0], help).map(|program| program.path().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setuid_flow_has_no_helpers() {
        assert_eq!(find("newuidmap", true).unwrap_err().kind(), ErrorKind::Refused);
    }

    #[test]
    fn a_missing_one_says_what_to_install() {
        let error = find("newuidmap-that-nobody-has", false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.help().unwrap().contains("uidmap"));
    }
}
