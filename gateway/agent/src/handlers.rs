//! Event handlers of the loop.

use std::{collections::BTreeSet, net::IpAddr, path::Path, sync::Arc, time::Duration};

use gateway_api::{ctl::Control, events::Event};
use gateway_base::{clock, log};
use gateway_common::event::LearnEvent;
use gateway_config::{Config, Interface, rows::Rows};
use gateway_datapath::plan;
use gateway_ha::{InstanceStatus, peers::Followed};
use gateway_netdev::underlay::{Resolution, Snapshot, Wanted};
use gateway_sources::Database;
use gateway_vrrp::Leave;
use tokio::sync::watch;

use super::{
    captures::Captures,
    cluster::Cluster,
    coverage::{Coverage, Turn},
    error::AgentError,
    event_log::EventLog,
    forwarding::Forwarding,
    report::Report,
    run,
    systemd::Systemd,
    views::DatabaseSince,
};
use crate::{
    ctl::server::{Counters, Request},
    events::journal::Moment,
    metrics::measured::Reloads,
};

/// State of the agent, which the handlers work on.
pub(super) struct Agent<'a> {
    pub(super) config: Config,
    pub(super) database: Box<dyn Database>,
    pub(super) wanted: watch::Sender<Arc<Wanted>>,
    pub(super) forwarding: Forwarding,
    /// Rows of the last plan.
    pub(super) planned: Arc<Rows>,
    /// True if forwarding follows the database. Until the first rows arrive, the state that an earlier run programmed
    /// stays.
    pub(super) complete: bool,
    pub(super) cluster: Option<Cluster<'a>>,
    /// Reported differences from other nodes.
    pub(super) differences: Report,
    /// Start of the agent, on the monotonic clock.
    pub(super) started: Duration,
    pub(super) database_since: DatabaseSince,
    pub(super) log: &'a log::Control,
    /// Counters of the control socket.
    pub(super) clients: Arc<Counters>,
    pub(super) systemd: Systemd,
    pub(super) coverage: Coverage,
    /// Error of the last read of the configuration.
    pub(super) refused: Option<String>,
    /// Numbers of times that the database was reached and lost.
    pub(super) reached: (u64, u64),
    pub(super) event_log: EventLog,
    pub(super) reloads: Reloads,
    pub(super) captures: Captures,
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        // After the loop no handler would end a capture, however the loop ends.
        self.captures.end(&mut self.forwarding);
    }
}

impl Agent<'_> {
    /// Handles a possible change of the active node.
    pub(super) fn roles(&mut self, statuses: Option<Arc<Vec<InstanceStatus>>>) -> Result<(), AgentError> {
        self.coverage.turn(Turn::Roles);
        let (Some(cluster), Some(statuses)) = (&mut self.cluster, statuses) else { return Ok(()) };
        cluster.roles(statuses, &self.config, &mut self.forwarding, &mut *self.database)?;
        self.event_log.routers(cluster.statuses());
        Ok(())
    }

    /// Handles state received from other nodes.
    pub(super) fn heard(&mut self, followed: Arc<Followed>) -> Result<(), AgentError> {
        self.coverage.turn(Turn::Nodes);
        let Some(cluster) = &mut self.cluster else { return Ok(()) };
        cluster.heard(followed, &mut self.forwarding)?;
        self.differences.problems(cluster.problems());
        self.event_log.nodes(self.differences.texts());
        Ok(())
    }

    /// Announces some of the cloud's stations to the switches outside.
    pub(super) fn announce(&mut self) {
        self.coverage.turn(Turn::Announce);
        if let Some(cluster) = &mut self.cluster {
            cluster.on_time(&self.config, &self.forwarding);
        }
    }

    /// Ends a capture that its client has not renewed in time.
    pub(super) fn capture_is_over(&mut self) {
        tracing::warn!("a capture was not renewed, and is over");
        self.captures.end(&mut self.forwarding);
    }

    /// Handles a request on the control socket. Returns the end of the loop if the client requests that.
    pub(super) fn request(
        &mut self,
        request: Request,
        path: &Path,
        underlay: &Snapshot,
    ) -> Result<Option<End>, AgentError> {
        self.coverage.turn(Turn::Request);
        let answer = match Control::new(request.command, &request.params) {
            Control::Exit { keep } => {
                let leave = if keep { Leave::Keep } else { Leave::Handover };
                return Ok(Some(End { leave, request: Some(request) }));
            }
            Control::Show(what) => self.shown(&what, underlay),
            Control::Handover { router, force } => match &mut self.cluster {
                Some(cluster) => {
                    cluster.handover(router.as_deref(), force, &self.config, request);
                    return Ok(None);
                }
                None => Err("this gateway has no [[vrrp]]: there is no other node to hand over to".to_owned()),
            },
            Control::Reload => self.reload(path, underlay)?.map(|()| format!("reloaded {}\n", path.display())),
            Control::Log(control) => self.control_log(control),
            Control::Memory => Ok(self.show_memory()),
            Control::Coverage => Ok(self.show_coverage()),
            Control::Monitor(cursor) => {
                self.event_log.ask(cursor, request);
                return Ok(None);
            }
            Control::Capture(what, id) => self.captures.request(what, id, &mut self.forwarding),
            Control::Unknown(why) => Err(why),
        };
        // The loop does not wait until the client has read the answer.
        drop(request.answer(answer));
        Ok(None)
    }

    /// Handles a change of the rows only.
    pub(super) fn rows_changed(&mut self, rows: &Arc<Rows>, underlay: &Snapshot) -> Result<(), AgentError> {
        self.coverage.turn(Turn::Rows);
        let old = std::mem::replace(&mut self.planned, Arc::clone(rows));
        if self.complete && self.forwarding.update_rows(&self.config, &old, rows) {
            return Ok(());
        }
        self.update(rows, underlay)?;
        // A limit applies at once and not from the next ageing run. The learned MACs have to be counted for that.
        if limits_differ(&old, rows) { self.age_fdb(rows, underlay) } else { Ok(()) }
    }

    /// Handles a change of rows, underlay or configuration.
    pub(super) fn update(&mut self, rows: &Arc<Rows>, underlay: &Snapshot) -> Result<(), AgentError> {
        self.coverage.turn(Turn::Update);
        if !self.database.is_known() {
            self.forwarding.wait(&self.config, underlay);
            return self.attached();
        }
        self.database.set_unreachable(unreachable(underlay));
        (self.planned, self.complete) = (Arc::clone(rows), true);
        let wanted = Arc::new(wanted(&self.config, rows));
        self.wanted.send_if_modified(|old| {
            if *old == wanted {
                false
            } else {
                *old = wanted;
                true
            }
        });
        self.forwarding.update(&self.config, rows, underlay)?;
        if let Some(cluster) = &mut self.cluster {
            cluster.update(&self.config, rows, self.forwarding.able(), underlay);
        }
        self.database.report_faults(self.forwarding.faults());
        self.event_log.forwarding(&mut self.forwarding, rows, underlay);
        self.attached()
    }

    /// Handles a learning event of the kernel: a new station, or one that has moved.
    pub(super) fn mac_learned(&mut self, event: &LearnEvent, now: Moment) {
        self.forwarding.learned(event);
        self.event_log.station(event, &self.forwarding, now);
    }

    /// Reads the kernel's counters of lost frames and its path MTUs, each second.
    pub(super) fn hear_kernel(&mut self, rows: &Arc<Rows>, underlay: &Snapshot) -> Result<(), AgentError> {
        if self.forwarding.hear(clock::monotonic())? {
            return self.update(rows, underlay);
        }
        self.event_log.forwarding_problems(&self.forwarding);
        Ok(())
    }

    /// Takes over what the database has done by itself.
    pub(super) fn poll(&mut self) {
        self.event_log.database(&self.database.view());
    }

    /// Publishes whether the data plane is attached as it should be.
    pub(super) fn attached(&mut self) -> Result<(), AgentError> {
        self.cluster.as_mut().map_or(Ok(()), |cluster| cluster.attached(&self.forwarding))
    }

    /// Checks whether the programs are attached, and puts back those that have gone.
    pub(super) fn look_at_devices(&mut self, rows: &Arc<Rows>, underlay: &Snapshot) -> Result<(), AgentError> {
        if !self.forwarding.poll() {
            return Ok(());
        }
        // Another node takes over before the rest is checked.
        self.attached()?;
        self.update(rows, underlay)
    }

    pub(super) fn age_fdb(&mut self, rows: &Rows, underlay: &Snapshot) -> Result<(), AgentError> {
        self.coverage.turn(Turn::Sweep);
        if !self.database.is_known() {
            return Ok(());
        }
        self.forwarding.age_fdb(&self.config, rows, underlay)?;
        self.forwarding.follow_again()?;
        if let Some(cluster) = &mut self.cluster {
            // Bindings that could not be programmed before may be programmed now.
            cluster.update(&self.config, rows, self.forwarding.able(), underlay);
        }
        self.attached()?;
        self.database.report_faults(self.forwarding.faults());
        self.event_log.forwarding(&mut self.forwarding, rows, underlay);
        Ok(())
    }

    /// Publishes changes of the stations on the VLANs to the database and to other nodes. Reports to the virtual
    /// routers whether the database is reached.
    pub(super) fn publish(&mut self) {
        if let Some(cluster) = &mut self.cluster {
            cluster.database(*self.database.reached().borrow());
        }
        let stations = &mut self.forwarding.stations;
        let changed = stations.changed();
        if changed.is_empty() {
            return;
        }
        if let Some(cluster) = &mut self.cluster {
            cluster.stations_changed(&changed);
        }
        self.database.publish(stations.changes(&changed));
    }

    /// Handles a change of the connection to the database.
    pub(super) fn database_reached(&mut self, reached: bool) {
        let count = if reached { &mut self.reached.0 } else { &mut self.reached.1 };
        *count += 1;
    }

    /// Reads the configuration again and applies the changes. If it is refused, returns the error and changes nothing.
    pub(super) fn reload(&mut self, path: &Path, underlay: &Snapshot) -> Result<Result<(), String>, AgentError> {
        self.coverage.turn(Turn::Reload);
        self.systemd.reloading();
        let outcome = self.reconfigure(path);
        match &outcome {
            Ok(()) => {
                let rows = self.database.rows().borrow().clone();
                self.update(&rows, underlay)?;
                // A changed learning limit or ageing time applies from now on.
                self.age_fdb(&rows, underlay)?;
                tracing::info!("reloaded {}", path.display());
                self.event_log.note(Event::Reloaded { file: path.display().to_string() });
            }
            Err(why) => {
                tracing::error!("reload refused, the agent goes on as before: {why}");
                self.event_log.note(Event::ReloadRefused { reason: why.clone() });
            }
        }
        self.refused = outcome.as_ref().err().cloned();
        let count = if outcome.is_ok() { &mut self.reloads.applied } else { &mut self.reloads.refused };
        *count += 1;
        self.reloads.last_refused = outcome.is_err();
        let status_line = self.status_line();
        self.systemd.ready(status_line);
        Ok(outcome)
    }

    fn reconfigure(&mut self, path: &Path) -> Result<(), String> {
        let mut new = Config::load(path).map_err(|error| error.to_string())?;
        run::load_keys(&mut new).map_err(|error| error.to_string())?;
        let restart = self.config.changes_needing_restart(&new);
        if !restart.is_empty() {
            return Err(format!("these need a restart: {}", restart.join(", ")));
        }
        self.config = new;
        self.database.reconfigure(&self.config);
        if let Some(cluster) = &self.cluster {
            cluster.reconfigure(&self.config);
        }
        Ok(())
    }
}

/// End of the loop.
pub(super) struct End {
    pub(super) leave: Leave,
    /// Request of the client that waits for the end.
    pub(super) request: Option<Request>,
}

/// Returns true if a logical switch may learn more or fewer MACs than before.
fn limits_differ(old: &Rows, new: &Rows) -> bool {
    let limit = |rows: &Rows, name: &String| rows.switches.get(name).map(|switch| switch.learn_limit);
    old.switches.iter().any(|(name, switch)| limit(new, name).is_some_and(|limit| limit != switch.learn_limit))
}

/// Returns the remote VTEPs without a resolved next hop.
fn unreachable(underlay: &Snapshot) -> BTreeSet<IpAddr> {
    let hops = underlay.hops.iter();
    hops.filter(|(_, hop)| matches!(hop, Resolution::Unresolved(_))).map(|(remote, _)| *remote).collect()
}

/// Returns the parts of the underlay that the agent tracks.
pub(super) fn wanted(config: &Config, rows: &Rows) -> Wanted {
    let names = |interfaces: &[Interface]| -> BTreeSet<String> {
        interfaces.iter().map(|interface| interface.name.clone()).collect()
    };
    Wanted {
        remotes: plan::remotes(rows),
        uplinks: names(&config.uplinks),
        ports: names(&config.ports),
        vteps: config.vteps().collect(),
    }
}
