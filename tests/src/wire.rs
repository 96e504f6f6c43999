//! A tap on a host's interface: sends handmade frames, and receives every frame that arrives.

use std::{
    io,
    mem::zeroed,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    time::Duration,
};

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::{
    Host,
    frame::Frame,
    wait::{Deadline, SOON},
};

/// Longest frame that is read whole.
const LONGEST: usize = 65_536;

/// A packet socket (packet(7)) on one interface.
#[derive(Debug)]
pub struct Wire {
    socket: OwnedFd,
    place: String,
}

impl Wire {
    /// Opens `dev` of `host`; frames that arrive from now on wait to be read.
    ///
    /// # Errors
    /// If there is no such interface.
    pub fn open(host: &Host, dev: &str) -> Result<Self> {
        let ifindex = host.ifindex(dev)?;
        let place = format!("{dev} of {}", host.name());
        let socket = host.enter(|| open(ifindex).with_context(|| format!("opening {place} for raw frames")))?;
        Ok(Self { socket, place })
    }

    /// Opens the interface with this index in the namespace of the calling thread.
    ///
    /// # Errors
    /// If there is no such interface.
    pub fn here(ifindex: u32) -> Result<Self> {
        let place = format!("interface {ifindex}");
        let socket = open(ifindex).with_context(|| format!("opening {place} for raw frames"))?;
        Ok(Self { socket, place })
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// If the interface does not take it.
    pub fn send(&self, frame: &Frame) -> Result<()> {
        let sent = nix::unistd::write(&self.socket, &frame.bytes());
        sent.with_context(|| format!("sending a frame from {}", self.place)).map(drop)
    }

    /// Returns the next frame that `wanted` accepts; skips others.
    ///
    /// # Errors
    /// If none arrives.
    pub fn expect(&self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Result<Frame> {
        let deadline = Deadline::after(SOON);
        while let Some(left) = deadline.left() {
            match self.next(left)? {
                Some(frame) if wanted(&frame) => return Ok(frame),
                _ => {}
            }
        }
        anyhow::bail!("no such frame came to {}: {what}", self.place)
    }

    /// Returns all frames that have arrived.
    ///
    /// # Errors
    /// If the interface is gone.
    pub fn arrived(&self) -> Result<Vec<Frame>> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next(Duration::ZERO)? {
            frames.push(frame);
        }
        Ok(frames)
    }

    /// Returns the next frame, if one arrives within `limit`.
    fn next(&self, limit: Duration) -> Result<Option<Frame>> {
        let deadline = Deadline::after(limit);
        loop {
            let timeout = PollTimeout::try_from(deadline.left().unwrap_or_default())?;
            if poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], timeout)? == 0 {
                return Ok(None);
            }
            if let Some(frame) = receive(&self.socket).with_context(|| format!("reading from {}", self.place))? {
                return Ok(Some(frame));
            }
        }
    }
}

fn open(ifindex: u32) -> io::Result<OwnedFd> {
    let protocol = (libc::ETH_P_ALL as u16).to_be();
    // SAFETY: no memory is involved.
    let fd = checked(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the descriptor is new and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    for (level, option, value) in [
        (libc::SOL_PACKET, libc::PACKET_AUXDATA, 1),
        // Room for frames that arrive while other tests on the machine keep this one from reading.
        (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 16 << 20),
    ] {
        // SAFETY: the option takes an integer, which lives through the call.
        checked(unsafe {
            libc::setsockopt(fd, level, option, (&raw const value).cast(), size_of_val(&value) as libc::socklen_t)
        })?;
    }
    // SAFETY: all-zero bytes are a valid address.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol;
    address.sll_ifindex = ifindex.cast_signed();
    // SAFETY: the address lives through the call and has the length given.
    checked(unsafe { libc::bind(fd, (&raw const address).cast(), size_of_val(&address) as libc::socklen_t) })?;
    Ok(socket)
}

/// Reads one frame; `None` if this host sent it, or if it is too short to be a frame.
fn receive(socket: &OwnedFd) -> io::Result<Option<Frame>> {
    let mut bytes = vec![0u8; LONGEST];
    let mut control = [0u64; 8];
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero bytes are a valid address and a valid message header.
    let (mut from, mut message): (libc::sockaddr_ll, libc::msghdr) = unsafe { (zeroed(), zeroed()) };
    message.msg_name = (&raw mut from).cast();
    message.msg_namelen = size_of_val(&from) as libc::socklen_t;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: all that the message header points to lives in this function and has the lengths given.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    if from.sll_pkttype == libc::PACKET_OUTGOING {
        return Ok(None);
    }
    let frame = Frame::parse(&bytes[..length.min(LONGEST)]);
    // The kernel removes the tag of a frame before sockets see it, and reports it beside the frame.
    Ok(frame.map(|frame| match tag(&message) {
        Some(vlan) => frame.tagged(vlan),
        None => frame,
    }))
}

fn tag(message: &libc::msghdr) -> Option<u16> {
    // SAFETY: the kernel has filled in the message header, and its control buffer is alive.
    let header = unsafe { libc::CMSG_FIRSTHDR(message).as_ref() }?;
    if (header.cmsg_level, header.cmsg_type) != (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
        return None;
    }
    // SAFETY: a control message of this type carries that structure.
    let auxiliary = unsafe { libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>().read_unaligned() };
    (auxiliary.tp_status & libc::TP_STATUS_VLAN_VALID != 0).then_some(auxiliary.tp_vlan_tci & 0xfff)
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
