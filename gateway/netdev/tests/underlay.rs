//! Next hops, followed against the real kernel. Each test has its own network namespace, and needs root for it.
#![allow(clippy::unwrap_used, reason = "what a test does not expect fails it")]

mod netns;

use std::{collections::BTreeSet, net::IpAddr, os::fd::OwnedFd, sync::Arc, time::Duration};

use gateway_netdev::underlay::{self, Hop, Resolution, Snapshot, Tuning, Wanted, Why};
use netns::{Netns, PATIENCE, in_new, run};
use nix::sys::{
    socket::{AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket, sockopt},
    time::{TimeVal, TimeValLike},
};
use tokio::{sync::watch, time::timeout};

const REMOTE: &str = "10.9.0.2";
const PEER_MAC: &str = "02:00:00:00:00:02";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A host with an uplink `up0` to a neighbour with [`REMOTE`] and [`PEER_MAC`].
struct Lab {
    peer: Netns,
}

impl Lab {
    fn new() -> Self {
        let lab = Self { peer: Netns::new() };
        lab.plug();
        lab
    }

    /// (Re-)creates the cable between the two.
    fn plug(&self) {
        run(&format!("ip link add up0 type veth peer name peer0 address {PEER_MAC} netns {}", self.peer.path()));
        self.peer.run("ip addr add 10.9.0.2/24 dev peer0");
        self.peer.run("ip addr add 2001:db8::2/64 dev peer0 nodad");
        self.peer.run("ip link set peer0 up");
        run("ip addr add 10.9.0.1/24 dev up0");
        run("ip addr add 2001:db8::1/64 dev up0 nodad");
        run("ip link set up0 up");
    }
}

/// The underlay, followed in the background.
struct Followed {
    wanted: watch::Sender<Arc<Wanted>>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Followed {
    async fn start(remotes: &[&str]) -> Self {
        Self::start_with(remotes, Tuning::default()).await
    }

    async fn start_with(remotes: &[&str], tuning: Tuning) -> Self {
        let (wanted, receiver) = watch::channel(Arc::new(wants(remotes)));
        let (follower, snapshots) = underlay::open_with(receiver, tuning).await.unwrap();
        tokio::spawn(async { follower.run().await.unwrap() });
        Self { wanted, snapshots }
    }

    /// Waits until the snapshot is as it should be.
    async fn until(&mut self, what: &str, mut is: impl FnMut(&Snapshot) -> bool) -> Arc<Snapshot> {
        let found = timeout(PATIENCE, self.snapshots.wait_for(|snapshot| is(snapshot)))
            .await
            .map(|found| Arc::clone(&found.unwrap()));
        found.unwrap_or_else(|_| panic!("never {what}: {:#?}", self.snapshots.borrow()))
    }

    async fn hop(&mut self, remote: &str) -> Hop {
        let snapshot = self.until("resolved", |snapshot| hop(snapshot, remote).is_some()).await;
        hop(&snapshot, remote).unwrap()
    }

    async fn why(&mut self, remote: &str, matches: impl Fn(&Why) -> bool) -> Why {
        let fits = |snapshot: &Snapshot| match &snapshot.hops[&ip(remote)] {
            Resolution::Unresolved(why) if matches(why) => Some(why.clone()),
            _ => None,
        };
        let snapshot = self.until("unresolved that way", |snapshot| fits(snapshot).is_some()).await;
        fits(&snapshot).unwrap()
    }
}

fn wants(remotes: &[&str]) -> Wanted {
    Wanted {
        remotes: remotes.iter().map(|remote| ip(remote)).collect(),
        uplinks: ["up0".to_owned()].into(),
        ports: ["port0".to_owned()].into(),
        vteps: BTreeSet::new(),
    }
}

fn hop(snapshot: &Snapshot, remote: &str) -> Option<Hop> {
    match snapshot.hops.get(&ip(remote))? {
        Resolution::Resolved(hop) => Some(*hop),
        Resolution::Unresolved(_) => None,
    }
}

#[test]
fn on_link_remotes_resolve_by_arp_and_nd() {
    in_new(|| async {
        let _lab = Lab::new();
        let mut followed = Followed::start(&[REMOTE, "2001:db8::2"]).await;
        let hop = followed.hop(REMOTE).await;
        assert_eq!(hop.dst_mac.to_string(), PEER_MAC);
        assert_eq!((hop.vlan, hop.mtu, hop.source), (0, 1500, Some(ip("10.9.0.1"))));
        let up0 = followed.snapshots.borrow().links["up0"].clone();
        assert_eq!((hop.ifindex, Some(hop.src_mac), up0.up), (up0.ifindex, up0.mac, true));
        assert_eq!(followed.hop("2001:db8::2").await.dst_mac.to_string(), PEER_MAC);
    });
}

#[test]
fn remotes_behind_a_router_go_to_the_router() {
    in_new(|| async {
        let _lab = Lab::new();
        run("ip route add 192.0.2.0/24 via 10.9.0.2 mtu 1400");
        run("ip route add 198.51.100.0/24 via inet6 2001:db8::2");
        run("ip route add 2001:db8:1::/64 via 2001:db8::2");
        let mut followed = Followed::start(&["192.0.2.7", "198.51.100.7", "2001:db8:1::7"]).await;
        let hop = followed.hop("192.0.2.7").await;
        assert_eq!((hop.dst_mac.to_string().as_str(), hop.mtu), (PEER_MAC, 1400));
        assert_eq!(followed.hop("198.51.100.7").await.dst_mac.to_string(), PEER_MAC);
        assert_eq!(followed.hop("2001:db8:1::7").await.dst_mac.to_string(), PEER_MAC);
    });
}

#[test]
fn routes_are_followed() {
    in_new(|| async {
        let _lab = Lab::new();
        let mut followed = Followed::start(&["192.0.2.7"]).await;
        followed.why("192.0.2.7", |why| *why == Why::NoRoute { down: vec![] }).await;
        run("ip route add 192.0.2.0/24 via 10.9.0.2");
        followed.hop("192.0.2.7").await;
        run("ip route add blackhole 192.0.2.7/32");
        followed.why("192.0.2.7", |why| matches!(why, Why::Forbidden(_))).await;
        run("ip route del blackhole 192.0.2.7/32");
        followed.hop("192.0.2.7").await;
        run("ip link add other0 type veth peer name other1");
        run("ip addr add 10.8.0.1/24 dev other0");
        run("ip link set other0 up");
        run("ip route add 192.0.2.7/32 via 10.8.0.2");
        followed.why("192.0.2.7", |why| *why == Why::NotUplink { link: "other0".into() }).await;
    });
}

#[test]
fn source_rules_are_obeyed_and_a_source_the_host_lacks_is_no_hindrance() {
    in_new(|| async {
        let _lab = Lab::new();
        run("ip addr add 10.9.0.100/32 dev lo");
        run("ip rule add from 10.9.0.100 table 77");
        run("ip route add 192.0.2.0/24 via 10.9.0.2 table 77");
        let mut followed = Followed::start(&["192.0.2.7", REMOTE]).await;
        followed.why("192.0.2.7", |why| *why == Why::NoRoute { down: vec![] }).await;
        let vteps = [ip("10.9.0.100")].into();
        followed.wanted.send_replace(Arc::new(Wanted { vteps, ..wants(&["192.0.2.7", REMOTE]) }));
        assert_eq!(followed.hop("192.0.2.7").await.source, Some(ip("10.9.0.100")));
        let vteps = [ip("10.9.0.200")].into();
        followed.wanted.send_replace(Arc::new(Wanted { vteps, ..wants(&["192.0.2.7", REMOTE]) }));
        followed.why("192.0.2.7", |why| *why == Why::NoRoute { down: vec![] }).await;
        followed.hop(REMOTE).await;
    });
}

#[test]
fn own_address_is_no_remote() {
    in_new(|| async {
        let _lab = Lab::new();
        let mut followed = Followed::start(&["10.9.0.1", "10.9.0.255"]).await;
        followed.why("10.9.0.1", |why| *why == Why::OwnAddress).await;
        followed.why("10.9.0.255", |why| *why == Why::NotUnicast).await;
    });
}

#[test]
fn a_changed_mac_is_followed() {
    in_new(|| async {
        let lab = Lab::new();
        let mut followed = Followed::start(&[REMOTE]).await;
        followed.hop(REMOTE).await;
        lab.peer.run("ip link set peer0 address 02:00:00:00:00:99");
        // What a host does that takes over an address; without it, the kernel's own probing finds out later.
        lab.peer.run("sysctl -qw net.ipv4.conf.peer0.arp_notify=1");
        lab.peer.run("ip link set peer0 down");
        lab.peer.run("ip link set peer0 up");
        let new = "02:00:00:00:00:99";
        followed
            .until("on the new MAC", |snapshot| hop(snapshot, REMOTE).is_some_and(|hop| hop.dst_mac.to_string() == new))
            .await;
    });
}

#[test]
fn link_down_unresolves_and_up_resolves_again() {
    in_new(|| async {
        let _lab = Lab::new();
        let mut followed = Followed::start(&[REMOTE]).await;
        followed.hop(REMOTE).await;
        run("ip link set up0 down");
        let why = followed.why(REMOTE, |why| matches!(why, Why::NoRoute { .. })).await;
        assert_eq!(why, Why::NoRoute { down: vec!["up0".into()] });
        assert!(!followed.snapshots.borrow().links["up0"].up);
        run("ip link set up0 up");
        followed.hop(REMOTE).await;
    });
}

#[test]
fn lost_carrier_unresolves() {
    in_new(|| async {
        let lab = Lab::new();
        let mut followed = Followed::start(&[REMOTE]).await;
        followed.hop(REMOTE).await;
        lab.peer.run("ip link set peer0 down");
        followed.why(REMOTE, |why| *why == Why::NoCarrier { link: "up0".into() }).await;
        lab.peer.run("ip link set peer0 up");
        followed.hop(REMOTE).await;
    });
}

#[test]
fn recreated_interface_comes_back_with_its_new_index() {
    in_new(|| async {
        let lab = Lab::new();
        let mut followed = Followed::start(&[REMOTE]).await;
        let before = followed.hop(REMOTE).await;
        run("ip link del up0");
        followed.until("gone", |snapshot| !snapshot.links.contains_key("up0")).await;
        run("ip link add spacer type veth peer name spacer1");
        lab.plug();
        let after = followed.hop(REMOTE).await;
        assert_ne!(before.ifindex, after.ifindex);
        assert_eq!(followed.snapshots.borrow().links["up0"].ifindex, after.ifindex);
    });
}

#[test]
fn access_ports_are_followed_too() {
    in_new(|| async {
        let mut followed = Followed::start(&[]).await;
        assert!(followed.snapshots.borrow().links.is_empty());
        run("ip link add port0 mtu 1234 type veth peer name port1");
        let snapshot = followed.until("there", |snapshot| snapshot.links.contains_key("port0")).await;
        assert_eq!((snapshot.links["port0"].mtu, snapshot.links["port0"].up), (1234, false));
        run("ip link set port1 up");
        run("ip link set port0 up");
        followed.until("up", |snapshot| snapshot.links["port0"].up).await;
    });
}

#[test]
fn an_unresolved_neighbour_is_asked_for_by_arp() {
    in_new(|| async {
        let _lab = Lab::new();
        let frames = frames();
        let mut followed = Followed::start(&["10.9.0.77"]).await;
        let why = followed.why("10.9.0.77", |why| matches!(why, Why::NeighbourPending { .. })).await;
        assert!(why.to_string().contains("10.9.0.77"), "{why}");
        let seen = tokio::task::spawn_blocking(move || {
            let mut frame = [0; 128];
            // The target protocol address of an ARP request is its last field (RFC 826): bytes 38 to 41.
            while let Ok(length) = nix::unistd::read(&frames, &mut frame) {
                if length >= 42 && frame[12..14] == [8, 6] && frame[38..42] == [10, 9, 0, 77] {
                    return true;
                }
            }
            false
        });
        assert!(seen.await.unwrap(), "no ARP request for the remote was seen");
        followed.why("10.9.0.77", |why| matches!(why, Why::NeighbourFailed { .. })).await;
    });
}

#[test]
fn neighbours_are_managed_while_wanted() {
    in_new(|| async {
        let _lab = Lab::new();
        let mut followed = Followed::start(&[REMOTE]).await;
        followed.hop(REMOTE).await;
        assert!(run("ip neigh show 10.9.0.2 dev up0").contains("managed"));
        followed.wanted.send_replace(Arc::new(wants(&[])));
        followed.until("empty", |snapshot| snapshot.hops.is_empty()).await;
        let entry = run("ip neigh show 10.9.0.2 dev up0");
        assert!(entry.contains(PEER_MAC) && !entry.contains("managed"), "{entry}");
    });
}

#[test]
fn an_operators_permanent_entry_is_used_and_left_alone() {
    in_new(|| async {
        let _lab = Lab::new();
        run("ip neigh add 10.9.0.50 lladdr 02:00:00:00:00:50 dev up0 nud permanent");
        let mut followed = Followed::start(&["10.9.0.50", REMOTE]).await;
        assert_eq!(followed.hop("10.9.0.50").await.dst_mac.to_string(), "02:00:00:00:00:50");
        followed.hop(REMOTE).await;
        let entry = run("ip neigh show 10.9.0.50 dev up0");
        assert!(entry.contains("PERMANENT") && !entry.contains("managed"), "{entry}");
    });
}

#[test]
fn lost_news_are_made_up_for() {
    in_new(|| async {
        let lab = Lab::new();
        let remotes: Vec<String> = (10..110).map(|host| format!("10.9.0.{host}")).collect();
        let names: Vec<&str> = remotes.iter().map(String::as_str).collect();
        let tuning = Tuning { news_buffer: 1, refresh: Duration::from_secs(3600), ..Tuning::default() };
        let mut followed = Followed::start_with(&names, tuning).await;
        // While this thread is busy here nobody reads, and the smallest buffer there is overflows.
        let batch: String =
            remotes.iter().map(|remote| format!("neigh replace {remote} lladdr {PEER_MAC} dev up0\n")).collect();
        let file = std::env::temp_dir().join(format!("vtep-gateway-underlay-{}.batch", std::process::id()));
        std::fs::write(&file, batch).unwrap();
        run(&format!("ip -batch {}", file.display()));
        std::fs::remove_file(file).unwrap();
        for name in names {
            followed.hop(name).await;
        }
        drop(lab);
    });
}

#[test]
fn two_hundred_remotes_resolve() {
    in_new(|| async {
        let lab = Lab::new();
        run("ip route add 172.20.0.0/16 via 10.9.0.2");
        let mut remotes: Vec<String> = (0..100).map(|host| format!("172.20.1.{host}")).collect();
        for host in 100..200 {
            lab.peer.run(&format!("ip addr add 10.9.0.{host}/24 dev peer0"));
            remotes.push(format!("10.9.0.{host}"));
        }
        let names: Vec<&str> = remotes.iter().map(String::as_str).collect();
        let mut followed = Followed::start(&names).await;
        let all = |snapshot: &Snapshot| names.iter().all(|name| hop(snapshot, name).is_some());
        followed.until("all resolved", all).await;
        run("ip link set up0 down");
        followed.until("none resolved", |snapshot| names.iter().all(|name| hop(snapshot, name).is_none())).await;
        run("ip link set up0 up");
        run("ip route add 172.20.0.0/16 via 10.9.0.2");
        followed.until("all resolved again", all).await;
    });
}

/// A packet socket that sees every frame of the test's namespace.
fn frames() -> OwnedFd {
    let fd = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll).unwrap();
    setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::seconds(PATIENCE.as_secs() as i64)).unwrap();
    fd
}
