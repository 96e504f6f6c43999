//! The thread that virtual routers run on, and the way to talk to it.

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
    status::InstanceStatus,
};

/// Above all that is not real-time, below the kernel's own threads (50).
const PRIORITY: libc::c_int = 10;

/// Why the virtual routers can't run.
#[derive(Debug, thiserror::Error)]
pub enum HaError {
    /// No thread, or no runtime on it.
    #[error("starting the thread of the virtual routers: {source}")]
    Thread {
        /// The kernel's reason.
        source: io::Error,
    },
    /// Interfaces can't be looked at.
    #[error("following interfaces by netlink: {source}; the agent needs CAP_NET_ADMIN")]
    Netlink {
        /// The kernel's reason.
        source: io::Error,
    },
    /// What an agent has left can't be taken away.
    #[error("taking virtual addresses off: {source}; detach needs CAP_NET_ADMIN")]
    Addresses {
        /// The kernel's reason.
        source: io::Error,
    },
    /// The data plane's clock can't be read.
    #[error("asking for the resolution of CLOCK_MONOTONIC_COARSE: {source}")]
    Clock {
        /// The kernel's reason.
        source: io::Error,
    },
}

/// What the virtual routers start with.
#[derive(Debug)]
pub struct Setup {
    /// The instances; those without `[[vrrp]]` are left out.
    pub instances: Vec<InstanceConfig>,
    /// Interfaces that may be tracked.
    pub uplinks: Vec<Interface>,
    /// Others of them.
    pub ports: Vec<Interface>,
    /// The map of a data plane that an earlier run has left: it counts as attached and the database as reached until
    /// the agent says otherwise, and a lease in it that still runs is kept.
    pub leases: Option<Leases>,
}

/// Virtual routers that run. When it is dropped, they leave as for a restart ([`Leave::Keep`]), on their own time.
#[derive(Debug)]
pub struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    statuses: watch::Receiver<Arc<Vec<InstanceStatus>>>,
}

/// Starts the thread `vrrp`, in the network namespace of the calling thread, and waits until it has looked around.
///
/// # Errors
/// Where there is no netlink, no clock or no thread.
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
    /// How the virtual routers stand, and what is new. Problems in it were logged already.
    pub fn statuses(&self) -> watch::Receiver<Arc<Vec<InstanceStatus>>> {
        self.statuses.clone()
    }

    /// The data plane is attached, with its leases in this map, or it is not. Leases that run are written to a new map;
    /// the one before is written as well until the next comes, so that programs may be replaced one by one. To attach
    /// programs under the new map only when it holds the leases, wait for [`Handle::settled`].
    pub fn data_plane(&self, leases: Option<Leases>) {
        self.tell(Command::DataPlane(leases));
    }

    /// The programs are attached to these interfaces, and under which index each of them is: one that is made anew has none
    /// yet.
    pub fn attached(&self, interfaces: BTreeMap<String, u32>) {
        self.tell(Command::Attached(interfaces));
    }

    /// The database is reached, or not.
    pub fn database(&self, reached: bool) {
        self.tell(Command::Database(reached));
    }

    /// These virtual routers have the lowest priority, so that this node takes over only where nobody else does.
    pub fn held(&self, held: BTreeSet<Vrid>) {
        self.tell(Command::Held(held));
    }

    /// Gives the role of one virtual router to another node, or of all of them.
    pub fn handover(&self, vrid: Option<Vrid>) {
        self.tell(Command::Handover(vrid));
    }

    /// Announces the addresses of one virtual router once more, if this node is active: somebody still sends to another
    /// one.
    pub fn announce(&self, vrid: Vrid) {
        self.tell(Command::Announce(vrid));
    }

    /// Takes over another configuration. A virtual router that is no longer in it leaves; one with other addresses or on
    /// another interface starts anew.
    pub fn reconfigure(&self, instances: Vec<InstanceConfig>, uplinks: Vec<Interface>, ports: Vec<Interface>) {
        self.tell(Command::Reconfigure { instances, uplinks, ports });
    }

    /// Resolves when all that was told before is done.
    pub async fn settled(&self) {
        let (done, wait) = oneshot::channel();
        self.tell(Command::Settle(done));
        let _ = wait.await;
    }

    /// Ends the virtual routers. Resolves when they have left: addresses are gone after [`Leave::Handover`], and stay
    /// after [`Leave::Keep`].
    pub async fn stop(self, how: Leave) {
        let (done, wait) = oneshot::channel();
        self.tell(Command::Stop(how, done));
        let _ = wait.await;
    }

    fn tell(&self, command: Command) {
        // It is there as long as nobody has told it to stop.
        let _ = self.commands.send(command);
    }
}

/// Lets the calling thread run before all that is not real-time. Threads it starts are not real-time.
fn be_real_time(priority: libc::c_int) -> io::Result<()> {
    let param = libc::sched_param { sched_priority: priority };
    // SAFETY: 0 is the calling thread, and the parameter is read only during the call.
    let outcome =
        unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const param) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The same for the thread that does what a virtual router waits for. That it is not permitted was told already.
pub(super) fn be_nearly_real_time() {
    let _ = be_real_time(PRIORITY - 1);
}
