//! The thread of the virtual routers, and its interface.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, mpsc as channel},
    thread,
};

use gateway_config::{InstanceConfig, Interface};
use gateway_vrrp::{Leave, Vrid};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Leases,
    log_queue::LogQueue,
    run::{Command, Loop},
    status::VirtualRouterStatus,
};

/// Real-time priority: above all threads that are not real-time, below the kernel's own threads (50).
const PRIORITY: libc::c_int = 10;

/// Reason why the virtual routers can't run.
#[derive(Debug, thiserror::Error)]
pub enum HaError {
    /// The thread or its runtime could not be started.
    #[error("starting the thread of the virtual routers: {source}")]
    Thread {
        /// The kernel's reason.
        source: io::Error,
    },
    /// Interfaces can't be followed.
    #[error("following interfaces by netlink: {source}; the agent needs CAP_NET_ADMIN")]
    Netlink {
        /// The kernel's reason.
        source: io::Error,
    },
    /// Addresses that an agent has left can't be removed.
    #[error("taking virtual addresses off: {source}; detach needs CAP_NET_ADMIN")]
    Addresses {
        /// The kernel's reason.
        source: io::Error,
    },
    /// A clock can't be read or watched.
    #[error("watching the clocks: {source}")]
    Clock {
        /// The kernel's reason.
        source: io::Error,
    },
}

/// Initial state of the virtual routers.
#[derive(Debug)]
pub struct Setup {
    /// The instances; those without `[[vrrp]]` are left out.
    pub instances: Vec<InstanceConfig>,
    /// Uplinks, which may be tracked.
    pub uplinks: Vec<Interface>,
    /// Access ports, which may be tracked.
    pub ports: Vec<Interface>,
    /// The map of a data plane that an earlier run has left. The data plane counts as attached and the database as
    /// reached until the agent reports otherwise. A lease in the map that still runs is kept.
    pub leases: Option<Leases>,
}

/// Handle of the running virtual routers. When it is dropped, they leave as for a restart ([`Leave::Keep`]), in the
/// background.
#[derive(Debug)]
pub struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    statuses: watch::Receiver<Arc<Vec<VirtualRouterStatus>>>,
}

/// Starts the thread `vrrp` in the network namespace of the calling thread, and waits until it has read the interfaces.
///
/// # Errors
/// Netlink, the clock or a thread is not available.
pub fn start(setup: Setup) -> Result<Handle, HaError> {
    let thread = |source| HaError::Thread { source };
    let (commands, receiver) = mpsc::unbounded_channel();
    let (sender, statuses) = watch::channel(Arc::default());
    let (ready, started) = channel::sync_channel(1);
    let mut log_queue = LogQueue::start().map_err(thread)?;
    let run = move || {
        if let Err(error) = be_real_time(PRIORITY) {
            log_queue.warn(format!(
                "the virtual routers run without real-time priority ({error}): on a busy machine this node may lose its \
                 role; give the agent CAP_SYS_NICE"
            ));
        }
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(source) => return drop(ready.send(Err(HaError::Thread { source }))),
        };
        runtime.block_on(async {
            match Loop::new(setup, log_queue, receiver, sender).await {
                Ok(routers) => {
                    let _ = ready.send(Ok(()));
                    routers.run().await;
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        });
    };
    thread::Builder::new().name("vrrp".to_owned()).spawn(run).map_err(thread)?;
    started.recv().map_err(|_| thread(io::Error::other("it ended at once")))??;
    Ok(Handle { commands, statuses })
}

impl Handle {
    /// Returns the status of the virtual routers, as a channel that signals changes. Problems in it have been logged.
    pub fn statuses(&self) -> watch::Receiver<Arc<Vec<VirtualRouterStatus>>> {
        self.statuses.clone()
    }

    /// Reports that the data plane is attached, with its leases in this map, or that it is not. Current leases are
    /// written to a new map. The previous map is still written until the next one is set, so that programs can be
    /// replaced one by one. To attach programs only when the new map holds the leases, wait for [`Handle::settled`].
    pub fn data_plane(&self, leases: Option<Leases>) {
        self.send(Command::DataPlane(leases));
    }

    /// Reports the interfaces to which the programs are attached, and the index of each. An interface that was created
    /// again has no programs yet.
    pub fn attached(&self, interfaces: BTreeMap<String, u32>) {
        self.send(Command::Attached(interfaces));
    }

    /// Reports whether the database is reached.
    pub fn database(&self, reached: bool) {
        self.send(Command::Database(reached));
    }

    /// Gives these virtual routers the lowest priority, so that this node takes over only if no other node does.
    pub fn held(&self, held: BTreeSet<Vrid>) {
        self.send(Command::Held(held));
    }

    /// Gives the role of one virtual router to another node, or of all virtual routers.
    pub fn handover(&self, vrid: Option<Vrid>) {
        self.send(Command::Handover(vrid));
    }

    /// Announces the addresses of one virtual router once more, if this node is active: a neighbour still sends to
    /// another node.
    pub fn announce(&self, vrid: Vrid) {
        self.send(Command::Announce(vrid));
    }

    /// Changes the configuration. A virtual router that is no longer in it leaves. A virtual router with other
    /// addresses or on another interface is started again.
    pub fn reconfigure(&self, instances: Vec<InstanceConfig>, uplinks: Vec<Interface>, ports: Vec<Interface>) {
        self.send(Command::Reconfigure { instances, uplinks, ports });
    }

    /// Resolves when all earlier commands are done.
    pub async fn settled(&self) {
        let (done, wait) = oneshot::channel();
        self.send(Command::Settle(done));
        let _ = wait.await;
    }

    /// Stops the virtual routers. Resolves when they have left: addresses are removed after [`Leave::Handover`], and
    /// stay after [`Leave::Keep`].
    pub async fn stop(self, how: Leave) {
        let (done, wait) = oneshot::channel();
        self.send(Command::Stop(how, done));
        let _ = wait.await;
    }

    fn send(&self, command: Command) {
        // The thread exists until it is stopped.
        let _ = self.commands.send(command);
    }
}

/// Gives the calling thread real-time priority. Threads that it starts do not inherit it.
fn be_real_time(priority: libc::c_int) -> io::Result<()> {
    let param = libc::sched_param { sched_priority: priority };
    // SAFETY: 0 is the calling thread, and the parameter is read only during the call.
    let outcome =
        unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const param) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives real-time priority to the thread whose work a virtual router waits for. A missing permission has been reported
/// already.
pub(super) fn be_nearly_real_time() {
    let _ = be_real_time(PRIORITY - 1);
}
