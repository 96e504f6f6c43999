//! Minimal netlink for simple requests: one request, its answers, its acknowledgement.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use nix::sys::{
    socket::{
        AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
        sockopt::ReceiveTimeout,
    },
    time::{TimeVal, TimeValLike},
};

/// `struct nlmsghdr`: length, type, flags, sequence number, port.
const HEADER: usize = 16;
/// Messages and attributes start at multiples of this.
const ALIGN: usize = 4;
/// The most attempts to read a list that changes while it is read.
const TRIES: u32 = 5;
/// Flag in the messages of a dump that is not consistent.
const NLM_F_DUMP_INTR: u16 = libc::NLM_F_DUMP_INTR as u16;

/// Sends a request, and collects the bodies of its answers until the kernel acknowledges it.
pub fn request(protocol: SockProtocol, kind: u16, body: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    request_with(protocol, kind, 0, body)
}

/// Sends a request with additional flags (`NLM_F_*`). A dump that changes while it is read is requested again.
pub fn request_with(protocol: SockProtocol, kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let mut tries = TRIES;
    loop {
        tries -= 1;
        match exchange(protocol, kind, flags, body) {
            Err(error) if error.raw_os_error() == Some(libc::EINTR) && tries > 0 => {}
            outcome => return outcome,
        }
    }
}

fn exchange(protocol: SockProtocol, kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let socket = open(protocol)?;
    let flags = flags | (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend(((HEADER + body.len()) as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    send(socket.as_raw_fd(), &message, MsgFlags::empty())?;

    let mut bodies = Vec::new();
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        if let Some(outcome) = read(&buffer[..length], &mut bodies)? {
            return outcome.map(|()| bodies);
        }
    }
}

fn open(protocol: SockProtocol) -> io::Result<OwnedFd> {
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
    // The kernel answers within the call. This limit only prevents that the agent hangs after a lost answer.
    setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(2))?;
    Ok(socket)
}

/// Reads the messages of a datagram. Returns the result once the acknowledgement, or the end of a dump, is among them.
fn read(mut datagram: &[u8], bodies: &mut Vec<Vec<u8>>) -> io::Result<Option<io::Result<()>>> {
    while !datagram.is_empty() {
        let length = u32_at(datagram, 0)? as usize;
        let (kind, flags) = (u16_at(datagram, 4)?, u16_at(datagram, 6)?);
        let body = datagram.get(HEADER..length).ok_or(io::ErrorKind::InvalidData)?;
        if flags & NLM_F_DUMP_INTR != 0 {
            return Ok(Some(Err(io::Error::from_raw_os_error(libc::EINTR))));
        }
        let kind = i32::from(kind);
        // Both begin with the result.
        if kind == libc::NLMSG_ERROR || kind == libc::NLMSG_DONE {
            let errno = u32_at(body, 0)?.cast_signed();
            return Ok(Some(if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-errno)) }));
        }
        bodies.push(body.to_vec());
        datagram = &datagram[length.next_multiple_of(ALIGN).min(datagram.len())..];
    }
    Ok(None)
}

/// Appends an attribute to a message body.
pub fn push_attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend(((4 + value.len()) as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(ALIGN), 0);
}

/// Returns an attribute among those that fill `bytes`.
pub fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(bytes, 0).ok()?);
        let kind = u16_at(bytes, 2).ok()?;
        let value = bytes.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(ALIGN)..)?;
    }
}

/// Sets promiscuous mode, and nothing else, by `RTM_SETLINK`. (The older ioctl writes all flags at once, and would undo
/// a concurrent change by another program.)
pub(super) fn set_promiscuous(ifindex: u32, on: bool) -> io::Result<()> {
    let flag = libc::IFF_PROMISC as u32;
    // struct ifinfomsg: family and padding, type, index, flags, mask of the flags to change.
    let mut body = vec![0; 4];
    body.extend(ifindex.to_ne_bytes());
    body.extend((if on { flag } else { 0 }).to_ne_bytes());
    body.extend(flag.to_ne_bytes());
    request(SockProtocol::NetlinkRoute, libc::RTM_SETLINK, &body).map(drop)
}

fn u32_at(bytes: &[u8], at: usize) -> io::Result<u32> {
    match bytes.get(at..at + 4) {
        Some(&[a, b, c, d]) => Ok(u32::from_ne_bytes([a, b, c, d])),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> io::Result<u16> {
    match bytes.get(at..at + 2) {
        Some(&[a, b]) => Ok(u16::from_ne_bytes([a, b])),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut message = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend([0; 10]);
        message.extend(body);
        message.resize(message.len().next_multiple_of(ALIGN), 0);
        message
    }

    #[test]
    fn attribute_is_found_behind_an_unaligned_one() {
        let mut body = Vec::new();
        push_attribute(&mut body, 1, b"abc");
        push_attribute(&mut body, 2, b"de");
        assert_eq!(attribute(&body, 2), Some(b"de".as_slice()));
        assert_eq!(attribute(&body, 3), None);
    }

    #[test]
    fn attribute_that_claims_no_length_ends_the_search() {
        assert_eq!(attribute(&[0; 8], 1), None);
    }

    #[test]
    fn answer_and_acknowledgement_are_distinguished() {
        let mut datagram = message(20, b"body!");
        datagram.extend(message(libc::NLMSG_ERROR as u16, &[0; 4]));
        let mut bodies = vec![];
        assert!(matches!(read(&datagram, &mut bodies), Ok(Some(Ok(())))));
        assert_eq!(bodies, [b"body!"]);
    }

    #[test]
    fn error_number_comes_out_positive() {
        let datagram = message(libc::NLMSG_ERROR as u16, &(-libc::ENODEV).to_ne_bytes());
        let outcome = read(&datagram, &mut vec![]).unwrap().unwrap();
        assert_eq!(outcome.unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn truncated_message_is_refused() {
        let mut datagram = message(20, b"body");
        datagram.truncate(HEADER);
        assert!(read(&datagram, &mut vec![]).is_err());
    }
}
