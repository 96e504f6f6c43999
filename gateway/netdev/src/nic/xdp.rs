//! XDP features of a driver: the `netdev` family of generic netlink (Documentation/netlink/specs/netdev.yaml, since
//! Linux 6.3).

use std::io;

use nix::sys::socket::SockProtocol;

use super::error::NicError;
use crate::netlink::{attribute, push_attribute, request};

/// Fixed number of the family that reports the numbers of the others (linux/genetlink.h).
const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
/// `struct genlmsghdr`: command, version, reserved.
const GENL_HEADER: usize = 4;

const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;

/// Snapshot of the XDP features of an interface (linux/netdev.h). On some drivers they depend on settings: veth accepts
/// redirected frames only while its peer has an XDP program or GRO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpFeatures(u64);

impl XdpFeatures {
    /// Wraps the kernel's bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns true if it runs programs in the driver: abort, drop, pass and send back.
    pub const fn basic(self) -> bool {
        self.0 & 1 != 0
    }

    /// Returns true if its programs can redirect frames to other interfaces.
    pub const fn redirect(self) -> bool {
        self.0 & 1 << 1 != 0
    }

    /// Returns true if programs of other interfaces can redirect frames to it (`ndo_xdp_xmit`).
    pub const fn ndo_xmit(self) -> bool {
        self.0 & 1 << 2 != 0
    }

    /// Returns true if it accepts redirected frames in several buffers.
    pub const fn ndo_xmit_sg(self) -> bool {
        self.0 & 1 << 6 != 0
    }
}

/// Returns the XDP features of an interface, or `None` on kernels before 6.3, which don't report them. An interface
/// whose driver has no XDP has no features.
///
/// # Errors
/// There is no such interface, or generic netlink doesn't work.
pub fn xdp_features(ifindex: u32) -> Result<Option<XdpFeatures>, NicError> {
    let failed = |source| NicError::XdpFeatures { ifindex, source };
    let Some(family) = family("netdev").map_err(failed)? else { return Ok(None) };
    let mut body = vec![NETDEV_CMD_DEV_GET, 1, 0, 0];
    push_attribute(&mut body, NETDEV_A_DEV_IFINDEX, &ifindex.to_ne_bytes());
    let answers = request(SockProtocol::NetlinkGeneric, family, &body).map_err(failed)?;
    let bits = answers
        .first()
        .and_then(|answer| attribute(answer.get(GENL_HEADER..)?, NETDEV_A_DEV_XDP_FEATURES))
        .and_then(|value| value.try_into().ok())
        .map(u64::from_ne_bytes);
    bits.map(|bits| Some(XdpFeatures(bits))).ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))
}

/// Returns the number of a generic netlink family, or `None` if the kernel doesn't have it.
fn family(name: &str) -> io::Result<Option<u16>> {
    let mut body = vec![CTRL_CMD_GETFAMILY, 1, 0, 0];
    let mut text = name.as_bytes().to_vec();
    text.push(0);
    push_attribute(&mut body, CTRL_ATTR_FAMILY_NAME, &text);
    match request(SockProtocol::NetlinkGeneric, GENL_ID_CTRL, &body) {
        Ok(answers) => {
            let id = answers.first().and_then(|answer| attribute(answer.get(GENL_HEADER..)?, CTRL_ATTR_FAMILY_ID));
            let id = id.and_then(|value| value.try_into().ok()).map(u16::from_ne_bytes);
            id.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
        }
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn family_nobody_has_is_none() {
        assert_eq!(family("no-such-family").unwrap(), None);
    }

    #[test]
    fn loopback_has_no_xdp_in_its_driver() {
        let loopback = nix::net::if_::if_nametoindex("lo").unwrap();
        let Some(features) = xdp_features(loopback).unwrap() else { return };
        assert!(!features.basic() && !features.redirect());
    }

    #[test]
    fn missing_interface_is_an_error_naming_it() {
        match xdp_features(i32::MAX.cast_unsigned()) {
            Ok(None) => {}
            other => assert!(other.unwrap_err().to_string().contains("2147483647")),
        }
    }
}
