//! What happens at a turn of the loop.

use std::{collections::BTreeSet, net::IpAddr, path::Path, sync::Arc};

use gateway_common::net::{MacAddr, Vni};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    captures::Captures, cluster::Cluster, control::Control, error::AgentError, forwarding::Forwarding, report::Report,
};
use crate::{
    clock,
    config::{Config, Interface},
    ctl::{self, Request},
    database::{Database, Rows},
    ha::InstanceStatus,
    peers::Followed,
    plan,
    underlay::{Resolution, Snapshot, Wanted},
    vrrp::Leave,
    vtep::LocalMac,
};

/// What the loop's turns work on.
pub(super) struct Agent<'a> {
    pub(super) config: Config,
    pub(super) database: Box<dyn Database>,
    pub(super) wanted: watch::Sender<Arc<Wanted>>,
    pub(super) forwarding: Forwarding,
    /// The rows that forwarding was planned from last.
    pub(super) planned: Arc<Rows>,
    pub(super) cluster: Option<Cluster<'a>>,
    /// What was told of the other nodes.
    pub(super) differences: Report,
    pub(super) captures: Captures,
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        // However the loop ends, nobody is there to end a capture after it.
        self.captures.end(&mut self.forwarding);
    }
}

impl Agent<'_> {
    /// How everything stands.
    pub(super) fn describe(&self) -> Value {
        let mut status = json!({
            "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
            "database": self.database.describe(),
            "forwarding": self.forwarding.describe(),
        });
        if let Some(cluster) = &self.cluster {
            status["vrrp"] = cluster.describe(clock::monotonic());
            status["nodes"] = cluster.describe_nodes();
        }
        status
    }

    /// Who is active may have changed.
    pub(super) fn roles(&mut self, statuses: Option<Arc<Vec<InstanceStatus>>>) -> Result<(), AgentError> {
        let (Some(cluster), Some(statuses)) = (&mut self.cluster, statuses) else { return Ok(()) };
        cluster.roles(statuses, &self.config, &mut self.forwarding, &mut *self.database)
    }

    /// Other nodes have told something.
    pub(super) fn heard(&mut self, followed: Arc<Followed>) -> Result<(), AgentError> {
        let Some(cluster) = &mut self.cluster else { return Ok(()) };
        cluster.heard(followed, &mut self.forwarding)?;
        self.differences.problems(cluster.problems());
        Ok(())
    }

    /// Announces some of the cloud's stations to the switches outside.
    pub(super) fn announce(&mut self) {
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
    pub(super) fn asked(&mut self, request: Request) -> Option<End> {
        let answer = match Control::new(request.command, &request.params) {
            Control::Exit { keep } => {
                let leave = if keep { Leave::Keep } else { Leave::Handover };
                return Some(End { leave, request: Some(request) });
            }
            Control::Status { json: true } => Ok(format!("{:#}\n", self.describe())),
            Control::Status { json: false } => Ok(ctl::text(&self.describe())),
            Control::Handover { instance, force } => match &mut self.cluster {
                Some(cluster) => {
                    cluster.handover(instance.as_deref(), force, &self.config, request);
                    return None;
                }
                None => Err("this gateway has no [[vrrp]]: there is no other node to hand over to".to_owned()),
            },
            Control::Capture(what, id) => self.captures.asked(what, id, &mut self.forwarding),
            Control::Unknown(why) => Err(why),
        };
        // Whoever asked may take the answer when it likes.
        drop(request.answer(answer));
        None
    }

    /// The rows have changed, and nothing else.
    pub(super) fn rows_changed(&mut self, rows: &Arc<Rows>, underlay: &Snapshot) -> Result<(), AgentError> {
        let old = std::mem::replace(&mut self.planned, Arc::clone(rows));
        if self.forwarding.update_rows(&self.config, &old, rows) {
            return Ok(());
        }
        self.update(rows, underlay)
    }

    /// Rows, underlay or configuration have changed.
    pub(super) fn update(&mut self, rows: &Arc<Rows>, underlay: &Snapshot) -> Result<(), AgentError> {
        if !self.database.is_known() {
            self.forwarding.wait(&self.config, underlay);
            return Ok(());
        }
        self.database.unreachable(unreachable(underlay));
        self.planned = Arc::clone(rows);
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
            cluster.update(&self.config, rows, underlay);
        }
        self.database.faults(self.forwarding.faults());
        self.attached()
    }

    /// Tells whether the data plane is as it should be.
    pub(super) fn attached(&mut self) -> Result<(), AgentError> {
        let attached = self.forwarding.is_attached();
        self.cluster.as_mut().map_or(Ok(()), |cluster| cluster.attached(attached))
    }

    pub(super) fn sweep(&mut self, rows: &Rows, underlay: &Snapshot) -> Result<(), AgentError> {
        if !self.database.is_known() {
            return Ok(());
        }
        self.forwarding.sweep(&self.config, rows, underlay)?;
        self.forwarding.follow_again()?;
        self.attached()?;
        self.database.faults(self.forwarding.faults());
        Ok(())
    }

    /// Tells the database of the stations on the VLANs, if others are there than it was told of last, and the virtual
    /// routers whether there is a database.
    pub(super) fn publish(&mut self) {
        if let Some(cluster) = &mut self.cluster {
            cluster.database(*self.database.reached().borrow());
        }
        let Some(stations) = self.forwarding.stations() else { return };
        if let Some(cluster) = &mut self.cluster {
            cluster.stations_changed(stations.len());
        }
        let stations = stations
            .iter()
            .filter_map(|(key, ip)| Some(LocalMac { vni: Vni::new(key.vni)?, mac: MacAddr(key.mac), ip: *ip }));
        self.database.learned(stations.collect());
    }

    /// Reads the configuration again; true if it was taken over.
    pub(super) fn reload(&mut self, path: &Path) -> bool {
        let new = match Config::load(path) {
            Ok(new) => new,
            Err(error) => {
                tracing::error!("reload refused, the agent goes on as before: {error}");
                return false;
            }
        };
        let restart = self.config.changes_needing_restart(&new);
        if !restart.is_empty() {
            let restart = restart.join(", ");
            tracing::error!("reload refused, the agent goes on as before: these need a restart: {restart}");
            return false;
        }
        self.config = new;
        self.database.reconfigure(&self.config);
        if let Some(cluster) = &self.cluster {
            cluster.reconfigure(&self.config);
        }
        true
    }
}

/// How the loop ends.
pub(super) struct End {
    pub(super) leave: Leave,
    /// Who asked for it, and waits for word that it is done.
    pub(super) request: Option<Request>,
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
