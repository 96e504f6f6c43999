//! The plan: database rows, configuration and the state of the underlay become desired forwarding. A pure function.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
};

use gateway_common::{
    binding::BindingKey,
    fdb::FdbKey,
    headers::{ETH_LEN, Outer, UDP_LEN, VXLAN_LEN},
    net::Vni,
    tunnel::{NextHop, PeerKey},
};

use crate::{
    config::Config,
    database::{Location, LogicalSwitch, Remote, Rows},
    datapath::desired::{BindingPlan, Desired, Place, SegmentPlan, TunnelPlan},
    underlay::{Hop, Resolution, Snapshot, Why},
};

/// The one lease there is without high availability.
pub const LEASE: u32 = 0;

/// Something that keeps part of the configuration from forwarding, or from forwarding everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// An access port or uplink isn't there.
    NoInterface(String),
    /// An access port or uplink is down.
    Down(String),
    /// A remote VTEP can't be reached.
    Unresolved(IpAddr, Why),
    /// The underlay is too narrow for an access port.
    Mtu {
        /// The uplink.
        uplink: String,
        /// Its MTU.
        mtu: u32,
        /// The access port.
        port: String,
        /// Its MTU.
        port_mtu: u32,
        /// The MTU that the uplink would need.
        needed: u32,
        /// The MTU that fits through as it is.
        fits: u32,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInterface(name) => {
                write!(f, "interface {name} is not there: nothing is forwarded over it until it appears")
            }
            Self::Down(name) => write!(f, "interface {name} is down (ip link set {name} up; is the cable in?)"),
            Self::Unresolved(remote, why) => write!(f, "tunnel to {remote} can't send: {why}"),
            Self::Mtu { uplink, mtu, port, port_mtu, needed, fits } => write!(
                f,
                "MTU {mtu} of uplink {uplink} is too small for MTU {port_mtu} of port {port}: packets over {fits} bytes \
                 will be dropped; set MTU {needed} on {uplink} and on the whole underlay, or {fits} on the hosts"
            ),
        }
    }
}

/// Desired forwarding, and what stands in the way of more.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What forwarding should be.
    pub desired: Desired,
    /// In the order of the configuration.
    pub problems: Vec<Problem>,
}

/// Makes the plan. `xdp_ports` are the interfaces, by index, that XDP may redirect to.
pub fn plan(config: &Config, rows: &Rows, underlay: &Snapshot, xdp_ports: BTreeSet<u32>) -> Plan {
    let desired = Desired { xdp_ports, segments: learn_limits(config, rows), ..Desired::default() };
    let mut plan = Plan { desired, problems: interfaces(config, underlay) };
    plan.problems.extend(mtus(config, underlay));
    for vtep in config.gateway.vteps.iter() {
        plan.desired.vteps.insert(vtep.into(), LEASE);
    }
    for remote in remotes(rows) {
        plan.tunnel(config, underlay, remote);
    }
    for switch in rows.switches.values() {
        if let Some(vni) = switch.vni {
            plan.switch(config, underlay, vni, switch);
        }
    }
    plan
}

/// All remote VTEPs in the rows: those to send to, and the only ones to hear.
pub fn remotes(rows: &Rows) -> BTreeSet<IpAddr> {
    let bound = rows.switches.values().filter(|switch| switch.vni.is_some());
    bound
        .flat_map(|switch| {
            let stations = switch.macs.values().filter_map(|location| match location {
                Location::Remote(remote) => Some(remote.address),
                Location::Port { .. } => None,
            });
            switch.flood.iter().map(|remote| remote.address).chain(stations)
        })
        .collect()
}

/// What each logical switch may learn: its limit, or its share of the room that the given MACs leave in the database,
/// whichever is less. So no flood of forged sources on one VLAN can keep a given MAC, or another VLAN's, out.
pub fn learn_limits(config: &Config, rows: &Rows) -> BTreeMap<u32, SegmentPlan> {
    let bound: Vec<(Vni, &LogicalSwitch)> =
        rows.switches.values().filter_map(|switch| Some((switch.vni?, &**switch))).collect();
    let given: u64 = bound.iter().map(|(_, switch)| switch.macs.len() as u64).sum();
    let share = u64::from(config.gateway.fdb_size).saturating_sub(given) / bound.len().max(1) as u64;
    let segment = |switch: &LogicalSwitch| SegmentPlan {
        learn_remote: switch.learn_remote,
        learn_limit: switch.learn_limit.min(share),
        lease: LEASE,
    };
    bound.into_iter().map(|(vni, switch)| (vni.get(), segment(switch))).collect()
}

impl Plan {
    fn tunnel(&mut self, config: &Config, underlay: &Snapshot, remote: IpAddr) {
        let Some(local) = config.gateway.vteps.towards(remote) else { return };
        let hop = match underlay.hops.get(&remote) {
            Some(Resolution::Resolved(hop)) => next_hop(config, local, remote, hop),
            Some(Resolution::Unresolved(why)) => {
                self.problems.push(Problem::Unresolved(remote, why.clone()));
                NextHop::UNRESOLVED
            }
            None => NextHop::UNRESOLVED,
        };
        let ends = PeerKey { local: local.into(), remote: remote.into() };
        self.desired.tunnels.insert(ends, TunnelPlan { hop, lease: LEASE });
    }

    fn switch(&mut self, config: &Config, underlay: &Snapshot, vni: Vni, switch: &LogicalSwitch) {
        let key = vni.get();
        let mut flood = BTreeSet::new();
        for (port, vlan) in &switch.bindings {
            // A port that isn't there is told as a problem already.
            let Some(binding) = binding_key(underlay, port, vlan.get()) else { continue };
            let plan = BindingPlan { vni: key, lease: LEASE, check_sender: switch.learn_remote };
            self.desired.bindings.insert(binding, plan);
            flood.insert(Place::Local(binding));
        }
        flood.extend(switch.flood.iter().filter_map(|remote| remote_place(config, vni, remote)));
        self.desired.flood.insert(key, flood);
        for (mac, location) in switch.macs.iter() {
            let place = match location {
                Location::Remote(remote) => remote_place(config, vni, remote),
                Location::Port { name, vlan } => binding_key(underlay, name, vlan.get()).map(Place::Local),
            };
            if let Some(place) = place {
                self.desired.macs.insert(FdbKey::new(key, mac.0), place);
            }
        }
    }
}

fn binding_key(underlay: &Snapshot, port: &str, vlan: u16) -> Option<BindingKey> {
    underlay.links.get(port).map(|link| BindingKey { ifindex: link.ifindex, vlan, reserved: 0 })
}

fn remote_place(config: &Config, vni: Vni, remote: &Remote) -> Option<Place> {
    let local = config.gateway.vteps.towards(remote.address)?;
    let ends = PeerKey { local: local.into(), remote: remote.address.into() };
    Some(Place::Remote { ends, vni: remote.vni.unwrap_or(vni).get() })
}

fn next_hop(config: &Config, local: IpAddr, remote: IpAddr, hop: &Hop) -> NextHop {
    let outer = Outer {
        src_mac: hop.src_mac,
        dst_mac: hop.dst_mac,
        vlan: hop.vlan,
        src: local,
        dst: remote,
        ttl: config.gateway.ttl,
        port: config.gateway.udp_port,
    };
    let Some(template) = outer.template() else { return NextHop::UNRESOLVED };
    let max_frame = hop.mtu.saturating_sub(overhead(remote) - ETH_LEN as u32);
    NextHop {
        ifindex: hop.ifindex,
        header_len: template.len as u32,
        max_frame,
        ip_sum: template.ip_sum,
        header: template.bytes,
    }
}

/// Bytes by which the MTU towards `remote` must exceed that of the hosts: outer IP, UDP, VXLAN, inner Ethernet.
fn overhead(remote: IpAddr) -> u32 {
    let ip = if remote.is_ipv4() { 20 } else { 40 };
    ip + (UDP_LEN + VXLAN_LEN + ETH_LEN) as u32
}

fn interfaces(config: &Config, underlay: &Snapshot) -> Vec<Problem> {
    let all = config.uplinks.iter().chain(&config.ports);
    all.filter_map(|interface| match underlay.links.get(&interface.name) {
        None => Some(Problem::NoInterface(interface.name.clone())),
        Some(link) if !link.up => Some(Problem::Down(interface.name.clone())),
        Some(_) => None,
    })
    .collect()
}

fn mtus(config: &Config, underlay: &Snapshot) -> Vec<Problem> {
    let worst = config.gateway.vteps.iter().map(overhead).max().unwrap_or(0);
    let mut problems = Vec::new();
    for uplink in &config.uplinks {
        let Some(up) = underlay.links.get(&uplink.name) else { continue };
        let widest =
            config.ports.iter().filter_map(|port| Some((underlay.links.get(&port.name)?.mtu, &port.name))).max();
        if let Some((port_mtu, port)) = widest
            && up.mtu < port_mtu + worst
        {
            problems.push(Problem::Mtu {
                uplink: uplink.name.clone(),
                mtu: up.mtu,
                port: port.clone(),
                port_mtu,
                needed: port_mtu + worst,
                fits: up.mtu.saturating_sub(worst),
            });
        }
    }
    problems
}
