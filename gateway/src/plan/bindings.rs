//! The state of each binding: it forwards, or what keeps it from that.

use std::{collections::BTreeMap, fmt};

use gateway_common::net::Vni;

use super::{Planner, Problem};
use crate::database::{LogicalSwitch, Refusal, Rows};

/// A VLAN of a port that the database binds to a logical switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundVlan {
    /// Name of the port.
    pub port: String,
    /// The VLAN as the database has it; 0 for untagged frames.
    pub vlan: u16,
    /// Name of the logical switch.
    pub switch: String,
    /// Its VNI, if it has one.
    pub vni: Option<Vni>,
    /// The instance it belongs to: an index into [`crate::config::Config::instances`].
    pub instance: usize,
    /// Whether it forwards.
    pub state: BindingState,
}

/// The state of a binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingState {
    /// It is in force: frames are forwarded while the instance's lease runs.
    Forwards,
    /// The controller has not given the logical switch a `tunnel_key`.
    WaitsForKey,
    /// The VNI of the logical switch is another one's.
    VniTaken {
        /// The VNI.
        vni: Vni,
        /// The logical switch that has it.
        holder: String,
    },
    /// The port is no `[[port]]` of the configuration.
    NoPort,
    /// The interface of the port is missing.
    NoInterface,
    /// The interface of the port is down.
    PortDown,
    /// There is no such VLAN.
    NoVlan,
    /// The VLAN of the port is bound to this logical switch as well, which has it.
    VlanTaken(String),
    /// It should be in force and is not: no room, or the kernel has refused it.
    NotProgrammed,
    /// No programs are attached to the port.
    NotAttached,
}

impl BindingState {
    /// The states, by the names that programs know them by.
    pub const NAMES: [&str; 10] = [
        "forwards",
        "waits_for_key",
        "vni_taken",
        "no_port",
        "no_interface",
        "port_down",
        "no_vlan",
        "vlan_taken",
        "not_programmed",
        "not_attached",
    ];

    /// The name that programs know it by.
    pub const fn name(&self) -> &'static str {
        let place = match self {
            Self::Forwards => 0,
            Self::WaitsForKey => 1,
            Self::VniTaken { .. } => 2,
            Self::NoPort => 3,
            Self::NoInterface => 4,
            Self::PortDown => 5,
            Self::NoVlan => 6,
            Self::VlanTaken(_) => 7,
            Self::NotProgrammed => 8,
            Self::NotAttached => 9,
        };
        Self::NAMES[place]
    }

    /// True if frames are forwarded while the lease runs.
    pub const fn forwards(&self) -> bool {
        matches!(self, Self::Forwards)
    }

    /// True if there is a problem besides that says the same: of the interface.
    const fn is_told(&self) -> bool {
        matches!(self, Self::NoInterface | Self::PortDown | Self::NotAttached)
    }

    /// Why a logical switch without a VNI does not forward.
    pub fn of_switch(switch: &LogicalSwitch) -> Option<Self> {
        match (&switch.vni, &switch.contested) {
            (Some(_), _) => None,
            (None, Some(taken)) => Some(Self::VniTaken { vni: taken.vni, holder: taken.holder.clone() }),
            (None, None) => Some(Self::WaitsForKey),
        }
    }

    /// What keeps it from forwarding, and what to do about that.
    pub fn reason(&self) -> Option<String> {
        (!self.forwards()).then(|| self.to_string())
    }
}

impl fmt::Display for BindingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forwards => f.write_str("forwards"),
            Self::WaitsForKey => f.write_str(
                "waits for a tunnel_key: the controller has not bound the logical switch; in OVN, is there a port of type \
                 vtep for this gateway and logical switch, and does ovn-controller-vtep run?",
            ),
            Self::VniTaken { vni, holder } => {
                write!(f, "VNI {vni} is taken by logical switch {holder}: delete one, or give it another tunnel_key")
            }
            Self::NoPort => {
                f.write_str("no such port: it is no [[port]] of the configuration; add it there, or bind to another")
            }
            Self::NoInterface => f.write_str("no such port: the interface is missing"),
            Self::PortDown => f.write_str("the interface is down"),
            Self::NoVlan => f.write_str("no such VLAN: VLANs are 0 (untagged) to 4094"),
            Self::VlanTaken(holder) => {
                write!(f, "the VLAN is bound to logical switch {holder} too, which has it: unbind one")
            }
            Self::NotProgrammed => {
                f.write_str("not programmed: there is no room, or the kernel refuses it; `status` has the problem")
            }
            Self::NotAttached => f.write_str("no programs are attached to the port; `status` has the problem"),
        }
    }
}

/// What there is to say of bindings that do not forward, if there are any whose interface is not told of already.
pub fn unforwarded(all: &[BoundVlan]) -> Option<Problem> {
    let mut without = all.iter().filter(|one| !one.state.forwards() && !one.state.is_told());
    let first = without.next()?.clone();
    Some(Problem::NotForwarding { first: Box::new(first), count: 1 + without.count(), bound: all.len() })
}

/// All bindings of `rows`, by port and VLAN. The planner is done with its logical switches.
pub(super) fn states(planner: &Planner<'_>, rows: &Rows) -> Vec<BoundVlan> {
    let mut first = BTreeMap::new();
    let mut all = Vec::new();
    for (name, switch) in &rows.switches {
        let holder = switch.vni.map(|vni| (vni, *first.entry(vni).or_insert(name)));
        let without = match holder {
            Some((vni, holder)) if holder != name => Some(BindingState::VniTaken { vni, holder: holder.clone() }),
            _ => BindingState::of_switch(switch),
        };
        for (port, vlan) in &switch.bindings {
            let state = port_state(planner, port)
                .or_else(|| without.clone())
                .or_else(|| {
                    let owner = *planner.owners.get(&planner.binding_key(port, *vlan)?)?;
                    (owner != name).then(|| BindingState::VlanTaken(owner.to_owned()))
                })
                .or_else(|| down(planner, port))
                .unwrap_or(BindingState::Forwards);
            let (port, switch_name, vlan) = (port.clone(), name.clone(), vlan.get());
            let (vni, instance) = (switch.vni, switch.instance);
            all.push(BoundVlan { port, vlan, switch: switch_name, vni, instance, state });
        }
    }
    all.extend(rows.refused.iter().map(|one| BoundVlan {
        port: one.port.clone(),
        vlan: one.vlan,
        switch: one.switch.clone(),
        vni: rows.switches.get(&one.switch).and_then(|switch| switch.vni),
        instance: one.instance,
        state: match &one.why {
            Refusal::NoPort => BindingState::NoPort,
            Refusal::NoVlan => BindingState::NoVlan,
            Refusal::Taken(holder) => BindingState::VlanTaken(holder.clone()),
        },
    }));
    all.sort_by(|a, b| (&a.port, a.vlan, &a.switch).cmp(&(&b.port, b.vlan, &b.switch)));
    all
}

fn port_state(planner: &Planner<'_>, port: &str) -> Option<BindingState> {
    if !planner.config.ports.iter().any(|configured| configured.name == port) {
        return Some(BindingState::NoPort);
    }
    (!planner.underlay.links.contains_key(port)).then_some(BindingState::NoInterface)
}

fn down(planner: &Planner<'_>, port: &str) -> Option<BindingState> {
    planner.underlay.links.get(port).filter(|link| !link.up).map(|_| BindingState::PortDown)
}
