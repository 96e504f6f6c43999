//! Converts the content of the `hardware_vtep` database to the gateway's own configuration.

use std::collections::BTreeMap;

use anyhow::Result;

use super::Vtep;
use crate::config::Switch;

/// Returns the logical switches that are bound on `port`, with the data that the controller has written about them.
///
/// # Errors
/// If the database cannot be read.
pub fn switches(vtep: &Vtep, port: &str) -> Result<Vec<Switch>> {
    let mut bound = BTreeMap::<String, Vec<u16>>::new();
    for (vlan, network) in vtep.bindings(port)? {
        bound.entry(network).or_default().push(vlan);
    }
    let mut switches = Vec::new();
    for (network, vlans) in bound {
        let Some(vni) = vtep.vni(&network)? else { continue };
        let macs = vtep.remote_macs(&network)?;
        let flood: Vec<_> = macs.unknown.into_iter().collect();
        let mut switch = vlans.into_iter().fold(Switch::new(vni, &flood), |switch, vlan| switch.bound(port, vlan));
        for (mac, vteps) in macs.unicast {
            // If there are several, each of them accepts it.
            if let Some(vtep) = vteps.first() {
                switch = switch.remote(mac, *vtep);
            }
        }
        switches.push(switch);
    }
    Ok(switches)
}
