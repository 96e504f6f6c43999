//! Data plane in memory: it plans and compares like the one in the kernel, and records its calls.

use std::collections::{BTreeMap, BTreeSet};

use gateway_datapath::{
    diff::{diff, diff_macs},
    plan,
};
use gateway_ha::{Leases, peers};
use gateway_netdev::underlay::Snapshot;
use gateway_sources::vtep::{Fault, TrafficByBinding};
use gateway_vrrp::{Time, Vrid};

use super::*;
use crate::{state_sync::Ports, stations::Stations};

/// Data plane in memory.
#[derive(Default)]
pub(super) struct MemoryPlane {
    /// Names of the calls that change something, in order.
    pub(super) calls: Vec<&'static str>,
    /// True if the next check finds programs that have gone.
    pub(super) programs_gone: bool,
    desired: Desired,
    programmed: Programmed,
    stations: Stations,
    problems: BTreeSet<String>,
    faults: BTreeSet<Fault>,
}

impl MemoryPlane {
    /// Takes the names of the calls since the last time.
    pub(super) fn take_calls(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.calls)
    }

    fn note(&mut self, ops: &[Op]) {
        ops.iter().for_each(|op| self.programmed.note(op));
    }
}

impl DataPlane for MemoryPlane {
    fn update(&mut self, config: &Config, rows: &Rows, underlay: &Snapshot) -> Result<(), AgentError> {
        self.calls.push("update");
        self.desired = plan::plan(config, rows, underlay, BTreeSet::new()).desired;
        let changes = diff(&self.desired, &self.programmed, &BTreeMap::new());
        self.note(&changes.ops);
        Ok(())
    }

    fn update_rows(&mut self, config: &Config, old: &Rows, new: &Rows) -> bool {
        self.calls.push("update_rows");
        let changes = plan::mac_changes(config, old, new, &self.desired);
        let Some(ops) = changes.and_then(|changes| diff_macs(&changes, &self.programmed)) else { return false };
        self.note(&ops);
        true
    }

    fn wait(&mut self, _: &Config, _: &Snapshot) {
        self.calls.push("wait");
    }

    fn age_fdb(&mut self, _: &Config, _: &Rows, _: &Snapshot) -> Result<(), AgentError> {
        self.calls.push("age_fdb");
        Ok(())
    }

    fn learned(&mut self, event: &LearnEvent) {
        self.stations.event(event);
    }

    fn read_kernel(&mut self, _: &Snapshot, _: Time) -> Result<bool, AgentError> {
        Ok(false)
    }

    fn check_programs(&mut self, _: Time) -> bool {
        std::mem::take(&mut self.programs_gone)
    }

    fn install_capture(&mut self, _: &mut Pinned) -> Result<(), AttachError> {
        Ok(())
    }

    fn remove_capture(&mut self) -> Result<(), AttachError> {
        Ok(())
    }

    fn role(&mut self, _: u32, _: bool) -> Result<(), AgentError> {
        Ok(())
    }

    fn follow(&mut self, _: u32, _: &peers::Stations, _: &Arc<Ports>) -> Result<(), AgentError> {
        Ok(())
    }

    fn follow_again(&mut self) -> Result<(), AgentError> {
        Ok(())
    }

    fn is_followed(&self, _: &FdbKey) -> bool {
        false
    }

    fn desired(&self) -> &Desired {
        &self.desired
    }

    fn programmed(&self) -> &Programmed {
        &self.programmed
    }

    fn stations(&self) -> &Stations {
        &self.stations
    }

    fn stations_mut(&mut self) -> &mut Stations {
        &mut self.stations
    }

    fn learned_remotes(&self) -> Vec<FdbKey> {
        Vec::new()
    }

    fn take_fdb_scans(&mut self) -> Vec<FdbScan> {
        Vec::new()
    }

    fn mac(&self, _: &FdbKey) -> Option<FdbEntry> {
        None
    }

    fn problems(&self) -> &BTreeSet<String> {
        &self.problems
    }

    fn faults(&self) -> &BTreeSet<Fault> {
        &self.faults
    }

    fn traffic(&self, _: &Snapshot) -> Result<TrafficByBinding, AgentError> {
        Ok(TrafficByBinding::new())
    }

    fn strays(&self, _: Vrid) -> Option<u64> {
        None
    }

    fn leases(&self) -> Result<Option<Leases>, AgentError> {
        Ok(None)
    }

    fn is_attached(&self) -> bool {
        true
    }

    fn interfaces(&self) -> BTreeMap<String, u32> {
        BTreeMap::new()
    }
}
