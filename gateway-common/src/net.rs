//! Network identifiers that cannot hold an illegal value.

use core::{fmt, num::ParseIntError, str::FromStr};

/// A VXLAN network identifier, 1 ..= 2^24-1 (RFC 7348 section 5). Zero is refused: `hardware_vtep` uses it for "not
/// bound", and hypervisors speak BFD on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vni(u32);

impl Vni {
    /// The largest identifier, 24 bits of ones.
    pub const MAX: u32 = (1 << 24) - 1;

    /// Checks the range.
    pub const fn new(value: u32) -> Option<Self> {
        if value == 0 || value > Self::MAX { None } else { Some(Self(value)) }
    }

    /// The identifier as a number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A VLAN of an access port: 1 ..= 4094, or [`VlanId::UNTAGGED`] for frames without a tag (IEEE 802.1Q-2022 table 9-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VlanId(u16);

impl VlanId {
    /// Frames without a tag, and priority-tagged ones (tag with VLAN 0).
    pub const UNTAGGED: Self = Self(0);
    /// The largest VLAN; 4095 is reserved.
    pub const MAX: u16 = 4094;

    /// Checks the range; 0 gives [`VlanId::UNTAGGED`].
    pub const fn new(value: u16) -> Option<Self> {
        if value > Self::MAX { None } else { Some(Self(value)) }
    }

    /// The VLAN as a number, 0 for untagged.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An Ethernet address, in the order it has on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// All stations.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// True for broadcast and multicast: the group bit is set (IEEE 802-2014 section 8.2.2).
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// True for an address that can belong to one station: not a group address, not zero.
    pub const fn is_station(self) -> bool {
        !self.is_group() && !matches!(self.0, [0, 0, 0, 0, 0, 0])
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Parse error of an Ethernet address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MacError {
    /// Not six parts between colons.
    Parts,
    /// A part is not one or two hexadecimal digits.
    Digits(ParseIntError),
}

impl fmt::Display for MacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parts => f.write_str("expected six hexadecimal bytes with colons between, like 02:00:5e:00:00:01"),
            Self::Digits(reason) => write!(f, "expected hexadecimal bytes: {reason}"),
        }
    }
}

impl core::error::Error for MacError {}

impl FromStr for MacAddr {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().ok_or(MacError::Parts)?;
            if part.len() > 2 || part.starts_with('+') {
                return Err(MacError::Parts);
            }
            *byte = u8::from_str_radix(part, 16).map_err(MacError::Digits)?;
        }
        if parts.next().is_some() { Err(MacError::Parts) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn vni_refuses_zero_and_25_bits() {
        assert_eq!(Vni::new(0), None);
        assert_eq!(Vni::new(1 << 24), None);
        assert_eq!(Vni::new(Vni::MAX).map(Vni::get), Some(16_777_215));
    }

    #[test]
    fn vlan_4095_is_reserved() {
        assert_eq!(VlanId::new(4095), None);
        assert_eq!(VlanId::new(0), Some(VlanId::UNTAGGED));
    }

    #[test]
    fn mac_prints_what_it_parses() {
        let mac: MacAddr = "02:00:5E:0:0:1".parse().unwrap();
        assert_eq!(mac.to_string(), "02:00:5e:00:00:01");
    }

    #[test]
    fn mac_refuses_other_shapes() {
        for text in
            ["", "02:00:5e:00:00", "02:00:5e:00:00:01:02", "02:00:5e:00:00:001", "02:00:5e:00:00:0g", "+2:0:0:0:0:1"]
        {
            assert!(text.parse::<MacAddr>().is_err(), "{text}");
        }
    }

    #[test]
    fn group_and_zero_addresses_are_no_stations() {
        assert!(!MacAddr::BROADCAST.is_station());
        assert!(!MacAddr([0; 6]).is_station());
        assert!(MacAddr([2, 0, 0, 0, 0, 1]).is_station());
    }
}
