//! Names for the numbers in the maps.

use std::{collections::BTreeMap, net::IpAddr};

use gateway_common::tunnel::RemoteVtepKey;
use gateway_config::rows::Rows;
use gateway_datapath::Programmed;
use gateway_netdev::underlay::Snapshot;

/// Names of logical switches, interfaces and tunnels.
pub(super) struct Names<'a> {
    switches: BTreeMap<u32, &'a str>,
    interfaces: BTreeMap<u32, &'a str>,
    tunnels: BTreeMap<u32, RemoteVtepKey>,
}

impl<'a> Names<'a> {
    /// Collects the current names.
    pub(super) fn new(rows: &'a Rows, underlay: &'a Snapshot, programmed: &Programmed) -> Self {
        let mut switches = BTreeMap::new();
        for (name, switch) in &rows.switches {
            if let Some(vni) = switch.vni {
                // Of two logical switches with one VNI, the first forwards.
                switches.entry(vni.get()).or_insert(name.as_str());
            }
        }
        let interfaces = underlay.links.iter().map(|(name, link)| (link.ifindex, name.as_str())).collect();
        let tunnels = programmed.remote_vteps.iter().map(|(ends, id)| (*id, *ends)).collect();
        Self { switches, interfaces, tunnels }
    }

    /// Returns the name of the logical switch with this VNI.
    pub(super) fn switch(&self, vni: u32) -> Option<&'a str> {
        self.switches.get(&vni).copied()
    }

    /// Returns the VNI of the logical switch with this name.
    pub(super) fn vni(&self, switch: &str) -> Option<u32> {
        self.switches.iter().find(|(_, name)| **name == switch).map(|(vni, _)| *vni)
    }

    /// Returns the name of the interface with this index.
    pub(super) fn interface(&self, ifindex: u32) -> String {
        self.interfaces.get(&ifindex).map_or_else(|| format!("if{ifindex}"), |name| (*name).to_owned())
    }

    /// Returns the remote VTEP of the tunnel with this number.
    pub(super) fn remote(&self, tunnel: u32) -> Option<IpAddr> {
        self.tunnels.get(&tunnel).map(|ends| ends.remote.into())
    }
}
