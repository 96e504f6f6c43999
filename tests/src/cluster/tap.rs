//! A tap for UDP over IPv4 with the kernel's receive timestamps. Unlike a UDP socket it also sees packets that a host
//! would not accept, such as a packet of its own that comes back.

use std::{
    io,
    mem::zeroed,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    time::Duration,
};

use anyhow::{Context, Result};
use gateway_common::headers::{ETH_LEN, IPPROTO_UDP};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::Host;

/// Length of the longest frame that is read.
const LONGEST: usize = 2048;

const UDP_LEN: usize = 8;

/// A packet socket (packet(7)) on one interface.
#[derive(Debug)]
pub(super) struct Tap {
    socket: OwnedFd,
}

impl Tap {
    pub(super) fn open(host: &Host, dev: &str) -> Result<Self> {
        let ifindex = host.ifindex(dev)?;
        let open = || open(ifindex).with_context(|| format!("opening {dev} of {} for probes", host.name()));
        Ok(Self { socket: host.enter(open)? })
    }

    /// Returns payload and time of the next packet to UDP port `port`, if one arrives within `limit`.
    pub(super) fn next(&self, limit: Duration, port: u16) -> Option<(Vec<u8>, Duration)> {
        let timeout = PollTimeout::try_from(limit).ok()?;
        if poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], timeout).ok()? == 0 {
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

fn open(ifindex: u32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is involved.
    let fd = checked(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the descriptor is new and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    for (option, value) in [(libc::SO_TIMESTAMPNS, 1), (libc::SO_RCVBUFFORCE, 16 << 20)] {
        let value: libc::c_int = value;
        // SAFETY: the option takes an integer, which lives through the call.
        checked(unsafe {
            libc::setsockopt(
                fd,
                libc::SOL_SOCKET,
                option,
                (&raw const value).cast(),
                size_of_val(&value) as libc::socklen_t,
            )
        })?;
    }
    // SAFETY: all-zero bytes are a valid address.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    // A socket of one protocol sees received packets and not sent ones.
    address.sll_protocol = (libc::ETH_P_IP as u16).to_be();
    address.sll_ifindex = ifindex.cast_signed();
    // SAFETY: the address lives through the call and has the length given.
    checked(unsafe { libc::bind(fd, (&raw const address).cast(), size_of_val(&address) as libc::socklen_t) })?;
    Ok(socket)
}

fn receive(socket: &OwnedFd) -> io::Result<(Vec<u8>, Duration)> {
    let mut bytes = vec![0u8; LONGEST];
    let mut control = [0u64; 8];
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero bytes are a valid message header.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: all that the message header points to lives in this function and has the lengths given.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    bytes.truncate(length);
    let at = timestamp(&message).ok_or_else(|| io::Error::other("a packet without a receive timestamp"))?;
    Ok((bytes, at))
}

fn timestamp(message: &libc::msghdr) -> Option<Duration> {
    // SAFETY: the kernel has filled in the message header, and its control buffer is alive.
    let header = unsafe { libc::CMSG_FIRSTHDR(message).as_ref() }?;
    if (header.cmsg_level, header.cmsg_type) != (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
        return None;
    }
    // SAFETY: a control message of this type carries that structure.
    let time = unsafe { libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned() };
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
