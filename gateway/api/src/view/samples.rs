//! Samples of each type, with every field set.

use std::net::IpAddr;

use gateway_common::{
    counters::{Drops, Paths},
    net::MacAddr,
};

use super::*;

const MAC: MacAddr = MacAddr([2, 0, 0x5e, 0, 0, 1]);

fn ip(last: u8) -> IpAddr {
    IpAddr::from([172, 31, 0, last])
}

const TRAFFIC: Traffic = Traffic { rx_packets: 1, rx_bytes: 60, tx_packets: 2, tx_bytes: 120 };

/// Returns an active node without a problem.
pub fn healthy() -> Status {
    Status {
        schema: SCHEMA,
        node: "gw1".into(),
        pid: 7,
        version: "0.1.0".into(),
        kernel: "6.18.0".into(),
        uptime_seconds: 3600,
        healthy: true,
        problems: Vec::new(),
        vteps: vec![ip(21)],
        udp_port: Some(4789),
        pin_dir: Some("/sys/fs/bpf/vtep-gateway".into()),
        database: Database::HardwareVtep(Following {
            reached: true,
            state: DatabaseState::Following,
            state_seconds: Some(100),
            hold_seconds_left: None,
            remote: Some("tcp:172.31.0.100:6640".into()),
            schema_version: Some("1.7.0".into()),
            unreadable_rows: 0,
            problems: Vec::new(),
            faults: Vec::new(),
            lock: DatabaseLock::Held,
            unreachable: None,
        }),
        forwarding: Forwarding {
            switches: 1,
            bindings: 1,
            bindings_bound: 1,
            bindings_forwarding: 1,
            tunnels: 1,
            tunnels_unresolved: 0,
            macs: 5,
            stations: 2,
            fdb_size: 262_144,
            known_unicast: Some(Carried { xdp: 990, tc: 10 }),
            problems: Vec::new(),
        },
        interfaces: vec![Interface {
            name: "eth0".into(),
            role: InterfaceRole::Uplink,
            configured_mode: Mode::Auto,
            mode: Some(Mode::Xdp),
            xdp_transmit: true,
            xdp_transmit_sg: true,
            redirect_refused: 0,
            redirect_full: 0,
            link: Some(LinkState { ifindex: 2, up: true, mtu: 1600, mac: Some(MAC) }),
            problem: None,
            members: None,
        }],
        vrrp: vec![router()],
        nodes: Some(Nodes {
            standbys: [("51".to_owned(), vec!["gw2 (172.31.0.2)".to_owned()])].into(),
            stations_heard: 3,
            problems: Vec::new(),
        }),
    }
}

/// Returns the active node's router.
pub fn router() -> Router {
    Router {
        name: "a".into(),
        vrid: 51,
        role: Role::Active,
        seconds_in_role: 60,
        priority: 150,
        configured_priority: 150,
        version: 3,
        interval: 1.0,
        interface: "eth0".into(),
        source: Some(ip(1)),
        addresses: vec![ip(21)],
        addresses_there: true,
        lease_left_ms: Some(2900),
        active_node: None,
        others: vec![ip(2)],
        other_routers: vec![OtherRouter {
            address: ip(2),
            priority: 100,
            version: 3,
            interval: 1.0,
            heard_seconds_ago: 1,
        }],
        problems: Vec::new(),
        faults: Vec::new(),
        unheard_by: None,
        bindings_able: 2,
        ablest: None,
        held: false,
        counters: VrrpCounters::default(),
    }
}

/// Returns a logical switch.
pub fn switch() -> Switch {
    Switch {
        name: Some("db-net".into()),
        vni: Some(5001),
        instance: Some("a".into()),
        programmed: true,
        reason: None,
        bindings: 1,
        bindings_bound: 1,
        flood_remotes: 1,
        macs_given: 5,
        macs_learned: 2,
        learn_limit: 8192,
        learn_remote: false,
    }
}

/// Returns a binding that forwards.
pub fn binding() -> Binding {
    Binding {
        port: "eth1".into(),
        vlan: 100,
        vni: Some(5001),
        switch: Some("db-net".into()),
        state: "forwards".into(),
        reason: None,
        traffic: TRAFFIC,
    }
}

/// Returns a tunnel that is resolved.
pub fn tunnel() -> Tunnel {
    let path = Path::Resolved { uplink: "eth0".into(), uplink_vlan: 0, next_hop_mac: MAC, max_frame_bytes: 1564 };
    Tunnel {
        local: ip(21),
        remote: ip(11),
        vnis: vec![5001],
        macs_given: 5,
        path,
        path_mtu_bytes: Some(1400),
        path_mtu_seconds_left: Some(540),
        traffic: TRAFFIC,
    }
}

/// Returns a MAC that was learned.
pub fn mac() -> Mac {
    let place = Place::Port { port: "eth1".into(), vlan: 100 };
    let (kind, age_seconds) = (Kind::Learned, Some(4));
    Mac { vni: 5001, switch: Some("db-net".into()), mac: MAC, kind, place, age_seconds, ip: Some(ip(99)) }
}

/// Returns a next hop.
pub fn neighbour() -> Neighbour {
    Neighbour {
        address: ip(11),
        interface: "eth0".into(),
        state: NeighbourState::Resolved,
        mac: Some(MAC),
        remotes: vec![ip(11)],
    }
}

/// Returns a sample of each type.
pub fn everything() -> Everything {
    Everything {
        status: healthy(),
        switches: vec![switch()],
        bindings: vec![binding()],
        tunnels: vec![tunnel()],
        neighbours: vec![neighbour()],
        counters: Counter::paths(&Paths::default()),
        drops: Counter::drops(&Drops::default()),
    }
}
