// SPDX-License-Identifier: Apache-2.0 OR MIT
//! NvCCLI: NVIDIA's devices, libraries and programs for a container's root, by the host's nvidia-container-cli.

use std::ffi::OsString;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;

use rustix::thread::{CapabilitySet, capabilities, capability_is_in_bounding_set};

use super::Builtin;
use crate::config::names::capability_names;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::gob::{ByteString, Typed};
use crate::gob_struct;
use crate::policy;
use crate::trusted::{Root, Run};

gob_struct! {
    /// The arguments of NvCCLI.
    pub struct NvCcliArgs as "NvCCLIArgs" {
        /// The variables of the caller's environment that begin with `NVIDIA_`, each as `NAME=value`.
        pub variables: Vec<ByteString> as "Flags",
        /// The container's root, an absolute path.
        pub root: ByteString as "RootFsPath",
        /// Whether the server is in a user namespace: the program then keeps its ids.
        pub user_namespace: bool as "UserNS",
    }
}

/// NvCCLI. What the program gets besides is not raised here but put into its ambient set.
pub static METHOD: Builtin = Builtin {
    name: "NvCCLI",
    raises: CapabilitySet::SETUID.union(CapabilitySet::SETGID),
    args: NvCcliArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| {
        let root = Root::present(policy::server().is_some());
        builtin.answered_by(set, move |args: NvCcliArgs| {
            let during = |error: Error| error.during(format!("set up NVIDIA for {:?}", args.root));
            configure(&args, &root).map(|()| 0i64).map_err(|error| during(error).into())
        })
    },
};

/// What nvidia-container-cli needs.
const CAPABILITIES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::NET_ADMIN)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::SYS_PTRACE);

/// Whose files root's are in a user namespace that root has no id in (user_namespaces(7)).
const OVERFLOW: u32 = 65534;

fn configure(args: &NvCcliArgs, root: &Root) -> Result<()> {
    if let Some(policy) = policy::server() {
        policy.permits_nvidia()?;
    }
    let options = options(&args.variables)?;
    if !args.root.starts_with(b"/") {
        return Err(Error::invalid("no absolute path"));
    }
    if !args.root.as_path().is_dir() {
        return Err(Error::new(ErrorKind::NotFound, "no such directory"));
    }
    let owners: &[u32] = if args.user_namespace { &[0, OVERFLOW] } else { &[0] };
    let cli = root.find("nvidia-container-cli", owners, "install NVIDIA's Container Toolkit")?;
    // It is executed with the same rights, inside the container's root, so that the client must have no say in it.
    let ldconfig = root.find("ldconfig", owners, "it is a part of the C library")?.into_file();
    check_capabilities()?;
    // The container's root is the last word, and --user stands before the command.
    let mut run = Run::with(args.user_namespace.then_some("--user").into_iter().chain(["configure", "--no-cgroups"]));
    run.arguments.extend(options);
    run.arguments.push(format!("--ldconfig=@/proc/self/fd/{}", ldconfig.as_raw_fd()).into());
    run.arguments.push(args.root.as_path().into());
    run.files = vec![ldconfig];
    run.root = !args.user_namespace;
    run.ambient = CAPABILITIES;
    let ended = cli.run(run)?;
    match ended.status.success() {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::System, format!("nvidia-container-cli: {}", ended.text()))),
    }
}

/// The kernel would only say that something is not permitted.
fn check_capabilities() -> Result<()> {
    let permitted = capabilities(None).tried(|| "read capabilities")?.permitted;
    let may = |one: &CapabilitySet| permitted.contains(*one) && capability_is_in_bounding_set(*one).unwrap_or(false);
    let missing = CAPABILITIES.iter().filter(|one| !may(one)).fold(CapabilitySet::empty(), CapabilitySet::union);
    if missing.is_empty() {
        return Ok(());
    }
    let names = capability_names(missing.bits()).join(" ");
    Err(Error::new(
        ErrorKind::Refused,
        format!("the server may not give nvidia-container-cli {names}: its bounding set needs SetNvCCLICaps"),
    ))
}

/// What a container may be given of the driver.
const DRIVER: [&str; 6] = ["compute", "compat32", "graphics", "utility", "video", "display"];

/// The options of `configure` for the variables that NVIDIA's container runtime knows; others mean nothing.
fn options(variables: &[ByteString]) -> Result<Vec<OsString>> {
    let (mut options, mut driver, mut required) = (Vec::new(), Vec::new(), Some(Vec::new()));
    for variable in variables {
        let refused = |why: &str| Error::invalid(format!("variable {variable:?}: {why}"));
        let at = variable.iter().position(|byte| *byte == b'=').ok_or_else(|| refused("no value"))?;
        let (name, value) = (&variable[..at], &variable[at + 1..]);
        let option = |option: &str| OsString::from_vec([option.as_bytes(), value].concat());
        match name.strip_prefix(b"NVIDIA_").ok_or_else(|| refused("its name does not begin with NVIDIA_"))? {
            b"DISABLE_REQUIRE" => required = None,
            name if name.starts_with(b"REQUIRE_") => {
                required.as_mut().into_iter().for_each(|list| list.push(option("--require=")));
            }
            _ if value.is_empty() => {}
            b"VISIBLE_DEVICES" => options.push(option("--device=")),
            b"MIG_CONFIG_DEVICES" => options.push(option("--mig-config=")),
            b"MIG_MONITOR_DEVICES" => options.push(option("--mig-monitor=")),
            b"DRIVER_CAPABILITIES" => {
                for wanted in value.split(|byte| *byte == b',') {
                    let known = DRIVER.iter().find(|known| known.as_bytes() == wanted);
                    let known = known.ok_or_else(|| refused(&format!("known are {}", DRIVER.join(","))))?;
                    driver.push(OsString::from(format!("--{known}")));
                }
            }
            _ => {}
        }
    }
    if driver.is_empty() {
        driver.extend(["--compute", "--utility"].map(OsString::from));
    }
    options.extend(driver);
    options.extend(required.into_iter().flatten());
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(variables: &[&str]) -> Result<Vec<String>, String> {
        let variables: Vec<ByteString> = variables.iter().map(|variable| (*variable).into()).collect();
        let options = options(&variables).map_err(|error| error.to_string())?;
        Ok(options.into_iter().map(|option| option.into_string().unwrap()).collect())
    }

    #[test]
    fn variables_become_options() {
        assert_eq!(text(&[]).unwrap(), ["--compute", "--utility"]);
        let all = [
            "NVIDIA_REQUIRE_CUDA=cuda>=9.0",
            "NVIDIA_VISIBLE_DEVICES=0,1",
            "NVIDIA_MIG_CONFIG_DEVICES=all",
            "NVIDIA_MIG_MONITOR_DEVICES=a=b",
            "NVIDIA_DRIVER_CAPABILITIES=video,compute",
            "NVIDIA_SOMETHING=else",
        ];
        let wanted = ["--device=0,1", "--mig-config=all", "--mig-monitor=a=b", "--video", "--compute"];
        assert_eq!(text(&all).unwrap(), [&wanted[..], &["--require=cuda>=9.0"]].concat());
        assert_eq!(text(&[&all[..], &["NVIDIA_DISABLE_REQUIRE=1"]].concat()).unwrap(), wanted);
        let empty = ["NVIDIA_VISIBLE_DEVICES=", "NVIDIA_DRIVER_CAPABILITIES="];
        assert_eq!(text(&empty).unwrap(), ["--compute", "--utility"]);
    }

    #[test]
    fn a_client_cannot_choose_an_option() {
        let refused = |variable: &str, why: &str| {
            assert_eq!(text(&[variable]).unwrap_err(), format!("variable {variable:?}: {why}"));
        };
        refused("--ldconfig=/tmp/mine", "its name does not begin with NVIDIA_");
        refused("NVIDIA_VISIBLE_DEVICES", "no value");
        let known = "known are compute,compat32,graphics,utility,video,display";
        refused("NVIDIA_DRIVER_CAPABILITIES=compute,ldconfig=@/tmp/mine", known);
        refused("NVIDIA_DRIVER_CAPABILITIES=compute,", known);
    }
}
