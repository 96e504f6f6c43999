//! The whole cloud, and the operations of its operators.

use std::{
    net::{IpAddr, Ipv4Addr},
    thread,
};

use anyhow::{Context, Result, anyhow};

use super::{Central, Deployment, Hypervisor, Vm, Vtep, translate};
use crate::{
    Host, Lab,
    bridge::Bridge,
    config::{Config, Mode},
    crossing::{self, GW, HV, Station, UNDERLAY_MTU, Underlay},
    ovs::Ovs,
    wait::{SOON, wait_for},
};

/// The gateway's uplink.
pub const UPLINK: &str = "u0";
/// The gateway's access port.
pub const PORT: &str = "a0";
/// VLANs of the outside switch on the trunk to the gateway.
pub const VLANS: [u16; 2] = [100, 200];

/// Number of the centre on the management network; all others have the same number there as on the underlay.
const CENTRE: u8 = 1;

/// The cloud without a gateway: one can be started on the machine [`Cloud::gw`]. Fields are dropped in this order.
#[derive(Debug)]
pub struct Cloud {
    /// The database beside the gateway. Its physical switch is called `gw1`, but nothing is registered yet.
    pub vtep: Vtep,
    /// The database beside the second gateway, if it has one of its own.
    pub vtep2: Option<Vtep>,
    /// `hv1` and `hv2`.
    pub hypervisors: Vec<Hypervisor>,
    /// The centre.
    pub central: Central,
    /// The switch outside.
    pub outside: Ovs,
    /// The gateway's machine.
    pub gw: Host,
    /// The second gateway's machine.
    pub gw2: Option<Host>,
    /// The management network.
    pub mgmt: Bridge,
    /// The switch between tunnel ends.
    pub und: Bridge,
    deployment: Deployment,
    tunnel: IpAddr,
    /// The lab itself.
    pub lab: Lab,
}

impl Cloud {
    /// Builds a cloud of two hypervisors, without networks and VMs.
    ///
    /// # Errors
    /// If any of it does not start.
    pub fn build() -> Result<Self> {
        Self::of(Deployment::Single, Underlay::V4.ip(GW))
    }

    /// Builds a cloud with this deployment. `tunnel_address` is the tunnel address of the gateway, or of all together.
    ///
    /// # Errors
    /// If any of it does not start.
    pub fn of(deployment: Deployment, tunnel_address: IpAddr) -> Result<Self> {
        let lab = Lab::new()?;
        let und = Bridge::new(&lab, "und", UNDERLAY_MTU)?;
        let mgmt = Bridge::new(&lab, "mgmt", 1500)?;
        let on_management = |host: &Host, number: u8| {
            mgmt.plug(host, "m0")?;
            host.address("m0", &format!("{}/24", management(number)))
        };

        let centre = lab.host("ctl")?;
        on_management(&centre, CENTRE)?;

        // They don't depend on each other, and each waits for its daemons.
        let (central, hypervisors, outside, (gateways, vteps)) = thread::scope(|scope| {
            let central = scope.spawn(|| Central::start(&centre, management(CENTRE)));
            let hypervisors = [1, 2].map(|index| {
                let (lab, und, on_management) = (&lab, &und, &on_management);
                scope.spawn(move || {
                    let (name, number) = (format!("hv{index}"), HV - 1 + index);
                    let host = lab.host(&name)?;
                    on_management(&host, number)?;
                    Hypervisor::start(&host, und, tunnel(number))
                })
            });
            let outside = scope.spawn(|| Ovs::start(&lab, "sw"));
            let vteps = scope.spawn(|| {
                let mut gateways = Vec::new();
                for (number, name) in deployment.nodes() {
                    let gw = crossing::gateway_host(&und, name, &Underlay::V4.address(number))?;
                    on_management(&gw, number)?;
                    gateways.push((gw, management(number)));
                }
                let members = gateways.iter().map(|(host, address)| (host, *address));
                let vteps = if deployment == Deployment::Shared {
                    let members: Vec<_> = members.chain([(&centre, management(CENTRE))]).collect();
                    vec![Vtep::start_cluster(&members, "gw1")?]
                } else {
                    members.map(|(host, address)| Vtep::start(host, address, "gw1")).collect::<Result<_>>()?
                };
                Ok((gateways, vteps))
            });
            let hypervisors = hypervisors.map(finished).into_iter().collect::<Result<Vec<_>>>();
            anyhow::Ok((finished(central)?, hypervisors?, finished(outside)?, finished(vteps)?))
        })?;

        let mut vteps = vteps.into_iter();
        let mut gateways = gateways.into_iter().map(|(host, _)| host);
        let mut cloud = Self {
            vtep: vteps.next().context("there is no database")?,
            vtep2: vteps.next(),
            hypervisors,
            central,
            outside,
            gw: gateways.next().context("there is no gateway")?,
            gw2: gateways.next(),
            mgmt,
            und,
            deployment,
            tunnel: tunnel_address,
            lab,
        };
        let trunks = VLANS.map(|vlan| vlan.to_string()).join(",");
        for gw in [Some(&cloud.gw), cloud.gw2.as_ref()].into_iter().flatten() {
            cloud.outside.trunk(gw, PORT, &format!("trunks={trunks}"))?;
        }
        let remote = cloud.central.remote();
        for hypervisor in &mut cloud.hypervisors {
            hypervisor.join(&remote, "geneve,vxlan")?;
        }
        cloud.vtep.join(&remote)?;
        if let Some(vtep) = &mut cloud.vtep2 {
            vtep.join(&remote)?;
        }
        Ok(cloud)
    }

    /// Returns the gateways' machines, each with the address of its database.
    pub fn gateways(&self) -> Vec<(Host, String)> {
        let second = self.gw2.iter().map(|gw| (gw.clone(), self.vtep2.as_ref().unwrap_or(&self.vtep).remote()));
        [(self.gw.clone(), self.vtep.remote())].into_iter().chain(second).collect()
    }

    fn vteps(&self) -> impl Iterator<Item = &Vtep> {
        [&self.vtep].into_iter().chain(&self.vtep2)
    }

    /// Adds a network: a logical switch of OVN, and one of that name for the gateway, joined by a port of OVN.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn network(&self, name: &str) -> Result<()> {
        self.network_of(name, self.vtep.switch())
    }

    /// Adds a network for another physical switch than the database's first one.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn network_of(&self, name: &str, switch: &str) -> Result<()> {
        let port = format!("vtep-{name}");
        self.vteps().try_for_each(|vtep| vtep.ctl(&format!("add-ls {name}")).map(drop))?;
        self.central
            .nbctl(&format!(
                "ls-add {name} -- lsp-add {name} {port} -- lsp-set-type {port} vtep \
                 -- lsp-set-addresses {port} unknown -- lsp-set-options {port} \
                 vtep-physical-switch={switch} vtep-logical-switch={name}"
            ))
            .map(drop)
    }

    /// Adds a host outside, on an access port of `vlan`.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn host(&self, name: &str, vlan: u16, station: Station) -> Result<Host> {
        self.outside.access(name, vlan, &station.mac().to_string(), &[&format!("{}/24", station.v4())])
    }

    /// Registers the gateway, as it is in [`Cloud::config`], as the operator does.
    ///
    /// # Errors
    /// If it is registered.
    pub fn register(&self) -> Result<()> {
        self.vteps().try_for_each(|vtep| vtep.register(self.tunnel(), PORT))
    }

    /// Binds a VLAN to a network, for all gateways, as the operator does.
    ///
    /// # Errors
    /// If it is bound.
    pub fn bind(&self, port: &str, vlan: u16, network: &str) -> Result<()> {
        self.vteps().try_for_each(|vtep| vtep.bind(port, vlan, network))
    }

    /// Kills the database server beside a gateway, counted from 0. Returns true if it led a cluster.
    ///
    /// # Errors
    /// If it is not running.
    pub fn kill_database(&mut self, gateway: usize) -> Result<bool> {
        match (self.deployment, gateway, &mut self.vtep2) {
            (Deployment::PerNode, 1, Some(vtep)) => vtep.kill_member(0),
            _ => self.vtep.kill_member(gateway),
        }
    }

    /// Waits until the controller has written the place of this VM for a network. Returns the VNI.
    ///
    /// # Errors
    /// If it never does.
    pub fn wait_written(&self, network: &str, vm: &Vm, station: Station) -> Result<u32> {
        let vtep: IpAddr = self.vtep_of(vm);
        wait_for(&format!("{} is in the database of the gateway, behind {vtep}", vm.host.name()), SOON, || {
            self.vteps().all(|database| {
                database.remote_macs(network).is_ok_and(|macs| {
                    macs.unknown.contains(&vtep)
                        && macs.unicast.get(&station.mac()).is_some_and(|vteps| vteps.iter().eq([&vtep]))
                })
            })
        })?;
        self.vtep.vni(network)?.context("the network has stations but no VNI")
    }

    /// Returns the gateway's tunnel address.
    pub fn tunnel(&self) -> IpAddr {
        self.tunnel
    }

    /// Returns a configuration with the gateway's NICs and without networks.
    pub fn config(&self, mode: Mode) -> Config {
        Config::new(&self.gw, &[self.tunnel()]).uplink(UPLINK, mode).port(PORT, mode)
    }

    /// Returns a configuration with the current content of the database.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn static_config(&self, mode: Mode) -> Result<Config> {
        let switches = translate::switches(&self.vtep, PORT)?;
        Ok(switches.into_iter().fold(self.config(mode), Config::switch))
    }

    /// Returns a configuration that is driven by the database.
    pub fn driven_config(&self, mode: Mode) -> Config {
        self.config(mode).database(&self.vtep.remote(), self.vtep.switch())
    }

    /// Leaves all of it running when this handle is dropped.
    pub fn leave(&mut self) {
        self.vtep.leave();
        self.vtep2.iter_mut().for_each(Vtep::leave);
        self.hypervisors.iter_mut().for_each(Hypervisor::leave);
        self.central.leave();
        self.outside.leave();
    }
}

fn management(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 99, 0, number)
}

fn tunnel(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 31, 0, number)
}

fn finished<T>(work: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    work.join().map_err(|_| anyhow!("a part of the cloud panicked"))?
}
