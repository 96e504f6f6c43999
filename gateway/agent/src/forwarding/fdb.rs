//! Forwarding database: learning events, ageing, and the ceilings of learning.

use gateway_base::clock;
use gateway_common::{
    event::{self, LearnEvent},
    fdb::FdbKey,
    net::MacAddr,
};
use gateway_config::{Config, rows::Rows};
use gateway_datapath::{diff::diff_ceilings, learned, op::Op, plan};
use gateway_netdev::underlay::Snapshot;

use super::{Forwarding, Learned};
use crate::error::AgentError;

impl Forwarding {
    /// Handles a learning event. Restores a static MAC if the kernel has learned over it: the kernel looks up and
    /// writes in two steps, and the agent may have written in between.
    pub(super) fn learning_event(&mut self, event: &LearnEvent) {
        self.work.learned += 1;
        let key = FdbKey::new(event.vni, event.mac);
        if event.kind != event::SNOOPED
            && let Some(entry) = self.programmed.static_macs.get(&key)
            && let Err(error) = self.maps.change().write(&Op::PutMac(key, entry))
        {
            // The MAC counts as a difference now, so the next ageing run retries it.
            self.programmed.static_macs.remove(&key);
            self.settled = false;
            tracing::warn!(vni = key.vni, mac = %MacAddr(key.mac), "not put back where it is given: {error}");
        }
        let what = match event.kind {
            event::LEARNED => "learned",
            event::MOVED => "moved",
            _ => "announced its address",
        };
        tracing::debug!(vni = event.vni, mac = %MacAddr(event.mac), "{what}");
        if !self.programmed.static_macs.contains_key(&key) {
            self.stations.event(event);
        }
    }

    /// Ages learned MACs and sets the learning ceilings again. Returns true if a full plan is needed: something has
    /// changed that a plan reports, or something failed before.
    pub(super) fn age(&mut self, config: &Config, rows: &Rows, underlay: &Snapshot) -> Result<bool, AgentError> {
        self.scan_fdb(config, rows)?;
        let paths = self.maps.paths()?;
        self.problems.learning(paths, !self.aged);
        let same_budgets = !self.budgets.poll(&paths, &self.maps, &self.programmed, underlay)?;
        self.aged = true;
        self.programs.devices_mut().refresh();
        let same_devices = !self.devices().differ(config, underlay)
            && self.devices().xdp_ports() == self.desired.xdp_ports
            && self.devices().xdp_sg_ports() == self.desired.xdp_sg_ports;
        let settled = same_budgets && self.settled && same_devices && self.set_ceilings(config, rows);
        Ok(!settled)
    }

    /// Updates the learning ceilings, the only state that changes with time. Returns false if that failed.
    fn set_ceilings(&mut self, config: &Config, rows: &Rows) -> bool {
        for (vni, plan) in plan::learn_limits(config, rows) {
            if let Some(switch) = self.desired.switches.get_mut(&vni) {
                switch.learn_limit = plan.learn_limit;
            }
        }
        let ops = diff_ceilings(&self.desired, &self.programmed, &self.ceilings);
        let mut problems = Vec::new();
        self.carry_out(&ops, &mut problems);
        problems.is_empty()
    }

    /// Scans the FDB: removes MACs that have aged or are wrong, and counts the others.
    pub(super) fn scan_fdb(&mut self, config: &Config, rows: &Rows) -> Result<(), AgentError> {
        self.work.fdb_scans += 1;
        let now = clock::coarse_ns()?;
        let ageing = config.gateway.ageing.as_nanos() as u64;
        let limits = plan::learn_limits(config, rows);
        let (fdb_scan, ceilings) =
            learned::age_fdb(&mut self.maps, &self.programmed, &limits, &self.epochs, now, ageing)?;
        if !fdb_scan.aged.is_empty() {
            tracing::debug!(macs = fdb_scan.aged.len(), "aged");
        }
        if !fdb_scan.stray.is_empty() || !fdb_scan.overwritten.is_empty() {
            tracing::info!(
                forgotten = fdb_scan.stray.len(),
                put_back = fdb_scan.overwritten.len(),
                "learned MACs put right: their place is gone, or they are given"
            );
        }
        self.stations.fdb_scan(&fdb_scan.local);
        let learned = ceilings.iter().map(|(vni, ceiling)| {
            let present = fdb_scan.learned.get(vni).copied().unwrap_or(0);
            let left = limits.get(vni).map_or(0, |plan| plan.learn_limit.saturating_sub(present));
            (*vni, Learned { present, counted: ceiling.saturating_sub(left) })
        });
        self.fdb_scan = learned.collect();
        self.ceilings = ceilings;
        self.fdb_scans.push(fdb_scan);
        Ok(())
    }
}
