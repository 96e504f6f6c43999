//! Reading VXLAN on the underlay.

use std::net::{IpAddr, Ipv4Addr};

use gateway_common::headers::{ETH_P_IP, IPPROTO_UDP};
use lab::frame::Frame;

/// UDP port of VXLAN (RFC 7348 section 5).
pub(crate) const PORT: u16 = 4789;

/// A frame in a VXLAN packet over IPv4.
pub(crate) struct Outer {
    /// Sender of the packet.
    pub(crate) source: IpAddr,
    /// The inner frame.
    pub(crate) inner: Frame,
}

impl Outer {
    /// `None` if it is something else.
    pub(crate) fn parse(frame: &Frame) -> Option<Self> {
        // 20 bytes of IPv4 without options, 8 of UDP, 8 of VXLAN.
        let (headers, inner) = frame.payload.split_at_checked(36)?;
        let source: [u8; 4] = headers[12..16].try_into().ok()?;
        let is_vxlan =
            frame.ethertype == ETH_P_IP && headers[9] == IPPROTO_UDP && headers[22..24] == PORT.to_be_bytes();
        is_vxlan.then_some(())?;
        Some(Self { source: Ipv4Addr::from(source).into(), inner: Frame::parse(inner)? })
    }
}
