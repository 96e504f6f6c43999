//! TC programs as filters of a clsact qdisc, for kernels without links for TC (before 6.6).
//!
//! The filter is found by its priority, handle and name, and replaced in one step. The qdisc may belong to another
//! program.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use gateway_netdev::netlink::{attribute, push_attribute, request_with};
use nix::sys::socket::SockProtocol;

/// Priority of the filter, 22100 to `tc`; high numbers come last.
pub(super) const PRIORITY: u32 = 0x5654;
const HANDLE: u32 = 1;
/// Names of the programs, ours and those of a capture.
const NAMES: [&[u8]; 4] = [b"tc_uplink", b"tc_access", b"capt_tc_uplink", b"capt_tc_access"];

/// Bytes of `struct tcmsg`: family and padding, interface, handle, parent, info.
const TCMSG: usize = 20;
/// `TC_H_CLSACT`, as the parent of the qdisc, and the handle that it always has.
const CLSACT: u32 = 0xffff_fff1;
const CLSACT_HANDLE: u32 = 0xffff_0000;
/// The two lists of filters that a clsact qdisc has.
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;

const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_FD: u16 = 6;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_FLAGS: u16 = 8;
const TCA_BPF_ID: u16 = 11;
/// The program itself decides about the packet.
const TCA_BPF_FLAG_ACT_DIRECT: u32 = 1;

const CREATE: u16 = libc::NLM_F_CREATE as u16;
const EXCLUSIVE: u16 = libc::NLM_F_EXCL as u16;
const DUMP: u16 = libc::NLM_F_DUMP as u16;

/// Adds a clsact qdisc. Returns false if there is one, or one in its place (`ingress`), which is sufficient.
pub(super) fn add_qdisc(ifindex: u32) -> io::Result<bool> {
    let mut body = message(ifindex, CLSACT_HANDLE, CLSACT, 0);
    push_attribute(&mut body, TCA_KIND, b"clsact\0");
    match request_with(SockProtocol::NetlinkRoute, libc::RTM_NEWQDISC, CREATE | EXCLUSIVE, &body) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes the clsact qdisc if there is one without filters. Returns true if it was removed.
pub(super) fn remove_empty_qdisc(ifindex: u32) -> io::Result<bool> {
    if !has_qdisc(ifindex)? || !filters(ifindex, INGRESS)?.is_empty() || !filters(ifindex, EGRESS)?.is_empty() {
        return Ok(false);
    }
    let mut body = message(ifindex, CLSACT_HANDLE, CLSACT, 0);
    push_attribute(&mut body, TCA_KIND, b"clsact\0");
    request_with(SockProtocol::NetlinkRoute, libc::RTM_DELQDISC, 0, &body).map(|_| true)
}

fn has_qdisc(ifindex: u32) -> io::Result<bool> {
    let body = message(ifindex, 0, 0, 0);
    let all = request_with(SockProtocol::NetlinkRoute, libc::RTM_GETQDISC, DUMP, &body)?;
    let here = |qdisc: &&Vec<u8>| qdisc.get(4..8) == Some(&ifindex.to_ne_bytes()[..]);
    Ok(all.iter().filter(here).any(|qdisc| text(qdisc.get(TCMSG..), TCA_KIND) == Some(b"clsact")))
}

/// Puts a program on the ingress. Replaces ours, if there is one, in one step.
pub(super) fn put(ifindex: u32, program: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let mut options = Vec::new();
    push_attribute(&mut options, TCA_BPF_FD, &program.as_raw_fd().to_ne_bytes());
    let mut name = name.as_bytes().to_vec();
    name.push(0);
    push_attribute(&mut options, TCA_BPF_NAME, &name);
    push_attribute(&mut options, TCA_BPF_FLAGS, &TCA_BPF_FLAG_ACT_DIRECT.to_ne_bytes());
    let mut body = ours(ifindex);
    push_attribute(&mut body, TCA_OPTIONS, &options);
    request_with(SockProtocol::NetlinkRoute, libc::RTM_NEWTFILTER, CREATE, &body).map(drop)
}

/// Returns the id of our program on the ingress.
pub(super) fn program(ifindex: u32) -> io::Result<Option<u32>> {
    Ok(filters(ifindex, INGRESS)?.iter().find_map(|filter| id(filter)))
}

/// Removes our filter. Returns true if there was one.
pub(super) fn remove(ifindex: u32) -> io::Result<bool> {
    if program(ifindex)?.is_none() {
        return Ok(false);
    }
    request_with(SockProtocol::NetlinkRoute, libc::RTM_DELTFILTER, 0, &ours(ifindex)).map(|_| true)
}

/// Returns the program's id, if the filter is ours.
fn id(filter: &[u8]) -> Option<u32> {
    let number = |at: usize| Some(u32::from_ne_bytes(filter.get(at..at + 4)?.try_into().ok()?));
    if number(8)? != HANDLE || number(16)? >> 16 != PRIORITY {
        return None;
    }
    let options = attribute(filter.get(TCMSG..)?, TCA_OPTIONS)?;
    let name = text(Some(options), TCA_BPF_NAME)?;
    let id = attribute(options, TCA_BPF_ID)?;
    NAMES.contains(&name).then_some(u32::from_ne_bytes(id.try_into().ok()?))
}

/// Returns all filters of a list that hold a program. The kernel also reports an empty head for each priority.
fn filters(ifindex: u32, parent: u32) -> io::Result<Vec<Vec<u8>>> {
    let body = message(ifindex, 0, parent, 0);
    let all = request_with(SockProtocol::NetlinkRoute, libc::RTM_GETTFILTER, DUMP, &body)?;
    Ok(all.into_iter().filter(|filter| filter.get(8..12) != Some(&[0; 4])).collect())
}

fn ours(ifindex: u32) -> Vec<u8> {
    let info = PRIORITY << 16 | u32::from((libc::ETH_P_ALL as u16).to_be());
    let mut body = message(ifindex, HANDLE, INGRESS, info);
    push_attribute(&mut body, TCA_KIND, b"bpf\0");
    body
}

fn message(ifindex: u32, handle: u32, parent: u32, info: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    for number in [ifindex, handle, parent, info] {
        body.extend(number.to_ne_bytes());
    }
    body
}

/// Returns the text of an attribute without the zero at its end.
fn text(attributes: Option<&[u8]>, kind: u16) -> Option<&[u8]> {
    attribute(attributes?, kind)?.strip_suffix(&[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(handle: u32, priority: u32, name: &[u8]) -> Vec<u8> {
        let mut options = Vec::new();
        push_attribute(&mut options, TCA_BPF_NAME, name);
        push_attribute(&mut options, TCA_BPF_ID, &77_u32.to_ne_bytes());
        let mut body = message(3, handle, INGRESS, priority << 16 | 0x300);
        push_attribute(&mut body, TCA_KIND, b"bpf\0");
        push_attribute(&mut body, TCA_OPTIONS, &options);
        body
    }

    #[test]
    fn our_filter_is_known_by_priority_handle_and_name() {
        assert_eq!(id(&filter(HANDLE, PRIORITY, b"tc_access\0")), Some(77));
        assert_eq!(id(&filter(HANDLE, PRIORITY, b"theirs\0")), None);
        assert_eq!(id(&filter(2, PRIORITY, b"tc_access\0")), None);
        assert_eq!(id(&filter(HANDLE, 1, b"tc_access\0")), None);
    }
}
