//! Two virtual routers on the same two nodes, each of which has the higher priority in one: both forward, and either can do
//! the work of both.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use lab::{
    Host,
    cluster::{
        Pair, Plan, World,
        plan::{NETWORK, PORT, VIRTUAL, VLAN2},
    },
    config::{Switch, Vrrp},
    crossing::{EXT, EXT2, Underlay, VLAN, VM2, VNI, texts},
    ovn::Deployment,
    wait::{SOON, wait_for},
};

/// Numbers of the virtual routers, also of their addresses.
const VRIDS: [u8; 2] = [VIRTUAL, 30];
const VNI2: u32 = VNI + 1;
/// Names of the physical switches, where there is a database.
const SWITCHES: [&str; 2] = ["gw1", "gw1-b"];
const PRIORITIES: [[u8; 2]; 2] = [[150, 100], [100, 150]];

/// A network, a VM, a VLAN and an outside host for each of the virtual routers.
struct Shared {
    pair: Pair,
    vm2: Host,
    _ext2: Host,
}

impl Shared {
    /// Both nodes run, and each has the role that is its own.
    fn start() -> Result<Self> {
        let mut pair = Pair::linux(&Plan::without_vrrp())?;
        let World::Linux { hv, outside } = &pair.world else { bail!("there is no Linux VTEP") };
        hv.join(VNI2, &[Underlay::V4.ip(VRIDS[1])])?;
        let vm2 = hv.vm("vm2", VNI2, &VM2.mac().to_string(), &texts(&VM2.addresses(false)))?;
        let ext2 = outside.access("ext2", VLAN2, &EXT2.mac().to_string(), &texts(&EXT2.addresses(false)))?;
        let second = Switch::new(VNI2, &[hv.vtep()]).bound(PORT, VLAN2).remote(VM2.mac(), hv.vtep());
        for member in &mut pair.members {
            let switches = &mut member.config.switches;
            switches.push(second.clone());
            for (switch, vrid) in switches.iter_mut().zip(VRIDS) {
                switch.instance = Some(name(vrid));
            }
        }
        Self::run(pair, vm2, ext2)
    }

    /// The same in a cloud of real OVN with one database, in which each virtual router is a physical switch.
    fn start_in_cloud() -> Result<Self> {
        let mut pair = Pair::ovn(&Plan::without_vrrp(), Deployment::Shared)?;
        let World::Ovn { cloud, .. } = &pair.world else { bail!("there is no cloud") };
        cloud.network_of("net2", SWITCHES[1])?;
        let (switch, address) = (SWITCHES[1], Underlay::V4.ip(VRIDS[1]));
        cloud.vtep.ctl(&format!(
            "add-ps {switch} -- set Physical_Switch {switch} tunnel_ips={address} -- add-port {switch} {PORT} \
             -- bind-ls {switch} {PORT} {VLAN2} net2"
        ))?;
        let vm2 = cloud.vm("vm2", "net2", 1, VM2)?;
        let ext2 = cloud.host("ext2", VLAN2, EXT2)?;
        cloud.wait_written("net2", &vm2, VM2)?;
        for member in &mut pair.members {
            if let Some(database) = &mut member.config.database {
                (database.shared, database.switch) = (Some(true), None);
            }
        }
        Self::run(pair, vm2.host, ext2)
    }

    fn run(mut pair: Pair, vm2: Host, ext2: Host) -> Result<Self> {
        for (member, priorities) in pair.members.iter_mut().zip(PRIORITIES) {
            let config = &mut member.config;
            config.vtep.clear();
            let with_database = config.database.is_some();
            for ((vrid, switch), priority) in VRIDS.into_iter().zip(SWITCHES).zip(priorities) {
                config.vrrp.push(Vrrp {
                    name: Some(name(vrid)),
                    vtep: vec![Underlay::V4.ip(vrid)],
                    switch: with_database.then(|| switch.to_owned()),
                    ..Vrrp::new(vrid, 0.1).priority(priority)
                });
            }
            member.start()?;
        }
        let shared = Self { pair, vm2, _ext2: ext2 };
        shared.wait_active([0, 1])?;
        shared.wait_crosses()?;
        Ok(shared)
    }

    /// Waits until the virtual routers have these active nodes, and no other ones.
    fn wait_active(&self, nodes: [usize; 2]) -> Result<()> {
        for (vrid, active) in VRIDS.into_iter().zip(nodes) {
            self.pair.members[active].wait_role(vrid, "active")?;
            let other = &self.pair.members[1 - active];
            wait_for("the other node is not active", SOON, || other.role(vrid).as_deref() != Some("active"))?;
        }
        Ok(())
    }

    /// Waits until something passes in both networks.
    fn wait_crosses(&self) -> Result<()> {
        self.pair.vm.wait_reaches(&EXT.v4().to_string())?;
        self.vm2.wait_reaches(&EXT2.v4().to_string())
    }

    /// Frames that a node has sent out to the VLANs of the two networks.
    fn sent(&self, node: usize) -> Result<[u64; 2]> {
        let member = &self.pair.members[node];
        let (readings, ifindex) = (member.read()?, member.host.ifindex(PORT)?);
        let sent = |vlan| Ok::<_, anyhow::Error>(readings.binding(ifindex, vlan)?.tx_packets);
        Ok([sent(VLAN)?, sent(VLAN2)?])
    }

    /// In which networks a node forwards what is sent now.
    fn forwards(&self, node: usize) -> Result<[bool; 2]> {
        let before = self.sent(node)?;
        self.wait_crosses()?;
        let after = self.sent(node)?;
        Ok([after[0] > before[0], after[1] > before[1]])
    }
}

fn name(vrid: u8) -> String {
    format!("share-{vrid}")
}

#[test]
fn each_node_forwards_for_its_own() -> Result<()> {
    let shared = Shared::start()?;
    assert_eq!(shared.forwards(0)?, [true, false]);
    assert_eq!(shared.forwards(1)?, [false, true]);
    Ok(())
}

#[test]
fn when_one_node_dies_the_other_one_forwards_for_both() -> Result<()> {
    let mut shared = Shared::start()?;
    shared.pair.kill(0)?;
    shared.pair.members[1].wait_role(VRIDS[0], "active")?;
    assert_eq!(shared.forwards(1)?, [true, true]);
    assert_eq!(shared.forwards(0)?, [false, false]);
    Ok(())
}

#[test]
fn a_node_that_is_back_takes_its_own_again_and_leaves_the_other() -> Result<()> {
    let mut shared = Shared::start()?;
    shared.pair.kill(0)?;
    shared.pair.members[1].wait_role(VRIDS[0], "active")?;
    shared.pair.members[0].start()?;
    shared.wait_active([0, 1])?;
    assert_eq!(shared.forwards(0)?, [true, false]);
    assert_eq!(shared.forwards(1)?, [false, true]);
    Ok(())
}

#[test]
fn a_handover_by_name_moves_one_and_not_the_other() -> Result<()> {
    let mut shared = Shared::start()?;
    // The first node is made active for both.
    let verb = |vrid| format!("handover {}", name(vrid));
    wait_for("the other node is connected", SOON, || {
        shared.pair.members[1].started().is_ok_and(|gateway| gateway.ask(&verb(VRIDS[1])).is_ok())
    })?;
    shared.wait_active([0, 0])?;
    shared.pair.members[0].gateway()?.ask(&verb(VRIDS[0]))?;
    shared.wait_active([1, 0])
}

#[test]
fn in_a_cloud_each_node_forwards_for_its_own_physical_switch() -> Result<()> {
    let shared = Shared::start_in_cloud()?;
    assert_eq!(shared.forwards(0)?, [true, false]);
    assert_eq!(shared.forwards(1)?, [false, true]);
    Ok(())
}

#[test]
fn in_a_cloud_when_one_node_dies_the_other_one_forwards_for_both_physical_switches() -> Result<()> {
    let mut shared = Shared::start_in_cloud()?;
    shared.pair.kill(0)?;
    shared.pair.members[1].wait_role(VRIDS[0], "active")?;
    assert_eq!(shared.forwards(1)?, [true, true]);
    assert_eq!(shared.forwards(0)?, [false, false]);
    Ok(())
}

/// Each station is published by the node that is active for its physical switch, behind the address of that one.
#[test]
fn in_a_cloud_each_physical_switch_has_the_stations_of_its_own() -> Result<()> {
    let shared = Shared::start_in_cloud()?;
    let World::Ovn { cloud, .. } = &shared.pair.world else { bail!("there is no cloud") };
    for (network, vrid, station) in [(NETWORK, VRIDS[0], EXT), ("net2", VRIDS[1], EXT2)] {
        let vtep = BTreeSet::from([Underlay::V4.ip(vrid)]);
        wait_for(&format!("{} is published", station.mac()), SOON, || {
            cloud
                .vtep
                .local_macs(network)
                .is_ok_and(|macs| macs.unicast == BTreeMap::from([(station.mac(), vtep.clone())]))
        })?;
    }
    Ok(())
}
