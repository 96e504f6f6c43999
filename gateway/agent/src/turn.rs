//! Turn of the event loop: the input that starts it, and the effects that end it.

use std::{sync::Arc, time::Duration};

use gateway_api::ctl::{LogControl, Show};
use gateway_common::event::LearnEvent;
use gateway_config::{Config, rows::Rows};
use gateway_ha::{VirtualRouterStatus, peers::Followed};
use gateway_netdev::underlay::Snapshot;
use gateway_vrrp::Leave;

use super::error::ReloadError;
use crate::ctl::Request;

/// Input of the event loop.
pub(super) enum Input {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP: the configuration is to be read again.
    Hangup,
    /// The configuration was read again, for the client that has requested it.
    Configuration(Result<Box<Config>, ReloadError>, Option<Request>),
    /// States of the virtual routers.
    Roles(Arc<Vec<VirtualRouterStatus>>),
    /// State received from other nodes.
    Nodes(Arc<Followed>),
    /// Request on the control socket.
    Request(Request),
    /// The rows of the database have changed.
    Rows,
    /// The database was reached, or lost.
    Reached(bool),
    /// The underlay has changed.
    Underlay,
    /// Stations that the kernel has learned, in order.
    Learned(Vec<LearnEvent>),
    /// Filters of the gateway may have gone.
    FiltersGone,
    /// The time of [`Agent::due`](super::agent::Agent::due) has come.
    Due,
    /// The forwarding database is to be aged.
    Age,
    /// The counters of the bindings are to be reported to the database.
    Traffic,
    /// A second has passed.
    Second,
    /// The service manager's watchdog expects a keep-alive.
    Watchdog,
    /// A client of the metrics needs new measurements.
    Scrape,
}

/// Latest state of what the loop follows. It may be newer than the input that comes with it.
#[derive(Clone, Default)]
pub(super) struct Latest {
    /// Rows of the database.
    pub(super) rows: Arc<Rows>,
    /// State of the underlay.
    pub(super) underlay: Arc<Snapshot>,
}

/// Effect outside of the agent's state. Effects are carried out in order, before the next input.
pub(super) enum Effect {
    /// Ends the loop.
    End(End),
    /// Reads the configuration again. The result comes as [`Input::Configuration`] before any other input.
    ReadConfiguration(Option<Request>),
    /// Changes the interval of ageing.
    AgeEvery(Duration),
    /// Sends a keep-alive to the watchdog.
    KeepAlive,
    /// Publishes or answers with a part of the state.
    Output(Output),
}

/// Output of a part of the state.
pub(super) enum Output {
    /// Notifies the service manager that the reload is over.
    Ready,
    /// Answers a request with a view of the gateway.
    Show(Show, Request),
    /// Answers a request with the memory use.
    Memory(Request),
    /// Answers a request with the counters of events.
    Coverage(Request),
    /// Carries out an operation on the log, and answers the request.
    Log(LogControl, Request),
    /// Publishes the state: readiness, status file, status line, and counters of events.
    Report,
    /// Publishes new measurements.
    Measure,
}

/// End of the loop.
pub(super) struct End {
    /// Way in which the virtual routers leave.
    pub(super) leave: Leave,
    /// Request of the client that waits for the end.
    pub(super) request: Option<Request>,
}

impl End {
    /// End without a client: another node takes over.
    pub(super) const HANDOVER: Self = Self { leave: Leave::Handover, request: None };
}
