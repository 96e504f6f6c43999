//! Multicast, both ways and in both families.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket},
    time::Duration,
};

use anyhow::{Context, Result};
use lab::{
    Host,
    config::Mode,
    crossing::{Crossing, EXT, Plan, Station, VM},
    wait::SOON,
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0x0bad, 0xcafe);
const PORT: u16 = 5353;

fn member(host: &Host, group: IpAddr, own: Station) -> Result<UdpSocket> {
    let ifindex = host.ifindex("eth0")?;
    host.enter(|| {
        let socket = match group {
            IpAddr::V4(group) => {
                let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
                socket.join_multicast_v4(&group, &own.v4())?;
                socket
            }
            IpAddr::V6(group) => {
                let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, PORT))?;
                socket.join_multicast_v6(&group, ifindex)?;
                socket
            }
        };
        socket.set_read_timeout(Some(SOON))?;
        Ok(socket)
    })
}

fn send(host: &Host, group: IpAddr, texts: &[&str]) -> Result<()> {
    let ifindex = host.ifindex("eth0")?;
    host.enter(|| {
        let (socket, to) = match group {
            IpAddr::V4(group) => (UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?, SocketAddr::from((group, PORT))),
            IpAddr::V6(group) => {
                (UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?, SocketAddrV6::new(group, PORT, 0, ifindex).into())
            }
        };
        texts.iter().try_for_each(|text| socket.send_to(text.as_bytes(), to).map(drop)).context("sending to the group")
    })
}

/// Every member on the other side gets each datagram, once.
fn groups_cross(mode: Mode) -> Result<()> {
    let lab = Crossing::build(Plan { ipv6: true, ..Plan::mode(mode) })?;
    for host in [&lab.vm, &lab.ext] {
        host.ip("route add 224.0.0.0/4 dev eth0")?;
    }
    for group in [IpAddr::from(GROUP), GROUP6.into()] {
        for (from, to, station) in [(&lab.vm, &lab.ext, EXT), (&lab.ext, &lab.vm, VM)] {
            let member = member(to, group, station)?;
            send(from, group, &["one", "two"])?;
            let mut buffer = [0; 16];
            for expected in ["one", "two"] {
                let length = member
                    .recv(&mut buffer)
                    .with_context(|| format!("`{expected}` to {group} from {} to {}", from.name(), to.name()))?;
                assert_eq!(&buffer[..length], expected.as_bytes());
            }
            member.set_read_timeout(Some(Duration::from_millis(100)))?;
            assert!(member.recv(&mut buffer).is_err(), "a datagram came twice");
        }
    }
    Ok(())
}

#[test]
fn groups_cross_in_xdp_mode() -> Result<()> {
    groups_cross(Mode::Xdp)
}

#[test]
fn groups_cross_in_tc_mode() -> Result<()> {
    groups_cross(Mode::Tc)
}
