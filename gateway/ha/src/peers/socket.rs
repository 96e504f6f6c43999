//! TCP sockets between neighbours: packets that a router has forwarded are not accepted (GTSM, RFC 5082).

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    os::fd::{AsRawFd, RawFd},
};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::data::{Local, Remote};

/// TTL of all packets that are sent, and required of received ones, which no router has then forwarded.
const TTL: libc::c_int = 255;
/// The most calls that wait to be accepted.
const BACKLOG: u32 = 16;

/// Returns an address with a port. `scope` is used for link-local addresses only.
fn with_port(address: IpAddr, scope: u32, port: u16) -> SocketAddr {
    match address {
        IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, scope).into(),
        IpAddr::V4(_) => SocketAddr::new(address, port),
    }
}

/// Any address of either family.
pub(super) const ANY: [Local; 2] = [
    Local { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), scope: 0 },
    Local { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), scope: 0 },
];

/// Listens at `local`.
///
/// # Errors
/// The address is not this node's, the port is taken, or the family is not available.
pub(super) fn listen(local: Local, port: u16) -> io::Result<TcpListener> {
    let socket = new(local.address)?;
    socket.set_reuseaddr(true)?;
    if local.address.is_ipv6() {
        set(socket.as_raw_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    socket.bind(with_port(local.address, local.scope, port))?;
    // Accepted sockets inherit its options.
    socket.listen(BACKLOG)
}

/// Calls `remote`.
///
/// # Errors
/// The node can't be reached, does not listen, or is not a neighbour, or this node does not have the source address.
pub(super) async fn call(remote: Remote, port: u16) -> io::Result<TcpStream> {
    let socket = new(remote.address)?;
    if let Some(from) = remote.from {
        socket.bind(with_port(from, remote.scope, 0))?;
    }
    let stream = socket.connect(with_port(remote.address, remote.scope, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn new(address: IpAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    let fd = socket.as_raw_fd();
    if address.is_ipv6() {
        set(fd, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, TTL)?;
        set(fd, libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT, TTL)?;
    } else {
        set(fd, libc::IPPROTO_IP, libc::IP_TTL, TTL)?;
        set(fd, libc::IPPROTO_IP, libc::IP_MINTTL, TTL)?;
    }
    Ok(socket)
}

fn set(fd: RawFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let len = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the kernel reads `len` bytes at the address of `value`, which lives through the call.
    let result = unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
