//! Connections to rtnetlink, for tasks.
//!
//! Requests and notifications have a connection each: a change that is made on a socket is not reported on that same
//! socket, and a dump would delay the notifications.

use std::{
    future::ready,
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use futures_util::{StreamExt, stream::BoxStream};
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, setsockopt, socket, sockopt,
};
use rtnetlink::{Handle, MulticastGroup, sys::AsyncSocket};

use super::change::{Change, change};

/// Changes that the kernel reports. Ends if the socket was closed.
pub(crate) type Changes = BoxStream<'static, Change>;

/// Opens a connection for requests in the calling thread's network namespace. Needs a tokio runtime.
///
/// # Errors
/// Netlink is not available.
pub fn connect() -> io::Result<Handle> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    tokio::spawn(connection);
    Ok(handle)
}

/// Opens a socket for notifications of `groups` (bits, `RTMGRP_*`) in the calling thread's network namespace, for a user
/// that reads the messages itself. Reading does not block.
///
/// # Errors
/// Netlink is not available.
pub fn listen(groups: u32) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}

/// Subscribes to notifications in the calling thread's network namespace, with a receive buffer of `buffer` bytes. If
/// the buffer overflows, the kernel drops notifications, which is reported as [`Change::Overrun`].
pub(crate) fn subscribe(groups: &[MulticastGroup], buffer: usize) -> io::Result<Changes> {
    let (mut connection, _, messages) = rtnetlink::new_multicast_connection(groups)?;
    let socket = connection.socket_mut().socket_mut();
    // Beyond net.core.rmem_max only with CAP_NET_ADMIN.
    setsockopt(socket, sockopt::RcvBufForce, &buffer).or_else(|_| setsockopt(socket, sockopt::RcvBuf, &buffer))?;
    tokio::spawn(connection);
    Ok(messages.filter_map(|(message, _)| ready(change(&message))).boxed())
}
