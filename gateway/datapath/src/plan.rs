//! The plan: a pure function from database rows, configuration and the state of the underlay to desired forwarding.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use gateway_common::{
    binding::{BindingKey, Settings},
    fdb::FdbKey,
    headers::{ETH_LEN, Outer, UDP_LEN, VXLAN_LEN},
    net::{VlanId, Vni},
    tunnel::{Arrival, NextHop, RemoteVtepKey},
};
use gateway_config::{
    Config, InstanceConfig, Interface, SwitchOptions,
    rows::{Location, LogicalSwitch, Remote, Rows},
};
use gateway_netdev::{
    macvlan::virtual_mac,
    nic::Role,
    underlay::{Hop, Resolution, Snapshot},
};

use crate::desired::{BindingPlan, Desired, Place, SwitchPlan, TunnelPlan};

mod bindings;
mod bound_vlan;
mod changes;
mod problem;

pub use bindings::{state_of_switch, unforwarded};
pub use bound_vlan::BoundVlan;
pub use changes::mac_changes;
pub use problem::Problem;

/// A lease that is never granted, for rows that belong to no instance.
const NO_LEASE: u32 = u32::MAX;

/// Desired forwarding, and the problems that limit it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Desired forwarding.
    pub desired: Desired,
    /// Problems, in the order of the configuration.
    pub problems: Vec<Problem>,
    /// All bindings that the database has, by port and VLAN, each with its state.
    pub bindings: Vec<BoundVlan>,
}

/// Makes the plan. `xdp_ports` are the interfaces, by index, that XDP may redirect to.
pub fn plan(config: &Config, rows: &Rows, underlay: &Snapshot, xdp_ports: BTreeSet<u32>) -> Plan {
    let (bound, doubles) = bound(rows);
    let (settings, arrivals) = (settings(config, underlay), arrivals(config, underlay));
    let (switches, down) = (learn_limits(config, rows), down(config, underlay));
    let desired = Desired { xdp_ports, settings, arrivals, switches, down, ..Desired::default() };
    let mut plan = Plan { desired, problems: interfaces(config, underlay), bindings: Vec::new() };
    let tunnels = tunnels(rows);
    plan.problems.extend(mtus(config, underlay, &tunnels));
    plan.problems.extend(doubles);
    for instance in &config.instances {
        plan.desired.vteps.extend(instance.vteps.iter().map(|vtep| (vtep.into(), instance.lease())));
    }
    let mut planner = Planner { config, underlay, plan, owners: BTreeMap::new() };
    for (instance, remote) in tunnels {
        planner.tunnel(instance, remote);
    }
    for port in bound.iter().flat_map(|bound| &bound.switch.bindings).map(|(port, _)| port).collect::<BTreeSet<_>>() {
        if !config.ports.iter().any(|configured| configured.name == *port) {
            planner.plan.problems.push(Problem::NotAPort(port.clone()));
        }
    }
    for bound in bound {
        planner.switch(&bound);
    }
    let bindings = bindings::states(&planner, rows);
    planner.plan.bindings = bindings;
    planner.plan
}

/// A logical switch that has a VNI.
struct Bound<'r> {
    vni: Vni,
    name: &'r str,
    switch: &'r LogicalSwitch,
}

/// Returns the logical switches that forward. Two with one VNI would be one network: the second, by name, is left out.
fn bound(rows: &Rows) -> (Vec<Bound<'_>>, Vec<Problem>) {
    let mut first = BTreeMap::new();
    let (mut all, mut doubles) = (Vec::new(), Vec::new());
    for (name, switch) in &rows.switches {
        let Some(vni) = switch.vni else { continue };
        let owner = *first.entry(vni).or_insert(name);
        if owner == name {
            all.push(Bound { vni, name, switch });
        } else {
            doubles.push(Problem::SameVni { vni, first: owner.clone(), second: name.clone() });
        }
    }
    (all, doubles)
}

/// Returns all remote VTEPs in the rows. The gateway sends to these, and accepts packets only from these.
pub fn remotes(rows: &Rows) -> BTreeSet<IpAddr> {
    tunnels(rows).into_iter().map(|(_, remote)| remote).collect()
}

/// Returns the same, each with the index of the instance whose tunnel leads there.
fn tunnels(rows: &Rows) -> BTreeSet<(usize, IpAddr)> {
    let (bound, _) = bound(rows);
    bound
        .iter()
        .flat_map(|Bound { switch, .. }| {
            let stations = switch.macs.values().filter_map(|location| match location {
                Location::Remote(remote) => Some(remote.address),
                Location::Port { .. } => None,
            });
            let all = switch.flood.iter().map(|remote| remote.address).chain(stations);
            all.map(|remote| (switch.instance, remote))
        })
        .collect()
}

/// Returns the instance of a switch, with its tunnel addresses and its lease.
fn instance<'c>(config: &'c Config, switch: &LogicalSwitch) -> Option<&'c InstanceConfig> {
    config.instances.get(switch.instance)
}

/// Returns the learning limit of each logical switch: its own limit, or its share of the room that the static MACs leave
/// in the database, whichever is less. So a flood of forged sources on one VLAN can't keep out a static MAC, or a MAC of
/// another VLAN.
pub fn learn_limits(config: &Config, rows: &Rows) -> BTreeMap<u32, SwitchPlan> {
    let (bound, _) = bound(rows);
    let fixed: u64 = bound.iter().map(|bound| bound.switch.macs.len() as u64).sum();
    let share = u64::from(config.gateway.fdb_size).saturating_sub(fixed) / bound.len().max(1) as u64;
    let switch = |bound: &Bound<'_>| SwitchPlan {
        learn_remote: bound.switch.learn_remote,
        learn_limit: bound.switch.learn_limit.min(share),
        lease: instance(config, bound.switch).map_or(NO_LEASE, InstanceConfig::lease),
        strict_sources: is_strict(config, bound),
        control_protocols: options(config, bound).control_protocols,
    };
    bound.iter().map(|bound| (bound.vni.get(), switch(bound))).collect()
}

fn options(config: &Config, bound: &Bound<'_>) -> SwitchOptions {
    config.switch_options.get(bound.name).copied().unwrap_or_default()
}

/// Returns true if known sources are held to their place. A switch that learns from tunnels accepts a new place of a
/// source.
fn is_strict(config: &Config, bound: &Bound<'_>) -> bool {
    options(config, bound).strict_sources && !bound.switch.learn_remote
}

struct Planner<'a> {
    config: &'a Config,
    underlay: &'a Snapshot,
    plan: Plan,
    /// The logical switch of each binding, by name.
    owners: BTreeMap<BindingKey, &'a str>,
}

impl<'a> Planner<'a> {
    fn tunnel(&mut self, instance: usize, remote: IpAddr) {
        let Some(instance) = self.config.instances.get(instance) else { return };
        let Some(local) = instance.vteps.towards(remote) else {
            self.plan.problems.push(Problem::NoVtep(remote));
            return;
        };
        if self.config.is_own(remote) {
            // If it were programmed, it would let in packets that claim to come from this gateway itself.
            self.plan.problems.push(Problem::OwnAddress(remote));
            return;
        }
        let hop = match self.underlay.hops.get(&remote) {
            Some(Resolution::Resolved(hop)) => next_hop(self.config, local, remote, hop),
            Some(Resolution::Unresolved(why)) => {
                self.plan.problems.push(Problem::Unresolved(remote, why.clone()));
                NextHop::UNRESOLVED
            }
            None => NextHop::UNRESOLVED,
        };
        let ends = RemoteVtepKey { local: local.into(), remote: remote.into() };
        self.plan.desired.tunnels.insert(ends, TunnelPlan { hop, lease: instance.lease() });
    }

    fn switch(&mut self, bound: &Bound<'a>) {
        let Bound { vni, name, switch } = *bound;
        let key = vni.get();
        let mut flood: BTreeSet<Place> = self.bindings(bound).into_iter().map(Place::Local).collect();
        flood.extend(switch.flood.iter().filter_map(|remote| remote_place(self.config, switch, vni, remote)));
        self.plan.desired.flood.insert(key, flood);
        let mut elsewhere = BTreeSet::new();
        for (mac, location) in switch.macs.iter() {
            let place = match location {
                Location::Remote(remote) => remote_place(self.config, switch, vni, remote),
                Location::Port { name: port, vlan } => {
                    let binding = self.binding_key(port, *vlan);
                    let own = binding.filter(|key| self.owners.get(key) == Some(&name));
                    // A missing port, and a binding of another switch, are already reported.
                    if own.is_none() && binding.is_some() && !switch.bindings.contains(&(port.clone(), *vlan)) {
                        elsewhere.insert((port, *vlan));
                    }
                    own.map(Place::Local)
                }
            };
            if let Some(place) = place {
                self.plan.desired.macs.insert(FdbKey::new(key, mac.0), place);
            }
        }
        let problems = elsewhere.into_iter().map(|(port, vlan)| Problem::NotBound {
            switch: name.to_owned(),
            port: port.clone(),
            vlan,
        });
        self.plan.problems.extend(problems);
    }

    /// Assigns bindings to a switch: those whose port exists and that no earlier switch has.
    fn bindings(&mut self, bound: &Bound<'a>) -> Vec<BindingKey> {
        let mut own = Vec::new();
        for (port, vlan) in &bound.switch.bindings {
            let Some(key) = self.binding_key(port, *vlan) else { continue };
            let owner = *self.owners.entry(key).or_insert(bound.name);
            if owner != bound.name {
                self.plan.problems.push(Problem::BoundTwice {
                    port: port.clone(),
                    vlan: *vlan,
                    first: owner.to_owned(),
                    second: bound.name.to_owned(),
                });
                continue;
            }
            let lease = instance(self.config, bound.switch).map_or(NO_LEASE, InstanceConfig::lease);
            let (check_sender, strict_sender) = (bound.switch.learn_remote, is_strict(self.config, bound));
            let plan = BindingPlan { vni: bound.vni.get(), lease, check_sender, strict_sender };
            self.plan.desired.bindings.insert(key, plan);
            own.push(key);
        }
        own
    }

    /// Returns `None` if the port does not exist, or is no access port: that is reported once for each port.
    fn binding_key(&self, port: &str, vlan: VlanId) -> Option<BindingKey> {
        let access = self.config.ports.iter().any(|configured| configured.name == port);
        let link = self.underlay.links.get(port).filter(|_| access)?;
        Some(BindingKey { ifindex: link.ifindex, vlan: vlan.get(), reserved: 0 })
    }
}

/// Returns `None` if this gateway has no address to tunnel from, or is the remote VTEP itself.
fn remote_place(config: &Config, switch: &LogicalSwitch, vni: Vni, remote: &Remote) -> Option<Place> {
    let local = instance(config, switch)?.vteps.towards(remote.address).filter(|_| !config.is_own(remote.address))?;
    let ends = RemoteVtepKey { local: local.into(), remote: remote.address.into() };
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

/// Returns the bytes by which the MTU towards `remote` must exceed that of the hosts: outer IP, UDP, VXLAN, inner
/// Ethernet.
pub fn overhead(remote: IpAddr) -> u32 {
    let ip = if remote.is_ipv4() { 20 } else { 40 };
    ip + (UDP_LEN + VXLAN_LEN + ETH_LEN) as u32
}

fn settings(config: &Config, underlay: &Snapshot) -> Settings {
    let mtus = config.ports.iter().filter_map(|port| underlay.links.get(&port.name)).map(|link| link.mtu);
    let fits_every_port = mtus.min().map_or(0, |mtu| mtu + ETH_LEN as u32);
    Settings { fits_every_port, ports_down: down(config, underlay).len() as u32 }
}

/// Returns the access ports, by index, that are down.
fn down(config: &Config, underlay: &Snapshot) -> BTreeSet<u32> {
    let links = config.ports.iter().filter_map(|port| underlay.links.get(&port.name));
    links.filter(|link| !link.up).map(|link| link.ifindex).collect()
}

/// Returns the addresses at which the kernel takes packets, and each virtual router's own address in the same VLANs:
/// that one exists before its macvlan.
fn arrivals(config: &Config, underlay: &Snapshot) -> BTreeSet<Arrival> {
    let vlans: BTreeSet<u16> = underlay.arrivals.iter().map(|(_, vlan)| *vlan).collect();
    let routers = config.instances.iter().filter_map(|instance| instance.vrrp.as_ref()).filter(|vrrp| vrrp.virtual_mac);
    let virtual_macs = routers.flat_map(|vrrp| [false, true].map(|ipv6| virtual_mac(vrrp.vrid, ipv6)));
    let virtual_ones = virtual_macs.flat_map(|mac| vlans.iter().map(move |vlan| (mac, *vlan)));
    let all = underlay.arrivals.iter().copied().chain(virtual_ones);
    all.map(|(mac, vlan)| Arrival { mac: mac.0, vlan }).collect()
}

fn interfaces(config: &Config, underlay: &Snapshot) -> Vec<Problem> {
    let uplinks = config.uplinks.iter().map(|uplink| (uplink, Role::Uplink));
    let all = uplinks.chain(config.ports.iter().map(|port| (port, Role::Access)));
    let one = |(interface, role): (&Interface, Role)| {
        let name = interface.name.clone();
        let Some(link) = underlay.links.get(&name) else { return vec![Problem::NoInterface(name)] };
        let member = link.master.clone().map(|master| Problem::Member { interface: name.clone(), role, master });
        member.into_iter().chain((!link.up).then_some(Problem::Down(name))).collect()
    };
    all.flat_map(one).collect()
}

fn mtus(config: &Config, underlay: &Snapshot, tunnels: &BTreeSet<(usize, IpAddr)>) -> Vec<Problem> {
    let local = |(instance, remote): &&(usize, IpAddr)| config.instances.get(*instance)?.vteps.towards(*remote);
    let reachable = tunnels.iter().filter(|tunnel| local(tunnel).is_some());
    let Some(worst) = reachable.map(|(_, remote)| overhead(*remote)).max() else { return Vec::new() };
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

/// Returns the problems of those remote VTEPs whose path is narrower than the underlay here.
pub fn path_mtus(underlay: &Snapshot, narrow: &BTreeSet<IpAddr>) -> Vec<Problem> {
    let one = |remote: &IpAddr| match underlay.hops.get(remote) {
        Some(Resolution::Resolved(hop)) => Some(Problem::PathMtu {
            remote: *remote,
            mtu: hop.mtu,
            max_frame: hop.mtu.saturating_sub(overhead(*remote) - ETH_LEN as u32),
            fits: hop.mtu.saturating_sub(overhead(*remote)),
        }),
        _ => None,
    };
    narrow.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests;
