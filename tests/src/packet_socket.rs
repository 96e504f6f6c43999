//! Packet sockets (packet(7)): see every frame of an interface, also those that a host would not accept.

use std::{
    ffi::c_int,
    io,
    mem::zeroed,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    time::Duration,
};

use anyhow::Result;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Buffer for frames that arrive while other tests on the machine keep this one from reading, in bytes.
const ROOM: c_int = 16 << 20;

/// Packet socket on one interface.
#[derive(Debug)]
pub(crate) struct PacketSocket(OwnedFd);

/// Structure that the kernel reports beside a frame.
///
/// # Safety
/// A control message of this level and kind carries this structure.
pub(crate) unsafe trait Beside: Copy {
    const LEVEL: c_int;
    const KIND: c_int;
    /// Socket option that makes the kernel report it.
    const OPTION: c_int;
}

// SAFETY: packet(7), PACKET_AUXDATA.
unsafe impl Beside for libc::tpacket_auxdata {
    const LEVEL: c_int = libc::SOL_PACKET;
    const KIND: c_int = libc::PACKET_AUXDATA;
    const OPTION: c_int = libc::PACKET_AUXDATA;
}

// SAFETY: socket(7), SO_TIMESTAMPNS.
unsafe impl Beside for libc::timespec {
    const LEVEL: c_int = libc::SOL_SOCKET;
    const KIND: c_int = libc::SCM_TIMESTAMPNS;
    const OPTION: c_int = libc::SO_TIMESTAMPNS;
}

/// Frame that was read.
#[derive(Debug)]
pub(crate) struct Received<T> {
    /// Length of the frame in the buffer.
    pub(crate) length: usize,
    /// True if this host sent it.
    pub(crate) is_outgoing: bool,
    /// Report of the kernel.
    pub(crate) beside: Option<T>,
}

impl PacketSocket {
    /// Opens the interface with this index in the namespace of the calling thread. A socket of one `protocol` sees
    /// received packets and not sent ones. The kernel reports a `T` beside each frame.
    pub(crate) fn open<T: Beside>(ifindex: u32, protocol: c_int) -> io::Result<Self> {
        // SAFETY: no memory is involved.
        let fd = checked(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) })?;
        // SAFETY: the descriptor is new and nothing else owns it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        for (level, option, value) in [(T::LEVEL, T::OPTION, 1), (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, ROOM)] {
            let size = size_of_val(&value) as libc::socklen_t;
            // SAFETY: the option takes an integer, which lives through the call.
            checked(unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), size) })?;
        }
        // SAFETY: all-zero bytes are a valid address.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (protocol as u16).to_be();
        address.sll_ifindex = ifindex.cast_signed();
        // SAFETY: the address lives through the call and has this length.
        checked(unsafe { libc::bind(fd, (&raw const address).cast(), size_of_val(&address) as libc::socklen_t) })?;
        Ok(Self(socket))
    }

    /// Sends a frame.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        Ok(nix::unistd::write(&self.0, frame).map(drop)?)
    }

    /// Waits for a frame. Returns false if none arrives within `limit`.
    pub(crate) fn wait(&self, limit: Duration) -> Result<bool> {
        let mut sockets = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        Ok(poll(&mut sockets, PollTimeout::try_from(limit)?)? > 0)
    }

    /// Reads a frame that has arrived. What is too long for the buffer is lost.
    pub(crate) fn receive<T: Beside>(&self, buffer: &mut [u8]) -> io::Result<Received<T>> {
        let mut control = [0u64; 8];
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // SAFETY: all-zero bytes are a valid address and a valid message header.
        let (mut from, mut message): (libc::sockaddr_ll, libc::msghdr) = unsafe { (zeroed(), zeroed()) };
        message.msg_name = (&raw mut from).cast();
        message.msg_namelen = size_of_val(&from) as libc::socklen_t;
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        // SAFETY: all that the message header points to lives in this function and has these lengths.
        let length = unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut message, 0) };
        let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?.min(buffer.len());
        let is_outgoing = from.sll_pkttype == libc::PACKET_OUTGOING;
        Ok(Received { length, is_outgoing, beside: beside(&message) })
    }
}

fn beside<T: Beside>(message: &libc::msghdr) -> Option<T> {
    // SAFETY: the kernel has filled in the message header, and its control buffer is alive.
    let header = unsafe { libc::CMSG_FIRSTHDR(message).as_ref() }?;
    if (header.cmsg_level, header.cmsg_type) != (T::LEVEL, T::KIND) {
        return None;
    }
    // SAFETY: a control message of this level and kind carries a `T`, by the contract of the trait.
    Some(unsafe { libc::CMSG_DATA(header).cast::<T>().read_unaligned() })
}

fn checked(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
