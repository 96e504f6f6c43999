//! What stands beside a gateway on its machine: the `hardware_vtep` database, and `ovn-controller-vtep` filling it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use anyhow::{Context, Result};
use gateway_common::net::MacAddr;

use crate::{
    Host,
    node::Node,
    ovsdb::{Database, OVS_SCHEMAS},
    process::Process,
    wait::SOON,
};

/// The database's port.
const PORT: u16 = 6640;

/// The database of one gateway, and its controller.
#[derive(Debug)]
pub struct Vtep {
    address: Ipv4Addr,
    switch: String,
    controller: Option<Process>,
    database: Database,
}

/// The stations of one kind that the database knows of a logical switch, and behind which VTEPs they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Macs {
    /// Single stations. More than one VTEP if there are several rows.
    pub unicast: BTreeMap<MacAddr, BTreeSet<IpAddr>>,
    /// Where frames go that are for no known station: `unknown-dst`.
    pub unknown: BTreeSet<IpAddr>,
}

impl Vtep {
    /// Starts the database, empty, on a host, which has `address` on the management network. `switch` is the name of
    /// the physical switch that the gateway is to be.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(host: &Host, address: Ipv4Addr, switch: &str) -> Result<Self> {
        Self::start_with(host, address, switch, "")
    }

    /// The same with more options for `ovsdb-server`.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_with(host: &Host, address: Ipv4Addr, switch: &str, options: &str) -> Result<Self> {
        let node = Node::new(host)?;
        let options = format!("--remote=ptcp:{PORT}:{address} {options}");
        let database = Database::create(&node, "vtep", &format!("{OVS_SCHEMAS}/vtep.ovsschema"), &options)?;
        Ok(Self { address, switch: switch.into(), controller: None, database })
    }

    /// Name of the physical switch.
    pub fn switch(&self) -> &str {
        &self.switch
    }

    /// The database's server.
    pub fn database(&mut self) -> &mut Database {
        &mut self.database
    }

    /// The database, as clients name it over TCP.
    pub fn remote(&self) -> String {
        format!("tcp:{}:{PORT}", self.address)
    }

    /// The database, as clients on the same computer name it.
    pub fn local_remote(&self) -> String {
        self.database.remote()
    }

    /// Starts `ovn-controller-vtep` between this database and the southbound database `remote`.
    ///
    /// # Errors
    /// If it does not start.
    pub fn join(&mut self, remote: &str) -> Result<()> {
        let command =
            format!("ovn-controller-vtep --vtep-db={} --ovnsb-db={remote} -vconsole:warn", self.database.remote());
        self.controller = Some(self.database.node().start("ovn-controller-vtep", &command)?);
        Ok(())
    }

    /// Has `ovn-controller-vtep` exit as an operator does, upon which it takes all it has written out of the database.
    ///
    /// # Errors
    /// If it is not running, or does not end.
    pub fn part(&mut self) -> Result<()> {
        let mut controller = self.controller.take().context("ovn-controller-vtep is not running")?;
        let node = self.database.node();
        let socket = node.file(&format!("ovn-controller-vtep.{}.ctl", controller.pid()));
        node.run(&format!("ovs-appctl -t {} exit", socket.display()))?;
        controller.wait(SOON).map(drop)
    }

    /// Runs `vtep-ctl` and gives what it printed.
    ///
    /// # Errors
    /// What it says.
    pub fn ctl(&self, arguments: &str) -> Result<String> {
        let command = format!("vtep-ctl --db={} --timeout=20 {arguments}", self.database.remote());
        let output = self.database.node().run(&command)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Puts the physical switch with its port into the database, as an operator may do before there is a gateway.
    ///
    /// # Errors
    /// If it is there already.
    pub fn register(&self, tunnel: IpAddr, port: &str) -> Result<()> {
        let ps = &self.switch;
        self.ctl(&format!("add-ps {ps} -- set Physical_Switch {ps} tunnel_ips={tunnel} -- add-port {ps} {port}"))
            .map(drop)
    }

    /// Binds a VLAN of a port, 0 for untagged, to a logical switch.
    ///
    /// # Errors
    /// If there is no such port or switch, or the VLAN is bound.
    pub fn bind(&self, port: &str, vlan: u16, network: &str) -> Result<()> {
        self.ctl(&format!("bind-ls {} {port} {vlan} {network}", self.switch)).map(drop)
    }

    /// Undoes it.
    ///
    /// # Errors
    /// If there is no such port.
    pub fn unbind(&self, port: &str, vlan: u16) -> Result<()> {
        self.ctl(&format!("unbind-ls {} {port} {vlan}", self.switch)).map(drop)
    }

    /// Bound VLANs of a port, and their logical switches.
    ///
    /// # Errors
    /// If there is no such port.
    pub fn bindings(&self, port: &str) -> Result<BTreeMap<u16, String>> {
        let text = self.ctl(&format!("list-bindings {} {port}", self.switch))?;
        let binding = |line: &str| {
            let (vlan, network) = line.split_once(' ')?;
            Some((vlan.parse().ok()?, network.to_owned()))
        };
        text.lines().map(|line| binding(line).with_context(|| format!("reading the binding `{line}`"))).collect()
    }

    /// The VNI of a logical switch; `None` while the controller has given it none, which it writes as 0 or not at all.
    ///
    /// # Errors
    /// If there is no such switch.
    pub fn vni(&self, network: &str) -> Result<Option<u32>> {
        let text = self.ctl(&format!("get Logical_Switch {network} tunnel_key"))?;
        Ok(text.trim().parse().ok().filter(|vni| *vni != 0))
    }

    /// The stations in the cloud.
    ///
    /// # Errors
    /// If there is no such switch.
    pub fn remote_macs(&self, network: &str) -> Result<Macs> {
        Ok(parse(&self.ctl(&format!("list-remote-macs {network}"))?))
    }

    /// The stations that the gateway says are outside.
    ///
    /// # Errors
    /// If there is no such switch.
    pub fn local_macs(&self, network: &str) -> Result<Macs> {
        Ok(parse(&self.ctl(&format!("list-local-macs {network}"))?))
    }

    /// Leaves all of it running when this handle is dropped.
    pub fn leave(&mut self) {
        if let Some(controller) = &mut self.controller {
            controller.leave();
        }
        self.database.leave();
    }
}

/// Reads lines like `02:aa:00:00:00:01 -> vxlan_over_ipv4/172.31.0.11`.
fn parse(text: &str) -> Macs {
    let mut macs = Macs::default();
    for (mac, locator) in text.lines().filter_map(|line| line.split_once(" -> ")) {
        let Some(vtep) = locator.split_once('/').and_then(|(_, address)| address.trim().parse().ok()) else { continue };
        match mac.trim() {
            "unknown-dst" => {
                macs.unknown.insert(vtep);
            }
            mac => {
                if let Ok(mac) = mac.parse() {
                    macs.unicast.entry(mac).or_default().insert(vtep);
                }
            }
        }
    }
    macs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stations_are_read_as_vtep_ctl_lists_them() {
        let text = "ucast-mac-remote\n  02:aa:00:00:00:01 -> vxlan_over_ipv4/172.31.0.11\n\n\
                    mcast-mac-remote\n  unknown-dst -> vxlan_over_ipv4/172.31.0.11\n\
                    \x20 unknown-dst -> vxlan_over_ipv4/172.31.0.12\n\n";
        let [one, two]: [IpAddr; 2] = [[172, 31, 0, 11].into(), [172, 31, 0, 12].into()];
        let macs = parse(text);
        assert_eq!(macs.unicast, BTreeMap::from([(MacAddr([2, 0xaa, 0, 0, 0, 1]), BTreeSet::from([one]))]));
        assert_eq!(macs.unknown, BTreeSet::from([one, two]));
    }
}
