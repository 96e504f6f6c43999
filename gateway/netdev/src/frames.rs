//! Sending frames as they are.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};

/// Sends whole Ethernet frames by one interface, and receives none.
#[derive(Debug)]
pub struct FrameSender {
    socket: Socket,
    to: SockAddr,
    ifindex: u32,
}

/// Why a frame was not sent.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It is set down. Nothing is sent before it is up.
    #[error("interface {0} is down")]
    Down(u32),
    /// It doesn't exist any more.
    #[error("interface {0} is gone")]
    Gone(u32),
    /// Its queue is full, or the socket's is: some time later there is room again.
    #[error("the queue of interface {0} is full")]
    Full(u32),
    /// Anything else.
    #[error("cannot send frames by interface {0}")]
    Refused(u32, #[source] io::Error),
}

impl FrameSender {
    /// For an interface of the calling thread's network namespace. Needs CAP_NET_RAW.
    ///
    /// # Errors
    /// When there can be no such socket. That there is such an interface is seen when something is sent.
    pub fn open(ifindex: u32) -> Result<Self, FrameError> {
        // With protocol 0 the socket is on no list of those that receive.
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), None);
        let socket = socket.map_err(|source| FrameError::Refused(ifindex, source))?;
        Ok(Self { socket, to: link_address(ifindex, 0), ifindex })
    }

    /// The interface.
    pub const fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// Sends one frame, which begins with its Ethernet header. Doesn't block.
    ///
    /// # Errors
    /// Each tells what to do; all but [`FrameError::Refused`] come and go with the interface.
    pub fn send(&self, frame: &[u8]) -> Result<(), FrameError> {
        match self.socket.send_to(frame, &self.to) {
            Ok(_) => Ok(()),
            Err(source) => Err(match source.raw_os_error() {
                Some(libc::ENETDOWN) => FrameError::Down(self.ifindex),
                Some(libc::ENXIO | libc::ENODEV) => FrameError::Gone(self.ifindex),
                Some(libc::EAGAIN | libc::ENOBUFS) => FrameError::Full(self.ifindex),
                _ => FrameError::Refused(self.ifindex, source),
            }),
        }
    }
}

impl AsFd for FrameSender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The address of AF_PACKET for an interface, and frames of this Ethertype, or 0.
pub fn link_address(ifindex: u32, ethertype: u16) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: packet(7) has this layout for addresses of AF_PACKET; it is shorter than the storage, and all zero is
    // valid.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_ifindex = ifindex.cast_signed();
    address.sll_protocol = ethertype.to_be();
    address.sll_halen = 6;
    // SAFETY: a `sockaddr_ll` was written to it, of this length.
    unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as libc::socklen_t) }
}
