//! Driver: waits for notifications, sends the necessary requests, and publishes the result.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::ReadyChunks};
use rtnetlink::MulticastGroup;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tracing::{debug, warn};

use super::{
    error::UnderlayError,
    facts::Facts,
    keep::Keeper,
    kernel::Kernel,
    snapshot::{Snapshot, Wanted},
};
use crate::netlink::{self, Change, Changes};

/// The most changes that are applied before conclusions are drawn.
const BATCH: usize = 4096;

/// The groups of notifications that the facts depend on.
const GROUPS: [MulticastGroup; 8] = [
    MulticastGroup::Link,
    MulticastGroup::Neigh,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
];

/// Times and sizes of the driver.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Time for which a burst of route changes is collected before routes are requested again.
    pub debounce: Duration,
    /// Interval at which everything is dumped and requested again without any notification.
    pub refresh: Duration,
    /// Size in bytes of the kernel's buffer for notifications. If it overflows, notifications are dropped.
    pub news_buffer: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { debounce: Duration::from_millis(20), refresh: Duration::from_secs(60), news_buffer: 4 << 20 }
    }
}

/// Follows the underlay while [`Follower::run`] runs.
pub struct Follower {
    wanted: watch::Receiver<Arc<Wanted>>,
    current: Arc<Wanted>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    kernel: Kernel,
    news: ReadyChunks<Changes>,
    facts: Facts,
    keeper: Keeper,
    tuning: Tuning,
    ask_due: Option<Instant>,
    dump_due: Instant,
}

/// Opens the netlink sockets in the network namespace of the calling thread, and reads the current state: the first
/// snapshot is complete. Needs a tokio runtime with IO and time. If the namespace is not that of the process, the
/// runtime must stay on this thread.
///
/// # Errors
/// Netlink is not available, or can't list links and neighbours.
pub async fn open(
    wanted: watch::Receiver<Arc<Wanted>>,
) -> Result<(Follower, watch::Receiver<Arc<Snapshot>>), UnderlayError> {
    open_with(wanted, Tuning::default()).await
}

/// [`open`] with other times and sizes.
///
/// # Errors
/// As [`open`].
pub async fn open_with(
    mut wanted: watch::Receiver<Arc<Wanted>>,
    tuning: Tuning,
) -> Result<(Follower, watch::Receiver<Arc<Snapshot>>), UnderlayError> {
    // Notifications are subscribed first, so that a change during the dump is reported again rather than missed.
    let news = netlink::subscribe(&GROUPS, tuning.news_buffer)
        .map_err(|source| UnderlayError::Open { what: "events", source })?
        .ready_chunks(BATCH);
    let kernel = Kernel::open()?;
    let (snapshots, receiver) = watch::channel(Arc::default());
    let current = Arc::clone(&wanted.borrow_and_update());
    let mut follower = Follower {
        wanted,
        current,
        snapshots,
        kernel,
        news,
        facts: Facts::default(),
        keeper: Keeper::default(),
        tuning,
        ask_due: None,
        dump_due: now(),
    };
    follower.look_around().await?;
    follower.conclude().await;
    Ok((follower, receiver))
}

impl Follower {
    /// Follows until the sender of `wanted` is dropped. Neighbours stay managed by the kernel then, for a data plane
    /// that outlives the agent.
    ///
    /// # Errors
    /// Netlink has failed permanently.
    pub async fn run(mut self) -> Result<(), UnderlayError> {
        loop {
            let due = self.next_due();
            tokio::select! {
                changes = self.news.next() => {
                    changes.ok_or(UnderlayError::Closed)?.into_iter().for_each(|change| self.take(change));
                }
                changed = self.wanted.changed() => match changed {
                    Ok(()) => self.want().await,
                    Err(_) => return Ok(()),
                },
                () = sleep_until(due) => self.on_time().await?,
            }
            self.conclude().await;
        }
    }

    fn next_due(&self) -> Instant {
        let repeat = self.keeper.next_due(&self.facts).map(Instant::from_std);
        [self.ask_due, repeat].into_iter().flatten().fold(self.dump_due, Instant::min)
    }

    fn take(&mut self, change: Change) {
        let soon = now() + self.tuning.debounce;
        if change == Change::Overrun {
            // Not at once: older notifications are still in the socket, and would be applied on top of a newer dump.
            warn!("the kernel had more news than the netlink socket holds; listing links and neighbours again");
            self.dump_due = self.dump_due.min(soon);
        }
        if self.facts.apply(change) {
            self.ask_due.get_or_insert(soon);
        }
    }

    /// Applies a change of the wanted remotes. New remotes are requested at once. A change of source concerns all.
    async fn want(&mut self) {
        let wanted = Arc::clone(&self.wanted.borrow_and_update());
        let all = wanted.vteps != self.current.vteps;
        self.current = wanted;
        self.facts.retain_answers(|remote| self.current.remotes.contains(remote));
        self.ask(all).await;
    }

    async fn on_time(&mut self) -> Result<(), UnderlayError> {
        let now = now();
        if self.dump_due <= now {
            self.look_around().await?;
        } else if self.ask_due.is_some_and(|due| due <= now) {
            self.ask(true).await;
        }
        Ok(())
    }

    async fn look_around(&mut self) -> Result<(), UnderlayError> {
        let dump = self.kernel.dump().await?;
        self.facts.replace(dump);
        self.dump_due = now() + self.tuning.refresh;
        self.ask(true).await;
        Ok(())
    }

    /// Requests the routes of all remotes, or of those that were not requested yet.
    async fn ask(&mut self, all: bool) {
        if all {
            self.ask_due = None;
        }
        let current = Arc::clone(&self.current);
        // A standby doesn't have the shared address, and the kernel accepts only sources that are its own.
        let mut sources = Vec::new();
        for vtep in &current.vteps {
            if self.kernel.is_local(*vtep).await {
                sources.push(*vtep);
            }
        }
        for remote in &current.remotes {
            if all || self.facts.answer_of(remote).is_none() {
                let source = sources.iter().find(|source| source.is_ipv4() == remote.is_ipv4()).copied();
                let answer = self.kernel.route(*remote, source).await;
                self.facts.answer(*remote, answer);
            }
        }
    }

    /// Makes the kernel keep neighbours as the facts require, and publishes changes.
    async fn conclude(&mut self) {
        let uplinks = &self.current.uplinks;
        let needed: BTreeSet<_> =
            self.current.remotes.iter().filter_map(|remote| self.facts.next_hop(*remote, uplinks)).collect();
        let mut full = None;
        for request in self.keeper.plan(now().into_std(), &needed, &self.facts) {
            let (ifindex, address) = request.key;
            match self.kernel.manage(request).await {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => full = Some(address),
                // An interface or entry that was just removed is reported by its own message.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENOENT | libc::ENETDOWN)) => {
                    debug!(ifindex, %address, %error, "a neighbour went before it could be looked after");
                }
                Err(error) => {
                    warn!(
                        ifindex,
                        "the kernel would not keep neighbour {address} resolved: {error}; is CAP_NET_ADMIN missing?"
                    );
                }
            }
        }
        if let Some(address) = full {
            let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
            warn!(
                "the kernel's neighbour table is full, {address} found no place in it: raise \
                 net.{family}.neigh.default.gc_thresh3"
            );
        }
        publish(&self.snapshots, self.facts.snapshot(&self.current));
    }
}

/// Publishes a snapshot, unless it is unchanged.
fn publish(snapshots: &watch::Sender<Arc<Snapshot>>, snapshot: Snapshot) {
    snapshots.send_if_modified(|published| {
        let changed = **published != snapshot;
        if changed {
            *published = Arc::new(snapshot);
        }
        changed
    });
}

/// Returns the time of the driver, which it passes on.
#[expect(clippy::disallowed_methods, reason = "this is the driver: facts and keeper get the time from here")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::underlay::{Resolution, Why};

    #[test]
    fn unchanged_facts_cause_no_new_snapshot() {
        let (sender, mut receiver) = watch::channel(Arc::default());
        publish(&sender, Snapshot::default());
        assert!(!receiver.has_changed().unwrap());
        let remote = "10.0.0.2".parse().unwrap();
        let hops = [(remote, Resolution::Unresolved(Why::NotUnicast))].into();
        let snapshot = Snapshot { hops, ..Snapshot::default() };
        publish(&sender, snapshot.clone());
        assert!(receiver.has_changed().unwrap());
        receiver.mark_unchanged();
        publish(&sender, snapshot);
        assert!(!receiver.has_changed().unwrap());
    }
}
