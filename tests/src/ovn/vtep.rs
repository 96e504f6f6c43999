//! The programs beside a gateway on its machine: the `hardware_vtep` database, and `ovn-controller-vtep`, which fills
//! it.

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
/// The port for traffic between members of a cluster.
const RAFT_PORT: u16 = 6641;
/// Name of the schema.
const SCHEMA: &str = "hardware_vtep";

/// The database of one gateway, and its controller.
#[derive(Debug)]
pub struct Vtep {
    /// Its address for clients over TCP.
    remote: String,
    /// Its address for clients on the machine of `home`.
    local: String,
    /// The machine of the controller.
    home: Node,
    switch: String,
    controller: Option<Process>,
    /// The server, or the members of the cluster.
    databases: Vec<Database>,
}

/// The stations of one kind of a logical switch in the database, with their VTEPs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Macs {
    /// Single stations. More than one VTEP if there are several rows.
    pub unicast: BTreeMap<MacAddr, BTreeSet<IpAddr>>,
    /// Destinations of frames for unknown stations: `unknown-dst`.
    pub unknown: BTreeSet<IpAddr>,
}

impl Vtep {
    /// Starts the database, empty, on a host, which has `address` on the management network. `switch` is the name of
    /// the gateway's physical switch.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(host: &Host, address: Ipv4Addr, switch: &str) -> Result<Self> {
        Self::start_with(host, address, switch, "")
    }

    /// Starts the database with more options for `ovsdb-server`.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_with(host: &Host, address: Ipv4Addr, switch: &str, options: &str) -> Result<Self> {
        let node = Node::new(host)?;
        let options = format!("--remote=ptcp:{PORT}:{address} {options}");
        let database = Database::create(&node, "vtep", &schema_file(), &options)?;
        Ok(Self {
            remote: format!("tcp:{address}:{PORT}"),
            local: database.remote(),
            home: node,
            switch: switch.into(),
            controller: None,
            databases: vec![database],
        })
    }

    /// Starts the database as a cluster with a member on each of these hosts, of which the first one leads at first.
    /// The controller and commands run on the last one.
    ///
    /// # Errors
    /// If a member does not start, or does not become one.
    pub fn start_cluster(members: &[(&Host, Ipv4Addr)], switch: &str) -> Result<Self> {
        let raft = |address: Ipv4Addr| format!("tcp:{address}:{RAFT_PORT}");
        let options = |address: Ipv4Addr| format!("--remote=ptcp:{PORT}:{address}");
        let (&(first, leader), others) = members.split_first().context("a cluster without members")?;
        let mut home = Node::new(first)?;
        let first = Database::create_cluster(&home, "vtep", &schema_file(), &raft(leader), &options(leader))?;
        let mut databases = vec![first];
        for &(host, address) in others {
            home = Node::new(host)?;
            let place = [raft(address), raft(leader)];
            let place = [place[0].as_str(), place[1].as_str()];
            databases.push(Database::join_cluster(&home, "vtep", SCHEMA, place, &options(address))?);
        }
        let remotes: Vec<String> = members.iter().map(|(_, address)| format!("tcp:{address}:{PORT}")).collect();
        let remote = remotes.join(",");
        Ok(Self { local: remote.clone(), remote, home, switch: switch.into(), controller: None, databases })
    }

    /// Returns the name of the physical switch.
    pub fn switch(&self) -> &str {
        &self.switch
    }

    /// Returns the database's server; of a cluster the first member.
    pub fn database(&mut self) -> &mut Database {
        &mut self.databases[0]
    }

    /// Kills a server, counted from 0. Returns true if it led the others.
    ///
    /// # Errors
    /// If there is none of that number, or it is not running.
    pub fn kill_member(&mut self, number: usize) -> Result<bool> {
        let clustered = self.databases.len() > 1;
        let member = self.databases.get_mut(number).with_context(|| format!("there is no database server {number}"))?;
        let led = clustered && member.leads(SCHEMA)?;
        member.kill()?;
        Ok(led)
    }

    /// Returns the address of the database for clients over TCP.
    pub fn remote(&self) -> String {
        self.remote.clone()
    }

    /// Returns the address of the database for clients on the same computer.
    pub fn local_remote(&self) -> String {
        self.local.clone()
    }

    /// Starts `ovn-controller-vtep` between this database and the southbound database `remote`.
    ///
    /// # Errors
    /// If it does not start.
    pub fn join(&mut self, remote: &str) -> Result<()> {
        let command = format!("ovn-controller-vtep --vtep-db={} --ovnsb-db={remote} -vconsole:warn", self.local);
        self.controller = Some(self.home.start("ovn-controller-vtep", &command)?);
        Ok(())
    }

    /// Makes `ovn-controller-vtep` exit as an operator does; it removes everything it has written from the database.
    ///
    /// # Errors
    /// If it is not running, or does not end.
    pub fn part(&mut self) -> Result<()> {
        let mut controller = self.controller.take().context("ovn-controller-vtep is not running")?;
        let node = &self.home;
        let socket = node.file(&format!("ovn-controller-vtep.{}.ctl", controller.pid()));
        node.run(&format!("ovs-appctl -t {} exit", socket.display()))?;
        controller.wait(SOON).map(drop)
    }

    /// Runs `vtep-ctl` and returns its output.
    ///
    /// # Errors
    /// The error output of the command.
    pub fn ctl(&self, arguments: &str) -> Result<String> {
        let command = format!("vtep-ctl --db={} --timeout=20 {arguments}", self.local);
        let output = self.home.run(&command)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts a client that writes a line of comma-separated values for each row of `table` that exists (`initial`) or
    /// changes (`insert`, `delete`, `old`, `new`), with these columns.
    ///
    /// # Errors
    /// If it does not start.
    pub fn monitor(&self, table: &str, columns: &str) -> Result<Process> {
        let command = format!("ovsdb-client --format=csv monitor {} {SCHEMA} {table} {columns}", self.local);
        self.home.start("monitor", &command)
    }

    /// Adds the physical switch with its port to the database, as an operator may do before there is a gateway.
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

    /// Removes the binding of a VLAN.
    ///
    /// # Errors
    /// If there is no such port.
    pub fn unbind(&self, port: &str, vlan: u16) -> Result<()> {
        self.ctl(&format!("unbind-ls {} {port} {vlan}", self.switch)).map(drop)
    }

    /// Returns the bound VLANs of a port, and their logical switches.
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

    /// Returns the VNI of a logical switch; `None` while the controller has not assigned one, which it writes as 0 or
    /// not at all.
    ///
    /// # Errors
    /// If there is no such switch.
    pub fn vni(&self, network: &str) -> Result<Option<u32>> {
        let text = self.ctl(&format!("get Logical_Switch {network} tunnel_key"))?;
        Ok(text.trim().parse().ok().filter(|vni| *vni != 0))
    }

    /// Returns the stations in the cloud.
    ///
    /// # Errors
    /// If there is no such switch.
    pub fn remote_macs(&self, network: &str) -> Result<Macs> {
        Ok(parse(&self.ctl(&format!("list-remote-macs {network}"))?))
    }

    /// Returns the stations outside that the gateway has published.
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
        self.databases.iter_mut().for_each(Database::leave);
    }
}

fn schema_file() -> String {
    format!("{OVS_SCHEMAS}/vtep.ovsschema")
}

/// Parses lines like `02:aa:00:00:00:01 -> vxlan_over_ipv4/172.31.0.11`.
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
