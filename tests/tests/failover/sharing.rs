//! Two virtual routers on the same two nodes, each of which has the higher priority in one: both forward, and either can do
//! the work of both.

use anyhow::{Result, bail};
use lab::{
    Host,
    cluster::{
        Pair, Plan, World,
        pair::{PORT, VIRTUAL, VLAN2},
    },
    config::{Switch, Vrrp},
    crossing::{EXT, EXT2, Underlay, VLAN, VM2, VNI, texts},
    wait::{SOON, wait_for},
};

/// Numbers of the virtual routers, also of their addresses.
const VRIDS: [u8; 2] = [VIRTUAL, 30];
const VNI2: u32 = VNI + 1;
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
        for (node, member) in pair.members.iter_mut().enumerate() {
            let config = &mut member.config;
            config.vtep.clear();
            config.switches.push(second.clone());
            for (index, vrid) in VRIDS.into_iter().enumerate() {
                config.switches[index].instance = Some(name(vrid));
                config.vrrp.push(Vrrp {
                    name: Some(name(vrid)),
                    vtep: vec![Underlay::V4.ip(vrid)],
                    ..Vrrp::new(vrid, 0.1).priority(PRIORITIES[node][index])
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
