//! What happens at a turn of the loop.

use std::{collections::BTreeSet, net::IpAddr, path::Path, sync::Arc, time::Duration};

use gateway_api::events::Event;
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
    control::Control,
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

/// What the loop's turns work on.
pub(super) struct Agent<'a> {
    pub(super) config: Config,
    pub(super) database: Box<dyn Database>,
    pub(super) wanted: watch::Sender<Arc<Wanted>>,
    pub(super) forwarding: Forwarding,
    /// The rows that forwarding was planned from last.
    pub(super) planned: Arc<Rows>,
    /// Forwarding follows the database. False until that was seen: what an earlier run has programmed stays.
    pub(super) complete: bool,
    pub(super) cluster: Option<Cluster<'a>>,
    /// What was told of the other nodes.
    pub(super) differences: Report,
    /// When it started, on the monotonic clock.
    pub(super) started: Duration,
    pub(super) database_since: DatabaseSince,
    pub(super) log: &'a log::Control,
    /// What has happened at the control socket.
    pub(super) clients: Arc<Counters>,
    pub(super) systemd: Systemd,
    pub(super) coverage: Coverage,
    /// What was wrong with the configuration when it was read last.
    pub(super) refused: Option<String>,
    /// How often the database was reached and lost.
    pub(super) reached: (u64, u64),
    pub(super) event_log: EventLog,
    pub(super) reloads: Reloads,
    pub(super) captures: Captures,
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        // However the loop ends, nobody is there to end a capture after it.
        self.captures.end(&mut self.forwarding);
    }
}

impl Agent<'_> {
    /// Who is active may have changed.
    pub(super) fn roles(&mut self, statuses: Option<Arc<Vec<InstanceStatus>>>) -> Result<(), AgentError> {
        self.coverage.turn(Turn::Roles);
        let (Some(cluster), Some(statuses)) = (&mut self.cluster, statuses) else { return Ok(()) };
        cluster.roles(statuses, &self.config, &mut self.forwarding, &mut *self.database)?;
        self.event_log.routers(cluster.statuses());
        Ok(())
    }

    /// Other nodes have told something.
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

    /// Nobody has asked for a capture any more for a while.
    pub(super) fn capture_is_over(&mut self) {
        tracing::warn!("a capture was not renewed, and is over");
        self.captures.end(&mut self.forwarding);
    }

    /// Somebody asks for something on the control socket. The end, if it is that.
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
            Control::Handover { instance, force } => match &mut self.cluster {
                Some(cluster) => {
                    cluster.handover(instance.as_deref(), force, &self.config, request);
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
        // Whoever asked may take the answer when it likes.
        drop(request.answer(answer));
        Ok(None)
    }

    /// The rows have changed, and nothing else.
    pub(super) fn rows_changed(&mut self, rows: &Arc<Rows>, underlay: &Snapshot) -> Result<(), AgentError> {
        self.coverage.turn(Turn::Rows);
        let old = std::mem::replace(&mut self.planned, Arc::clone(rows));
        if self.complete && self.forwarding.update_rows(&self.config, &old, rows) {
            return Ok(());
        }
        self.update(rows, underlay)?;
        // A limit counts from now on, and not from the next sweep: what was learned has to be counted for that.
        if limits_differ(&old, rows) { self.age_fdb(rows, underlay) } else { Ok(()) }
    }

    /// Rows, underlay or configuration have changed.
    pub(super) fn update(&mut self, rows: &Arc<Rows>, underlay: &Snapshot) -> Result<(), AgentError> {
        self.coverage.turn(Turn::Update);
        if !self.database.is_known() {
            self.forwarding.wait(&self.config, underlay);
            return self.attached();
        }
        self.database.unreachable(unreachable(underlay));
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
        self.database.faults(self.forwarding.faults());
        self.event_log.forwarding(&mut self.forwarding, rows, underlay);
        self.attached()
    }

    /// The kernel has learned something, or found it elsewhere.
    pub(super) fn mac_learned(&mut self, event: &LearnEvent, now: Moment) {
        self.forwarding.learned(event);
        self.event_log.station(event, &self.forwarding, now);
    }

    /// Takes note of what the kernel tells of lost frames and narrow paths, each second.
    pub(super) fn hear_kernel(&mut self, rows: &Arc<Rows>, underlay: &Snapshot) -> Result<(), AgentError> {
        if self.forwarding.hear(clock::monotonic())? {
            return self.update(rows, underlay);
        }
        self.event_log.forwarding_problems(&self.forwarding);
        Ok(())
    }

    /// Takes note of what the database does of itself.
    pub(super) fn poll(&mut self) {
        self.event_log.database(&self.database.describe());
    }

    /// Tells whether the data plane is as it should be.
    pub(super) fn attached(&mut self) -> Result<(), AgentError> {
        self.cluster.as_mut().map_or(Ok(()), |cluster| cluster.attached(&self.forwarding))
    }

    /// Looks whether the programs are where they should be; what has gone is put back.
    pub(super) fn look_at_devices(&mut self, rows: &Arc<Rows>, underlay: &Snapshot) -> Result<(), AgentError> {
        if !self.forwarding.poll() {
            return Ok(());
        }
        // Another node takes over before all the rest is looked at.
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
            // What could not be programmed before may be now.
            cluster.update(&self.config, rows, self.forwarding.able(), underlay);
        }
        self.attached()?;
        self.database.faults(self.forwarding.faults());
        self.event_log.forwarding(&mut self.forwarding, rows, underlay);
        Ok(())
    }

    /// Tells the database and other nodes which stations on the VLANs have changed, and the virtual routers whether there is
    /// a database.
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
        self.database.learned(stations.changes(&changed));
    }

    /// The database has become reachable, or has ceased to be.
    pub(super) fn database_reached(&mut self, reached: bool) {
        let count = if reached { &mut self.reached.0 } else { &mut self.reached.1 };
        *count += 1;
    }

    /// Reads the configuration again and does what is new in it. Says what is wrong where it is refused: then all stays as
    /// it was.
    pub(super) fn reload(&mut self, path: &Path, underlay: &Snapshot) -> Result<Result<(), String>, AgentError> {
        self.coverage.turn(Turn::Reload);
        self.systemd.reloading();
        let outcome = self.reconfigure(path);
        match &outcome {
            Ok(()) => {
                let rows = self.database.rows().borrow().clone();
                self.update(&rows, underlay)?;
                // A learning limit or ageing time that has changed counts from now on.
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

/// How the loop ends.
pub(super) struct End {
    pub(super) leave: Leave,
    /// Who asked for it, and waits for word that it is done.
    pub(super) request: Option<Request>,
}

/// True if a switch may learn more or fewer MACs than before.
fn limits_differ(old: &Rows, new: &Rows) -> bool {
    let limit = |rows: &Rows, name: &String| rows.switches.get(name).map(|switch| switch.learn_limit);
    old.switches.iter().any(|(name, switch)| limit(new, name).is_some_and(|limit| limit != switch.learn_limit))
}

/// Remote VTEPs that packets can't be sent to.
fn unreachable(underlay: &Snapshot) -> BTreeSet<IpAddr> {
    let hops = underlay.hops.iter();
    hops.filter(|(_, hop)| matches!(hop, Resolution::Unresolved(_))).map(|(remote, _)| *remote).collect()
}

/// What the underlay is to be followed for.
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
