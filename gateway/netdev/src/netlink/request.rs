//! Single requests, for threads without a runtime: one request, its answers, its acknowledgement.

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
use rtnetlink::packet_core::{Emitable, Parseable};

use super::attribute::{ALIGN, u16_at, u32_at};

/// `struct nlmsghdr`: length, type, flags, sequence number, port.
const HEADER: usize = 16;
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

/// Sends a message of rtnetlink that has one answer of the same kind, and returns that answer.
pub(super) fn ask<M: Emitable + Parseable<[u8]>>(kind: u16, message: &M) -> io::Result<Option<M>> {
    let mut body = vec![0; message.buffer_len()];
    message.emit(&mut body);
    let answers = request(SockProtocol::NetlinkRoute, kind, &body)?;
    let answer = answers.first().map(|answer| M::parse(answer)).transpose();
    answer.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
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
