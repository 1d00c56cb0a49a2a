// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The programs that write id maps of more than one id for an ordinary user.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use super::MAX_PATH;
use crate::error::{Error, ErrorKind, Result};

/// The default PATH: the caller's own is not to be trusted with a program that the map's safety rests on.
const DEFAULT_PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The path of a helper in the default PATH.
pub(super) fn find(name: &str, is_suid: bool) -> Result<String> {
    if is_suid {
        return Err(Error::new(ErrorKind::Refused, format!("use {name}: not possible in the setuid flow")));
    }
    find_in(&DEFAULT_PATH, name, |metadata| metadata.uid())
}

/// As [`find`], in other directories and with another idea of the owner.
fn find_in(directories: &[&str], name: &str, owner: impl Fn(&Metadata) -> u32) -> Result<String> {
    for directory in directories {
        let path = format!("{directory}/{name}");
        if path.len() > MAX_PATH {
            return Err(Error::invalid(format!("use {name}: its path has more than {MAX_PATH} bytes")));
        }
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        if !metadata.is_file() || metadata.mode() & 0o111 == 0 {
            continue;
        }
        let uid = owner(&metadata);
        if uid != 0 {
            return Err(Error::new(ErrorKind::Refused, format!("use \"{path}\": owned by user {uid}, not by root")));
        }
        return Ok(path);
    }
    Err(Error::new(ErrorKind::NotFound, format!("use {name}: not found in {}", directories.join(":")))
        .with_help("install Debian's package uidmap, elsewhere called shadow-utils or newuidmap"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_executable_of_root_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let directory = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
        let [none, other, good] = ["none", "other", "good"].map(directory);
        for (directory, mode) in [(&other, 0o644), (&good, 0o755)] {
            std::fs::create_dir(directory).unwrap();
            let program = format!("{directory}/helper");
            std::fs::write(&program, "").unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let path = [none.as_str(), &other, &good];
        assert_eq!(find_in(&path, "helper", |_| 0).unwrap(), format!("{good}/helper"));
        let error = find_in(&path, "helper", |_| 1000).unwrap_err();
        assert_eq!(error.to_string(), format!("use \"{good}/helper\": owned by user 1000, not by root"));
        let error = find_in(&path[..2], "helper", |_| 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.help().unwrap().contains("uidmap"));
    }

    #[test]
    fn the_setuid_flow_has_no_helpers() {
        assert_eq!(find("newuidmap", true).unwrap_err().kind(), ErrorKind::Refused);
    }

    #[test]
    fn a_path_has_a_limit() {
        let root = tempfile::tempdir().unwrap();
        let good = root.path().to_str().unwrap();
        std::fs::write(format!("{good}/helper"), "").unwrap();
        std::fs::set_permissions(format!("{good}/helper"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let padded = |length: usize| format!("{good}{}", "/".repeat(length - good.len() - "/helper".len()));
        assert!(find_in(&[&padded(MAX_PATH)], "helper", |_| 0).is_ok());
        let error = find_in(&[&padded(MAX_PATH + 1)], "helper", |_| 0).unwrap_err();
        assert_eq!(error.to_string(), "use helper: its path has more than 4095 bytes");
    }
}
