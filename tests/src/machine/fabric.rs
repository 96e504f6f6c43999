//! Surroundings of a server: a VXLAN host with a VM on the underlay, a host in a VLAN on the access side, and the cables
//! of the server's NICs.
//!
//! ```text
//!   vm ── hv ──[und]── nic0, nic1 ┐        ┌ nic2, nic3 ──[acc]── ext
//!                                 └ server ┘
//!   VXLAN 5001                                          VLAN 100
//! ```
//!
//! Both switches are Linux bridges in one namespace, in which QEMU runs too, because its tap devices are their ports.

use anyhow::Result;

use super::{
    hardware::{Model, Nic},
    network::Bond,
};
use crate::{
    Host, Lab,
    bpf::{self, PinnedLink},
    bridge::{self, Bridge},
    cable::{End, connect, finish_frames},
    crossing::{EXT, GW, HV, Underlay, VLAN, VM, VNI},
    ovs::Ovs,
    vxlan::VmHost,
};

/// MTU of the switches: more than any NIC here takes.
const MTU: u32 = 9200;

/// The cables of one side, and where they end.
#[derive(Debug)]
struct Side {
    /// The switch.
    switch: &'static str,
    taps: [&'static str; 2],
    /// Bridge of Open vSwitch that aggregates them.
    lag: &'static str,
    /// Cable between that bridge and the switch.
    patch: [&'static str; 2],
}

const UNDERLAY_SIDE: Side =
    Side { switch: "br0", taps: ["tap0", "tap1"], lag: "lag-u", patch: ["patch-u0", "patch-u1"] };
const ACCESS_SIDE: Side =
    Side { switch: "acc0", taps: ["tap2", "tap3"], lag: "lag-a", patch: ["patch-a0", "patch-a1"] };

/// The surroundings of one server.
#[derive(Debug)]
pub struct Fabric {
    /// The virtual machine, [`VM`].
    pub vm: Host,
    /// The host outside, [`EXT`].
    pub ext: Host,
    /// The host of the VM.
    pub hv: VmHost,
    /// Partner of bonds that speak LACP, once there was one.
    lacp: Option<Ovs>,
    /// Both switches, and QEMU.
    pub switch: Host,
    /// The lab itself.
    pub lab: Lab,
}

impl Fabric {
    /// Builds everything around a server.
    ///
    /// # Errors
    /// If any of it fails.
    pub fn build() -> Result<Self> {
        let lab = Lab::new()?;
        let und = Bridge::new(&lab, "und", MTU)?;
        let hv = VmHost::new(&und, "hv", &Underlay::V4.address(HV))?;
        hv.join(VNI, &[Underlay::V4.ip(GW)])?;
        let vm = hv.vm("vm", VNI, &VM.mac().to_string(), &[&format!("{}/24", VM.v4())])?;

        let switch = und.host().clone();
        bridge::add(&switch, ACCESS_SIDE.switch)?;
        let ext = lab.host("ext")?;
        let mac = EXT.mac().to_string();
        connect(End::new(&ext, "eth0").mac(&mac).mtu(MTU), End::new(&switch, "ext").mtu(MTU))?;
        finish_frames(&ext, "eth0")?;
        bpf::speak_vlan(&ext, "eth0", VLAN)?;
        switch.ip(&format!("link set ext master {}", ACCESS_SIDE.switch))?;
        ext.address("eth0", &format!("{}/24", EXT.v4()))?;
        Ok(Self { vm, ext, hv, lacp: None, switch, lab })
    }

    /// Makes the cables of a server and returns its NICs: the first half towards the underlay.
    ///
    /// # Errors
    /// If a tap device cannot be made.
    pub fn cable(&self, uplink: Model, access: Model) -> Result<Vec<Nic>> {
        let mut nics = Vec::new();
        for (side, model) in [(&UNDERLAY_SIDE, uplink), (&ACCESS_SIDE, access)] {
            for tap in side.taps {
                let queues = if model.queues() > 1 { "multi_queue" } else { "" };
                self.switch.ip(&format!("tuntap add {tap} mode tap vnet_hdr {queues}"))?;
                self.switch.ip(&format!("link set {tap} mtu {MTU} txqueuelen 10000 master {} up", side.switch))?;
                let mac = format!("52:54:00:00:01:{:02x}", nics.len());
                nics.push(Nic { model, tap: tap.into(), mac });
            }
        }
        Ok(nics)
    }

    /// Sets the MTU of the VM and of the host outside.
    ///
    /// # Errors
    /// The error output of `ip`.
    pub fn set_mtu(&self, mtu: u32) -> Result<()> {
        let hv = self.hv.host();
        hv.ip(&format!("link set vx{VNI} mtu {mtu}"))?;
        hv.ip(&format!("link set vm mtu {mtu}"))?;
        hv.ip(&format!("link set br{VNI} mtu {mtu}"))?;
        self.vm.ip(&format!("link set eth0 mtu {mtu}"))?;
        self.ext.ip(&format!("link set eth0 mtu {mtu}")).map(drop)
    }

    /// Makes the switches partners of the server's bonds, in these modes.
    ///
    /// # Errors
    /// The error output of a command.
    pub fn set_partners(&mut self, uplink: Option<Bond>, access: Option<Bond>) -> Result<()> {
        for (bond, side) in [(uplink, &UNDERLAY_SIDE), (access, &ACCESS_SIDE)] {
            self.end_lacp(side)?;
            // A switch sends nothing from one member of an aggregate to another, and floods to one of them.
            let state = |on: bool| if on { "on" } else { "off" };
            let aggregated = bond == Some(Bond::BalanceXor);
            for tap in side.taps {
                self.switch.run(&format!("bridge link set dev {tap} isolated {}", state(aggregated)))?;
            }
            let flood = state(!aggregated);
            let flags = format!("flood {flood} mcast_flood {flood} bcast_flood {flood}");
            self.switch.run(&format!("bridge link set dev {} {flags}", side.taps[1]))?;
            if bond == Some(Bond::Lacp) {
                self.speak_lacp(side)?;
            }
        }
        Ok(())
    }

    /// Puts Open vSwitch, which speaks LACP, between the cables of a side and its switch.
    fn speak_lacp(&mut self, side: &Side) -> Result<()> {
        let Side { switch, lag, taps: [first, second], patch: [here, there] } = *side;
        let host = &self.switch;
        let ovs = match &self.lacp {
            Some(ovs) => ovs,
            None => self.lacp.insert(Ovs::on(host, "lacp")?),
        };
        for tap in side.taps {
            host.ip(&format!("link set {tap} nomaster"))?;
        }
        connect(End::new(host, here).mtu(MTU), End::new(host, there).mtu(MTU))?;
        finish_frames(host, here)?;
        host.ip(&format!("link set {here} master {switch}"))?;
        let bridge = format!("add-br {lag} -- set Bridge {lag} datapath_type=netdev fail_mode=standalone");
        let bond = format!("add-bond {lag} {lag}-bond {first} {second} lacp=active bond_mode=balance-tcp");
        ovs.vsctl(&format!("{bridge} -- {bond} other_config:lacp-time=fast -- add-port {lag} {there}")).map(drop)
    }

    /// Plugs the cables of a side into its switch again.
    fn end_lacp(&self, side: &Side) -> Result<()> {
        let Some(ovs) = &self.lacp else { return Ok(()) };
        ovs.vsctl(&format!("--if-exists del-br {}", side.lag))?;
        self.switch.attempt(&format!("ip link del {}", side.patch[0]))?;
        for tap in side.taps {
            self.switch.ip(&format!("link set {tap} master {}", side.switch))?;
        }
        Ok(())
    }

    /// Puts the hypervisor's tunnel address into a VLAN, until the result is dropped.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn tag_underlay(&self, vlan: u16) -> Result<[PinnedLink; 2]> {
        bpf::tag(self.hv.host(), "u0", vlan)
    }
}
