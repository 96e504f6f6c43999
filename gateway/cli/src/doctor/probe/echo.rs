//! Sends echo requests with Don't Fragment, to find out if the longest packet arrives, and if not, which router reports
//! it.
//!
//! A short and a long request go to each remote VTEP, and again to those that have not answered. The long one may not
//! be fragmented and ignores the kernel's cached path MTU (`IP_PMTUDISC_PROBE`). Therefore a router's error arrives in
//! this socket's error queue, with the MTU; otherwise the kernel would use it silently.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, AsRawFd},
    time::{Duration, Instant},
};

use nix::{
    cmsg_space,
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt},
};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::doctor::tunnels::Echo;

/// Rounds of requests, and the time to wait after each.
const ROUNDS: u32 = 4;
const ROUND: Duration = Duration::from_millis(700);
/// Bytes of a short request's payload.
const SHORT: usize = 16;
/// Bytes of the ICMP header.
const ICMP: usize = 8;
/// Requests sent before replies are read, so that replies do not overrun the socket.
const BURST: usize = 32;

/// Target of requests, and the longest packet to it, IP header included, in bytes.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Target {
    pub(in super::super) address: IpAddr,
    pub(in super::super) longest: u32,
}

/// Probes all targets, from `source` where this machine has it. Returns one result for each. Takes a few seconds at
/// most.
pub(in super::super) fn probe(targets: &[Target], sources: &[IpAddr]) -> Vec<Echo> {
    let mut all = vec![Echo::Silent; targets.len()];
    for v4 in [true, false] {
        let of_family: Vec<usize> = (0..targets.len()).filter(|at| targets[*at].address.is_ipv4() == v4).collect();
        if of_family.is_empty() {
            continue;
        }
        let source = sources.iter().copied().find(|source| source.is_ipv4() == v4);
        let some: Vec<Target> = of_family.iter().map(|at| targets[*at]).collect();
        let results = match Asker::open(v4, source) {
            Ok(asker) => asker.probe(&some),
            Err(error) => vec![Echo::NotSent(error.to_string()); some.len()],
        };
        for (at, result) in of_family.into_iter().zip(results) {
            all[at] = result;
        }
    }
    all
}

/// Replies from one target.
#[derive(Clone, Debug, Default)]
struct Replies {
    short: bool,
    long: bool,
    narrow: Option<(Option<IpAddr>, u32)>,
    unreachable: Option<IpAddr>,
}

impl Replies {
    fn settled(&self) -> bool {
        self.long || self.narrow.is_some()
    }

    fn echo(self) -> Echo {
        match self {
            Self { long: true, .. } => Echo::Fits,
            Self { narrow: Some((by, mtu)), .. } => Echo::Narrow { by, mtu },
            Self { short: true, .. } => Echo::LongOnesLost,
            Self { unreachable: Some(by), .. } => Echo::Unreachable { by },
            _ => Echo::Silent,
        }
    }
}

struct Asker {
    socket: Socket,
    v4: bool,
    id: u16,
}

impl Asker {
    fn open(v4: bool, source: Option<IpAddr>) -> io::Result<Self> {
        let (domain, protocol) = if v4 { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
        let socket = Socket::new(domain, Type::RAW.nonblocking(), Some(protocol))?;
        let (level, discover) =
            if v4 { (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER) } else { (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER) };
        set(&socket, level, discover, libc::IP_PMTUDISC_PROBE)?;
        if v4 {
            setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
            set(&socket, level, libc::IPV6_DONTFRAG, 1)?;
        }
        if let Some(source) = source {
            // A standby does not have the address; then any local address is used.
            let _ = socket.bind(&SockAddr::from(SocketAddr::new(source, 0)));
        }
        Ok(Self { socket, v4, id: (std::process::id() & 0xffff) as u16 })
    }

    #[expect(clippy::disallowed_methods, reason = "this is a driver: answers are waited for in real time")]
    fn probe(&self, targets: &[Target]) -> Vec<Echo> {
        // Numbers of requests are 16 bits, two for each target.
        let targets = &targets[..targets.len().min(usize::from(u16::MAX / 2))];
        let mut replies = vec![Replies::default(); targets.len()];
        for _ in 0..ROUNDS {
            for (at, target) in targets.iter().enumerate() {
                if !replies[at].short {
                    self.send(target, at, false, &mut replies);
                }
                if !replies[at].settled() {
                    self.send(target, at, true, &mut replies);
                }
                if at % BURST == BURST - 1 {
                    self.listen(Instant::now(), &mut replies);
                }
            }
            self.listen(Instant::now() + ROUND, &mut replies);
            if replies.iter().all(Replies::settled) {
                break;
            }
        }
        replies.into_iter().map(Replies::echo).collect()
    }

    fn send(&self, target: &Target, at: usize, long: bool, replies: &mut [Replies]) {
        let headers = if self.v4 { 20 } else { 40 } + ICMP;
        let payload = if long { (target.longest as usize).saturating_sub(headers).max(SHORT) } else { SHORT };
        let request = self.request(at * 2 + usize::from(long), payload);
        let to = SockaddrStorage::from(SocketAddr::new(target.address, 0));
        let parts = [IoSlice::new(&request)];
        let sent = sendmsg(self.socket.as_raw_fd(), &parts, &[], MsgFlags::MSG_DONTWAIT, Some(&to));
        // An error may be that of an earlier request; the error queue has the details.
        if sent.is_err() {
            self.errors(replies);
        }
    }

    fn request(&self, number: usize, payload: usize) -> Vec<u8> {
        let mut message = vec![if self.v4 { 8 } else { 128 }, 0, 0, 0];
        message.extend(self.id.to_be_bytes());
        message.extend((number as u16).to_be_bytes());
        message.extend((0..payload).map(|at| at as u8));
        if self.v4 {
            // The kernel computes the checksum for ICMPv6 only.
            let sum = checksum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        message
    }

    /// Reads the replies that have arrived, and those until `until`, or until all results are known.
    #[expect(clippy::disallowed_methods, reason = "this is a driver: answers are waited for in real time")]
    fn listen(&self, until: Instant, replies: &mut [Replies]) {
        loop {
            self.answers(replies);
            self.errors(replies);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || replies.iter().all(Replies::settled) {
                return;
            }
            let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::ZERO);
            let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            if poll(&mut fds, timeout).is_err_and(|errno| errno != Errno::EINTR) {
                return;
            }
        }
    }

    fn answers(&self, replies: &mut [Replies]) {
        let mut buffer = vec![0; 65_536];
        loop {
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let packet = recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut parts, None, MsgFlags::MSG_DONTWAIT);
            let length = match packet {
                Ok(packet) => packet.bytes,
                Err(Errno::EAGAIN) => return,
                // A pending error, cleared by reading it; the error queue has the details.
                Err(_) => {
                    self.errors(replies);
                    continue;
                }
            };
            let bytes = &buffer[..length];
            let header = if self.v4 { bytes.first().map_or(0, |first| usize::from(first & 0xf) * 4) } else { 0 };
            let reply = if self.v4 { 0 } else { 129 };
            if let Some((at, long)) = self.number(bytes.get(header..).unwrap_or_default(), reply, replies.len()) {
                let one = &mut replies[at];
                one.short = true;
                one.long |= long;
            }
        }
    }

    /// Returns the request that a message answers or quotes: the index of its target, and true for the long one.
    fn number(&self, message: &[u8], kind: u8, targets: usize) -> Option<(usize, bool)> {
        let fits = message.len() >= ICMP && message[0] == kind && message[4..6] == self.id.to_be_bytes();
        let number = usize::from(u16::from_be_bytes([*message.get(6)?, *message.get(7)?]));
        (fits && number / 2 < targets).then_some((number / 2, number % 2 == 1))
    }

    fn errors(&self, replies: &mut [Replies]) {
        let mut control = cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6, [u8; 64]);
        let mut buffer = [0; 128];
        // At most as many as may be queued; the next call reads the rest.
        for _ in 0..1024 {
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
            let Ok(news) = recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut parts, Some(&mut control), flags)
            else {
                break;
            };
            let length = news.bytes;
            let found = news.cmsgs().ok().and_then(|mut messages| {
                messages.find_map(|message| match message {
                    ControlMessageOwned::Ipv4RecvErr(error, by) => {
                        Some((error, by.map(|by| IpAddr::from(u32::from_be(by.sin_addr.s_addr).to_be_bytes()))))
                    }
                    ControlMessageOwned::Ipv6RecvErr(error, by) => {
                        Some((error, by.map(|by| IpAddr::from(by.sin6_addr.s6_addr))))
                    }
                    _ => None,
                })
            });
            let Some((error, by)) = found else { continue };
            let request = if self.v4 { 8 } else { 128 };
            let Some((at, long)) = self.number(&buffer[..length], request, replies.len()) else { continue };
            let local = error.ee_origin == libc::SO_EE_ORIGIN_LOCAL;
            if error.ee_errno == libc::EMSGSIZE as u32 {
                if long {
                    replies[at].narrow = Some((by.filter(|_| !local), error.ee_info));
                }
            } else if !local {
                replies[at].unreachable = by;
            }
        }
        let _ = self.socket.take_error();
    }
}

fn set(socket: &Socket, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the value is an int, of this length, as all options used here take.
    let outcome =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, std::ptr::from_ref(&value).cast(), length) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Returns the Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or_default()])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_over_the_sum_is_zero() {
        let mut message = vec![8, 0, 0, 0, 1, 2, 3, 4, 5];
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(checksum(&message), 0);
    }

    #[test]
    fn replies_have_one_result() {
        let by: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(Replies::default().echo(), Echo::Silent);
        assert_eq!(Replies { short: true, ..Replies::default() }.echo(), Echo::LongOnesLost);
        assert_eq!(Replies { short: true, long: true, ..Replies::default() }.echo(), Echo::Fits);
        let narrow = Replies { short: true, narrow: Some((Some(by), 1400)), ..Replies::default() };
        assert_eq!(narrow.echo(), Echo::Narrow { by: Some(by), mtu: 1400 });
        assert_eq!(Replies { unreachable: Some(by), ..Replies::default() }.echo(), Echo::Unreachable { by });
    }
}
