//! The data plane in the kernel, for the handlers of events.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use gateway_common::{
    event::LearnEvent,
    fdb::{self, FdbEntry, FdbKey},
    net::VlanId,
};
use gateway_config::{Config, rows::Rows};
use gateway_datapath::{Desired, Programmed, attach::AttachError, capture_programs::Pinned, learned::FdbScan};
use gateway_ha::{Leases, peers};
use gateway_netdev::underlay::Snapshot;
use gateway_sources::vtep::{Fault, TrafficByBinding};
use gateway_vrrp::{Time, Vrid};

use super::Forwarding;
use crate::{data_plane::DataPlane, error::AgentError, state_sync::Ports, stations::Stations};

impl DataPlane for Forwarding {
    fn update(&mut self, config: &Config, rows: &Rows, underlay: &Snapshot) -> Result<(), AgentError> {
        self.programs.attach_changed(config, underlay);
        self.reconcile_members(underlay);
        self.reconcile(config, rows, underlay)?;
        self.give_memory_back();
        Ok(())
    }

    fn update_rows(&mut self, config: &Config, old: &Rows, new: &Rows) -> bool {
        self.reconcile_macs(config, old, new)
    }

    fn wait(&mut self, config: &Config, underlay: &Snapshot) {
        self.programs.attach_changed(config, underlay);
        self.reconcile_members(underlay);
        let problems = self.devices().problems().chain(self.devices().warnings()).collect();
        self.problems.set_planned(problems, self.devices().warnings().collect());
        self.report_problems();
    }

    fn age_fdb(&mut self, config: &Config, rows: &Rows, underlay: &Snapshot) -> Result<(), AgentError> {
        if self.age(config, rows, underlay)? { self.update(config, rows, underlay) } else { Ok(()) }
    }

    fn learned(&mut self, event: &LearnEvent) {
        self.learning_event(event);
    }

    fn read_kernel(&mut self, underlay: &Snapshot, now: Time) -> Result<bool, AgentError> {
        let refused = self.losses.poll(self.maps.losses()?, now);
        let transmit = |this: &Self| (this.devices().xdp_ports(), this.devices().xdp_sg_ports());
        let (ports, paths) = (transmit(&*self), self.path_mtus.clone());
        if !refused.is_empty() {
            let devices = self.programs.devices_mut();
            refused.into_iter().for_each(|ifindex| devices.refuses(ifindex));
            devices.refresh();
        }
        self.slow_path.poll(self.maps.paths()?, self.devices().expected(underlay), now);
        self.report_problems();
        self.read_path_mtus()?;
        Ok(ports != transmit(&*self) || !self.path_mtus.agrees_with(&paths))
    }

    fn check_programs(&mut self, now: Time) -> bool {
        self.programs.check(now)
    }

    fn install_capture(&mut self, capture: &mut Pinned) -> Result<(), AttachError> {
        self.programs.install_capture(capture)
    }

    fn remove_capture(&mut self) -> Result<(), AttachError> {
        self.programs.remove_capture()
    }

    fn role(&mut self, lease: u32, active: bool) -> Result<(), AgentError> {
        self.set_role(lease, active)
    }

    fn follow(&mut self, lease: u32, received: &peers::Stations, ports: &Arc<Ports>) -> Result<(), AgentError> {
        self.follow_stations(lease, received, ports)
    }

    fn follow_again(&mut self) -> Result<(), AgentError> {
        self.follow_all_again()
    }

    fn is_followed(&self, key: &FdbKey) -> bool {
        self.standby_fdb.values().any(|followed| followed.taken().contains_key(key))
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
        if !self.desired.switches.values().any(|switch| switch.learn_remote) {
            // A walk through a hundred thousand static MACs would find none.
            return Vec::new();
        }
        let learned = self.maps.fdb().filter_map(Result::ok);
        let remote = learned.filter(|(_, entry)| entry.origin == fdb::LEARNED && entry.to.kind == fdb::REMOTE);
        remote.map(|(key, _)| key).collect()
    }

    fn take_fdb_scans(&mut self) -> Vec<FdbScan> {
        std::mem::take(&mut self.fdb_scans)
    }

    fn mac(&self, key: &FdbKey) -> Option<FdbEntry> {
        self.maps.mac(key).ok().flatten()
    }

    fn problems(&self) -> &BTreeSet<String> {
        self.problems.texts()
    }

    fn faults(&self) -> &BTreeSet<Fault> {
        &self.faults
    }

    fn traffic(&self, underlay: &Snapshot) -> Result<TrafficByBinding, AgentError> {
        let names: BTreeMap<u32, &String> = underlay.links.iter().map(|(name, link)| (link.ifindex, name)).collect();
        let mut all = TrafficByBinding::new();
        for (key, binding) in &self.programmed.bindings {
            let (Some(name), Some(vlan)) = (names.get(&key.ifindex), VlanId::new(key.vlan)) else { continue };
            let traffic = self.maps.binding_traffic(binding.id)?;
            all.insert(((*name).clone(), vlan), traffic.into());
        }
        Ok(all)
    }

    fn strays(&self, vrid: Vrid) -> Option<u64> {
        self.maps.strays(vrid.get().into()).ok()
    }

    fn leases(&self) -> Result<Option<Leases>, AgentError> {
        self.programs.leases()
    }

    fn is_attached(&self) -> bool {
        self.devices().problems().next().is_none()
    }

    fn interfaces(&self) -> BTreeMap<String, u32> {
        self.devices().indices()
    }
}
