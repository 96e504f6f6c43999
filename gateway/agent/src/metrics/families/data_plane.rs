//! Metrics of the data plane: counters of the programs in the kernel, and sizes of the programmed state.

use std::fmt;

use gateway_api::view::{BindingState, Interface, Mode};
use gateway_common::{
    counters::{DropReason, PathCounter},
    limits,
};

use super::family::{Family, counter, gauge};
use crate::metrics::{
    measured::{Binding, Switch, Tunnel},
    scrape::Scrape,
    sink::{Number, Sink},
};

const BINDING: &[&str] = &["port", "vlan", "switch", "vni"];
const TUNNEL: &[&str] = &["local", "remote"];
const SWITCH: &[&str] = &["switch", "vni"];
const LINK: &[&str] = &["interface", "role"];
const LOST: &[&str] = &["interface", "role", "why"];

/// Path counters that count packets; the others have metrics of their own.
const PACKETS: [PathCounter; 8] = [
    PathCounter::XdpDecap,
    PathCounter::XdpEncap,
    PathCounter::XdpLocal,
    PathCounter::XdpToTc,
    PathCounter::TcDecap,
    PathCounter::TcEncap,
    PathCounter::TcLocal,
    PathCounter::TcFlood,
];

/// A counter of [`Traffic`](gateway_common::binding::Traffic) for each binding or tunnel.
macro_rules! traffic {
    ($each:ident, $labels:ident, $field:ident, $name:literal, $help:literal) => {
        counter($name, $labels, $help, |scrape, to| $each(scrape, to, |one| one.traffic.$field))
    };
}

pub(super) const FAMILIES: &[Family] = &[
    traffic!(
        bindings,
        BINDING,
        rx_packets,
        "vtep_gateway_binding_receive_packets_total",
        "Frames that came in from a VLAN of an access port."
    ),
    traffic!(
        bindings,
        BINDING,
        rx_bytes,
        "vtep_gateway_binding_receive_bytes_total",
        "Bytes of these frames, without VLAN tag and frame check sequence."
    ),
    traffic!(
        bindings,
        BINDING,
        tx_packets,
        "vtep_gateway_binding_transmit_packets_total",
        "Frames that went out to a VLAN of an access port."
    ),
    traffic!(
        bindings,
        BINDING,
        tx_bytes,
        "vtep_gateway_binding_transmit_bytes_total",
        "Bytes of these frames, without VLAN tag and frame check sequence."
    ),
    traffic!(
        tunnels,
        TUNNEL,
        rx_packets,
        "vtep_gateway_tunnel_receive_packets_total",
        "Frames that came in through the tunnel from a remote VTEP."
    ),
    traffic!(
        tunnels,
        TUNNEL,
        rx_bytes,
        "vtep_gateway_tunnel_receive_bytes_total",
        "Bytes of these frames, without outer headers, VLAN tag and frame check sequence."
    ),
    traffic!(
        tunnels,
        TUNNEL,
        tx_packets,
        "vtep_gateway_tunnel_transmit_packets_total",
        "Frames that went out through the tunnel to a remote VTEP."
    ),
    traffic!(
        tunnels,
        TUNNEL,
        tx_bytes,
        "vtep_gateway_tunnel_transmit_bytes_total",
        "Bytes of these frames, without outer headers, VLAN tag and frame check sequence."
    ),
    gauge(
        "vtep_gateway_tunnel_resolved",
        TUNNEL,
        "1 if the next hop of the tunnel is known, 0 if packets to the remote VTEP are dropped.",
        |scrape, to| tunnels(scrape, to, |tunnel| tunnel.resolved),
    ),
    counter(
        "vtep_gateway_drops_total",
        &["reason"],
        "Packets dropped, by reason; docs/DROPS.md explains each.",
        |scrape, to| {
            let Some(drops) = &scrape.measured.drops else { return Ok(()) };
            DropReason::ALL.iter().try_for_each(|reason| to.put(&[reason.name()], drops.get(*reason)))
        },
    ),
    counter(
        "vtep_gateway_path_packets_total",
        &["path"],
        "Packets by path through the gateway; docs/DROPS.md explains each.",
        |scrape, to| {
            let Some(paths) = &scrape.measured.paths else { return Ok(()) };
            PACKETS.iter().try_for_each(|path| to.put(&[path.name()], paths.get(*path)))
        },
    ),
    counter(
        "vtep_gateway_flood_copies_total",
        &[],
        "Copies made of broadcast, unknown unicast and multicast frames.",
        |scrape, to| path(scrape, to, &[], PathCounter::FloodCopies),
    ),
    counter("vtep_gateway_fdb_learned_total", &[], "MACs learned.", |scrape, to| {
        path(scrape, to, &[], PathCounter::Learned)
    }),
    counter("vtep_gateway_fdb_moved_total", &[], "Learned MACs seen at another place.", |scrape, to| {
        path(scrape, to, &[], PathCounter::Moved)
    }),
    counter(
        "vtep_gateway_fdb_refused_total",
        &["reason"],
        "Frames that said something of a station that was not noted. Its MAC was not learned: learn_limit, the logical switch \
         has as many as it may; fdb_full, the forwarding database is full; learn_budget, its VLAN or tunnel had learned too \
         many lately. It was not moved: move_budget, likewise. Its IP address was not published: snoop_budget, likewise. One \
         that is flooded may count twice.",
        |scrape, to| {
            path(scrape, to, &["learn_limit"], PathCounter::LearnLimit)?;
            path(scrape, to, &["fdb_full"], PathCounter::FdbFull)?;
            path(scrape, to, &["learn_budget"], PathCounter::LearnBudget)?;
            path(scrape, to, &["move_budget"], PathCounter::MoveBudget)?;
            path(scrape, to, &["snoop_budget"], PathCounter::SnoopBudget)
        },
    ),
    counter(
        "vtep_gateway_fdb_events_lost_total",
        &[],
        "Learning events that the agent was too slow for; it finds those MACs at the next scan of the forwarding database.",
        |scrape, to| path(scrape, to, &[], PathCounter::EventsLost),
    ),
    gauge(
        "vtep_gateway_fdb_entries",
        &["origin"],
        "MACs in the forwarding database, given by the database or learned from frames.",
        |scrape, to| {
            to.put(&["given"], scrape.measured.fdb.static_macs)?;
            to.put(&["learned"], scrape.measured.fdb.learned)
        },
    ),
    gauge(
        "vtep_gateway_fdb_limit",
        &[],
        "MACs that the forwarding database has room for, fdb_size in the configuration.",
        |scrape, to| to.put(&[], scrape.measured.fdb.size),
    ),
    gauge("vtep_gateway_switch_fdb_given", SWITCH, "MACs of a logical switch given by the database.", |scrape, to| {
        switches(scrape, to, |switch| switch.static_macs)
    }),
    gauge(
        "vtep_gateway_switch_fdb_learned",
        SWITCH,
        "Learned MACs of a logical switch; aged ones are removed at the next scan of the forwarding database.",
        |scrape, to| switches(scrape, to, |switch| switch.learned),
    ),
    gauge(
        "vtep_gateway_switch_fdb_learn_limit",
        SWITCH,
        "Learned MACs of a logical switch at most: learn_limit, or its share of the room in the forwarding database.",
        |scrape, to| switches(scrape, to, |switch| switch.learn_limit),
    ),
    gauge(
        "vtep_gateway_bindings",
        &["state"],
        "Bindings that the database has, by state; docs/JSON.md explains each. All but forwards carry nothing.",
        |scrape, to| {
            let count = |state| scrape.measured.binding_states.get(state).copied().unwrap_or(0);
            BindingState::NAMES.iter().try_for_each(|state| to.put(&[state], count(*state)))
        },
    ),
    gauge(
        "vtep_gateway_programmed",
        &["what"],
        "How much is programmed: switches, bindings, tunnels, flood_members (in all switches), vteps (own addresses).",
        |scrape, to| {
            let programmed = &scrape.measured.programmed;
            to.put(&["switches"], programmed.switches)?;
            to.put(&["bindings"], programmed.bindings)?;
            to.put(&["tunnels"], programmed.tunnels)?;
            to.put(&["flood_members"], programmed.flood_members)?;
            to.put(&["vteps"], programmed.vteps)
        },
    ),
    gauge("vtep_gateway_programmed_limit", &["what"], "How much of it can be programmed at most.", |_, to| {
        to.put(&["switches"], u64::from(limits::MAX_SWITCHES))?;
        to.put(&["bindings"], u64::from(limits::MAX_BINDINGS))?;
        to.put(&["tunnels"], u64::from(limits::MAX_TUNNELS))?;
        to.put(&["flood_members"], u64::from(limits::MAX_FLOOD))?;
        to.put(&["vteps"], u64::from(limits::MAX_VTEPS))
    }),
    gauge(
        "vtep_gateway_series_left_out",
        &["what"],
        "Bindings, tunnels and switches that have no series of their own, because there are too many of them.",
        |scrape, to| {
            let left_out = &scrape.measured.left_out;
            to.put(&["bindings"], left_out.bindings)?;
            to.put(&["tunnels"], left_out.tunnels)?;
            to.put(&["switches"], left_out.switches)
        },
    ),
    gauge(
        "vtep_gateway_attached",
        &[],
        "1 if the programs are attached to all interfaces where they should be.",
        |scrape, to| to.put(&[], scrape.measured.attached),
    ),
    gauge(
        "vtep_gateway_link_up",
        LINK,
        "1 if an uplink or access port (role uplink or port) is there, up, and has a carrier.",
        |scrape, to| interfaces(scrape, to, |interface| interface.link.is_some_and(|link| link.up)),
    ),
    gauge(
        "vtep_gateway_link_xdp",
        LINK,
        "1 if XDP receives on the interface, 0 if TC does alone, which takes several times the CPU.",
        |scrape, to| interfaces(scrape, to, |interface| interface.mode == Some(Mode::Xdp)),
    ),
    counter(
        "vtep_gateway_redirect_lost_total",
        LOST,
        "Frames that XDP redirected to the interface and that were lost: refused by the kernel or the driver, or its queue was full.",
        |scrape, to| {
            let mut interfaces = scrape.measured.interfaces.iter();
            interfaces.try_for_each(|interface| {
                let (name, role) = (interface.name.as_str(), interface.role.name());
                to.put(&[name, role, "refused"], interface.redirect_refused)?;
                to.put(&[name, role, "full"], interface.redirect_full)
            })
        },
    ),
    counter(
        "vtep_gateway_bpf_run_seconds_total",
        &["program"],
        "Time that a program has run since the agent loaded it. The kernel counts only while sysctl kernel.bpf_stats_enabled is 1.",
        |scrape, to| {
            let mut programs = scrape.measured.programs.iter();
            programs.try_for_each(|program| to.put(&[program.name], program.run_time))
        },
    ),
    counter(
        "vtep_gateway_bpf_runs_total",
        &["program"],
        "How often a program has run since the agent loaded it. The kernel counts only while sysctl kernel.bpf_stats_enabled is 1.",
        |scrape, to| {
            let mut programs = scrape.measured.programs.iter();
            programs.try_for_each(|program| to.put(&[program.name], program.runs))
        },
    ),
    gauge(
        "vtep_gateway_bpf_stats_enabled",
        &[],
        "1 while the kernel counts what programs take, see the two above.",
        |scrape, to| to.maybe(&[], scrape.process.bpf_stats),
    ),
];

fn bindings(scrape: &Scrape, to: &mut Sink<'_>, value: fn(&Binding) -> u64) -> fmt::Result {
    scrape.measured.bindings.iter().try_for_each(|binding| {
        let (vlan, vni) = (binding.vlan.get().to_string(), binding.vni.to_string());
        to.put(&[&binding.port, &vlan, &binding.switch, &vni], value(binding))
    })
}

fn tunnels<N: Into<Number>>(scrape: &Scrape, to: &mut Sink<'_>, value: fn(&Tunnel) -> N) -> fmt::Result {
    let mut tunnels = scrape.measured.tunnels.iter();
    tunnels.try_for_each(|tunnel| to.put(&[&tunnel.local.to_string(), &tunnel.remote.to_string()], value(tunnel)))
}

fn switches(scrape: &Scrape, to: &mut Sink<'_>, value: fn(&Switch) -> u64) -> fmt::Result {
    let mut switches = scrape.measured.switches.iter();
    switches.try_for_each(|switch| to.put(&[&switch.name, &switch.vni.to_string()], value(switch)))
}

fn path(scrape: &Scrape, to: &mut Sink<'_>, labels: &[&str], which: PathCounter) -> fmt::Result {
    to.maybe(labels, scrape.measured.paths.map(|paths| paths.get(which)))
}

fn interfaces(scrape: &Scrape, to: &mut Sink<'_>, is: fn(&Interface) -> bool) -> fmt::Result {
    let mut interfaces = scrape.measured.interfaces.iter();
    interfaces.try_for_each(|interface| to.put(&[&interface.name, interface.role.name()], is(interface)))
}
