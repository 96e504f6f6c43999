//! Inspects a NIC without changing it, for the diagnosis of one that is slow or receives nothing.

use std::io;

use nix::sys::socket::SockProtocol;

use super::{
    Role, Setting,
    error::NicError,
    ethtool::Ethtool,
    netlink::{attribute, request},
    plan::{self, Step},
};

/// Bytes of `struct ifinfomsg`: family and padding, type, index, flags, mask.
const IFINFO: usize = 16;
/// Attributes in `IFLA_XDP` (linux/if_link.h).
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
/// In `IFLA_LINKINFO`.
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const XDP_ATTACHED_NONE: u8 = 0;

/// A setting that differs from the one that a role needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The setting.
    pub setting: Setting,
    /// The value that it should have.
    pub wanted: bool,
    /// True if the driver permits a change.
    pub changeable: bool,
}

/// Current and largest amount of a NIC's resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Current amount.
    pub used: u32,
    /// Largest amount.
    pub most: u32,
}

/// Properties of an interface in the kernel's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its index.
    pub ifindex: u32,
    /// MTU: largest IP packet in bytes.
    pub mtu: u32,
    /// True if the operator has set it up.
    pub admin_up: bool,
    /// True if it can carry packets.
    pub running: bool,
    /// Index of the bridge or bond to which it belongs.
    pub master: Option<u32>,
    /// Kind of that master, by its kernel name: `bond`, `bridge`, `openvswitch`, `vrf`...
    pub master_kind: Option<String>,
    /// Id of the XDP program on it.
    pub xdp: Option<u32>,
}

/// Returns the settings of `name` that differ from those that `role` needs.
///
/// # Errors
/// There is no such interface, or the kernel refuses to report.
pub fn wrong_settings(name: &str, role: Role) -> Result<Vec<Wrong>, NicError> {
    let ethtool = Ethtool::open()?;
    let mut wrong = Vec::new();
    for &(setting, wanted) in plan::needs(role) {
        match plan::step(super::settings::state(&ethtool, name, setting)?, wanted) {
            Step::Nothing => {}
            Step::Fixed if plan::is_covered(role, setting) => {}
            step => wrong.push(Wrong { setting, wanted, changeable: step == Step::Change }),
        }
    }
    Ok(wrong)
}

/// Returns the size of the receive ring in packets (`ETHTOOL_GRINGPARAM`).
///
/// # Errors
/// There is no such interface, or its driver has no rings.
pub fn receive_ring(name: &str) -> Result<Share, NicError> {
    Ethtool::open()?.receive_ring(name)
}

/// Returns the number of receive queues (`ETHTOOL_GCHANNELS`).
///
/// # Errors
/// There is no such interface, or its driver has no channels.
pub fn receive_queues(name: &str) -> Result<Share, NicError> {
    Ethtool::open()?.receive_queues(name)
}

/// Returns the properties of interface `name`, or `None` if there is none.
///
/// # Errors
/// Netlink does not work.
pub fn interface(name: &str) -> io::Result<Option<Interface>> {
    let Ok(ifindex) = nix::net::if_::if_nametoindex(name) else { return Ok(None) };
    let mut body = vec![0; IFINFO];
    body[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    let answers = request(SockProtocol::NetlinkRoute, libc::RTM_GETLINK, &body)?;
    Ok(answers.first().map(|answer| decode(ifindex, answer)))
}

fn decode(ifindex: u32, answer: &[u8]) -> Interface {
    let flags = answer.get(8..12).and_then(word).unwrap_or_default();
    let attributes = answer.get(IFINFO..).unwrap_or_default();
    let number = |kind| attribute(attributes, kind).and_then(word);
    let xdp = attribute(attributes, libc::IFLA_XDP).and_then(|nested| {
        let mode = attribute(nested, IFLA_XDP_ATTACHED)?.first()?;
        let id = attribute(nested, IFLA_XDP_PROG_ID).and_then(word).unwrap_or_default();
        (*mode != XDP_ATTACHED_NONE).then_some(id)
    });
    Interface {
        ifindex,
        mtu: number(libc::IFLA_MTU).unwrap_or_default(),
        admin_up: flags & libc::IFF_UP as u32 != 0,
        running: flags & libc::IFF_RUNNING as u32 != 0,
        master: number(libc::IFLA_MASTER).filter(|index| *index != 0),
        master_kind: attribute(attributes, libc::IFLA_LINKINFO)
            .and_then(|nested| attribute(nested, IFLA_INFO_SLAVE_KIND))
            .map(|kind| String::from_utf8_lossy(kind.strip_suffix(&[0]).unwrap_or(kind)).into_owned()),
        xdp,
    }
}

fn word(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nic::netlink::push_attribute;

    #[test]
    fn an_xdp_program_is_reported_by_its_id() {
        let mut xdp = Vec::new();
        push_attribute(&mut xdp, IFLA_XDP_ATTACHED, &[1]);
        push_attribute(&mut xdp, IFLA_XDP_PROG_ID, &77_u32.to_ne_bytes());
        let mut answer = vec![0; IFINFO];
        answer[8..12].copy_from_slice(&(libc::IFF_UP as u32).to_ne_bytes());
        push_attribute(&mut answer, libc::IFLA_MTU, &1500_u32.to_ne_bytes());
        push_attribute(&mut answer, libc::IFLA_XDP, &xdp);
        let seen = decode(9, &answer);
        let wanted = Interface { ifindex: 9, mtu: 1500, admin_up: true, xdp: Some(77), ..Interface::default() };
        assert_eq!(seen, wanted);
    }

    #[test]
    fn loopback_is_seen_and_has_no_program() {
        let seen = interface("lo").unwrap().unwrap();
        assert_eq!((seen.xdp, seen.master), (None, None));
        assert!(seen.mtu > 0);
        assert_eq!(interface("no-such-if").unwrap(), None);
    }
}
