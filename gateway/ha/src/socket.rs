//! The socket that advertisements come and go by.

use gateway_netdev::Family;
use std::{
    io,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    time::Duration,
};

use gateway_base::clock;
use gateway_netdev::interface;
use gateway_vrrp::{Advertisement, Envelope, Time, Trailer, unwrap_ipv4};
use nix::{
    cmsg_space,
    errno::Errno,
    sys::{
        socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg},
        time::TimeSpec,
    },
};
use socket2::Socket;

use super::{socket_setup, tx_timestamps::TxTimestamps};

/// More than the longest advertisement: 255 IPv6 addresses, or a whole IPv4 header and 255 IPv4 addresses.
const BUFFER: usize = 8192;
/// So many errors in a row are news of earlier packets; more are trouble.
const MAX_PENDING_ERRORS: usize = 16;

/// What a socket is to be.
#[derive(Clone, Copy, Debug)]
pub struct SocketOptions<'a> {
    /// The interface; also a macvlan with the virtual MAC and without an address.
    pub interface: &'a str,
    /// The family it speaks.
    pub family: Family,
    /// The other routers, where multicast is not used: on the link, since 255 hops are demanded. None: multicast. Not on
    /// a macvlan: it would ask for their MAC addresses, and so teach them the virtual MAC for this node's own address.
    pub peers: &'a [IpAddr],
    /// The address to send from. Where there is none: the interface's first that is not virtual, over IPv6 a link-local
    /// one; or else that of the interface below.
    pub source: Option<IpAddr>,
    /// The virtual addresses, which are no source.
    pub virtual_addresses: &'a [IpAddr],
    /// Whether it receives.
    pub listen: bool,
}

/// Names what was sent, until it has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(pub u64);

/// A message that has arrived. Nothing of it is checked yet: [`Advertisement::parse`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The VRRP message.
    pub message: Vec<u8>,
    /// Between whom, and with which TTL.
    pub envelope: Envelope,
    /// When the kernel received it: never in the future, and rather too late than too early when clocks are set.
    pub at: Time,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// There is none of this name, or it went meanwhile.
    #[error("there is no interface {0}")]
    NoInterface(String),
    /// It has no address of its own, and none was given.
    #[error("interface {0} has no address to send advertisements from")]
    NoSource(String),
    /// The kernel refuses.
    #[error("cannot open a socket for advertisements on {interface}: {what}")]
    Refused {
        /// The interface.
        interface: String,
        /// What was being done.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Why an advertisement was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The interface is down, or gone.
    #[error("the interface is down")]
    Down(#[source] io::Error),
    /// Its queue is full: the advertisement was thrown away.
    #[error("the interface's queue is full")]
    Full(#[source] io::Error),
    /// The machine doesn't have the source address, not yet or not any more.
    #[error("{0} is no address of this machine")]
    Source(IpAddr, #[source] io::Error),
    /// Anything else.
    #[error("cannot send to {0}")]
    Refused(IpAddr, #[source] io::Error),
}

/// A raw socket for protocol 112, on one interface.
///
/// It never blocks. Wait for it to be readable or in error (`POLLIN`, `POLLERR`), then call [`Self::receive`] and
/// [`Self::left`] until each gives nothing; call the latter after each [`Self::send`] as well, which may be all there is
/// to wait for.
#[derive(Debug)]
pub struct AdvertSocket {
    socket: Socket,
    ifindex: u32,
    source: IpAddr,
    group: IpAddr,
    peers: Vec<IpAddr>,
    tells_departure: bool,
    tx_timestamps: TxTimestamps,
    buffer: Vec<u8>,
    /// CLOCK_REALTIME less CLOCK_MONOTONIC, when last looked at.
    offset: Duration,
}

impl AdvertSocket {
    /// Opens one in the calling thread's network namespace. Needs CAP_NET_RAW.
    ///
    /// # Errors
    /// When there is no such interface, no address to send from, or the kernel refuses.
    pub fn open(options: &SocketOptions<'_>) -> Result<Self, SocketError> {
        let socket_setup::Opened { socket, ifindex, source, tells_departure } = socket_setup::open(options)?;
        Ok(Self {
            socket,
            ifindex,
            source,
            group: options.family.group(),
            peers: options.peers.to_vec(),
            tells_departure,
            tx_timestamps: TxTimestamps::default(),
            buffer: vec![0; BUFFER],
            offset: clock_offset(),
        })
    }

    /// The interface's index.
    pub const fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// The address it sends from.
    pub const fn source(&self) -> IpAddr {
        self.source
    }

    /// Whether the interface says when a packet has left. Where it doesn't, one has left when it was sent.
    pub const fn tells_departure(&self) -> bool {
        self.tells_departure
    }

    /// Sends an advertisement without authentication; see [`Self::send_signed`].
    ///
    /// # Errors
    /// When one copy could not be sent; then it never counts as having left.
    pub fn send(&mut self, advertisement: &Advertisement) -> Result<SendId, SendError> {
        self.send_signed(advertisement, None)
    }

    /// Sends an advertisement to all routers, with what authenticates it behind it. It has left when [`Self::left`] says so: when each copy has gone out of the
    /// interface, except those to peers whose MAC address is not known, who can't be reached.
    ///
    /// # Errors
    /// When one copy could not be sent; then it never counts as having left.
    pub(crate) fn send_signed(
        &mut self,
        advertisement: &Advertisement,
        trailer: Option<&Trailer>,
    ) -> Result<SendId, SendError> {
        // News of earlier packets would otherwise be taken for the outcome of this one.
        self.read_errors();
        let id = self.tx_timestamps.begin();
        let mut outcome = Ok(id);
        for at in 0..self.peers.len().max(1) {
            let to = self.peers.get(at).copied().unwrap_or(self.group);
            match self.send_to(advertisement, trailer, to) {
                // Where nothing is told, nothing is waited for.
                Ok(()) if self.tells_departure => self.tx_timestamps.copy(to),
                Ok(()) => {}
                Err(error) => {
                    self.read_errors();
                    self.tx_timestamps.failed();
                    // Were it not to work, numbers would not fit any more, and nothing would count as having left.
                    let _unlikely = socket_setup::restart_count(&self.socket, self.tells_departure);
                    outcome = Err(error);
                }
            }
        }
        if outcome.is_ok() {
            self.tx_timestamps.whole();
            self.read_errors();
            self.forget_unreachable(id);
        }
        outcome
    }

    /// The next advertisement that has left, in the order in which they did.
    pub fn tx_completed(&mut self) -> Option<SendId> {
        self.read_errors();
        self.tx_timestamps.next()
    }

    /// The next message that waits.
    ///
    /// # Errors
    /// When the socket is of no use any more.
    pub fn receive(&mut self) -> io::Result<Option<Received>> {
        let mut errors = 0;
        loop {
            match self.receive_one() {
                Ok(Some(received)) => return Ok(Some(received)),
                // Not a whole packet.
                Ok(None) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                // The error of a packet that was sent; reading it has taken it away.
                Err(_) if errors < MAX_PENDING_ERRORS => errors += 1,
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn receive_one(&mut self) -> Result<Option<Received>, Errno> {
        let mut control = cmsg_space!(libc::in6_pktinfo, libc::c_int, TimeSpec, [TimeSpec; 3]);
        let mut parts = [io::IoSliceMut::new(&mut self.buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let packet = recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
        let from = packet.address.as_ref().and_then(SockaddrStorage::as_sockaddr_in6).map(|from| IpAddr::V6(from.ip()));
        let (len, whole) = (packet.bytes, !packet.flags.contains(MsgFlags::MSG_TRUNC));
        let (mut to, mut ttl, mut stamp) = (None, None, None);
        for message in packet.cmsgs()? {
            match message {
                ControlMessageOwned::Ipv6PacketInfo(info) => to = Some(IpAddr::from(info.ipi6_addr.s6_addr)),
                ControlMessageOwned::Ipv6HopLimit(limit) => ttl = u8::try_from(limit).ok(),
                ControlMessageOwned::ScmTimestampns(at) => stamp = Some(Duration::from(at)),
                _ => {}
            }
        }
        let at = self.arrival(stamp);
        let bytes = if whole { &self.buffer[..len] } else { return Ok(None) };
        let opened = match (self.source, from, to, ttl) {
            (IpAddr::V4(_), ..) => unwrap_ipv4(bytes).ok(),
            (_, Some(from), Some(to), Some(ttl)) => Some((Envelope { from, to, ttl }, bytes)),
            _ => None,
        };
        Ok(opened.map(|(envelope, message)| Received { message: message.to_vec(), envelope, at }))
    }

    /// Puts the kernel's stamp, which is CLOCK_REALTIME, on the other clock. That clock may have been set since then, or
    /// since it was last looked at: of the two readings the later one counts, as it is safer to believe in a router for
    /// too long.
    fn arrival(&mut self, stamp: Option<Duration>) -> Time {
        let (before, offset) = (self.offset, clock_offset());
        self.offset = offset;
        let now = clock::monotonic();
        stamp.map_or(now, |stamp| stamp.saturating_sub(before.min(offset)).min(now))
    }

    fn send_to(&self, advertisement: &Advertisement, trailer: Option<&Trailer>, to: IpAddr) -> Result<(), SendError> {
        let message = advertisement.emit_signed(self.source, to, trailer);
        let mut sent = self.send_bytes(&message, to);
        // The error of an earlier packet, come in this moment. It is gone now.
        if matches!(sent, Err(Errno::EHOSTUNREACH | Errno::ECONNREFUSED | Errno::EPROTO)) {
            sent = self.send_bytes(&message, to);
        }
        sent.map_err(|errno| match errno {
            Errno::ENETDOWN | Errno::ENETUNREACH | Errno::ENODEV | Errno::ENXIO => SendError::Down(errno.into()),
            Errno::ENOBUFS | Errno::EAGAIN => SendError::Full(errno.into()),
            Errno::EINVAL | Errno::EADDRNOTAVAIL => SendError::Source(self.source, errno.into()),
            errno => SendError::Refused(to, errno.into()),
        })
    }

    fn send_bytes(&self, message: &[u8], to: IpAddr) -> Result<(), Errno> {
        let (fd, parts) = (self.socket.as_raw_fd(), [io::IoSlice::new(message)]);
        let flags = MsgFlags::MSG_DONTWAIT;
        let destination = match to {
            IpAddr::V4(_) => SocketAddr::new(to, 0),
            IpAddr::V6(to) => SocketAddrV6::new(to, 0, 0, self.ifindex).into(),
        };
        let destination = SockaddrStorage::from(destination);
        // The source is given with each packet: a socket bound to it would not receive multicast.
        match self.source {
            IpAddr::V4(source) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: self.ifindex.cast_signed(),
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(source.octets()) },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                sendmsg(fd, &parts, &[ControlMessage::Ipv4PacketInfo(&info)], flags, Some(&destination))
            }
            IpAddr::V6(source) => {
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: source.octets() },
                    ipi6_ifindex: self.ifindex,
                };
                sendmsg(fd, &parts, &[ControlMessage::Ipv6PacketInfo(&info)], flags, Some(&destination))
            }
        }
        .map(drop)
    }

    /// A peer whose MAC address nobody answers for will not get its copy, perhaps never; whoever is left must not be kept
    /// from going on by that.
    fn forget_unreachable(&mut self, id: SendId) {
        for (key, to) in self.tx_timestamps.missing(id) {
            if to != self.group && interface::is_unresolved(self.ifindex, to) {
                self.tx_timestamps.departed(key);
            }
        }
    }

    /// Reads what the kernel says of packets sent.
    fn read_errors(&mut self) {
        while let Ok(departed) = self.read_error() {
            if let Some(key) = departed {
                self.tx_timestamps.departed(key);
            }
        }
        // With the queue empty, this is of no packet in it.
        let _error = self.socket.take_error();
    }

    /// The number of a packet that has left; nothing for other news.
    fn read_error(&self) -> Result<Option<u32>, Errno> {
        let mut control = cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6, TimeSpec, [TimeSpec; 3], [u8; 64]);
        let mut nothing = [0; 64];
        let mut parts = [io::IoSliceMut::new(&mut nothing)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let news = recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
        let departed = news.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
                (error.ee_origin == libc::SO_EE_ORIGIN_TIMESTAMPING).then_some(error.ee_data)
            }
            _ => None,
        });
        Ok(departed)
    }
}

impl AsFd for AdvertSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for AdvertSocket {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}

/// CLOCK_REALTIME less CLOCK_MONOTONIC; zero where the year is before 1970 and a bit.
fn clock_offset() -> Duration {
    clock::realtime().saturating_sub(clock::monotonic())
}
