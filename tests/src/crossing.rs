//! The standard lab: a VM behind a plain Linux VTEP, the gateway, and a host outside in a VLAN.
//!
//! ```text
//!   vm ── hv ──┐                                   ┌── ext
//!         u0   │                                   │
//!              └── und ── u0 [gw] a0 ──────────────┘
//!       VXLAN 5001                      VLAN 100, or untagged
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;
use gateway_common::net::MacAddr;

use crate::{
    Host, Lab,
    bridge::Bridge,
    config::{Config, Mode, Switch},
    gateway::Gateway,
    ovs::Ovs,
    vlan,
    vxlan::VmHost,
};

/// The VXLAN network.
pub const VNI: u32 = 5001;
/// The VLAN outside, where it is tagged.
pub const VLAN: u16 = 100;
/// The MTU of the underlay: room for a VXLAN packet over IPv6 around a tagged frame of 1500 bytes.
pub const UNDERLAY_MTU: u32 = 1600;

/// A machine with addresses in both families.
#[derive(Clone, Copy, Debug)]
pub struct Station {
    /// Last byte of each of its addresses.
    number: u8,
    kind: u8,
}

/// The virtual machine.
pub const VM: Station = Station { number: 11, kind: 0xaa };
/// Another one.
pub const VM2: Station = Station { number: 12, kind: 0xaa };
/// And another one.
pub const VM3: Station = Station { number: 13, kind: 0xaa };
/// The host outside.
pub const EXT: Station = Station { number: 101, kind: 0xee };
/// Another one.
pub const EXT2: Station = Station { number: 102, kind: 0xee };

impl Station {
    /// Returns its Ethernet address.
    pub const fn mac(self) -> MacAddr {
        MacAddr([0x02, self.kind, 0, 0, 0, self.number])
    }

    /// Returns its IPv4 address, in 10.0.0.0/24.
    pub const fn v4(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, self.number)
    }

    /// Returns its IPv6 address, in 2001:db8::/64.
    pub const fn v6(self) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, self.number as u16)
    }

    /// Returns its addresses with their prefix lengths; IPv4 only unless `ipv6`.
    pub fn addresses(self, ipv6: bool) -> Vec<String> {
        let mut addresses = vec![format!("{}/24", self.v4())];
        if ipv6 {
            addresses.push(format!("{}/64", self.v6()));
        }
        addresses
    }
}

/// Addresses on the underlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Underlay {
    /// 172.31.0.0/24.
    V4,
    /// 2001:db8:31::/64.
    V6,
}

impl Underlay {
    /// Returns the address of machine `number`.
    pub fn ip(self, number: u8) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(172, 31, 0, number).into(),
            Self::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0x31, 0, 0, 0, 0, number.into()).into(),
        }
    }

    /// Returns the address of machine `number` with its prefix length.
    pub fn address(self, number: u8) -> String {
        format!("{}/{}", self.ip(number), if self == Self::V4 { 24 } else { 64 })
    }
}

/// Number of the gateway on the underlay.
pub const GW: u8 = 21;
/// Number of the VM host on the underlay.
pub const HV: u8 = 11;

/// Plan of a crossing.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Mode of the uplink.
    pub uplink: Mode,
    /// Mode of the access port.
    pub port: Mode,
    /// VLAN of the outside host, 0 for untagged.
    pub vlan: u16,
    /// Puts Open vSwitch in between; otherwise the host tags by itself.
    pub ovs: bool,
    /// Addresses on the underlay.
    pub underlay: Underlay,
    /// Gives VM and outside host IPv6 addresses.
    pub ipv6: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { uplink: Mode::Xdp, port: Mode::Xdp, vlan: VLAN, ovs: false, underlay: Underlay::V4, ipv6: false }
    }
}

impl Plan {
    /// Makes a plan with both NICs in one mode.
    pub fn mode(mode: Mode) -> Self {
        Self { uplink: mode, port: mode, ..Self::default() }
    }
}

/// The lab. Fields are dropped in this order.
#[derive(Debug)]
pub struct Crossing {
    /// The agent.
    pub gateway: Gateway,
    /// Its configuration.
    pub config: Config,
    /// The VLAN switch, if there is one.
    pub ovs: Option<Ovs>,
    /// The virtual machine, [`VM`].
    pub vm: Host,
    /// The outside host, [`EXT`].
    pub ext: Host,
    /// The VTEP that has the VM.
    pub hv: VmHost,
    /// The gateway's machine.
    pub gw: Host,
    /// The switch between VTEPs.
    pub und: Bridge,
    /// The lab itself.
    pub lab: Lab,
}

impl Crossing {
    /// Builds the lab and starts the gateway.
    ///
    /// # Errors
    /// If any of it fails.
    pub fn build(plan: Plan) -> Result<Self> {
        let site = Site::build(plan)?;
        let config = site.config();
        site.start(config)
    }
}

/// The same lab before its gateway is started.
#[derive(Debug)]
pub struct Site {
    /// Its plan.
    pub plan: Plan,
    /// See [`Crossing::ovs`].
    pub ovs: Option<Ovs>,
    /// See [`Crossing::vm`].
    pub vm: Host,
    /// See [`Crossing::ext`].
    pub ext: Host,
    /// See [`Crossing::hv`].
    pub hv: VmHost,
    /// See [`Crossing::gw`].
    pub gw: Host,
    /// See [`Crossing::und`].
    pub und: Bridge,
    /// See [`Crossing::lab`].
    pub lab: Lab,
}

impl Site {
    /// Builds the lab.
    ///
    /// # Errors
    /// If any of it fails.
    pub fn build(plan: Plan) -> Result<Self> {
        let lab = Lab::new()?;
        let und = Bridge::new(&lab, "und", UNDERLAY_MTU)?;

        let hv = VmHost::new(&und, "hv", &plan.underlay.address(HV))?;
        hv.join(VNI, &[plan.underlay.ip(GW)])?;
        let (mac, addresses) = (VM.mac().to_string(), VM.addresses(plan.ipv6));
        let vm = hv.vm("vm", VNI, &mac, &texts(&addresses))?;

        let gw = gateway_host(&und, "gw", &plan.underlay.address(GW))?;
        let (mac, addresses) = (EXT.mac().to_string(), EXT.addresses(plan.ipv6));
        let mut ovs = None;
        let ext = if plan.ovs {
            let switch = ovs.insert(Ovs::start(&lab, "sw")?);
            let settings = if plan.vlan == 0 {
                format!("vlan_mode=native-untagged tag={VLAN}")
            } else {
                format!("trunks={}", plan.vlan)
            };
            switch.trunk(&gw, "a0", &settings)?;
            let access = if plan.vlan == 0 { VLAN } else { plan.vlan };
            switch.access("ext", access, &mac, &texts(&addresses))?
        } else {
            vlan::host(&gw, "a0", plan.vlan, "ext", &mac, &texts(&addresses))?
        };
        Ok(Self { plan, ovs, vm, ext, hv, gw, und, lab })
    }

    /// Returns the configuration that joins the VM's network and the outside host's VLAN. The VM is static; the outside
    /// host is to be learned.
    pub fn config(&self) -> Config {
        let hv = self.hv.vtep();
        let switch = Switch::new(VNI, &[hv]).bound("a0", self.plan.vlan).remote(VM.mac(), hv);
        Config::new(&self.gw, &[self.plan.underlay.ip(GW)])
            .uplink("u0", self.plan.uplink)
            .port("a0", self.plan.port)
            .switch(switch)
    }

    /// Starts the gateway.
    ///
    /// # Errors
    /// If it does not become ready.
    pub fn start(self, config: Config) -> Result<Crossing> {
        let gateway = Gateway::start(&self.gw, &config)?;
        Ok(self.with(gateway, config))
    }

    /// Completes the lab with a gateway that was started in another way.
    pub fn with(self, gateway: Gateway, config: Config) -> Crossing {
        let Self { ovs, vm, ext, hv, gw, und, lab, .. } = self;
        Crossing { gateway, config, ovs, vm, ext, hv, gw, und, lab }
    }
}

/// Makes a machine for a gateway, with its uplink `u0`.
///
/// # Errors
/// If the name is taken.
pub fn gateway_host(underlay: &Bridge, name: &str, address: &str) -> Result<Host> {
    let host = underlay.host().lab().host(name)?;
    if address.contains(':') {
        host.speak_ipv6()?;
    }
    underlay.plug_gateway(&host, "u0")?;
    host.address("u0", address)?;
    Ok(host)
}

/// Borrows the addresses as a list of texts.
pub fn texts(addresses: &[String]) -> Vec<&str> {
    addresses.iter().map(String::as_str).collect()
}
