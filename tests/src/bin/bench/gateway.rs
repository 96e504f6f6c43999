//! The gateway as a subject: its programs, attached and filled by its own library.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use anyhow::Result;
use aya::Ebpf;
use gateway::{
    datapath::{
        Desired, Maps, Place,
        attach::{Attacher, Device},
        desired::{BindingPlan, SegmentPlan, TunnelPlan},
        diff::diff,
        load::{self, Settings},
        pins::PinDir,
    },
    nic::Role,
};
use gateway_common::{
    binding::{self, BindingKey},
    fdb::FdbKey,
    headers::Outer,
    tunnel::{LEASE_FOREVER, NextHop, PeerKey},
};

use crate::{
    ends::Ends,
    rig::{Rig, Wire},
    traffic::{GATEWAY, GATEWAY_MAC, NEIGHBOURS, REMOTE, ROUTER_MAC, VLAN, VNI, bare_metal, vm},
};

/// How much there is of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// VMs, and as many hosts.
    pub(crate) stations: u32,
    /// Remote VTEPs: VM number n is behind number n modulo this.
    pub(crate) vteps: u32,
    /// Logical switches and VLANs: station n is in number n modulo this.
    pub(crate) nets: u32,
    /// Logical switches learn from tunnels.
    pub(crate) learning: bool,
}

impl Default for Scale {
    fn default() -> Self {
        Self { stations: 64, vteps: 1, nets: 1, learning: false }
    }
}

/// Which hook it works at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Xdp,
    Tc,
}

/// The gateway in a rig.
pub(crate) struct Gateway {
    pub(crate) rig: Rig,
    _ebpf: Ebpf,
    pub(crate) maps: Maps,
}

impl Gateway {
    /// Sets it up.
    pub(crate) fn new(ends: &mut Ends, rig: Rig, hook: Hook, scale: Scale) -> Result<Self> {
        rig.enter()?;
        let pins = PinDir::new(rig.host.lab().pins(rig.host.name()));
        let fdb_size = (4 * scale.stations).max(1024);
        let loaded = load::load(&pins, Settings { udp_port: 4789, fdb_size, trace: false })?;
        loaded.committer().commit()?;
        let (mut ebpf, mut maps) = (loaded.ebpf, loaded.maps);
        maps.set_lease(0, LEASE_FOREVER)?;
        let ops = diff(&desired(&rig, hook, scale)?, &maps.programmed()?, &BTreeMap::new()).ops;
        if let Some((_, error)) = maps.change().write_all(&ops).into_iter().next() {
            return Err(error.into());
        }
        Attacher::load(&mut ebpf)?;
        let attacher = Attacher::new(pins);
        for wire in Wire::ALL {
            let role = if wire == Wire::Underlay { Role::Uplink } else { Role::Access };
            let device = Device { name: wire.inner().into(), ifindex: rig.index(wire.inner())?, role };
            attacher.attach_tc(&mut ebpf, &device)?;
            match hook {
                Hook::Xdp => attacher.attach_xdp(&mut ebpf, &device)?,
                Hook::Tc => ends.pass(&rig, wire.inner())?,
            }
        }
        match hook {
            Hook::Xdp => ends.sink_frames(&rig)?,
            Hook::Tc => ends.sink_packets(&rig)?,
        }
        Ok(Self { rig, _ebpf: ebpf, maps })
    }
}

fn desired(rig: &Rig, hook: Hook, scale: Scale) -> Result<Desired> {
    let uplink = rig.index(Wire::Underlay.inner())?;
    let access = rig.index(Wire::Access.inner())?;
    let other = rig.index(Wire::Other.inner())?;
    let binding = |ifindex, net: u32| BindingKey { ifindex, vlan: VLAN + net as u16, reserved: 0 };
    let plan = |net: u32| BindingPlan { vni: VNI + net, lease: 0, check_sender: scale.learning };
    let segment = SegmentPlan { learn_remote: scale.learning, learn_limit: u64::from(scale.stations) * 4, lease: 0 };
    let net = |number: u32| number & (scale.nets - 1);
    let remote = |number: u32| Place::Remote { ends: tunnel(number & (scale.vteps - 1)), vni: VNI + net(number) };
    let mut desired = Desired {
        vteps: [(IpAddr::V4(GATEWAY).into(), 0)].into(),
        tunnels: (0..scale.vteps).filter_map(|vtep| Some((tunnel(vtep), hop(uplink, vtep)?))).collect(),
        segments: (0..scale.nets).map(|net| (VNI + net, segment)).collect(),
        settings: binding::Settings { fits_every_port: 3300 },
        ..Desired::default()
    };
    if hook == Hook::Xdp {
        desired.xdp_ports = [uplink, access, other].into();
    }
    for net in 0..scale.nets {
        desired.bindings.insert(binding(access, net), plan(net));
        desired.bindings.insert(binding(other, net), plan(net));
        let members = [Place::Local(binding(access, net)), Place::Local(binding(other, net)), remote(net)];
        desired.flood.insert(VNI + net, members.into());
    }
    for number in 0..scale.stations {
        let vni = VNI + net(number);
        if !scale.learning {
            desired.macs.insert(FdbKey::new(vni, vm(number).0), remote(number));
        }
        let mut host = |number, port| {
            let place = Place::Local(binding(port, net(number)));
            desired.macs.insert(FdbKey::new(vni, bare_metal(number).0), place);
        };
        host(number, access);
        host(NEIGHBOURS + number, other);
    }
    Ok(desired)
}

fn address(vtep: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(u32::from(REMOTE) + vtep))
}

fn tunnel(vtep: u32) -> PeerKey {
    PeerKey { local: IpAddr::V4(GATEWAY).into(), remote: address(vtep).into() }
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
