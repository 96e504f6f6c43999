//! Opens the socket for advertisements.

use std::{io, net::IpAddr};

use gateway_netdev::{Link, interface, nic};
use gateway_vrrp::{GROUP_V4, GROUP_V6, PROTOCOL, TTL};
use nix::sys::socket::{
    TimestampingFlag, setsockopt,
    sockopt::{Ipv4RecvErr, Ipv6RecvErr, Ipv6RecvPacketInfo, ReceiveTimestampns, Timestamping},
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockFilter, Socket, Type};

use super::{Family, SocketError, SocketOptions};

/// Network control (RFC 2474 section 4.2.2.2, class selector 6), as used by other routing protocols.
const TRAFFIC_CLASS: u32 = 0xc0;
/// `TC_PRIO_CONTROL`: a queue with priorities sends the packet before others.
const PRIORITY: u32 = 7;

/// The BPF instruction "accept 0 bytes".
const NOTHING: SockFilter = SockFilter::new(0x06, 0, 0, 0);

/// An open socket, and its properties.
pub(super) struct Opened {
    pub(super) socket: Socket,
    pub(super) ifindex: u32,
    pub(super) source: IpAddr,
    pub(super) has_tx_timestamps: bool,
}

pub(super) fn open(options: &SocketOptions<'_>) -> Result<Opened, SocketError> {
    let name = options.interface;
    let refused = |what| {
        move |source: io::Error| match source.raw_os_error() {
            Some(libc::ENODEV | libc::ENXIO) => SocketError::NoInterface(name.to_owned()),
            _ => SocketError::Refused { interface: name.to_owned(), what, source },
        }
    };
    let link = Link::named(name).map_err(refused("looking at the interface"))?;
    let link = link.ok_or_else(|| SocketError::NoInterface(name.to_owned()))?;
    let source = match options.source {
        Some(source) => Some(source),
        None => interface::source(&link, name, options.family, options.virtual_addresses)
            .map_err(refused("looking for its addresses"))?,
    };
    let source = source.ok_or_else(|| SocketError::NoSource(name.to_owned()))?;
    let socket = bound(options).map_err(refused("binding to the interface"))?;
    match options.family {
        Family::V4 => prepare_v4(&socket),
        Family::V6 => prepare_v6(&socket),
    }
    .map_err(refused("setting options"))?;
    // With configured peers no router has reason to send to the group, so the group is not joined.
    if options.listen && options.peers.is_empty() {
        join(&socket, options, link.ifindex).map_err(refused("joining the group"))?;
    }
    let has_tx_timestamps = nic::stamps_transmitted(name);
    setsockopt(&socket, ReceiveTimestampns, &true)
        .map_err(io::Error::from)
        .map_err(refused("asking for timestamps"))?;
    restart_count(&socket, has_tx_timestamps).map_err(refused("asking for timestamps"))?;
    Ok(Opened { socket, ifindex: link.ifindex, source, has_tx_timestamps })
}

/// Makes the kernel count packets from zero again.
pub(super) fn restart_count(socket: &Socket, has_tx_timestamps: bool) -> io::Result<()> {
    if !has_tx_timestamps {
        return Ok(());
    }
    // The count starts when it is enabled.
    let stamps = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE;
    setsockopt(socket, Timestamping, &stamps)?;
    let counted = TimestampingFlag::SOF_TIMESTAMPING_OPT_ID | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
    Ok(setsockopt(socket, Timestamping, &(stamps | counted))?)
}

/// Creates a bound socket. It receives no packet of other interfaces, not even between creation and binding.
fn bound(options: &SocketOptions<'_>) -> io::Result<Socket> {
    let domain = match options.family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let socket = Socket::new(domain, Type::RAW.nonblocking(), Some(Protocol::from(i32::from(PROTOCOL))))?;
    socket.attach_filter(&[NOTHING])?;
    socket.bind_device(Some(options.interface.as_bytes()))?;
    if options.listen {
        while socket.recv(&mut []).is_ok() {}
        socket.detach_filter()?;
    }
    Ok(socket)
}

fn prepare_v4(socket: &Socket) -> io::Result<()> {
    socket.set_ttl_v4(TTL.into())?;
    socket.set_multicast_ttl_v4(TTL.into())?;
    socket.set_multicast_loop_v4(false)?;
    // Only the groups that this socket has joined, and not those of other sockets.
    socket.set_multicast_all_v4(false)?;
    socket.set_tos_v4(TRAFFIC_CLASS)?;
    socket.set_priority(PRIORITY)?;
    // Makes a full queue of the interface an error.
    Ok(setsockopt(socket, Ipv4RecvErr, &true)?)
}

fn prepare_v6(socket: &Socket) -> io::Result<()> {
    socket.set_unicast_hops_v6(TTL.into())?;
    socket.set_multicast_hops_v6(TTL.into())?;
    socket.set_multicast_loop_v6(false)?;
    socket.set_multicast_all_v6(false)?;
    socket.set_tclass_v6(TRAFFIC_CLASS)?;
    socket.set_priority(PRIORITY)?;
    socket.set_recv_hoplimit_v6(true)?;
    // The source may be an address of the interface below.
    socket.set_freebind_v6(true)?;
    setsockopt(socket, Ipv6RecvPacketInfo, &true)?;
    Ok(setsockopt(socket, Ipv6RecvErr, &true)?)
}

/// Joins the group by interface index, because an interface without an address can't be named by one.
fn join(socket: &Socket, options: &SocketOptions<'_>, ifindex: u32) -> io::Result<()> {
    match options.family {
        Family::V4 => socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(ifindex)),
        Family::V6 => socket.join_multicast_v6(&GROUP_V6, ifindex),
    }
}
