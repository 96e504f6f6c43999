//! Agent: state of the event loop, and the handler of its inputs.
//!
//! [`Agent::handle`] takes one input and the time, changes the state, and returns what is to be done outside of it as
//! effects. Each part of the state has one owner, whose fields are its own. Two kinds of acts are no effects: calls of
//! the data plane, whose outcome decides the next step (see [`DataPlane`]), and values sent on channels, which wait for
//! nothing: to the virtual routers, to other nodes, to the database, and to clients that wait for an answer.
//!
//! [`reconcile`] handles changes of rows, underlay and programs, [`requests`] those of the control socket.

use std::{path::Path, sync::Arc};

use gateway_config::Config;
use gateway_ha::{VirtualRouterStatus, peers::Followed};
use gateway_vrrp::Time;

use super::{
    captures::Captures,
    cluster::Cluster,
    coverage::{Turn, Turns},
    data_plane::DataPlane,
    error::{AgentError, ReloadError},
    event_log::EventLog,
    forwarding::Forwarding,
    row_source::RowSource,
    turn::{Effect, End, Input, Latest, Output},
};
use crate::{events::journal::Moment, metrics::measured::Reloads};

mod reconcile;
mod requests;

/// State of the agent.
pub(super) struct Agent<'a, P: DataPlane = Forwarding> {
    /// Path of the configuration file.
    path: &'a Path,
    config: Config,
    /// Latest rows and underlay.
    latest: Latest,
    source: RowSource,
    forwarding: P,
    cluster: Option<Cluster<'a>>,
    event_log: EventLog,
    captures: Captures,
    turns: Turns,
    reloads: Reloads,
    /// Error of the last read of the configuration.
    refused: Option<ReloadError>,
    /// Start of the agent, on the monotonic clock.
    started: Time,
}

/// Parts of the state of an agent that starts.
pub(super) struct Parts<'a, P> {
    /// Path of the configuration file.
    pub(super) path: &'a Path,
    /// Configuration.
    pub(super) config: Config,
    /// Latest rows and underlay.
    pub(super) latest: Latest,
    /// Database.
    pub(super) source: RowSource,
    /// Data plane.
    pub(super) forwarding: P,
    /// This node in the cluster; `None` for a standalone gateway.
    pub(super) cluster: Option<Cluster<'a>>,
    /// Event log.
    pub(super) event_log: EventLog,
    /// Captures.
    pub(super) captures: Captures,
}

impl<P: DataPlane> Drop for Agent<'_, P> {
    fn drop(&mut self) {
        // After the loop no handler would end a capture, however the loop ends.
        self.captures.end(&mut self.forwarding);
    }
}

impl<'a, P: DataPlane> Agent<'a, P> {
    /// Makes the state of an agent whose data plane has been started, and publishes it: first whether the programs are
    /// attached, then the roles.
    pub(super) fn start(
        parts: Parts<'a, P>,
        roles: Option<Arc<Vec<VirtualRouterStatus>>>,
        now: Moment,
    ) -> Result<Self, AgentError> {
        let Parts { path, config, latest, source, forwarding, cluster, event_log, captures } = parts;
        let mut this = Self {
            path,
            config,
            latest,
            source,
            forwarding,
            cluster,
            event_log,
            captures,
            turns: Turns::default(),
            reloads: Reloads::default(),
            refused: None,
            started: now.steady,
        };
        this.note_database(now);
        this.attached()?;
        if let Some(roles) = roles {
            this.roles(roles, now)?;
        }
        Ok(this)
    }

    /// Handles an input at `now`, with the latest rows and underlay. Returns the effects, in order.
    ///
    /// # Errors
    /// The agent can't go on.
    pub(super) fn handle(&mut self, input: Input, latest: Latest, now: Moment) -> Result<Vec<Effect>, AgentError> {
        self.latest = latest;
        let mut effects = Vec::new();
        match input {
            Input::Stop => effects.push(Effect::End(End::HANDOVER)),
            Input::Hangup => effects.push(Effect::ReadConfiguration(None)),
            Input::Configuration(read, request) => self.reload(read, request, now, &mut effects)?,
            Input::Roles(statuses) => self.roles(statuses, now)?,
            Input::Nodes(followed) => self.nodes(followed, now)?,
            Input::Request(request) => self.request(request, now, &mut effects),
            Input::Rows => self.rows_changed(now)?,
            Input::Reached(reached) => {
                self.source.count(reached);
                self.note_database(now);
            }
            Input::Underlay => self.update(now)?,
            Input::Learned(events) => {
                for event in &events {
                    self.forwarding.learned(event);
                    self.event_log.station(event, &self.forwarding, now);
                }
            }
            Input::FiltersGone => self.check_programs(now)?,
            Input::Due => self.on_time(now.steady),
            Input::Age => self.age_fdb(now)?,
            Input::Traffic => {
                let traffic = self.forwarding.traffic(&self.latest.underlay)?;
                self.source.database().report_traffic(traffic);
            }
            Input::Second => {
                self.each_second(now)?;
                effects.push(Effect::Output(Output::Report));
            }
            Input::Watchdog => effects.push(Effect::KeepAlive),
            Input::Scrape => effects.push(Effect::Output(Output::Measure)),
        }
        self.publish(now.steady);
        self.event_log.answer(now);
        Ok(effects)
    }

    /// Returns the time at which [`Input::Due`] is due.
    pub(super) fn due(&self) -> Option<Time> {
        let cluster = self.cluster.as_ref().and_then(Cluster::due);
        [cluster, self.event_log.due(), self.captures.due()].into_iter().flatten().min()
    }

    /// Does what is due. Clients that wait for events are answered at the end of each turn.
    fn on_time(&mut self, now: Time) {
        if let Some(cluster) = &mut self.cluster
            && cluster.due().is_some_and(|due| due <= now)
        {
            self.turns.count(Turn::Announce);
            cluster.on_time(&self.config, &self.forwarding, now);
        }
        self.captures.expire(&mut self.forwarding, now);
    }

    /// Handles a possible change of the active node.
    fn roles(&mut self, statuses: Arc<Vec<VirtualRouterStatus>>, now: Moment) -> Result<(), AgentError> {
        self.turns.count(Turn::Roles);
        let Some(cluster) = &mut self.cluster else { return Ok(()) };
        cluster.roles(statuses, &self.config, &mut self.forwarding, self.source.database(), now.steady)?;
        self.event_log.routers(cluster.statuses(), now);
        Ok(())
    }

    /// Handles state received from other nodes.
    fn nodes(&mut self, followed: Arc<Followed>, now: Moment) -> Result<(), AgentError> {
        self.turns.count(Turn::Nodes);
        let Some(cluster) = &mut self.cluster else { return Ok(()) };
        cluster.receive(followed, &mut self.forwarding, now.steady)?;
        self.event_log.nodes(cluster.differences(), now);
        Ok(())
    }

    fn each_second(&mut self, now: Moment) -> Result<(), AgentError> {
        self.check_programs(now)?;
        self.read_kernel(now)?;
        if let Some(cluster) = &mut self.cluster {
            cluster.check_strays(&self.forwarding, now.steady);
            cluster.report_shortfalls(&self.config, now.steady);
        }
        self.note_database(now);
        Ok(())
    }

    /// Notes what the database has done by itself.
    fn note_database(&mut self, now: Moment) {
        let database = self.source.note(now.steady);
        self.event_log.database(&database, now);
    }

    /// Publishes whether the data plane is attached as it should be.
    fn attached(&mut self) -> Result<(), AgentError> {
        self.cluster.as_mut().map_or(Ok(()), |cluster| cluster.attached(&self.forwarding))
    }

    /// Publishes changes of the stations on the VLANs to the database and to other nodes. Reports to the virtual
    /// routers whether the database is reached.
    fn publish(&mut self, now: Time) {
        if let Some(cluster) = &mut self.cluster {
            cluster.database(self.source.is_reached());
        }
        let stations = self.forwarding.stations_mut();
        let changed = stations.changed();
        if changed.is_empty() {
            return;
        }
        if let Some(cluster) = &mut self.cluster {
            cluster.stations_changed(&changed, now);
        }
        self.source.database().publish(stations.changes(&changed));
    }

    /// Returns the configuration.
    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the latest rows and underlay.
    pub(super) const fn latest(&self) -> &Latest {
        &self.latest
    }

    /// Returns the database and the rows of the last plan.
    pub(super) const fn source(&self) -> &RowSource {
        &self.source
    }

    /// Returns the data plane.
    pub(super) const fn forwarding(&self) -> &P {
        &self.forwarding
    }

    /// Returns this node in the cluster.
    pub(super) const fn cluster(&self) -> Option<&Cluster<'a>> {
        self.cluster.as_ref()
    }

    /// Returns the numbers of turns.
    pub(super) const fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Returns the numbers of reloads.
    pub(super) const fn reloads(&self) -> Reloads {
        self.reloads
    }

    /// Returns the reason why the last reload was refused, if it was.
    pub(super) const fn refused(&self) -> Option<&ReloadError> {
        self.refused.as_ref()
    }

    /// Returns the start of the agent, on the monotonic clock.
    pub(super) const fn started(&self) -> Time {
        self.started
    }
}

#[cfg(test)]
mod tests;
