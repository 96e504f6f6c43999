//! Reconciles the maps: plans the desired state, and writes the differences.

use std::collections::BTreeMap;

use gateway_api::view::BindingState;
use gateway_base::{clock, memory};
use gateway_common::binding::BindingKey;
use gateway_config::{Config, rows::Rows};
use gateway_datapath::{
    diff::{Limit, diff, diff_macs, diff_members},
    op::Op,
    plan::{self, BoundVlan},
};
use gateway_netdev::underlay::{self, PathMtus, Snapshot};
use gateway_sources::vtep::Fault;

use super::Forwarding;
use crate::error::AgentError;

/// Number of MACs planned or of operations on maps after which memory is returned to the system.
const MANY: usize = 10_000;

impl Forwarding {
    /// Applies a change of the rows from `old` to `new`, if only remote MACs differ. Returns false if that is not so,
    /// or if an operation has failed.
    pub(super) fn reconcile_macs(&mut self, config: &Config, old: &Rows, new: &Rows) -> bool {
        let changes = plan::mac_changes(config, old, new, &self.desired);
        let ops = changes.as_ref().and_then(|changes| diff_macs(changes, &self.programmed));
        let Some(ops) = ops else { return false };
        drop(changes);
        let mut problems = Vec::new();
        self.carry_out(&ops, &mut problems);
        drop(ops);
        self.give_memory_back();
        problems.is_empty()
    }

    /// Plans everything, and writes what differs.
    pub(super) fn reconcile(&mut self, config: &Config, rows: &Rows, underlay: &Snapshot) -> Result<(), AgentError> {
        self.work.plans += 1;
        self.read_path_mtus()?;
        let (underlay, narrow) = self.path_mtus.narrow(underlay);
        let mut plan = plan::plan(config, rows, &underlay, self.devices().xdp_ports());
        plan.problems.extend(plan::path_mtus(&underlay, &narrow));
        let mut problems: Vec<String> = plan.problems.iter().map(ToString::to_string).collect();
        let mut bindings = plan.bindings;
        let warnings = plan.problems.iter().filter(|problem| problem.is_warning());
        let warnings = warnings.map(ToString::to_string).chain(self.devices().warnings());
        let warnings = warnings.chain(self.budgets.problems().cloned()).collect();
        problems.extend(self.budgets.problems().cloned());
        problems.extend(self.devices().problems());
        problems.extend(self.devices().warnings());
        let mut desired = plan.desired;
        desired.xdp_sg_ports = self.devices().xdp_sg_ports();
        desired.members = self.devices().members(&underlay);
        self.faults.clear();
        let mut changes = diff(&desired, &self.programmed, &self.ceilings);
        let mut done = self.carry_out(&changes.ops, &mut problems);
        let mut all = changes.ops.len();
        if !changes.limits.is_empty() {
            // The removals have made room.
            changes = diff(&desired, &self.programmed, &self.ceilings);
            done += self.carry_out(&changes.ops, &mut problems);
            all += changes.ops.len();
        }
        self.settled = done == all && changes.limits.is_empty();
        self.passed += desired.macs.len();
        desired.macs.clear();
        self.desired = desired;
        if changes.limits.iter().any(|limit| matches!(limit, Limit::Tunnels(_))) {
            self.faults.insert(Fault::TunnelExhaustion);
        }
        problems.extend(changes.limits.iter().map(ToString::to_string));
        bindings.iter_mut().for_each(|binding| self.set_state(binding, &underlay));
        problems.extend(plan::unforwarded(&bindings).map(|problem| problem.to_string()));
        self.bindings = bindings;
        if done > 0 {
            tracing::debug!(operations = done, "programmed");
        }
        self.problems.set_planned(problems, warnings);
        self.report_problems();
        if changes.ops.iter().any(|op| matches!(op, Op::Forget(_))) {
            // The stations of removed bindings are published to the database at once.
            self.scan_fdb(config, rows)?;
        }
        Ok(())
    }

    /// Writes the active members of bonds. Needs no plan, so that a failover takes effect at once.
    pub(super) fn reconcile_members(&mut self, underlay: &Snapshot) {
        let members = self.devices().members(underlay);
        let ops = diff_members(&members, &self.programmed.members);
        // What fails stays a difference, and is reported by the next plan.
        self.carry_out(&ops, &mut Vec::new());
    }

    /// Carries out operations. One that fails stays a difference, and is retried at the next change or ageing run.
    pub(super) fn carry_out(&mut self, ops: &[Op], problems: &mut Vec<String>) -> usize {
        let mut done = 0;
        let mut full = BTreeMap::<String, usize>::new();
        let mut failed = self.maps.change().write_all(ops).into_iter().peekable();
        for (place, op) in ops.iter().enumerate() {
            match failed.next_if(|(of, _)| *of == place) {
                None => {
                    if let Op::DelSwitch(vni) = op {
                        // The kernel counts from zero if the logical switch comes back.
                        self.ceilings.remove(vni);
                    }
                    self.programmed.note(op);
                    done += 1;
                }
                Some((_, error)) if error.is_full() => {
                    if matches!(op, Op::PutMac(..)) {
                        self.faults.insert(Fault::MacTableExhaustion);
                    }
                    *full.entry(error.to_string()).or_default() += 1;
                }
                Some((_, error)) => problems.push(error.to_string()),
            }
        }
        self.passed += done;
        self.work.operations += done as u64;
        self.work.failed += (ops.len() - done) as u64;
        let full = full.into_iter();
        problems.extend(full.map(|(error, count)| format!("{error}: the map is full, {count} entries are left out")));
        done
    }

    /// Reads the path MTUs of the kernel, and removes those that have expired.
    pub(super) fn read_path_mtus(&mut self) -> Result<(), AgentError> {
        let (rows, now) = (self.maps.path_mtus()?, clock::coarse_ns()?);
        for (ends, _) in rows.iter().filter(|(_, reported)| underlay::is_over(reported, now)) {
            self.maps.forget_path_mtu(ends)?;
        }
        self.path_mtus = PathMtus::of(&rows, now);
        Ok(())
    }

    /// Returns the temporary memory of many changes to the system.
    pub(super) fn give_memory_back(&mut self) {
        if self.passed >= MANY {
            self.passed = 0;
            memory::give_back();
        }
    }

    /// Sets the state of a planned binding: it forwards if it is programmed and programs are attached.
    fn set_state(&self, binding: &mut BoundVlan, underlay: &Snapshot) {
        if !binding.state.forwards() {
            return;
        }
        let key = underlay.links.get(&binding.port).map(|link| BindingKey {
            ifindex: link.ifindex,
            vlan: binding.vlan,
            reserved: 0,
        });
        if !key.is_some_and(|key| self.programmed.bindings.contains_key(&key)) {
            binding.state = BindingState::NotProgrammed;
        } else if self.devices().attached(&binding.port).is_none() {
            binding.state = BindingState::NotAttached;
        }
    }
}
