//! Port of one virtual router: a socket on its interface and, while its macvlan exists, a second socket on that for
//! sending, so that advertisements come from the virtual MAC address (RFC 9568 section 7.3).

use std::{
    io,
    net::IpAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use gateway_vrrp::{Advertisement, Trailer};
use tokio::io::{Interest, unix::AsyncFd};

use super::{AdvertSocket, Family, SendError, SocketError, SocketOptions, Transmission, socket::Received};

/// Options of a virtual router's sockets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortOptions<'a> {
    pub interface: &'a str,
    pub family: Family,
    pub peers: &'a [IpAddr],
    pub source: Option<IpAddr>,
    pub virtual_addresses: &'a [IpAddr],
}

/// The sockets of one virtual router.
#[derive(Debug)]
pub(crate) struct Port {
    listener: AsyncFd<AdvertSocket>,
    /// Socket on the macvlan.
    speaker: Option<AsyncFd<AdvertSocket>>,
    /// Number of packets that the socket has dropped for lack of room.
    dropped: u32,
}

/// Reason why a port can't be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortError {
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("watching the socket for advertisements: {0}")]
    Watch(#[from] io::Error),
}

impl Port {
    pub(crate) fn open(options: PortOptions<'_>) -> Result<Self, PortError> {
        let listener = open(options.interface, options, true)?;
        let dropped = dropped(listener.get_ref().as_fd());
        Ok(Self { listener, speaker: None, dropped })
    }

    /// Sends through `macvlan` from now on.
    pub(crate) fn speak_by(&mut self, macvlan: &str, options: PortOptions<'_>) -> Result<(), PortError> {
        let source = Some(self.source());
        self.speaker = Some(open(macvlan, PortOptions { source, ..options }, false)?);
        Ok(())
    }

    /// Sends through the interface itself again, because the macvlan is removed. What is in flight on the macvlan never
    /// counts as transmitted.
    pub(crate) fn close_macvlan(&mut self) {
        self.speaker = None;
    }

    /// Returns the index of the interface.
    pub(crate) fn ifindex(&self) -> u32 {
        self.listener.get_ref().ifindex()
    }

    /// Returns the source address.
    pub(crate) fn source(&self) -> IpAddr {
        self.listener.get_ref().source()
    }

    /// Resolves when there may be a packet to receive or a TX timestamp to read.
    pub(crate) async fn ready(&self) {
        match &self.speaker {
            Some(speaker) => {
                tokio::select! {
                    () = ready(&self.listener) => {}
                    () = ready(speaker) => {}
                }
            }
            None => ready(&self.listener).await,
        }
    }

    /// Returns the next received message, if there is one.
    pub(crate) fn receive(&mut self) -> io::Result<Option<Received>> {
        self.listener.get_mut().receive()
    }

    /// Returns true if the socket has dropped packets for lack of room since the last call.
    pub(crate) fn overran(&mut self) -> bool {
        let dropped = dropped(self.listener.get_ref().as_fd());
        std::mem::replace(&mut self.dropped, dropped) != dropped
    }

    /// Sends an advertisement.
    pub(crate) fn send(
        &mut self,
        advertisement: &Advertisement,
        trailer: Option<&Trailer>,
        transmission: Transmission,
    ) -> Result<(), SendError> {
        let socket = self.speaker.as_mut().unwrap_or(&mut self.listener);
        socket.get_mut().send(advertisement, trailer, transmission)
    }

    /// Returns the next advertisement that was transmitted.
    pub(crate) fn tx_completed(&mut self) -> Option<Transmission> {
        let listener = self.listener.get_mut().tx_completed();
        listener.or_else(|| self.speaker.as_mut()?.get_mut().tx_completed())
    }
}

fn open(interface: &str, options: PortOptions<'_>, listen: bool) -> Result<AsyncFd<AdvertSocket>, PortError> {
    let PortOptions { family, peers, source, virtual_addresses, .. } = options;
    let socket = AdvertSocket::open(&SocketOptions { interface, family, peers, source, virtual_addresses, listen })?;
    // SAFETY: the socket owns its descriptor, gives always the same one, and is not taken out of the AsyncFd.
    Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE | Interest::ERROR) }
        .map_err(io::Error::from)?)
}

/// Waits for an event. Only an event after the return makes it return again, so the socket is to be read until it is
/// empty.
async fn ready(socket: &AsyncFd<AdvertSocket>) {
    match socket.ready(Interest::READABLE | Interest::ERROR).await {
        Ok(mut guard) => guard.clear_ready(),
        // The runtime is shutting down.
        Err(_) => std::future::pending().await,
    }
}

/// Returns `SK_MEMINFO_DROPS` of `SO_MEMINFO` (linux/sock_diag.h).
fn dropped(socket: BorrowedFd<'_>) -> u32 {
    const DROPS: usize = 8;
    let mut numbers = [0_u32; DROPS + 1];
    let mut len = size_of_val(&numbers) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            numbers.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if outcome == 0 { numbers[DROPS] } else { 0 }
}
