//! Socket for sending and receiving advertisements.

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

use super::{
    socket_setup,
    tx_timestamps::{Transmission, TxTimestamps},
};

/// Size of the receive buffer: larger than the longest advertisement, with 255 IPv6 addresses, or with a full IPv4
/// header and 255 IPv4 addresses.
const BUFFER: usize = 8192;
/// The most consecutive errors that are taken for reports of earlier packets.
const MAX_PENDING_ERRORS: usize = 16;

/// Options of a socket.
#[derive(Clone, Copy, Debug)]
pub struct SocketOptions<'a> {
    /// The interface. It may be a macvlan with the virtual MAC and without an address.
    pub interface: &'a str,
    /// The address family.
    pub family: Family,
    /// The other routers, if multicast is not used. They must be on the link, because 255 hops are required. Empty:
    /// multicast. Not permitted on a macvlan: it would request their MAC addresses, and so teach them the virtual MAC
    /// for this node's own address.
    pub peers: &'a [IpAddr],
    /// The source address. If there is none: the interface's first address that is not virtual, over IPv6 a link-local
    /// one, or else that of the interface below.
    pub source: Option<IpAddr>,
    /// The virtual addresses, which are never a source.
    pub virtual_addresses: &'a [IpAddr],
    /// True if the socket receives.
    pub listen: bool,
}

/// A received message. Nothing of it is checked yet; [`Advertisement::parse`] checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The VRRP message.
    pub message: Vec<u8>,
    /// Addresses and TTL of the packet.
    pub envelope: Envelope,
    /// Time at which the kernel received it. It is never in the future. If clocks are set, it is rather too late than
    /// too early.
    pub at: Time,
}

/// Reason why a socket can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The interface does not exist, or was removed meanwhile.
    #[error("there is no interface {0}")]
    NoInterface(String),
    /// The interface has no address of its own, and no source was given.
    #[error("interface {0} has no address to send advertisements from")]
    NoSource(String),
    /// The kernel refuses.
    #[error("cannot open a socket for advertisements on {interface}: {what}")]
    Refused {
        /// The interface.
        interface: String,
        /// The step that failed.
        what: &'static str,
        /// The kernel's reason.
        source: io::Error,
    },
}

/// Reason why an advertisement was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The interface is down or was removed.
    #[error("the interface is down")]
    Down(#[source] io::Error),
    /// The interface's queue is full, and the advertisement was dropped.
    #[error("the interface's queue is full")]
    Full(#[source] io::Error),
    /// The source address is not on this machine, not yet or not any more.
    #[error("{0} is no address of this machine")]
    Source(IpAddr, #[source] io::Error),
    /// Any other error.
    #[error("cannot send to {0}")]
    Refused(IpAddr, #[source] io::Error),
}

/// Raw socket for protocol 112 on one interface.
///
/// It never blocks. Wait until it is readable or in error (`POLLIN`, `POLLERR`), then call [`Self::receive`] and
/// [`Self::tx_completed`] until each returns nothing. Call the latter after each [`Self::send`] as well, because there
/// may be no other event to wait for.
#[derive(Debug)]
pub struct AdvertSocket {
    socket: Socket,
    ifindex: u32,
    source: IpAddr,
    group: IpAddr,
    peers: Vec<IpAddr>,
    has_tx_timestamps: bool,
    tx_timestamps: TxTimestamps,
    buffer: Vec<u8>,
    /// CLOCK_REALTIME minus CLOCK_MONOTONIC, when last read.
    offset: Duration,
}

impl AdvertSocket {
    /// Opens a socket in the calling thread's network namespace. Needs CAP_NET_RAW.
    ///
    /// # Errors
    /// There is no such interface or no source address, or the kernel refuses.
    pub fn open(options: &SocketOptions<'_>) -> Result<Self, SocketError> {
        let socket_setup::Opened { socket, ifindex, source, has_tx_timestamps } = socket_setup::open(options)?;
        Ok(Self {
            socket,
            ifindex,
            source,
            group: options.family.group(),
            peers: options.peers.to_vec(),
            has_tx_timestamps,
            tx_timestamps: TxTimestamps::default(),
            buffer: vec![0; BUFFER],
            offset: clock_offset(),
        })
    }

    /// Returns the index of the interface.
    pub const fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// Returns the source address.
    pub const fn source(&self) -> IpAddr {
        self.source
    }

    /// Returns true if the interface reports transmitted packets. Otherwise a packet counts as transmitted when it was
    /// sent.
    pub const fn has_tx_timestamps(&self) -> bool {
        self.has_tx_timestamps
    }

    /// Sends an advertisement to all routers, with an authentication trailer if there is one. [`Self::tx_completed`] reports it when
    /// each copy has been transmitted by the interface. Copies to peers whose MAC address is not known don't count:
    /// these peers can't be reached.
    ///
    /// # Errors
    /// One copy could not be sent. The advertisement then never counts as transmitted.
    pub fn send(
        &mut self,
        advertisement: &Advertisement,
        trailer: Option<&Trailer>,
        transmission: Transmission,
    ) -> Result<(), SendError> {
        // Reports of earlier packets would otherwise be taken for the result of this one.
        self.read_errors();
        self.tx_timestamps.begin(transmission);
        let mut outcome = Ok(());
        for at in 0..self.peers.len().max(1) {
            let to = self.peers.get(at).copied().unwrap_or(self.group);
            match self.send_to(advertisement, trailer, to) {
                // Without reports there is nothing to wait for.
                Ok(()) if self.has_tx_timestamps => self.tx_timestamps.copy(to),
                Ok(()) => {}
                Err(error) => {
                    self.read_errors();
                    self.tx_timestamps.failed();
                    // If this failed, numbers would no longer match, and nothing would count as transmitted.
                    let _unlikely = socket_setup::restart_count(&self.socket, self.has_tx_timestamps);
                    outcome = Err(error);
                }
            }
        }
        if outcome.is_ok() {
            self.tx_timestamps.whole();
            self.read_errors();
            self.forget_unreachable(transmission);
        }
        outcome
    }

    /// Returns the next transmitted advertisement, in the order of transmission.
    pub fn tx_completed(&mut self) -> Option<Transmission> {
        self.read_errors();
        self.tx_timestamps.next()
    }

    /// Returns the next waiting message.
    ///
    /// # Errors
    /// The socket can't be used any more.
    pub fn receive(&mut self) -> io::Result<Option<Received>> {
        let mut errors = 0;
        loop {
            match self.receive_one() {
                Ok(Some(received)) => return Ok(Some(received)),
                // It is not a whole packet.
                Ok(None) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                // It is the error of a packet that was sent. Reading it has cleared it.
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

    /// Converts the kernel's timestamp, which is of CLOCK_REALTIME, to CLOCK_MONOTONIC. CLOCK_REALTIME may have been
    /// set since then, or since it was last read. Of the two results the later one counts, because it is safer to trust
    /// a router for too long.
    fn arrival(&mut self, stamp: Option<Duration>) -> Time {
        let (before, offset) = (self.offset, clock_offset());
        self.offset = offset;
        let now = clock::monotonic();
        stamp.map_or(now, |stamp| stamp.saturating_sub(before.min(offset)).min(now))
    }

    fn send_to(&self, advertisement: &Advertisement, trailer: Option<&Trailer>, to: IpAddr) -> Result<(), SendError> {
        let message = advertisement.emit_signed(self.source, to, trailer);
        let mut sent = self.send_bytes(&message, to);
        // The error of an earlier packet has arrived at this moment. It is cleared now.
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
        // The source is set for each packet, because a socket bound to it would not receive multicast.
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

    /// Drops the copies of peers whose MAC address can't be resolved. They may never be transmitted, and must not
    /// prevent the progress of the other copies.
    fn forget_unreachable(&mut self, transmission: Transmission) {
        for (key, to) in self.tx_timestamps.missing(transmission) {
            if to != self.group && interface::is_unresolved(self.ifindex, to) {
                self.tx_timestamps.departed(key);
            }
        }
    }

    /// Reads the kernel's reports of sent packets.
    fn read_errors(&mut self) {
        while let Ok(departed) = self.read_error() {
            if let Some(key) = departed {
                self.tx_timestamps.departed(key);
            }
        }
        // With the queue empty, this error belongs to no packet in it.
        let _error = self.socket.take_error();
    }

    /// Returns the number of a transmitted packet, or `None` for another report.
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

/// Returns CLOCK_REALTIME minus CLOCK_MONOTONIC, or zero if that is negative (shortly after 1970, or before).
fn clock_offset() -> Duration {
    clock::realtime().saturating_sub(clock::monotonic())
}
