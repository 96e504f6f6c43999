//! The gateway as a subject: its programs, attached and filled by its own library.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    ops::Range,
};

use anyhow::Result;
use aya::Ebpf;
use gateway_common::{
    binding::{self, BindingKey},
    counters::{DropReason, PathCounter},
    fdb::FdbKey,
    headers::Outer,
    net::MacAddr,
    tunnel::{Arrival, LEASE_FOREVER, NextHop, RemoteVtepKey},
};
use gateway_datapath::{
    Desired, Maps, Place,
    attach::{Attacher, Device},
    desired::{BindingPlan, SwitchPlan, TunnelPlan},
    diff::diff,
    load::{self, Settings},
    op::Op,
    pins::PinDir,
};
use gateway_netdev::nic::Role;

use crate::{
    ends::Ends,
    rig::{Rig, Wire},
    traffic::{GATEWAY, GATEWAY_MAC, NEIGHBOURS, REMOTE, ROUTER_MAC, STATIONS, VLAN, VNI, bare_metal, vm},
};

/// Size of the gateway's tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// VMs. More than [`STATIC`] only with one VTEP and one logical switch.
    pub(crate) vms: u32,
    /// Hosts, likewise.
    pub(crate) hosts: u32,
    /// Remote VTEPs, a power of two: VM number n is behind number n modulo this.
    pub(crate) vteps: u32,
    /// Logical switches and VLANs, a power of two: station n is in number n modulo this.
    pub(crate) nets: u32,
    /// Logical switches learn from tunnels, and no VM has a static MAC.
    pub(crate) learning: bool,
    /// Remote VTEPs that receive the flooded frames of a logical switch.
    pub(crate) flooded: u32,
}

/// Number of static MACs that are written as an agent writes them; further ones are like the first one.
const STATIC: u32 = 1024;
/// Room for MACs that are not static.
const LEARNED: u32 = 4096;

impl Default for Scale {
    fn default() -> Self {
        Self { vms: STATIONS, hosts: STATIONS, vteps: 1, nets: 1, learning: false, flooded: 1 }
    }
}

/// Hook of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// XDP, with sinks for frames.
    Xdp,
    /// XDP, which leaves the frames of the benchmark to TC; so the sinks are for packets.
    XdpToTc,
    /// TC alone.
    Tc,
}

/// The gateway in a rig.
pub(crate) struct Gateway {
    pub(crate) rig: Rig,
    pub(crate) ebpf: Ebpf,
    maps: Maps,
}

impl Gateway {
    /// Sets up the gateway.
    pub(crate) fn new(ends: &mut Ends, rig: Rig, hook: Hook, scale: Scale) -> Result<Self> {
        rig.enter()?;
        let pins = PinDir::new(rig.host.lab().pins(rig.host.name()));
        let static_macs = scale.vms + scale.hosts + STATIONS;
        let fdb_size = static_macs + static_macs / 4 + LEARNED;
        let loaded = load::load(&pins, Settings { udp_port: 4789, fdb_size, trace: false }, ::gateway::OBJECTS)?;
        loaded.committer().commit()?;
        let (mut ebpf, mut maps) = (loaded.ebpf, loaded.maps);
        maps.set_lease(0, LEASE_FOREVER)?;
        let ops = diff(&desired(&rig, hook, scale)?, &maps.programmed()?, &BTreeMap::new()).ops;
        write(&mut maps, &ops)?;
        let (vms, hosts) = (like_the_first(&maps, vm, scale.vms)?, like_the_first(&maps, bare_metal, scale.hosts)?);
        write(&mut maps, &vms)?;
        write(&mut maps, &hosts)?;
        Attacher::load(&mut ebpf)?;
        let mut attacher = Attacher::new(pins);
        for wire in Wire::ALL {
            let role = if wire == Wire::Underlay { Role::Uplink } else { Role::Access };
            let (name, ifindex) = (wire.inner().into(), rig.index(wire.inner())?);
            let device = Device { name, ifindex, role, bond: false };
            attacher.attach_tc(&mut ebpf, &device)?;
            match hook {
                Hook::Xdp | Hook::XdpToTc => attacher.attach_xdp(&mut ebpf, &device)?,
                Hook::Tc => ends.pass(&rig, wire.inner())?,
            }
        }
        match hook {
            Hook::Xdp => ends.sink_frames(&rig)?,
            Hook::Tc | Hook::XdpToTc => ends.sink_packets(&rig)?,
        }
        Ok(Self { rig, ebpf, maps })
    }

    /// Returns its counters, to find lost frames: drops by reason, then paths.
    pub(crate) fn counters(&self) -> Result<String> {
        let (drops, paths) = (self.maps.drops()?, self.maps.paths()?);
        let drops = DropReason::ALL.iter().map(|reason| (reason.name(), drops.get(*reason)));
        let paths = PathCounter::ALL.iter().map(|path| (path.name(), paths.get(*path)));
        let counted: Vec<_> = drops.chain(paths).filter(|(_, count)| *count > 0).collect();
        Ok(counted.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", "))
    }
}

/// Carries out operations.
fn write(maps: &mut Maps, ops: &[Op]) -> Result<()> {
    maps.change().write_all(ops).into_iter().next().map_or(Ok(()), |(_, error)| Err(error.into()))
}

/// Returns the operations that give stations from number [`STATIC`] to `count` the place of number 0. Plan and
/// comparison would take the benchmark longer than the writing, and are not measured. The operations are in no order,
/// because stations that get frames one after the other would otherwise be side by side in memory.
fn like_the_first(maps: &Maps, mac: fn(u32) -> MacAddr, count: u32) -> Result<Vec<Op>> {
    let Some(first) = maps.mac(&FdbKey::new(VNI, mac(0).0))? else { return Ok(Vec::new()) };
    let mut numbers: Vec<u32> = (STATIC..count).collect();
    shuffle(&mut numbers);
    Ok(numbers.into_iter().map(|number| Op::PutMac(FdbKey::new(VNI, mac(number).0), first)).collect())
}

/// Shuffles `numbers`, in the same way each time.
fn shuffle(numbers: &mut [u32]) {
    // The linear congruential generator of Knuth's MMIX; its high bits are good enough for this.
    let mut state = 1u64;
    for end in (1..numbers.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        numbers.swap(end, (state >> 32) as usize % (end + 1));
    }
}

fn desired(rig: &Rig, hook: Hook, scale: Scale) -> Result<Desired> {
    let uplink = rig.index(Wire::Underlay.inner())?;
    let access = rig.index(Wire::Access.inner())?;
    let other = rig.index(Wire::Other.inner())?;
    let binding = |ifindex, net: u32| BindingKey { ifindex, vlan: VLAN + net as u16, reserved: 0 };
    let plan = |net: u32| BindingPlan {
        vni: VNI + net,
        check_sender: scale.learning,
        strict_sender: !scale.learning,
        ..BindingPlan::default()
    };
    let switch = SwitchPlan {
        learn_remote: scale.learning,
        learn_limit: u64::from(LEARNED),
        strict_sources: !scale.learning,
        ..SwitchPlan::default()
    };
    let net = |number: u32| number & (scale.nets - 1);
    let remote = |number: u32| Place::Remote { ends: tunnel(number & (scale.vteps - 1)), vni: VNI + net(number) };
    let mut desired = Desired {
        vteps: [(IpAddr::V4(GATEWAY).into(), 0)].into(),
        arrivals: [Arrival { mac: GATEWAY_MAC.0, vlan: 0 }].into(),
        tunnels: (0..scale.vteps).filter_map(|vtep| Some((tunnel(vtep), hop(uplink, vtep)?))).collect(),
        switches: (0..scale.nets).map(|net| (VNI + net, switch)).collect(),
        settings: binding::Settings { fits_every_port: 3300, ports_down: 0 },
        ..Desired::default()
    };
    if hook == Hook::Xdp {
        desired.xdp_ports = [uplink, access, other].into();
        desired.xdp_sg_ports.clone_from(&desired.xdp_ports);
    }
    for net in 0..scale.nets {
        desired.bindings.insert(binding(access, net), plan(net));
        desired.bindings.insert(binding(other, net), plan(net));
        let remotes = (0..scale.flooded).map(|vtep| Place::Remote { ends: tunnel(vtep), vni: VNI + net });
        desired.flood.insert(VNI + net, remotes.chain([Place::Local(binding(access, net))]).collect());
    }
    if !scale.learning {
        let vms =
            (0..scale.vms.min(STATIC)).map(|number| (FdbKey::new(VNI + net(number), vm(number).0), remote(number)));
        desired.macs.extend(vms);
    }
    let mut hosts = |numbers: Range<u32>, port| {
        desired.macs.extend(numbers.map(|number| {
            let key = FdbKey::new(VNI + net(number), bare_metal(number).0);
            (key, Place::Local(binding(port, net(number))))
        }));
    };
    hosts(0..scale.hosts.min(STATIC), access);
    hosts(NEIGHBOURS..NEIGHBOURS + STATIONS, other);
    Ok(desired)
}

fn address(vtep: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(u32::from(REMOTE) + vtep))
}

fn tunnel(vtep: u32) -> RemoteVtepKey {
    RemoteVtepKey { local: IpAddr::V4(GATEWAY).into(), remote: address(vtep).into() }
}

fn hop(uplink: u32, vtep: u32) -> Option<TunnelPlan> {
    let outer = Outer {
        src_mac: GATEWAY_MAC,
        dst_mac: ROUTER_MAC,
        vlan: 0,
        src: IpAddr::V4(GATEWAY),
        dst: address(vtep),
        ttl: 64,
        port: 4789,
    };
    let template = outer.template()?;
    let hop = NextHop {
        ifindex: uplink,
        header_len: template.len as u32,
        max_frame: 3350,
        ip_sum: template.ip_sum,
        header: template.bytes,
    };
    Some(TunnelPlan { hop, lease: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disorder_keeps_every_number() {
        let mut numbers: Vec<u32> = (0..1000).collect();
        shuffle(&mut numbers);
        let neighbours = numbers.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) == 1).count();
        assert!(neighbours < 20, "{neighbours} are still side by side");
        numbers.sort_unstable();
        assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    }
}
