//! The lab with two gateways.

use std::time::Duration;

use anyhow::{Result, anyhow};

use super::{
    Probes,
    member::Member,
    plan::{NETWORK, NODES, PORT, Plan, VIRTUAL, VLAN2, virtual_address},
};
use crate::{
    Host, Lab,
    bridge::Bridge,
    config::Switch,
    crossing::{EXT, HV, UNDERLAY_MTU, VLAN, VM, VNI, gateway_host, texts},
    ovn::{Cloud, Deployment, Vm},
    ovs::Ovs,
    vxlan::VmHost,
    wait::{SOON, pause, wait_for},
};

/// Takeover time of a process without a lease: at least three seconds after its start, unless the active node hands
/// over. It can't know about nodes that it could not hear before.
const SETTLED: Duration = Duration::from_millis(3300);

/// The lab. Fields are dropped in this order.
#[derive(Debug)]
pub struct Pair {
    /// `gw1` and `gw2`.
    pub members: [Member; 2],
    /// The virtual machine, [`VM`].
    pub vm: Host,
    /// The outside host, [`EXT`].
    pub ext: Host,
    /// The switch between VTEPs; its port towards a node has the node's name.
    pub und: Host,
    /// The switch outside; its port towards the node `gw1` is `t-gw1-a0`.
    pub outside: Host,
    /// The VTEPs on the other side, and the switch outside.
    pub world: World,
    /// The lab itself.
    pub lab: Lab,
}

/// The VTEPs on the other side, and the switch outside.
#[derive(Debug)]
pub enum World {
    /// A plain Linux VTEP; the gateways have the network in their configuration.
    Linux {
        /// The VTEP that has the VM.
        hv: VmHost,
        /// The switch outside.
        outside: Box<Ovs>,
    },
    /// OVN, which drives the gateways through databases.
    Ovn {
        /// The virtual machine.
        vm: Vm,
        /// All the rest.
        cloud: Box<Cloud>,
    },
}

impl Pair {
    /// Builds the lab with a plain Linux VTEP. No gateway is started yet.
    ///
    /// # Errors
    /// If any of it fails.
    pub fn linux(plan: &Plan) -> Result<Self> {
        let lab = Lab::new()?;
        let und = Bridge::new(&lab, "und", UNDERLAY_MTU)?;
        let underlay = plan.underlay;
        let hv = VmHost::new(&und, "hv", &underlay.address(HV))?;
        hv.join(VNI, &[underlay.ip(VIRTUAL)])?;
        let vm = hv.vm("vm", VNI, &VM.mac().to_string(), &texts(&VM.addresses(false)))?;

        let outside = Ovs::start(&lab, "sw")?;
        outside.learn_soon()?;
        let mut members = Vec::new();
        for (index, (number, name)) in NODES.into_iter().enumerate() {
            let host = gateway_host(&und, name, &underlay.address(number))?;
            outside.trunk(&host, PORT, &format!("trunks={VLAN},{VLAN2}"))?;
            let switch = Switch::new(VNI, &[hv.vtep()]).bound(PORT, VLAN).remote(VM.mac(), hv.vtep());
            members.push(Member::new(host, index, plan, |config| config.switch(switch)));
        }
        let ext = outside.access("ext", VLAN, &EXT.mac().to_string(), &texts(&EXT.addresses(false)))?;
        let sides = (und.host().clone(), outside.host().clone());
        let world = World::Linux { hv, outside: Box::new(outside) };
        Self::put_together(members, (vm, ext), sides, world, lab)
    }

    /// Builds the lab in a cloud of real OVN. No gateway is started yet.
    ///
    /// # Errors
    /// If any of it fails.
    pub fn ovn(plan: &Plan, deployment: Deployment) -> Result<Self> {
        let cloud = Cloud::of(deployment, virtual_address())?;
        cloud.network(NETWORK)?;
        cloud.register()?;
        cloud.bind(PORT, VLAN, NETWORK)?;
        let vm = cloud.vm("vm1", NETWORK, 0, VM)?;
        let ext = cloud.host("ext", VLAN, EXT)?;
        cloud.wait_written(NETWORK, &vm, VM)?;

        let mut members = Vec::new();
        for (index, (host, remote)) in cloud.gateways().into_iter().enumerate() {
            members.push(Member::new(host, index, plan, |config| {
                let mut config = config.database(&remote, cloud.vtep.switch());
                // Without VRRP the setting is not used.
                if let Some(database) = config.database.as_mut().filter(|_| plan.vrrp.is_some()) {
                    database.shared = Some(deployment == Deployment::Shared);
                }
                config
            }));
        }
        let sides = (cloud.und.host().clone(), cloud.outside.host().clone());
        let (lab, machine) = (cloud.lab.clone(), vm.host.clone());
        let world = World::Ovn { vm, cloud: Box::new(cloud) };
        Self::put_together(members, (machine, ext), sides, world, lab)
    }

    fn put_together(
        members: Vec<Member>,
        (vm, ext): (Host, Host),
        (und, outside): (Host, Host),
        world: World,
        lab: Lab,
    ) -> Result<Self> {
        let members = members.try_into().map_err(|_| anyhow!("a pair is of two"))?;
        Ok(Self { members, vm, ext, und, outside, world, lab })
    }

    /// Starts both gateways, the first one first. On return it is active, and the other one ready.
    ///
    /// # Errors
    /// If one does not start, or nothing crosses.
    pub fn start(&mut self) -> Result<()> {
        self.members[0].start()?;
        self.vm.wait_reaches(&EXT.v4().to_string())?;
        self.members[1].start()?;
        pause(SETTLED);
        Ok(())
    }

    /// Starts probes between the VM and the outside host.
    ///
    /// # Errors
    /// If they cannot be started.
    pub fn probes(&self) -> Result<Probes> {
        Probes::start((&self.vm, VM), (&self.ext, EXT))
    }

    /// Waits until node `index` forwards the traffic of VM and outside host, which a test has to send.
    ///
    /// # Errors
    /// If it never does.
    pub fn wait_forwards(&self, index: usize) -> Result<()> {
        let member = &self.members[index];
        let goal = member.forwarded()? + 100;
        let what = format!("{} forwards", member.host.name());
        wait_for(&what, SOON, || member.forwarded().is_ok_and(|count| count >= goal))
    }
}
