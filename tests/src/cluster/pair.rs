//! The lab with two gateways.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context, Result, anyhow};
use gateway_common::{
    counters::Drops,
    fdb::{FdbEntry, LOCAL},
    net::MacAddr,
};
use serde_json::Value;

use super::Probes;
use crate::{
    Host, Lab,
    bridge::Bridge,
    config::{Config, Mode, Switch, Track, Vrrp},
    crossing::{EXT, HV, UNDERLAY_MTU, Underlay, VLAN, VM, VNI, gateway_host, texts},
    gateway::Gateway,
    ovn::{Cloud, Vm, cloud::Deployment},
    ovs::Ovs,
    readings::Readings,
    vxlan::VmHost,
    wait::{SOON, pause, wait_for},
};

/// Number of the virtual address on the underlay.
pub const VIRTUAL: u8 = 20;
/// Numbers of the two gateways on the underlay, and their names.
pub const NODES: [(u8, &str); 2] = [(21, "gw1"), (22, "gw2")];
/// The network of a pair with OVN.
pub const NETWORK: &str = "net1";

/// Takeover time of a process without a lease: at least three seconds after its start, unless the active node hands
/// over. It can't know about nodes that it could not hear before.
const SETTLED: Duration = Duration::from_millis(3300);

const UPLINK: &str = "u0";
/// The access port of each node.
pub const PORT: &str = "a0";
/// Another VLAN that the trunks carry; it is empty at first.
pub const VLAN2: u16 = 200;

/// Plan of a pair.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Mode of the NICs.
    pub mode: Mode,
    /// The virtual router of both; `None`: there is none, and both forward.
    pub vrrp: Option<Vrrp>,
    /// Priorities of the two nodes.
    pub priorities: [u8; 2],
    /// Addresses on the underlay, with a Linux VTEP.
    pub underlay: Underlay,
}

impl Default for Plan {
    /// Advertisements each 100 ms. The first node has the higher priority, but neither node preempts, so that each
    /// event is one takeover.
    fn default() -> Self {
        Self::interval(0.1)
    }
}

impl Plan {
    /// Makes the default plan with another advertisement interval, in seconds.
    pub fn interval(seconds: f64) -> Self {
        let vrrp = Vrrp { preempt: Some(false), ..Vrrp::new(20, seconds) };
        Self { mode: Mode::Xdp, vrrp: Some(vrrp), priorities: [150, 100], underlay: Underlay::V4 }
    }

    /// Makes a plan for tests that do not measure time: a machine that stalls for a second or two moves no role.
    pub fn steady() -> Self {
        Self::interval(1.0)
    }

    /// Makes a plan with gateways that do not know each other.
    pub fn without_vrrp() -> Self {
        Self { vrrp: None, ..Self::default() }
    }
}

/// One of the two gateways.
#[derive(Debug)]
pub struct Member {
    /// Its machine.
    pub host: Host,
    /// Its configuration.
    pub config: Config,
    gateway: Option<Gateway>,
}

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

impl Member {
    fn new(host: Host, index: usize, plan: &Plan, finish: impl FnOnce(Config) -> Config) -> Self {
        let config = Config::new(&host, &[plan.underlay.ip(VIRTUAL)]).uplink(UPLINK, plan.mode).port(PORT, plan.mode);
        let mut config = finish(config);
        if let Some(vrrp) = &plan.vrrp {
            // Without a link on either side no node is active.
            for nic in config.uplinks.iter_mut().chain(&mut config.ports) {
                nic.track = Some(Track::Fault);
            }
            config.vrrp.push(vrrp.clone().priority(plan.priorities[index]));
        }
        Self { host, config, gateway: None }
    }

    /// Starts the agent, and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready.
    pub fn start(&mut self) -> Result<()> {
        match &mut self.gateway {
            Some(gateway) => gateway.resume(),
            None => {
                self.gateway = Some(Gateway::start(&self.host, &self.config)?);
                Ok(())
            }
        }
    }

    /// Returns its gateway.
    ///
    /// # Errors
    /// If it has not been started.
    pub fn gateway(&mut self) -> Result<&mut Gateway> {
        self.gateway.as_mut().with_context(|| format!("{} has no gateway yet", self.host.name()))
    }

    /// Returns the state of its virtual router, or of the first of them, as `vtep-gateway status --json` reports it.
    ///
    /// # Errors
    /// If the agent does not answer.
    pub fn router(&self) -> Result<Value> {
        Ok(self.started()?.status()?["vrrp"][0].clone())
    }

    /// Returns its role in virtual router `vrid`; `None` while it does not report one.
    pub fn role(&self, vrid: u8) -> Option<String> {
        let status = self.started().ok()?.status().ok()?;
        let router = status["vrrp"].as_array()?.iter().find(|router| router["vrid"] == vrid)?.clone();
        router["role"].as_str().map(str::to_owned)
    }

    /// Waits until it reports this role in virtual router `vrid`.
    ///
    /// # Errors
    /// If it never does.
    pub fn wait_role(&self, vrid: u8, role: &str) -> Result<()> {
        let what = format!("{} is {role} in virtual router {vrid}", self.host.name());
        wait_for(&what, SOON, || self.role(vrid).as_deref() == Some(role))
    }

    /// Returns the content of its maps.
    ///
    /// # Errors
    /// If it was not started yet.
    pub fn read(&self) -> Result<Readings> {
        Ok(self.started()?.read())
    }

    /// Returns the place of a station behind an access port: name of the port, and VLAN. `None` if there is none.
    ///
    /// # Errors
    /// If the maps are not there.
    pub fn station_here(&self, vni: u32, mac: MacAddr) -> Result<Option<(String, u16)>> {
        let entry = self.read()?.station(vni, mac)?.filter(|entry| entry.to.kind == LOCAL);
        let name = |entry: FdbEntry| Ok((self.name_of(entry.to.out)?, entry.to.vlan));
        entry.map(name).transpose()
    }

    fn name_of(&self, ifindex: u32) -> Result<String> {
        let links = self.host.ip_json("link show")?;
        let link = links.as_array().into_iter().flatten().find(|link| link["ifindex"] == ifindex);
        let name = link.and_then(|link| link["ifname"].as_str());
        Ok(name.with_context(|| format!("{} has no interface {ifindex}", self.host.name()))?.to_owned())
    }

    /// Returns the packets that its programs have dropped, by reason.
    ///
    /// # Errors
    /// If it was not started yet.
    pub fn drops(&self) -> Result<Drops> {
        self.started()?.read().drops()
    }

    /// Returns its gateway, read-only.
    ///
    /// # Errors
    /// If it has not been started.
    pub fn started(&self) -> Result<&Gateway> {
        self.gateway.as_ref().with_context(|| format!("{} has no gateway yet", self.host.name()))
    }

    /// Returns the log of its agent.
    ///
    /// # Errors
    /// If it is not running.
    pub fn log(&self) -> Result<String> {
        self.started()?.log()
    }

    /// Returns the known unicast packets that its programs have ever forwarded.
    ///
    /// # Errors
    /// If it was not started yet.
    pub fn forwarded(&self) -> Result<u64> {
        let paths = self.started()?.read().paths()?;
        Ok(paths.xdp_encap + paths.xdp_decap + paths.tc_encap + paths.tc_decap)
    }
}

/// The address that moves between the nodes.
pub fn virtual_address() -> IpAddr {
    Underlay::V4.ip(VIRTUAL)
}
