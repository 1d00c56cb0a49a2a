// SPDX-License-Identifier: Apache-2.0 OR MIT
//! container process · child of: master · namespaces: the container's, entered here · privileges: those of its user
//! namespace, or root's · dies with: SIGKILL from parent death · goes on as: stage 2 · tells: master.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::stat::{fstat, makedev};

use crate::config::settings::{NamespaceKind, Propagation};
use crate::engine::contract::holdings::DeathSignal;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys;
use crate::ffi::sys::descriptor;
use crate::lifecycle::child::{Child, Forked, arm_death_signal, fork, not_cloned};
use crate::lifecycle::cleanup_host::{Held, own_pidfd};
use crate::lifecycle::ending::fail;
use crate::lifecycle::host_processes::HostProcesses;
use crate::lifecycle::messages::{Channel, FromContainer, Handshake, ToContainer, channel};
use crate::lifecycle::pending::{Pending, Readied};
use crate::lifecycle::roles::{Role, Step};
use crate::lifecycle::rpc_server::{self, RpcServer};
use crate::lifecycle::stage2::Stage2;
use crate::namespaces::{self, Target};
use crate::plan::{Flow, Plan};
use crate::rpc::builtin;
use crate::{privileges, trace};

/// Master's ends of the sockets that step 10 makes.
pub struct MasterEnds {
    /// The stream between master and the container process.
    pub master: UnixStream,
    /// The RPC connection, unless only joining.
    pub rpc: Option<UnixStream>,
    /// What the core has to say besides.
    pub control: Channel<ToContainer, FromContainer>,
}

/// The container process's ends.
pub struct ContainerEnds {
    /// The stream between master and the container process.
    pub master: UnixStream,
    /// The RPC server's end, unless only joining.
    pub rpc: Option<UnixStream>,
    /// What the core has to say besides.
    pub control: Channel<FromContainer, ToContainer>,
}

/// Step 10.
pub fn sockets(join_only: bool) -> Result<(MasterEnds, ContainerEnds)> {
    let pair = || UnixStream::pair().tried(|| "make a socket pair between master and the container process");
    let (master, container) = pair()?;
    let (client, server) =
        if join_only { (None, None) } else { pair().map(|(ours, theirs)| (Some(ours), Some(theirs)))? };
    let (ours, theirs) = channel()?;
    Ok((
        MasterEnds { master, rpc: client, control: ours },
        ContainerEnds { master: container, rpc: server, control: theirs },
    ))
}

/// Which side of [`clone`] this is.
pub enum Side {
    /// The container process.
    Container,
    /// Master.
    Master(Child),
}

/// Step 13, the clone: with a new PID namespace, in the hybrid flow a new user namespace, and with every other new one of which
/// nothing hangs on the order in which it is entered.
pub fn clone(plan: &Plan) -> Result<Side> {
    let mut kinds = plan.created_by(Role::Container);
    kinds.retain(|kind| is_cloned(*kind, plan));
    let flags = u64::try_from(namespaces::flags(&kinds).bits()).unwrap_or(0);
    match fork(Role::Container, flags).map_err(|errno| not_cloned(Role::Container, &kinds, errno))? {
        Forked::Child => Ok(Side::Container),
        Forked::Parent(child) => Ok(Side::Master(child)),
    }
}

/// Whether a new namespace comes with the clone. A mount namespace shared with master comes in two steps, and one that follows joined
/// ones is made as their user.
fn is_cloned(kind: NamespaceKind, plan: &Plan) -> bool {
    match kind {
        NamespaceKind::User | NamespaceKind::Pid => true,
        NamespaceKind::Mount if plan.propagate_to_master => false,
        _ => plan.joined().next().is_none(),
    }
}

/// What the container process brings along into its life.
pub struct Container {
    /// The plan.
    pub plan: Plan,
    /// The engine's name.
    pub engine_name: String,
    /// The methods that the RPC server serves without the program's own runtime, if it is to.
    pub native_rpc: Option<builtin::Options>,
    /// Its configuration.
    pub configuration: Vec<u8>,
    /// Its ends of the sockets.
    pub ends: ContainerEnds,
    /// The namespaces that it joins, opened beforehand.
    pub targets: Vec<Target>,
    /// Master's processes on the host. Of these the clean-up processes do not take master for dead as long as this process or its RPC
    /// server hold them.
    pub hosts: HostProcesses,
    /// Master's stage 1, if its end is still to be awaited there.
    pub stage1: Option<Child>,
}

impl Container {
    /// The life of the process up to its role, stage 2, and to that of the RPC server that it makes.
    pub fn live(self) -> Pending {
        let Container { plan, engine_name, native_rpc, configuration, ends, targets, mut hosts, stage1 } = self;
        let cleanup = hosts.release();
        stage1.into_iter().for_each(|mut stage1| stage1.release());
        let ContainerEnds { master, rpc, control } = ends;
        let known = cleanup.as_ref().map_or(Ok(()), announce);
        let entry = Entry { plan: &plan, targets: &targets, master: &master, control: &control };
        let entered = known.and_then(|()| entry.enter());
        drop(targets);
        let served = entered.and_then(|()| match rpc {
            None => Ok(None),
            Some(connection) => rpc_server::fork().map(|forked| Some((forked, connection))),
        });
        let prepared = match served {
            Ok(Some((rpc_server::Side::Child(line), connection))) => {
                // The server says nothing on the stream, and must not hold it open.
                drop(master);
                let server = RpcServer { engine_name, native: native_rpc, connection, line, control, cleanup };
                return server.enter(&plan);
            }
            Ok(Some((rpc_server::Side::Parent(server), connection))) => {
                drop(connection);
                // While the server works.
                let engine = readied(&engine_name, configuration);
                server.wait(&control).and(engine)
            }
            Ok(None) => readied(&engine_name, configuration),
            Err(error) => Err(error),
        };
        match prepared {
            Ok(engine) => {
                drop(cleanup);
                Stage2 { plan, engine, master, control }.enter()
            }
            Err(error) => fail(&control, &error),
        }
    }
}

/// The container's program starts with an empty mask, whichever thread executes it and whatever the caller's was; until then a
/// signal that ends the container ends this process, whatever the RPC server does.
fn readied(engine_name: &str, configuration: Vec<u8>) -> Result<Readied> {
    sys::signal::unblock_all()?;
    Readied::early(engine_name, configuration)
}

/// Hands this process's pidfd to the clean-up processes: master does so too, but may be killed before. Where it has none,
/// master's word has to do.
fn announce(cleanup: &Held) -> Result<()> {
    own_pidfd()?.map_or(Ok(()), |pidfd| cleanup.container(pidfd.as_fd()))
}

/// Steps 13 and 14, as the container process sees them.
struct Entry<'a> {
    plan: &'a Plan,
    targets: &'a [Target],
    master: &'a UnixStream,
    control: &'a Channel<FromContainer, ToContainer>,
}

impl Entry<'_> {
    fn enter(&self) -> Result<()> {
        trace::step(Step::Container);
        self.tie_to_master()?;
        if self.plan.creates_user_namespace() {
            Handshake::MapsWritten.expect(self.master, self.limit())?;
            self.take_root()?;
            reopen_fuse(&self.plan.descriptors.kept)?;
        }
        self.enter_namespaces()?;
        self.enter_mount_namespace()
    }

    fn limit(&self) -> Duration {
        self.plan.timeouts.handshake()
    }

    /// Parent death must end this process. Its parent's pid cannot be asked for across PID namespaces, so the control
    /// socket tells whether it died before the signal was armed.
    fn tie_to_master(&self) -> Result<()> {
        arm_death_signal(DeathSignal::of(Role::Container))?;
        if self.control.is_closed() {
            return Err(Error::new(ErrorKind::PeerDied, "start the container process: master is gone"));
        }
        Ok(())
    }

    /// Where the maps leave this process without ids of its own, it takes those of the namespace's root.
    fn take_root(&self) -> Result<()> {
        let (user, group) = self.plan.becomes_root();
        let has_saved_root = self.plan.flow == Flow::SetuidHybrid;
        if !user && !group && !has_saved_root {
            return Ok(());
        }
        privileges::become_root_of_namespace(user, group)?;
        if has_saved_root {
            privileges::forget_saved_ids()?;
        }
        // The kernel forgets it with a change of ids.
        self.tie_to_master()
    }

    fn enter_namespaces(&self) -> Result<()> {
        for target in self.targets.iter().filter(|target| target.kind() != NamespaceKind::Mount) {
            target.join()?;
        }
        let mut created = self.plan.created_by(Role::Container);
        created.retain(|kind| *kind != NamespaceKind::Mount && !is_cloned(*kind, self.plan));
        namespaces::create(&created)?;
        if self.plan.bring_loopback && self.plan.creates(NamespaceKind::Network) {
            namespaces::network::bring_loopback_up()?;
        }
        Ok(())
    }

    fn enter_mount_namespace(&self) -> Result<()> {
        let master = self.master;
        if let Some(target) = self.targets.iter().find(|target| target.kind() == NamespaceKind::Mount) {
            target.join()?;
            return Handshake::NamespacesReady.send(master);
        }
        if !self.plan.creates(NamespaceKind::Mount) {
            return Handshake::NamespacesReady.send(master);
        }
        if !self.plan.propagate_to_master {
            Handshake::NamespacesReady.send(master)?;
            if !is_cloned(NamespaceKind::Mount, self.plan) {
                namespaces::create(&[NamespaceKind::Mount])?;
            }
            return self.plan.propagation.map_or(Ok(()), namespaces::mount::set_propagation);
        }
        namespaces::create(&[NamespaceKind::Mount])?;
        namespaces::mount::set_propagation(self.plan.propagation.unwrap_or(Propagation::PRIVATE))?;
        namespaces::mount::set_propagation(Propagation::SHARED)?;
        Handshake::NamespacesReady.send(master)?;
        Handshake::Joined.expect(master, self.limit())?;
        namespaces::create(&[NamespaceKind::Mount])?;
        namespaces::mount::set_propagation(Propagation::SHARED)
    }
}

/// A FUSE descriptor works for the user namespace that opened it: the kept ones are opened anew inside the container's.
fn reopen_fuse(kept: &[i32]) -> Result<()> {
    for number in kept {
        let device =
            descriptor::with(*number, |fd| fstat(fd))?.tried(|| format!("look at kept descriptor {number}"))?;
        let is_device = device.st_mode & libc::S_IFMT == libc::S_IFCHR;
        if is_device && device.st_rdev == makedev(10, 229) {
            let fuse = std::fs::OpenOptions::new().read(true).write(true).open("/dev/fuse");
            let fuse = fuse.tried(|| "open \"/dev/fuse\" in the new user namespace")?;
            if fuse.as_raw_fd() != *number {
                descriptor::install(fuse.as_fd(), *number)?;
            }
        }
    }
    Ok(())
}
