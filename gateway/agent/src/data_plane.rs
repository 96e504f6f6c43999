//! Data plane as the handlers of events drive it.
//!
//! A write to a map is no deferred effect but a direct call. Its outcome decides the next step: an incremental change
//! that fails becomes a full plan, and a full plan returns what it has programmed for the database and for other nodes.
//! The calls are a trait, so that the order of these steps can be tested without a kernel.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use gateway_common::{
    event::LearnEvent,
    fdb::{FdbEntry, FdbKey},
};
use gateway_config::{Config, rows::Rows};
use gateway_datapath::{Desired, Programmed, attach::AttachError, capture_programs::Pinned, learned::FdbScan};
use gateway_ha::{Leases, peers};
use gateway_netdev::underlay::Snapshot;
use gateway_sources::vtep::{Fault, TrafficByBinding};
use gateway_vrrp::{Time, Vrid};

use super::{error::AgentError, state_sync::Ports, stations::Stations};

/// Data plane: programs, maps, and the state that is programmed in them.
pub(super) trait DataPlane {
    /// Attaches to interfaces that have come or changed, and programs the differences.
    fn update(&mut self, config: &Config, rows: &Rows, underlay: &Snapshot) -> Result<(), AgentError>;

    /// Applies a change of the rows from `old` to `new`, with nothing else changed. Mostly only remote MACs differ;
    /// then the cost depends on the number of differences. Returns false if [`DataPlane::update`] is needed, which also
    /// reports failures.
    fn update_rows(&mut self, config: &Config, old: &Rows, new: &Rows) -> bool;

    /// Waits for rows: attaches to interfaces that have come or changed, and leaves the maps as they are.
    fn wait(&mut self, config: &Config, underlay: &Snapshot);

    /// Ages learned MACs, sets the learning ceilings again, and retries what failed.
    fn age_fdb(&mut self, config: &Config, rows: &Rows, underlay: &Snapshot) -> Result<(), AgentError>;

    /// Handles a learning event of the kernel.
    fn learned(&mut self, event: &LearnEvent);

    /// Reads the kernel's counters of frames lost after a redirect, and its path MTUs. Returns true if a full plan is
    /// needed because of them.
    fn read_kernel(&mut self, underlay: &Snapshot, now: Time) -> Result<bool, AgentError>;

    /// Checks programs and pins, and puts back those that have gone. Returns true if the reported state has changed.
    fn check_programs(&mut self, now: Time) -> bool;

    /// Installs the programs of a capture on all interfaces, or on none if one does not take them.
    fn install_capture(&mut self, capture: &mut Pinned) -> Result<(), AttachError>;

    /// Removes the programs of a capture.
    fn remove_capture(&mut self) -> Result<(), AttachError>;

    /// Sets whether this node is active for the virtual router with this lease.
    fn role(&mut self, lease: u32, active: bool) -> Result<(), AgentError>;

    /// Programs the stations that the active node of a virtual router has learned, as many of each logical switch as
    /// this node would learn itself. Later calls look only at the changes. The first call also removes stations that
    /// are learned here and not among them; so does a call after interfaces have changed.
    fn follow(&mut self, lease: u32, received: &peers::Stations, ports: &Arc<Ports>) -> Result<(), AgentError>;

    /// Applies the last received stations again: bindings and limits may have changed since.
    fn follow_again(&mut self) -> Result<(), AgentError>;

    /// Returns true if this node has programmed the station because another node has learned it.
    fn is_followed(&self, key: &FdbKey) -> bool;

    /// Returns the desired state, without the MACs.
    fn desired(&self) -> &Desired;

    /// Returns the programmed state, with the static MACs of the database.
    fn programmed(&self) -> &Programmed;

    /// Returns the stations learned behind access ports.
    fn stations(&self) -> &Stations;

    /// Returns the stations learned behind access ports, to take their changes.
    fn stations_mut(&mut self) -> &mut Stations;

    /// Returns the stations behind tunnels that were learned and are not static.
    fn learned_remotes(&self) -> Vec<FdbKey>;

    /// Takes the results of the FDB scans since the last call.
    fn take_fdb_scans(&mut self) -> Vec<FdbScan>;

    /// Returns the entry of a MAC; `None` if there is none, or if it can't be read.
    fn mac(&self, key: &FdbKey) -> Option<FdbEntry>;

    /// Returns the problems of forwarding.
    fn problems(&self) -> &BTreeSet<String>;

    /// Returns the faults: parts of the database that could not be programmed for lack of room.
    fn faults(&self) -> &BTreeSet<Fault>;

    /// Returns the traffic of each binding, by name of its port and VLAN.
    fn traffic(&self, underlay: &Snapshot) -> Result<TrafficByBinding, AgentError>;

    /// Returns the number of tunnel packets of a virtual router that have arrived without its lease; `None` if it can't
    /// be read.
    fn strays(&self, vrid: Vrid) -> Option<u64>;

    /// Returns the map of leases.
    fn leases(&self) -> Result<Option<Leases>, AgentError>;

    /// Returns true if the programs are attached wherever they should be.
    fn is_attached(&self) -> bool;

    /// Returns the interfaces in use by name, with their indices.
    fn interfaces(&self) -> BTreeMap<String, u32>;

    /// Returns the lease of each logical switch, by VNI.
    fn leases_of_switches(&self) -> BTreeMap<u32, u32> {
        self.programmed().switches.iter().map(|(vni, switch)| (*vni, switch.lease)).collect()
    }

    /// Returns the number of programmed bindings by lease, which this node forwards or could forward.
    fn able(&self) -> BTreeMap<u32, u32> {
        let programmed = self.programmed();
        let mut able = BTreeMap::new();
        for binding in programmed.bindings.values() {
            if let Some(switch) = programmed.switches.get(&binding.vni) {
                *able.entry(switch.lease).or_default() += 1;
            }
        }
        able
    }
}
