//! Standard forwarding of the data plane: its addresses, logical switches and tunnels.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use gateway_common::{
    binding::{BindingKey, Settings},
    fdb::FdbKey,
    headers::Outer,
    net::MacAddr,
    tunnel::{Arrival, NextHop, RemoteVtepKey},
};
use gateway_datapath::{
    Desired, Place,
    desired::{BindingPlan, SwitchPlan, TunnelPlan},
};

use super::port::{From, Port};
use crate::packets::{HOST1, HOST2, HOST3, VM_LOST, VM_TAGGED, VM1, VM6};

pub(crate) const GATEWAY_MAC: MacAddr = MacAddr([2, 0x11, 0, 0, 0, 1]);
pub(crate) const ROUTER_MAC: MacAddr = MacAddr([2, 0x22, 0, 0, 0, 1]);
pub(crate) const GATEWAY_V4: &str = "172.31.0.21";
pub(crate) const GATEWAY_V6: &str = "fd00::21";
/// Where VM1 is.
pub(crate) const REMOTE_V4: &str = "172.31.0.11";
/// Where VM6 is.
pub(crate) const REMOTE_V6: &str = "fd00::11";
/// Reached through VLAN 77 of the underlay.
pub(crate) const REMOTE_TAGGED: &str = "172.31.0.14";
/// Known, and not reachable.
pub(crate) const REMOTE_LOST: &str = "172.31.0.13";

/// The logical switch with everybody in it: VLAN 100 of port A, port B untagged, VLAN 300 of port B, all remotes.
pub(crate) const NET: u32 = 5001;
/// A logical switch that learns from tunnels: VLAN 200 of port A, and one remote.
pub(crate) const LEARNING_NET: u32 = 5002;
/// A logical switch with one binding and nobody else: VLAN 400 of port B.
pub(crate) const LONELY_NET: u32 = 5003;
/// The longest inner frame that fits the underlay here.
pub(crate) const MAX_FRAME: usize = 1564;

/// The interfaces.
pub(super) struct Ports {
    pub(super) uplink: Port,
    pub(super) port_a: Port,
    pub(super) port_b: Port,
}

impl Ports {
    /// Makes the interfaces.
    pub(super) fn new() -> Self {
        let [uplink, port_a, port_b] = [From::Uplink, From::PortA, From::PortB].map(Port::new);
        Self { uplink, port_a, port_b }
    }

    /// Returns the interface at which packets arrive.
    pub(super) fn of(&self, from: From) -> &Port {
        match from {
            From::Uplink => &self.uplink,
            From::PortA => &self.port_a,
            From::PortB => &self.port_b,
        }
    }

    /// Returns the binding of a VLAN.
    pub(super) fn binding(&self, from: From, vlan: u16) -> BindingKey {
        BindingKey { ifindex: self.of(from).ifindex, vlan, reserved: 0 }
    }

    fn indices(&self) -> [u32; 3] {
        [&self.uplink, &self.port_a, &self.port_b].map(|port| port.ifindex)
    }
}

/// Returns the standard forwarding.
pub(super) fn desired(ports: &Ports) -> Desired {
    let switch = |learn_remote| SwitchPlan {
        learn_remote,
        learn_limit: 100,
        strict_sources: !learn_remote,
        ..SwitchPlan::default()
    };
    let binding = |vni| BindingPlan {
        vni,
        check_sender: vni == LEARNING_NET,
        strict_sender: vni != LEARNING_NET,
        ..BindingPlan::default()
    };
    let (a100, a200) = (ports.binding(From::PortA, 100), ports.binding(From::PortA, 200));
    let (b0, b300, b400) =
        (ports.binding(From::PortB, 0), ports.binding(From::PortB, 300), ports.binding(From::PortB, 400));
    let remotes = [REMOTE_V4, REMOTE_V6, REMOTE_TAGGED, REMOTE_LOST];
    let place = |address| remote(address, NET);
    let mac = |mac: MacAddr| FdbKey::new(NET, mac.0);
    Desired {
        vteps: [GATEWAY_V4, GATEWAY_V6].map(|vtep| (address(vtep).into(), 0)).into(),
        arrivals: [0, 77].map(|vlan| Arrival { mac: GATEWAY_MAC.0, vlan }).into(),
        tunnels: remotes.map(|remote| tunnel(ports, remote)).into(),
        switches: [(NET, switch(false)), (LEARNING_NET, switch(true)), (LONELY_NET, switch(false))].into(),
        bindings: [
            (a100, binding(NET)),
            (b0, binding(NET)),
            (b300, binding(NET)),
            (a200, binding(LEARNING_NET)),
            (b400, binding(LONELY_NET)),
        ]
        .into(),
        macs: [
            (mac(VM1), place(REMOTE_V4)),
            (mac(VM6), place(REMOTE_V6)),
            (mac(VM_TAGGED), place(REMOTE_TAGGED)),
            (mac(VM_LOST), place(REMOTE_LOST)),
            (mac(HOST1), Place::Local(a100)),
            (mac(HOST2), Place::Local(b0)),
            (mac(HOST3), Place::Local(b300)),
        ]
        .into(),
        flood: [
            (
                NET,
                [a100, b0, b300]
                    .map(Place::Local)
                    .into_iter()
                    .chain([place(REMOTE_V4), place(REMOTE_V6), place(REMOTE_TAGGED)])
                    .collect(),
            ),
            (LEARNING_NET, [Place::Local(a200), remote(REMOTE_V4, LEARNING_NET)].into()),
            (LONELY_NET, [Place::Local(b400)].into()),
        ]
        .into(),
        // Long frames are not spared the look at the port's MTU.
        settings: Settings { fits_every_port: 1000, ports_down: 0 },
        xdp_ports: BTreeSet::from(ports.indices()),
        xdp_sg_ports: BTreeSet::from(ports.indices()),
        down: BTreeSet::new(),
        members: BTreeMap::new(),
    }
}

/// Returns the place behind the remote VTEP with this address.
pub(super) fn remote(address: &str, vni: u32) -> Place {
    Place::Remote { ends: ends(address), vni }
}

/// Returns the tunnel to a remote VTEP, by its ends.
pub(super) fn tunnel(ports: &Ports, remote: &str) -> (RemoteVtepKey, TunnelPlan) {
    (ends(remote), TunnelPlan { hop: hop(ports, remote), lease: 0 })
}

fn hop(ports: &Ports, remote: &str) -> NextHop {
    if remote == REMOTE_LOST {
        return NextHop::UNRESOLVED;
    }
    let template = outer(remote).template().unwrap();
    NextHop {
        ifindex: ports.uplink.ifindex,
        header_len: template.len as u32,
        max_frame: MAX_FRAME as u32,
        ip_sum: template.ip_sum,
        header: template.bytes,
    }
}

/// The outer headers towards `remote`.
pub(crate) fn outer(remote: &str) -> Outer {
    let dst = address(remote);
    Outer {
        src_mac: GATEWAY_MAC,
        dst_mac: ROUTER_MAC,
        vlan: if remote == REMOTE_TAGGED { 77 } else { 0 },
        src: address(if dst.is_ipv4() { GATEWAY_V4 } else { GATEWAY_V6 }),
        dst,
        ttl: 61,
        port: 4789,
    }
}

fn ends(remote: &str) -> RemoteVtepKey {
    let outer = outer(remote);
    RemoteVtepKey { local: outer.src.into(), remote: outer.dst.into() }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}
