//! A tap for UDP over IPv4 with the kernel's receive timestamps. Unlike a UDP socket it also sees packets that a host
//! would not accept, such as a packet of its own that comes back.

use std::{io, time::Duration};

use anyhow::{Context, Result};
use gateway_common::headers::{ETH_LEN, IPPROTO_UDP};

use crate::{Host, packet_socket::PacketSocket};

/// Length of the longest frame that is read.
const LONGEST: usize = 2048;

const UDP_LEN: usize = 8;

/// A tap on one interface.
#[derive(Debug)]
pub(super) struct Tap {
    socket: PacketSocket,
}

impl Tap {
    pub(super) fn open(host: &Host, dev: &str) -> Result<Self> {
        let ifindex = host.ifindex(dev)?;
        let open = || {
            PacketSocket::open::<libc::timespec>(ifindex, libc::ETH_P_IP)
                .with_context(|| format!("opening {dev} of {} for probes", host.name()))
        };
        Ok(Self { socket: host.enter(open)? })
    }

    /// Returns payload and time of the next packet to UDP port `port`, if one arrives within `limit`.
    pub(super) fn next(&self, limit: Duration, port: u16) -> Option<(Vec<u8>, Duration)> {
        if !self.socket.wait(limit).ok()? {
            return None;
        }
        let (frame, at) = receive(&self.socket).ok()?;
        Some((payload(&frame, port)?.to_vec(), at))
    }
}

/// Returns the payload of a UDP packet over IPv4 to this port.
fn payload(frame: &[u8], port: u16) -> Option<&[u8]> {
    let packet = frame.get(ETH_LEN..)?;
    let header = usize::from(packet.first()? & 0xf) * 4;
    let datagram = packet.get(header..)?;
    let right = *packet.get(9)? == IPPROTO_UDP && datagram.get(2..4)? == port.to_be_bytes();
    if right { datagram.get(UDP_LEN..) } else { None }
}

/// Reads one packet, with the time at which the kernel received it.
fn receive(socket: &PacketSocket) -> io::Result<(Vec<u8>, Duration)> {
    let mut bytes = vec![0; LONGEST];
    let received = socket.receive(&mut bytes)?;
    bytes.truncate(received.length);
    let at = received.beside.and_then(duration);
    Ok((bytes, at.ok_or_else(|| io::Error::other("a packet without a receive timestamp"))?))
}

fn duration(time: libc::timespec) -> Option<Duration> {
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}
