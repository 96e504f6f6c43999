//! Sources of the inputs of the event loop: signals, channels, timers and descriptors.

use std::{future::pending, pin::Pin, sync::Arc, time::Duration};

use aya::maps::{MapData, RingBuf};
use gateway_base::clock;
use gateway_common::event::LearnEvent;
use gateway_config::rows::Rows;
use gateway_datapath::filter_news::FilterNews;
use gateway_ha::{VirtualRouterStatus, peers::Followed};
use gateway_netdev::underlay::{Snapshot, UnderlayError};
use gateway_vrrp::Time;
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep_until},
};

use super::{
    error::AgentError,
    kernel_log::KernelLog,
    systemd::Watchdog,
    turn::{Input, Latest},
};
use crate::{ctl::Requests, metrics::ScrapeRequests};

/// Interval at which the agent checks what does not notify it, and publishes its state.
const SECOND: Duration = Duration::from_secs(1);

/// Interval at which the counters of the bindings are reported to the database.
const TRAFFIC: Duration = Duration::from_secs(10);

/// Learning events handled in one turn of the loop. A host that floods a VLAN with forged sources must not keep the
/// agent from its other work. The FDB scan finds the stations for which the ring buffer had no room.
const BATCH: usize = 512;

/// Work beside the loop; it does not end while the agent runs.
pub(super) type Work = Pin<Box<dyn Future<Output = ()>>>;

/// Follower of the underlay; it ends only with an error.
pub(super) type Follower = Pin<Box<dyn Future<Output = Result<(), UnderlayError>>>>;

/// Ring buffer of learning events.
pub(super) type Events = AsyncFd<RingBuf<MapData>>;

/// All sources of inputs.
pub(super) struct Inputs<'a> {
    pub(super) signals: Signals,
    /// States of the virtual routers; `None` for a standalone gateway.
    pub(super) roles: Option<watch::Receiver<Arc<Vec<VirtualRouterStatus>>>>,
    /// State of other nodes; `None` without state sync.
    pub(super) nodes: Option<watch::Receiver<Arc<Followed>>>,
    pub(super) state_sync: Work,
    pub(super) requests: Requests,
    pub(super) database: DatabaseInputs,
    pub(super) underlay: watch::Receiver<Arc<Snapshot>>,
    pub(super) follower: Follower,
    pub(super) events: Events,
    pub(super) kernel_log: KernelLog,
    /// Notifications of filters that have gone; `None` if links hold the TC programs.
    pub(super) filters: Option<FilterNews>,
    pub(super) scrapes: ScrapeRequests,
    pub(super) watchdog: Watchdog<'a>,
    pub(super) timers: Timers,
}

impl Inputs<'_> {
    /// Waits for the next input. `due` is the time at which [`Input::Due`] is due. If several inputs are ready, one of
    /// them is taken at random, so that none keeps the others out. The work beside the loop goes on meanwhile. Cancel
    /// safe: an input is taken and returned without waiting in between.
    ///
    /// # Errors
    /// A source has ended that should not, or can't be read.
    pub(super) async fn next(&mut self, due: Option<Time>) -> Result<Input, AgentError> {
        let Self { signals: Signals { terminate, interrupt, hangup }, database, timers, .. } = self;
        Ok(tokio::select! {
            _ = terminate.recv() => Input::Stop,
            _ = interrupt.recv() => Input::Stop,
            _ = hangup.recv() => Input::Hangup,
            roles = changed(self.roles.as_mut()) => Input::Roles(roles.ok_or(AgentError::HaEnded)?),
            Some(nodes) = changed(self.nodes.as_mut()) => Input::Nodes(nodes),
            Some(request) = self.requests.recv() => Input::Request(request),
            Ok(()) = database.rows.changed() => Input::Rows,
            Ok(()) = database.reached.changed() => Input::Reached(*database.reached.borrow_and_update()),
            Ok(()) = self.underlay.changed() => Input::Underlay,
            events = learned(&mut self.events) => Input::Learned(events?),
            () = filters_gone(self.filters.as_mut()) => Input::FiltersGone,
            () = until(due) => Input::Due,
            _ = timers.ageing.tick() => Input::Age,
            _ = timers.traffic.tick() => Input::Traffic,
            _ = timers.second.tick() => Input::Second,
            () = self.watchdog.due() => Input::Watchdog,
            () = self.scrapes.next() => Input::Scrape,
            error = self.kernel_log.forward() => return Err(AgentError::io("reading the kernel's log", error)),
            ended = &mut self.follower => {
                ended?;
                return Err(AgentError::UnderlayEnded);
            }
            () = &mut database.work => return Err(AgentError::DatabaseEnded),
            () = &mut self.state_sync => return Err(AgentError::StateSyncEnded),
        })
    }

    /// Returns the latest rows and underlay. They may be newer than the last input.
    pub(super) fn latest(&self) -> Latest {
        Latest { rows: self.database.latest(), underlay: Arc::clone(&self.underlay.borrow()) }
    }

    /// Sends a keep-alive to the watchdog.
    pub(super) fn keep_alive(&mut self) {
        self.watchdog.keep_alive();
    }

    /// Changes the interval of ageing.
    pub(super) fn age_every(&mut self, every: Duration) {
        if self.timers.ageing.period() != every {
            self.timers.ageing = timer(every);
        }
    }
}

/// Signals that the agent handles.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Starts to catch the signals.
    pub(super) fn open() -> Result<Self, AgentError> {
        let open = |kind| signal(kind).map_err(|error| AgentError::io("watching for signals", error));
        Ok(Self {
            terminate: open(SignalKind::terminate())?,
            interrupt: open(SignalKind::interrupt())?,
            hangup: open(SignalKind::hangup())?,
        })
    }
}

/// Channels of the database, and its work.
pub(super) struct DatabaseInputs {
    pub(super) rows: watch::Receiver<Arc<Rows>>,
    pub(super) reached: watch::Receiver<bool>,
    pub(super) work: Work,
}

impl DatabaseInputs {
    /// Returns the latest rows.
    pub(super) fn latest(&self) -> Arc<Rows> {
        Arc::clone(&self.rows.borrow())
    }
}

/// Timers of the loop. One that is late is not made up for.
pub(super) struct Timers {
    ageing: Interval,
    traffic: Interval,
    second: Interval,
}

impl Timers {
    /// Starts the timers; all of them are due at once.
    pub(super) fn start(ageing: Duration) -> Self {
        Self { ageing: timer(ageing), traffic: timer(TRAFFIC), second: timer(SECOND) }
    }
}

fn timer(every: Duration) -> Interval {
    let mut timer = interval(every);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}

/// Waits for a change and returns the latest value; `None` if the channel is closed. Never ends without a channel.
async fn changed<T>(channel: Option<&mut watch::Receiver<Arc<T>>>) -> Option<Arc<T>> {
    let Some(channel) = channel else { return pending().await };
    channel.changed().await.ok()?;
    Some(Arc::clone(&channel.borrow_and_update()))
}

/// Waits for learning events, and takes at most [`BATCH`] of them.
async fn learned(events: &mut Events) -> Result<Vec<LearnEvent>, AgentError> {
    let mut ready = events.readable_mut().await.map_err(|error| AgentError::io("reading map events", error))?;
    let mut taken = Vec::new();
    for _ in 0..BATCH {
        let Some(item) = ready.get_inner_mut().next() else {
            ready.clear_ready();
            break;
        };
        taken.extend(bytemuck::try_pod_read_unaligned::<LearnEvent>(&item));
    }
    Ok(taken)
}

/// Waits until a filter of the gateway may have gone. Never ends without such notifications.
async fn filters_gone(news: Option<&mut FilterNews>) {
    match news {
        Some(news) => news.gone().await,
        None => pending().await,
    }
}

/// Waits until `due` on the monotonic clock. Never ends without a time.
#[expect(clippy::disallowed_methods, reason = "turns a time on the clock of the agent into one of its timer")]
async fn until(due: Option<Time>) {
    match due {
        Some(due) => sleep_until(Instant::now() + due.saturating_sub(clock::monotonic())).await,
        None => pending().await,
    }
}
