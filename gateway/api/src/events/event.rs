//! Events and their fields.

use std::{collections::BTreeMap, net::IpAddr};

use gateway_common::net::MacAddr;
use serde::{Deserialize, Serialize};

use super::{Kind, Timestamp};
use crate::view::{DatabaseState, Place, Role, mac_text};

/// An event with its number and time. As JSON it is one flat object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Sequence number: starts at 1 with each start of the agent and grows by one with each event.
    pub seq: u64,
    /// Time at which the agent noticed it.
    pub time: Timestamp,
    /// The event.
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
        /// Its process id.
        pid: u32,
        /// The data plane was there already and forwarding continued.
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
        /// The error.
        reason: String,
    },
    /// A station was learned.
    Learned {
        /// The VNI of its logical switch.
        vni: u32,
        /// The name of the logical switch.
        switch: Option<String>,
        /// The station.
        #[serde(with = "mac_text")]
        mac: MacAddr,
        /// Its location.
        at: Place,
    },
    /// A learned station now sends from another place.
    Moved {
        /// The VNI of its logical switch.
        vni: u32,
        /// The name of the logical switch.
        switch: Option<String>,
        /// The station.
        #[serde(with = "mac_text")]
        mac: MacAddr,
        /// Its former location, if known.
        from: Option<Place>,
        /// Its location now.
        at: Place,
    },
    /// A station behind an access port has announced its IP address.
    Announced {
        /// The VNI of its logical switch.
        vni: u32,
        /// The name of the logical switch.
        switch: Option<String>,
        /// The station.
        #[serde(with = "mac_text")]
        mac: MacAddr,
        /// Its address.
        ip: IpAddr,
        /// Its location.
        at: Place,
    },
    /// A station has not sent for the ageing time, and is forgotten.
    Aged {
        /// The VNI of its logical switch.
        vni: u32,
        /// The name of the logical switch.
        switch: Option<String>,
        /// The station.
        #[serde(with = "mac_text")]
        mac: MacAddr,
        /// Its former location, if known.
        at: Option<Place>,
    },
    /// A learned station is forgotten for another reason.
    Forgotten {
        /// The VNI of its logical switch.
        vni: u32,
        /// The name of the logical switch.
        switch: Option<String>,
        /// The station.
        #[serde(with = "mac_text")]
        mac: MacAddr,
        /// Its former location, if known.
        at: Option<Place>,
        /// The reason.
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
        /// The name of the logical switch.
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
        /// The name of the logical switch.
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
        /// The reason, and the remedy.
        reason: String,
    },
    /// A virtual router has another role on this node.
    RoleChanged {
        /// Its name.
        #[serde(rename = "instance")]
        router: String,
        /// Its number.
        vrid: u8,
        /// The role before; none at the start of the agent.
        from: Option<Role>,
        /// The role now.
        to: Role,
        /// The address of the active node, if another node is active and known.
        active_node: Option<IpAddr>,
        /// This node's priority now.
        priority: u8,
    },
    /// The lease of a virtual router expired while this node was active: the data plane has stopped forwarding on its
    /// own.
    LeaseLost {
        /// Its name.
        #[serde(rename = "instance")]
        router: String,
        /// Its number.
        vrid: u8,
    },
    /// The state of the database connection changed.
    Database {
        /// The virtual router of the database, where each has its own.
        #[serde(rename = "instance")]
        router: Option<String>,
        /// The state before; none at the start of the agent.
        from: Option<DatabaseState>,
        /// The state now.
        to: DatabaseState,
        /// The server of the connection, if there is one.
        remote: Option<String>,
    },
    /// A problem was raised: it prevents some or all of the forwarding.
    Problem {
        /// The part of the gateway that has the problem.
        source: Source,
        /// The problem, and the remedy.
        problem: String,
    },
    /// A problem was cleared.
    ProblemGone {
        /// The part of the gateway that had the problem.
        source: Source,
        /// The problem.
        problem: String,
    },
    /// A fault was raised and published to the database, in `switch_fault_status`.
    Fault {
        /// Its name in the database.
        fault: String,
    },
    /// Such a fault was cleared.
    FaultGone {
        /// Its name in the database.
        fault: String,
    },
    /// Events were left out of the journal because there were too many of them.
    LeftOut {
        /// Number of events of each kind.
        counts: BTreeMap<Kind, u64>,
    },
    /// Events were removed from the journal before a client read them. Reported to a client that was too slow; not
    /// itself in the journal.
    Missed {
        /// Number of events.
        count: u64,
    },
}

/// Reasons other than ageing for which a station is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its location is gone, or another node no longer has it.
    Gone,
    /// The database now has the station.
    #[serde(rename = "given")]
    Static,
}

/// Part of the gateway that has a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Interfaces, programs, maps, the underlay.
    Forwarding,
    /// The contents of the database, or the connection to it.
    Database,
    /// A virtual router.
    Vrrp,
    /// The other nodes, or differences between them and this one.
    Nodes,
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
