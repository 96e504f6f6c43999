//! From one socket to another.

use std::net::IpAddr;

use gateway_base::clock;
use gateway_ha::{AdvertSocket, Family, SocketError, SocketOptions};
use gateway_vrrp::{Checksum, PacketError, Version};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    lab::{
        Lab, OWN, OWN_LINK_LOCAL, PEER, PEER_LINK_LOCAL, SendNext, advertisement, arrival, departure, ip, open,
        options, parse,
    },
    netns::{in_new, run},
};

#[test]
fn multicast_over_ipv4_arrives() {
    in_new(|| async {
        let lab = Lab::new();
        let mut peer = lab.open_peer(Family::V4, &[]);
        let sent = advertisement("10.9.0.100");
        open("own0", Family::V4, &[]).send_next(&sent).unwrap();
        let received = arrival(&mut peer).await;
        let envelope = received.envelope;
        assert_eq!((envelope.from, envelope.to, envelope.ttl), (ip(OWN), ip("224.0.0.18"), 255));
        assert_eq!(parse(&received), Ok(sent));
    });
}

#[test]
fn multicast_over_ipv6_arrives_from_the_link_local_address() {
    in_new(|| async {
        let lab = Lab::new();
        run("ip addr add 2001:db8::1/64 dev own0 nodad");
        let mut peer = lab.open_peer(Family::V6, &[]);
        let sent = advertisement("2001:db8::100");
        open("own0", Family::V6, &[]).send_next(&sent).unwrap();
        let received = arrival(&mut peer).await;
        let envelope = received.envelope;
        assert_eq!((envelope.from, envelope.to, envelope.ttl), (ip(OWN_LINK_LOCAL), ip("ff02::12"), 255));
        assert_eq!(parse(&received), Ok(sent));
    });
}

#[test]
fn unicast_arrives_with_a_checksum_for_its_receiver() {
    in_new(|| async {
        let lab = Lab::new();
        for (family, to, address) in [(Family::V4, PEER, "10.9.0.100"), (Family::V6, PEER_LINK_LOCAL, "2001:db8::100")]
        {
            let mut peer = lab.open_peer(family, &[]);
            let mut own = open("own0", family, &[to]);
            let sent = advertisement(address);
            let id = own.send_next(&sent).unwrap();
            let received = arrival(&mut peer).await;
            assert_eq!((received.envelope.to, received.envelope.ttl), (ip(to), 255));
            assert_eq!(parse(&received), Ok(sent));
            departure(&mut own, id).await;
        }
    });
}

#[test]
fn version_2_and_the_bare_checksum_arrive_as_they_were_sent() {
    in_new(|| async {
        let lab = Lab::new();
        let mut peer = lab.open_peer(Family::V4, &[]);
        let mut own = open("own0", Family::V4, &[]);
        for version in [Version::V2, Version::V3] {
            let mut sent = advertisement("10.9.0.100");
            (sent.version, sent.checksum) = (version, Checksum::MessageOnly);
            own.send_next(&sent).unwrap();
            assert_eq!(parse(&arrival(&mut peer).await), Ok(sent));
        }
    });
}

#[test]
fn time_of_arrival_is_when_the_kernel_had_it() {
    in_new(|| async {
        let lab = Lab::new();
        let mut peer = lab.open_peer(Family::V4, &[]);
        let mut own = open("own0", Family::V4, &[]);
        let before = clock::monotonic();
        let id = own.send_next(&advertisement("10.9.0.100")).unwrap();
        departure(&mut own, id).await;
        let after = clock::monotonic();
        let late = after + std::time::Duration::from_millis(50);
        crate::lab::until("later", || (clock::monotonic() > late).then_some(())).await;
        let at = arrival(&mut peer).await.at;
        assert!(before <= at && at < late, "{before:?} <= {at:?} < {late:?}");
    });
}

#[test]
fn forwarded_packet_is_distinguished_from_one_on_the_link() {
    in_new(|| async {
        let lab = Lab::new();
        let mut peer = lab.open_peer(Family::V4, &[]);
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112))).unwrap();
        socket.set_ttl_v4(254).unwrap();
        let message = advertisement("10.9.0.100").emit(ip(OWN), ip(PEER));
        socket.send_to(&message, &std::net::SocketAddr::new(ip(PEER), 0).into()).unwrap();
        assert_eq!(parse(&arrival(&mut peer).await), Err(PacketError::Ttl(254)));
    });
}

#[test]
fn own_advertisements_are_not_received() {
    in_new(|| async {
        let lab = Lab::new();
        let mut own = open("own0", Family::V4, &[]);
        own.send_next(&advertisement("10.9.0.100")).unwrap();
        lab.open_peer(Family::V4, &[]).send_next(&advertisement("10.9.0.100")).unwrap();
        assert_eq!(arrival(&mut own).await.envelope.from, ip(PEER));
        assert_eq!(own.receive().unwrap(), None);
    });
}

#[test]
fn other_interfaces_are_not_received() {
    in_new(|| async {
        let lab = Lab::new();
        run("ip link add other0 type veth peer name other1");
        run("ip link set other1 up");
        run("ip addr add 10.8.0.1/24 dev other0");
        run("ip addr add fe80::8/64 dev other0 nodad");
        run("ip link set other0 up");
        let peer = advertisement("10.9.0.100");
        for family in [Family::V4, Family::V6] {
            let (mut own, mut other) = (open("own0", family, &[]), open("other0", family, &[]));
            lab.open_peer(family, &[]).send_next(&peer).unwrap();
            arrival(&mut own).await;
            assert_eq!(other.receive().unwrap(), None);
        }
    });
}

#[test]
fn socket_that_does_not_listen_receives_nothing() {
    in_new(|| async {
        let lab = Lab::new();
        let mut deaf = AdvertSocket::open(&SocketOptions { listen: false, ..options("own0", Family::V4) }).unwrap();
        let mut own = open("own0", Family::V4, &[]);
        lab.open_peer(Family::V4, &[]).send_next(&advertisement("10.9.0.100")).unwrap();
        lab.open_peer(Family::V4, &[OWN]).send_next(&advertisement("10.9.0.100")).unwrap();
        arrival(&mut own).await;
        arrival(&mut own).await;
        assert_eq!(deaf.receive().unwrap(), None);
        let id = deaf.send_next(&advertisement("10.9.0.100")).unwrap();
        departure(&mut deaf, id).await;
    });
}

#[test]
fn virtual_address_is_no_source() {
    in_new(|| async {
        let _lab = Lab::new();
        run(&format!("ip addr del {OWN}/24 dev own0"));
        run("ip addr add 10.9.0.100/32 dev own0");
        let virtual_addresses: &[IpAddr] = &[ip("10.9.0.100")];
        let with = SocketOptions { virtual_addresses, ..options("own0", Family::V4) };
        assert!(matches!(AdvertSocket::open(&with), Err(SocketError::NoSource(name)) if name == "own0"));
        run("ip addr add 10.9.0.7/24 dev own0");
        assert_eq!(AdvertSocket::open(&with).unwrap().source(), ip("10.9.0.7"));
    });
}

#[test]
fn configured_source_is_used() {
    in_new(|| async {
        let lab = Lab::new();
        run("ip addr add 10.9.0.7/24 dev own0");
        let mut peer = lab.open_peer(Family::V4, &[]);
        let mut own =
            AdvertSocket::open(&SocketOptions { source: Some(ip("10.9.0.7")), ..options("own0", Family::V4) }).unwrap();
        own.send_next(&advertisement("10.9.0.100")).unwrap();
        let received = arrival(&mut peer).await;
        assert_eq!(received.envelope.from, ip("10.9.0.7"));
        parse(&received).unwrap();
    });
}

#[test]
fn missing_interface_is_an_error_naming_it() {
    in_new(|| async {
        let error = AdvertSocket::open(&options("nowhere0", Family::V4)).unwrap_err();
        assert!(matches!(error, SocketError::NoInterface(name) if name == "nowhere0"));
    });
}
