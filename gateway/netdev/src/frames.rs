//! Sends raw Ethernet frames.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};

/// Sender of complete Ethernet frames through one interface. It receives none.
#[derive(Debug)]
pub struct FrameSender {
    socket: Socket,
    to: SockAddr,
    ifindex: u32,
}

/// Reason why a frame was not sent.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The interface is down. Nothing is sent before it is up.
    #[error("interface {0} is down")]
    Down(u32),
    /// The interface doesn't exist any more.
    #[error("interface {0} is gone")]
    Gone(u32),
    /// The queue of the interface or of the socket is full. There is room again some time later.
    #[error("the queue of interface {0} is full")]
    Full(u32),
    /// Any other error.
    #[error("cannot send frames by interface {0}")]
    Refused(u32, #[source] io::Error),
}

impl FrameSender {
    /// Opens a sender for an interface of the calling thread's network namespace. Needs CAP_NET_RAW.
    ///
    /// # Errors
    /// The socket can't be opened. A missing interface is detected only when a frame is sent.
    pub fn open(ifindex: u32) -> Result<Self, FrameError> {
        // With protocol 0 the socket is not in any list of receivers.
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), None);
        let socket = socket.map_err(|source| FrameError::Refused(ifindex, source))?;
        Ok(Self { socket, to: link_address(ifindex, 0), ifindex })
    }

    /// Returns the index of the interface.
    pub const fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// Sends one frame, which begins with its Ethernet header. Doesn't block.
    ///
    /// # Errors
    /// The variants require different reactions. All but [`FrameError::Refused`] come and go with the interface.
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

/// Returns the AF_PACKET address of an interface, for frames of this Ethertype, or 0.
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
