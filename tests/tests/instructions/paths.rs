//! The paths a packet can take, each with packets that take it.

use std::collections::BTreeMap;

use etherparse::PacketBuilder;
use gateway_common::{
    counters::{DropReason, PathCounter},
    net::MacAddr,
};
use gateway_datapath::{
    Desired, Place,
    desired::{BindingPlan, SwitchPlan},
};
use lab::sample::median;

use crate::{
    clock::Clock,
    packets::*,
    world::{From, GATEWAY_MAC, GATEWAY_V4, Hook, NET, Outcome, REMOTE_V4, ROUTER_MAC, Verdict, World},
};

/// Packets of a flow after its first, of which the middle one counts.
const LATER: u16 = 15;

/// Flows, each in a world of its own, of whose first packets the middle one counts.
const FLOWS: usize = 5;

/// Broadcast here goes to one remote VTEP: VLAN 501 of port A.
const ONE_REMOTE: (u32, u16, u8) = (6001, 501, 1);
/// Broadcast here goes to 16 remote VTEPs: VLAN 516 of port A.
const MANY_REMOTES: (u32, u16, u8) = (6016, 516, 16);
/// Of no logical switch.
const UNKNOWN_NET: u32 = 7777;

/// Expected result of a packet; with another one, it was not this path that was counted.
#[derive(Clone, Copy)]
enum Fate {
    Passed,
    Taken(PathCounter),
    Dropped(DropReason),
}

/// One path.
struct Path {
    name: &'static str,
    hook: Hook,
    from: From,
    fate: Fate,
    /// The packets of one flow, by number.
    packet: fn(u16) -> Vec<u8>,
}

const fn path(name: &'static str, hook: Hook, from: From, fate: Fate, packet: fn(u16) -> Vec<u8>) -> Path {
    Path { name, hook, from, fate, packet }
}

/// Where the first packet of a flow differs from later ones. Sender and receiver are static, not learned.
const FLOWING: [Path; 6] = [
    path("xdp_decap", Hook::Xdp, From::Uplink, Fate::Taken(PathCounter::XdpDecap), from_tunnel),
    path("xdp_encap", Hook::Xdp, From::PortA, Fate::Taken(PathCounter::XdpEncap), to_tunnel),
    path("xdp_local", Hook::Xdp, From::PortA, Fate::Taken(PathCounter::XdpLocal), to_port),
    path("tc_decap", Hook::Tc, From::Uplink, Fate::Taken(PathCounter::TcDecap), from_tunnel),
    path("tc_encap", Hook::Tc, From::PortA, Fate::Taken(PathCounter::TcEncap), to_tunnel),
    path("tc_local", Hook::Tc, From::PortA, Fate::Taken(PathCounter::TcLocal), to_port),
];

/// Where all packets are alike.
const OTHERS: [Path; 9] = [
    path("xdp_foreign", Hook::Xdp, From::Uplink, Fate::Passed, ssh),
    path("tc_foreign", Hook::Tc, From::Uplink, Fate::Passed, ssh),
    path("xdp_unknown_vni", Hook::Xdp, From::Uplink, Fate::Dropped(DropReason::UnknownVni), of_no_switch),
    path("xdp_encap_learned", Hook::Xdp, From::PortA, Fate::Taken(PathCounter::XdpEncap), from_learned),
    path("xdp_encap_learning", Hook::Xdp, From::PortA, Fate::Taken(PathCounter::Learned), from_stranger),
    path("xdp_broadcast_to_tc", Hook::Xdp, From::PortA, Fate::Taken(PathCounter::XdpToTc), broadcast),
    path("xdp_tunnelled_broadcast_to_tc", Hook::Xdp, From::Uplink, Fate::Taken(PathCounter::XdpToTc), broadcast_inside),
    path("tc_flood_to_1", Hook::Tc, From::PortA, Fate::Taken(PathCounter::TcFlood), |_| flooded(ONE_REMOTE)),
    path("tc_flood_to_16", Hook::Tc, From::PortA, Fate::Taken(PathCounter::TcFlood), |_| flooded(MANY_REMOTES)),
];

/// Instructions per packet of every path, by its name.
pub(crate) fn all(clock: &Clock) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for path in &FLOWING {
        // Forwarding that has just been written is new to the programs, whatever they may keep of what they have seen.
        let mut first = Vec::new();
        let mut later = Vec::new();
        for _ in 0..FLOWS {
            let mut world = world();
            first.push(run(&mut world, clock, path, 0));
            later = (1..=LATER).map(|number| run(&mut world, clock, path, number)).collect();
        }
        counts.insert(format!("{}_first", path.name), median(first));
        counts.insert(format!("{}_later", path.name), median(later));
    }
    let mut world = world();
    for path in &OTHERS {
        // The first one is not like the others, where the sender is learned by it.
        run(&mut world, clock, path, 0);
        let counted = (1..=LATER).map(|number| run(&mut world, clock, path, number)).collect();
        counts.insert(path.name.to_owned(), median(counted));
    }
    counts
}

fn world() -> World {
    let mut world = World::new();
    let [one, many] = [ONE_REMOTE, MANY_REMOTES].map(|net| flood_net(&world, net));
    world.reprogram(|desired| {
        // As it is where no port has an MTU of its own.
        desired.settings.fits_every_port = 1514;
        one(desired);
        many(desired);
    });
    world
}

/// Adds a logical switch with one binding and some remote VTEPs.
fn flood_net(world: &World, (vni, vlan, remotes): (u32, u16, u8)) -> impl FnOnce(&mut Desired) + use<> {
    let binding = world.binding(From::PortA, vlan);
    let tunnels: Vec<_> = (1..=remotes).map(|last| world.tunnel(&format!("172.31.{}.{last}", 100 + remotes))).collect();
    move |desired| {
        desired.switches.insert(vni, SwitchPlan { learn_limit: 100, ..SwitchPlan::default() });
        desired.bindings.insert(binding, BindingPlan { vni, ..BindingPlan::default() });
        let remotes = tunnels.iter().map(|(ends, _)| Place::Remote { ends: *ends, vni });
        desired.flood.insert(vni, remotes.chain([Place::Local(binding)]).collect());
        desired.tunnels.extend(tunnels.iter().copied());
    }
}

/// Instructions for one packet.
fn run(world: &mut World, clock: &Clock, path: &Path, number: u16) -> u64 {
    let outcome = world.run(path.hook, path.from, &(path.packet)(number));
    assert!(path.fate.is(&outcome), "{} was not taken: {outcome:?}", path.name);
    // Copies that nobody fetches would take more and more memory, and the next copies' time with it.
    for port in [From::Uplink, From::PortA, From::PortB] {
        world.sent(port);
    }
    clock.instructions(path.hook, outcome.took)
}

impl Fate {
    fn is(self, outcome: &Outcome) -> bool {
        let dropped = outcome.dropped();
        match self {
            Self::Passed => outcome.verdict == Verdict::Pass && dropped.is_empty(),
            Self::Taken(path) => outcome.counted(path) == 1 && dropped.is_empty(),
            Self::Dropped(reason) => outcome.verdict == Verdict::Drop && dropped == [(reason, 1)],
        }
    }
}

fn from_tunnel(_: u16) -> Vec<u8> {
    tunnelled(REMOTE_V4, NET, &udp(VM1, HOST1))
}

fn to_tunnel(_: u16) -> Vec<u8> {
    tagged(&udp(HOST1, VM1), 100)
}

fn to_port(_: u16) -> Vec<u8> {
    tagged(&udp(HOST1, HOST3), 100)
}

/// A packet to the host itself, from an administrator's machine.
fn ssh(_: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let octets = |text: &str| text.parse::<std::net::Ipv4Addr>().unwrap().octets();
    PacketBuilder::ethernet2(ROUTER_MAC.0, GATEWAY_MAC.0)
        .ipv4(octets("172.31.9.9"), octets(GATEWAY_V4), 64)
        .tcp(40000, 22, 7, 1024)
        .write(&mut bytes, &[0; 36])
        .unwrap();
    bytes
}

fn of_no_switch(_: u16) -> Vec<u8> {
    tunnelled(REMOTE_V4, UNKNOWN_NET, &udp(VM1, HOST1))
}

fn from_learned(_: u16) -> Vec<u8> {
    tagged(&udp(STRANGER, VM1), 100)
}

fn from_stranger(number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    tagged(&udp(MacAddr([2, 0xdd, 0, 0, high, low]), VM1), 100)
}

fn broadcast(_: u16) -> Vec<u8> {
    tagged(&udp(HOST1, MacAddr::BROADCAST), 100)
}

fn broadcast_inside(_: u16) -> Vec<u8> {
    tunnelled(REMOTE_V4, NET, &udp(VM1, MacAddr::BROADCAST))
}

fn flooded((_, vlan, _): (u32, u16, u8)) -> Vec<u8> {
    tagged(&udp(HOST1, MacAddr::BROADCAST), vlan)
}
