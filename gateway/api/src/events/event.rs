//! What can happen.

use std::{collections::BTreeMap, net::IpAddr};

use gateway_common::net::MacAddr;
use serde::{Deserialize, Serialize};

use super::{Kind, Timestamp};
use crate::view::{DatabaseState, Place, Role, mac_text};

/// An event with its number and time. As JSON it is one flat object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number: one more than that of the event before, from 1 at each start of the agent.
    pub seq: u64,
    /// When it was noticed.
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Something that happened. What the JSON of each kind holds is in `docs/MONITOR.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The agent has started.
    Started {
        /// Its version.
        version: String,
        /// Its process.
        pid: u32,
        /// The data plane was there already and went on forwarding.
        adopted: bool,
        /// Logical switches that forward.
        switches: usize,
        /// VLANs of access ports that are bound.
        bindings: usize,
        /// Tunnels.
        tunnels: usize,
    },
    /// The configuration was read again, and is in force.
    Reloaded {
        /// The file.
        file: String,
    },
    /// The configuration was read again, and is not in force.
    ReloadRefused {
        /// What is wrong with it.
        reason: String,
    },
    /// A station was learned.
    Learned {
        /// The VNI of its logical switch.
        vni: u32,
        /// The name of that.
        switch: Option<String>,
        /// The station.
        #[serde(with = "mac_text")]
        mac: MacAddr,
        /// Where it is.
        at: Place,
    },
    /// A learned station now sends from another place.
    Moved {
        /// The VNI of its logical switch.
        vni: u32,
        /// The name of that.
        switch: Option<String>,
        /// The station.
        #[serde(with = "mac_text")]
        mac: MacAddr,
        /// Where it was, if that is known.
        from: Option<Place>,
        /// Where it is.
        at: Place,
    },
    /// A station behind an access port has announced its IP address.
    Announced {
        /// The VNI of its logical switch.
        vni: u32,
        /// The name of that.
        switch: Option<String>,
        /// The station.
        #[serde(with = "mac_text")]
        mac: MacAddr,
        /// Its address.
        ip: IpAddr,
        /// Where it is.
        at: Place,
    },
    /// A station has not sent for the ageing time, and is forgotten.
    Aged {
        /// The VNI of its logical switch.
        vni: u32,
        /// The name of that.
        switch: Option<String>,
        /// The station.
        #[serde(with = "mac_text")]
        mac: MacAddr,
        /// Where it was, if that is known.
        at: Option<Place>,
    },
    /// A learned station is forgotten for another reason.
    Forgotten {
        /// The VNI of its logical switch.
        vni: u32,
        /// The name of that.
        switch: Option<String>,
        /// The station.
        #[serde(with = "mac_text")]
        mac: MacAddr,
        /// Where it was, if that is known.
        at: Option<Place>,
        /// Why.
        why: Why,
    },
    /// A logical switch begins to forward.
    SwitchAdded {
        /// Its VNI.
        vni: u32,
        /// Its name.
        switch: Option<String>,
    },
    /// A logical switch no longer forwards.
    SwitchRemoved {
        /// Its VNI.
        vni: u32,
        /// Its name.
        switch: Option<String>,
    },
    /// A VLAN of an access port is bound to a logical switch, or to another one than before.
    BindingAdded {
        /// The access port.
        port: String,
        /// The VLAN, 0 for untagged.
        vlan: u16,
        /// The VNI of the logical switch.
        vni: u32,
        /// The name of that.
        switch: Option<String>,
    },
    /// A VLAN of an access port is no longer bound.
    BindingRemoved {
        /// The access port.
        port: String,
        /// The VLAN, 0 for untagged.
        vlan: u16,
        /// The VNI of the logical switch it was bound to.
        vni: u32,
        /// The name of that.
        switch: Option<String>,
    },
    /// Packets to a remote VTEP can leave, or leave another way than before.
    NextHopResolved {
        /// The remote VTEP.
        remote: IpAddr,
        /// The uplink they leave by.
        uplink: String,
        /// The VLAN they are tagged with there, 0 for none.
        uplink_vlan: u16,
        /// The Ethernet address they are sent to.
        #[serde(with = "mac_text")]
        next_hop_mac: MacAddr,
    },
    /// Packets to a remote VTEP can no longer leave.
    NextHopLost {
        /// The remote VTEP.
        remote: IpAddr,
        /// Why, and what helps.
        reason: String,
    },
    /// A virtual router has another role on this node.
    RoleChanged {
        /// Its name.
        instance: String,
        /// Its number.
        vrid: u8,
        /// The role before; none at the start of the agent.
        from: Option<Role>,
        /// The role now.
        to: Role,
        /// The node that is active, while it is another one and is known.
        active_node: Option<IpAddr>,
        /// This node's priority now.
        priority: u8,
    },
    /// The lease of a virtual router ran out while this node was active: the data plane has stopped forwarding by itself.
    LeaseLost {
        /// Its name.
        instance: String,
        /// Its number.
        vrid: u8,
    },
    /// The state of the database connection changed.
    Database {
        /// The virtual router whose database it is, where each has its own.
        instance: Option<String>,
        /// The state before; none at the start of the agent.
        from: Option<DatabaseState>,
        /// The state now.
        to: DatabaseState,
        /// The server that is connected to, if any is.
        remote: Option<String>,
    },
    /// Something stands in the way of forwarding, or of all of it.
    Problem {
        /// Who has it.
        source: Source,
        /// What it is, and what helps.
        problem: String,
    },
    /// A problem was cleared.
    ProblemGone {
        /// Who had it.
        source: Source,
        /// What it was.
        problem: String,
    },
    /// There is a fault that the database is told of, in `switch_fault_status`.
    Fault {
        /// As the database calls it.
        fault: String,
    },
    /// Such a fault was cleared.
    FaultGone {
        /// As the database calls it.
        fault: String,
    },
    /// So many events are not in the journal: there were too many of them.
    LeftOut {
        /// How many of which kind.
        counts: BTreeMap<Kind, u64>,
    },
    /// So many events were in the journal and have gone before they were read. Told to a reader who was too slow, and not
    /// in the journal.
    Missed {
        /// How many.
        count: u64,
    },
}

/// Why a station is forgotten that has not aged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its place is gone, or another node no longer has it.
    Gone,
    /// The database now says where the station is.
    Given,
}

/// Who has a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Interfaces, programs, maps, the underlay.
    Forwarding,
    /// What the database says, or the connection to it.
    Database,
    /// A virtual router.
    Vrrp,
    /// The other nodes, or what differs from them.
    Nodes,
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
