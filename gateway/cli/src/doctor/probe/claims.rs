//! Address conflict detection: sends ARP probes or duplicate address detection solicitations, which change no
//! neighbour's cache.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv6Addr},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use gateway_common::net::MacAddr;
use gateway_netdev::{
    announce,
    frames::{FrameSender, link_address},
};
use nix::{
    ifaddrs::getifaddrs,
    net::if_::if_nametoindex,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::doctor::probe_error::ProbeError;

/// Number of probes, and the time to wait after each.
const ROUNDS: u32 = 3;
const ROUND: Duration = Duration::from_millis(400);
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;

/// Returns the MAC addresses, other than this machine's own, that answer for `address` on `interface`. Takes about a
/// second.
pub(in super::super) fn probe(interface: &str, address: IpAddr) -> Result<Vec<MacAddr>, ProbeError> {
    collect(interface, address).map_err(ProbeError::new)
}

#[expect(clippy::disallowed_methods, reason = "this is a driver: answers are waited for in real time")]
fn collect(interface: &str, address: IpAddr) -> io::Result<Vec<MacAddr>> {
    let (ifindex, own) = (if_nametoindex(interface)?, own_macs());
    let mac = own.iter().find(|(name, _)| name == interface).map(|(_, mac)| *mac);
    let mac = mac.ok_or_else(|| io::Error::other(format!("{interface} has no Ethernet address")))?;
    let ethertype = if address.is_ipv4() { ETHERTYPE_ARP } else { ETHERTYPE_IPV6 };
    let protocol = Protocol::from(i32::from(ethertype.to_be()));
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(protocol))?;
    socket.bind(&link_address(ifindex, ethertype))?;
    let sender = FrameSender::open(ifindex).map_err(io::Error::other)?;
    let mut answered = BTreeSet::new();
    for _ in 0..ROUNDS {
        sender.send(&announce::probe(mac, address)).map_err(io::Error::other)?;
        let until = Instant::now() + ROUND;
        loop {
            while let Some(frame) = next(&socket) {
                answered.extend(claim(&frame, address).map(|mac| mac.0));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::ZERO);
            // The result does not matter: the socket is read again, and the time limit ends the loop.
            let _ = poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], timeout);
        }
    }
    let others = answered.into_iter().map(MacAddr).filter(|mac| !own.iter().any(|(_, own)| own == mac));
    Ok(others.collect())
}

fn next(socket: &Socket) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut buffer = vec![0; 2048];
    let length = (&mut &*socket).read(&mut buffer).ok()?;
    buffer.truncate(length);
    Some(buffer)
}

/// Returns the sender that claims `address` in this frame, if it does.
fn claim(frame: &[u8], address: IpAddr) -> Option<MacAddr> {
    let from = MacAddr(frame.get(6..12)?.try_into().ok()?);
    let packet = frame.get(14..)?;
    match address {
        // A sender that has the address, in a reply or a request (RFC 826; RFC 5227 section 2.1.1).
        IpAddr::V4(address) => (frame[12..14] == ETHERTYPE_ARP.to_be_bytes()
            && packet.get(2..4)? == [0x08, 0]
            && packet.get(14..18)? == address.octets())
        .then(|| packet.get(8..14)?.try_into().ok().map(MacAddr))
        .flatten(),
        // A neighbour advertisement for it (RFC 4861 section 4.4).
        IpAddr::V6(address) => {
            let message = packet.get(40..)?;
            let target = Ipv6Addr::from(<[u8; 16]>::try_from(message.get(8..24)?).ok()?);
            (packet[6] == 58 && packet[7] == 255 && message[0] == 136 && target == address).then_some(from)
        }
    }
}

/// Returns the names and Ethernet addresses of this machine's interfaces.
fn own_macs() -> Vec<(String, MacAddr)> {
    let all = getifaddrs().map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    let macs = all.iter().filter_map(|one| {
        let mac = one.address.as_ref()?.as_link_addr()?.addr()?;
        Some((one.interface_name.clone(), MacAddr(mac)))
    });
    macs.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

    #[test]
    fn announcements_and_answers_are_claims_and_probes_are_not() {
        for address in ["192.0.2.1", "2001:db8::1"] {
            let address: IpAddr = address.parse().unwrap();
            for frame in announce::takeover(MAC, address, Duration::ZERO) {
                assert_eq!(claim(&frame, address), Some(MAC), "{address}");
            }
            assert_eq!(claim(&announce::probe(MAC, address), address), None, "{address}");
        }
    }

    #[test]
    fn claims_of_other_addresses_and_short_frames_are_none() {
        let (mine, theirs) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for frame in announce::takeover(MAC, theirs, Duration::ZERO) {
            assert_eq!(claim(&frame, mine), None);
        }
        let frame = announce::neighbour_advertisement(MAC, "2001:db8::1".parse().unwrap());
        for length in 0..frame.len() - 9 {
            assert_eq!(claim(&frame[..length], "2001:db8::1".parse().unwrap()), None, "{length}");
        }
    }
}
