//! The two address families over which VRRP runs.

use std::net::IpAddr;

use gateway_vrrp::{GROUP_V4, GROUP_V6};

/// Address family of advertisements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4: advertisements go to 224.0.0.18.
    V4,
    /// IPv6: advertisements go to ff02::12.
    V6,
}

impl Family {
    /// Returns the family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Returns the multicast group of VRRP routers.
    pub const fn group(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(GROUP_V4),
            Self::V6 => IpAddr::V6(GROUP_V6),
        }
    }

    /// Returns true if an advertisement may have this source: over IPv6 link-local addresses only (RFC 9568 section
    /// 5.1.2.1).
    pub(crate) const fn can_send_from(self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::V4, IpAddr::V4(_)) => true,
            (Self::V6, IpAddr::V6(address)) => address.is_unicast_link_local(),
            _ => false,
        }
    }
}
