//! State of each binding: it forwards, or the reason that it does not.

use std::collections::BTreeMap;

use gateway_api::view::BindingState;
use gateway_config::rows::{LogicalSwitch, Refusal, Rows};

use super::{BoundVlan, Planner, Problem};

/// Returns the reason that a logical switch without a VNI does not forward.
pub fn state_of_switch(switch: &LogicalSwitch) -> Option<BindingState> {
    match (&switch.vni, &switch.contested) {
        (Some(_), _) => None,
        (None, Some(taken)) => Some(BindingState::VniTaken { vni: taken.vni, holder: taken.holder.clone() }),
        (None, None) => Some(BindingState::WaitsForKey),
    }
}

/// Returns the problem of bindings that do not forward, unless their interface is reported already.
pub fn unforwarded(all: &[BoundVlan]) -> Option<Problem> {
    let mut without = all.iter().filter(|one| !one.state.forwards() && !one.state.is_reported_elsewhere());
    let first = without.next()?.clone();
    Some(Problem::NotForwarding { first: Box::new(first), count: 1 + without.count(), bound: all.len() })
}

/// Returns all bindings of `rows`, by port and VLAN. The planner has handled its logical switches.
pub(super) fn states(planner: &Planner<'_>, rows: &Rows) -> Vec<BoundVlan> {
    let mut first = BTreeMap::new();
    let mut all = Vec::new();
    for (name, switch) in &rows.switches {
        let holder = switch.vni.map(|vni| (vni, *first.entry(vni).or_insert(name)));
        let without = match holder {
            Some((vni, holder)) if holder != name => Some(BindingState::VniTaken { vni, holder: holder.clone() }),
            _ => state_of_switch(switch),
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
