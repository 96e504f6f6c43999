//! Two flows that the programs keep in one place: what was decided about the one must not be done to the other.
//!
//! Keys that differ lie in different places as a rule, so pairs that do not are looked for.

use gateway_common::{
    flow::{FROM_VLAN, FlowKey},
    net::MacAddr,
};

use crate::{
    flows::{forget, observed},
    packets::*,
    world::{
        From, GATEWAY_MAC, GATEWAY_V4, Hook, LEARNING_NET, NET, Outcome, REMOTE_TAGGED, REMOTE_V4, Verdict, World,
    },
};

/// A packet between two stations.
#[derive(Clone, Copy)]
struct One {
    from: Place,
    src: MacAddr,
    dst: MacAddr,
}

/// Where it comes from.
#[derive(Clone, Copy)]
enum Place {
    /// A port, its number and the VLAN.
    Vlan(From, u32, u16),
    /// A remote VTEP, and the VNI.
    Tunnel(&'static str, u32),
}

impl One {
    fn key(&self) -> FlowKey {
        let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (self.dst.0, self.src.0);
        let (macs, rest) = (u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u32::from_ne_bytes([i, j, k, l]));
        let (ends, net, outermost) = match self.from {
            Place::Vlan(_, ifindex, vlan) => (u64::from(ifindex) << 32 | u64::from(vlan), FROM_VLAN, 0),
            Place::Tunnel(remote, vni) => {
                let octets = |ip: &str| ip.parse::<std::net::Ipv4Addr>().unwrap().octets();
                let ([a, b, c, d], [e, f, g, h]) = (octets(remote), octets(GATEWAY_V4));
                let [i, j, k, l, m, n] = GATEWAY_MAC.0;
                (
                    u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
                    u32::from_ne_bytes((vni << 8).to_be_bytes()),
                    u64::from_le_bytes([i, j, k, l, m, n, 0, 0]),
                )
            }
        };
        FlowKey { ends, macs, rest, net, outermost }
    }

    fn run(&self, world: &mut World) -> Outcome {
        let inner = udp(self.src, self.dst);
        match self.from {
            Place::Vlan(from, _, vlan) => world.run(Hook::Xdp, from, &tagged(&inner, vlan)),
            Place::Tunnel(remote, vni) => world.run(Hook::Xdp, From::Uplink, &tunnelled(remote, vni, &inner)),
        }
    }
}

fn vlan(world: &World, from: From, vlan: u16) -> Place {
    Place::Vlan(from, world.binding(from, vlan).ifindex, vlan)
}

/// Stations, none of which has a place of its own anywhere; with the same first two bytes if `alike`.
fn strangers(alike: bool) -> impl Iterator<Item = MacAddr> {
    (1..1_u64 << 20).map(move |number| {
        // As different from each other as can be (the golden ratio's bits).
        let [a, b, c, d, e, f, ..] = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        if alike { MacAddr([2, 0xaa, c, d, e, f]) } else { MacAddr([a & 0xfc | 2, b, c, d, e, f]) }
    })
}

/// Two packets of some stranger that are kept in one place.
fn pair(alike: bool, both: impl Fn(MacAddr) -> (One, One)) -> (One, One) {
    let same = |(one, other): &(One, One)| one.key() != other.key() && one.key().slot() == other.key().slot();
    strangers(alike).map(both).find(same).expect("among a million there is one")
}

/// Two packets from one stranger to `dst` that differ in where they come from.
fn from_two(places: [Place; 2], dst: MacAddr) -> (One, One) {
    pair(false, |src| (One { from: places[0], src, dst }, One { from: places[1], src, dst }))
}

/// The one is forwarded, and the other is judged as if that had not been.
fn keeps_apart(world: &mut World, (one, other): (One, One)) {
    forget(world);
    let alone = other.run(world);
    forget(world);
    let first = one.run(world);
    assert_eq!(first.verdict, Verdict::Redirect);
    let after = other.run(world);
    assert_eq!(observed(&after), observed(&alone));
    assert_ne!(after.verdict, first.verdict, "the two can be distinguished by their verdicts");
}

#[test]
fn flows_of_one_place_that_differ_in_their_vlan_only_are_kept_apart() {
    let mut world = World::new();
    let both = from_two([vlan(&world, From::PortA, 100), vlan(&world, From::PortA, 200)], VM1);
    keeps_apart(&mut world, both);
}

#[test]
fn flows_of_one_place_that_differ_in_their_port_only_are_kept_apart() {
    let mut world = World::new();
    let both = from_two([vlan(&world, From::PortA, 100), vlan(&world, From::PortB, 100)], VM1);
    keeps_apart(&mut world, both);
}

#[test]
fn flows_of_one_place_that_differ_in_their_destination_only_are_kept_apart() {
    let mut world = World::new();
    let from = vlan(&world, From::PortA, 100);
    let to = |src, dst| One { from, src, dst };
    keeps_apart(&mut world, pair(false, |src| (to(src, VM1), to(src, MacAddr::BROADCAST))));
}

#[test]
fn flows_of_one_place_that_differ_in_their_source_only_are_kept_apart() {
    let mut world = World::new();
    let from = vlan(&world, From::PortA, 100);
    let to = |src, dst| One { from, src, dst };
    // Given as being behind a tunnel, the other may not send from here.
    let both = pair(true, |src| (to(src, VM1), to(VM_TAGGED, VM1)));
    assert_eq!(both.0.key().macs, both.1.key().macs);
    keeps_apart(&mut world, both);
}

#[test]
fn flows_of_one_place_that_differ_in_their_vni_only_are_kept_apart() {
    let mut world = World::new();
    let with = |vni| One { from: Place::Tunnel(REMOTE_V4, vni), src: VM1, dst: HOST1 };
    // Of near numbers none shares a place, so any will do; no logical switch has it.
    let same = |vni: &u32| *vni != NET && with(*vni).key().slot() == with(NET).key().slot();
    let vni = (LEARNING_NET + 100..1 << 24).find(same).expect("among millions there is one");
    keeps_apart(&mut world, (with(NET), with(vni)));
}

#[test]
fn flows_of_one_place_that_differ_in_their_tunnel_only_are_kept_apart() {
    let mut world = World::new();
    keeps_apart(&mut world, from_two([REMOTE_V4, "172.31.0.99"].map(|remote| Place::Tunnel(remote, NET)), HOST1));
    // And of two that are known each is counted for its own.
    let (one, other) = from_two([REMOTE_V4, REMOTE_TAGGED].map(|remote| Place::Tunnel(remote, NET)), HOST1);
    forget(&mut world);
    let received = |world: &World, remote| {
        let id = world.maps.programmed().unwrap().remote_vteps[&world.tunnel(remote).0];
        world.maps.tunnel_traffic(id).unwrap().rx_packets
    };
    let before = received(&world, REMOTE_TAGGED);
    one.run(&mut world);
    other.run(&mut world);
    assert_eq!(received(&world, REMOTE_TAGGED), before + 1);
}
