//! Advertisements on the wire: version 3 (RFC 9568 section 5) and version 2 (RFC 3768 section 5).
//!
//! ```text
//!     0                   1                   2                   3
//!    +-------+-------+---------------+---------------+---------------+
//!    |Version|Type=1 | VRID          | priority      | count         |
//!    +-------+-------+-------+-------+---------------+---------------+
//! v3 |reserve| interval, centiseconds| checksum                      |
//!    +-------+-------+---------------+-------------------------------+
//! v2 | authentication| interval, sec.| checksum                      |
//!    +---------------+---------------+-------------------------------+
//!    | addresses, `count` of them; in version 2, eight bytes more    |
//!    |  that are zero without authentication                         |
//!    +---------------------------------------------------------------+
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    AuthError, Checksum, Interval, Version, Vrid,
    checksum::{Sum, pseudo_header},
};

/// IP protocol number.
pub const PROTOCOL: u8 = 112;
/// Required TTL or hop limit: a packet that a router has forwarded is not accepted (RFC 9568 sections 5.1.1.3 and
/// 5.1.2.3).
pub const TTL: u8 = 255;
/// IPv4 multicast group of VRRP routers.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// IPv6 multicast group of VRRP routers.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

const HEADER_LEN: usize = 8;
/// Length of the password field at the end of version 2.
const AUTHENTICATION_LEN: usize = 8;
const TYPE_ADVERTISEMENT: u8 = 1;
const CHECKSUM_AT: usize = 6;
/// Length of the authentication trailer behind the message.
pub(super) const TRAILER_LEN: usize = 28;

/// Authentication trailer of an advertisement. [`super::Authenticator`] creates it.
pub type Trailer = [u8; TRAILER_LEN];

/// One advertisement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// The protocol's version.
    pub version: Version,
    /// The virtual router.
    pub vrid: Vrid,
    /// The sender's priority; 0: the sender leaves.
    pub priority: u8,
    /// Time between advertisements. Version 2 rounds it up to whole seconds.
    pub interval: Interval,
    /// The virtual addresses, all of the address family that carries the advertisement; at most 255.
    pub addresses: Vec<IpAddr>,
    /// Data that the checksum covers. Version 2 is always [`Checksum::MessageOnly`], IPv6 always
    /// [`Checksum::PseudoHeader`].
    pub checksum: Checksum,
}

/// Fields of a packet's IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Source address.
    pub from: IpAddr,
    /// Destination address.
    pub to: IpAddr,
    /// TTL or hop limit on arrival.
    pub ttl: u8,
}

/// Reason why a packet is not a valid advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The IPv4 header of a packet from a raw socket is damaged.
    #[error("the IPv4 header is malformed")]
    IpHeader,
    /// A router has forwarded the packet, or it is forged.
    #[error("TTL or hop limit is {0}, not 255")]
    Ttl(u8),
    /// Shorter than a header.
    #[error("{0} bytes are no whole message")]
    Short(usize),
    /// A version that doesn't exist, or that is not defined over IPv6.
    #[error("version {0} is unknown here")]
    Version(u8),
    /// Another type than 1. There is no other.
    #[error("type {0} is no advertisement")]
    Type(u8),
    /// The checksum is wrong both with a pseudo-header and without.
    #[error("the checksum is wrong")]
    Checksum,
    /// The reserved VRID 0.
    #[error("VRID 0 is reserved")]
    Vrid,
    /// Version 3 without an address. It has at least one (RFC 9568 section 5.2.5).
    #[error("there is no address in it")]
    NoAddress,
    /// The number of addresses does not match the length.
    #[error("{count} addresses do not fit {len} bytes")]
    Count {
        /// Number of addresses according to the header.
        count: u8,
        /// Length of the whole message in bytes.
        len: usize,
    },
    /// Version 2 with a password (1) or an authentication header (2), both withdrawn by RFC 3768.
    #[error("authentication of type {0} is not supported")]
    Authentication(u8),
    /// The interval is 0.
    #[error("the advertisement interval is 0")]
    Interval,
    /// The authentication trailer is wrong, or can't be checked.
    #[error(transparent)]
    Inauthentic(#[from] AuthError),
}

/// Removes the IPv4 header that a raw socket delivers. Skips options, and drops bytes behind the packet.
pub fn unwrap_ipv4(packet: &[u8]) -> Result<(Envelope, &[u8]), PacketError> {
    let header: &[u8; 20] = packet.first_chunk().ok_or(PacketError::IpHeader)?;
    let header_len = usize::from(header[0] & 0x0f) * 4;
    let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] >> 4 != 4 || header_len < header.len() {
        return Err(PacketError::IpHeader);
    }
    let message = packet.get(header_len..total_len).ok_or(PacketError::IpHeader)?;
    let address = |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]).into();
    Ok((Envelope { from: address(12), to: address(16), ttl: header[8] }, message))
}

impl Advertisement {
    /// Parses an advertisement of either version. The checks are in the order of RFC 9568 section 7.1, except that
    /// packets of another kind are reported before the checksum is checked. An advertisement with an authentication
    /// trailer is refused.
    pub fn parse(message: &[u8], envelope: &Envelope) -> Result<Self, PacketError> {
        let (read, _, trailer) = Self::parse_signed(message, envelope)?;
        if trailer.is_some() { Err(AuthError::NoKeys.into()) } else { Ok(read) }
    }

    /// Parses an advertisement with or without a trailer, for observers. Does not check the trailer.
    pub fn parse_unchecked(message: &[u8], envelope: &Envelope) -> Result<Self, PacketError> {
        Self::parse_signed(message, envelope).map(|(read, ..)| read)
    }

    /// Parses an advertisement, and returns also the message that the trailer authenticates and the trailer. Nothing is
    /// authenticated yet.
    pub(super) fn parse_signed<'m>(
        message: &'m [u8],
        envelope: &Envelope,
    ) -> Result<(Self, &'m [u8], Option<&'m Trailer>), PacketError> {
        if envelope.ttl != TTL {
            return Err(PacketError::Ttl(envelope.ttl));
        }
        let header: &[u8; HEADER_LEN] = message.first_chunk().ok_or(PacketError::Short(message.len()))?;
        let [first, vrid, priority, count, fifth, sixth, ..] = *header;
        let version = match (first >> 4, envelope.from) {
            (2, IpAddr::V4(_)) => Version::V2,
            (3, _) => Version::V3,
            (other, _) => return Err(PacketError::Version(other)),
        };
        if first & 0x0f != TYPE_ADVERTISEMENT {
            return Err(PacketError::Type(first & 0x0f));
        }
        let (pdu, trailer) = split(version, message, count, envelope.from.is_ipv4());
        // Over IPv6 the checksum is that of the whole packet, and covers also the bytes behind the message.
        let checksum = verify(version, if envelope.from.is_ipv4() { pdu } else { message }, envelope)?;
        let vrid = Vrid::new(vrid).ok_or(PacketError::Vrid)?;
        let interval = match version {
            Version::V2 if fifth != 0 => return Err(PacketError::Authentication(fifth)),
            Version::V2 => Interval::from_seconds(sixth),
            Version::V3 => Interval::from_centiseconds(u16::from_be_bytes([fifth & 0x0f, sixth])),
        };
        let interval = interval.ok_or(PacketError::Interval)?;
        let addresses = addresses(version, pdu, count, envelope.from.is_ipv4())?;
        Ok((Self { version, vrid, priority, interval, addresses, checksum }, pdu, trailer))
    }

    /// Returns the message for an IP packet between these addresses. They are part of the checksum, so an advertisement
    /// differs for each receiver. Omits addresses of another family, and those beyond 255.
    pub fn emit(&self, from: IpAddr, to: IpAddr) -> Vec<u8> {
        self.emit_signed(from, to, None)
    }

    /// Returns the message for an IP packet between these addresses, with a trailer behind it.
    pub fn emit_signed(&self, from: IpAddr, to: IpAddr, trailer: Option<&Trailer>) -> Vec<u8> {
        let over_v4 = from.is_ipv4();
        let addresses = self.addresses.iter().filter(|address| address.is_ipv4() == over_v4).take(u8::MAX.into());
        let count = addresses.clone().count() as u8;
        let (version, [fifth, sixth]) = match self.version {
            Version::V2 => (2, [0, self.interval.centiseconds().div_ceil(100) as u8]),
            Version::V3 => (3, self.interval.centiseconds().to_be_bytes()),
        };
        let mut message =
            vec![version << 4 | TYPE_ADVERTISEMENT, self.vrid.get(), self.priority, count, fifth, sixth, 0, 0];
        for address in addresses {
            match address {
                IpAddr::V4(address) => message.extend(address.octets()),
                IpAddr::V6(address) => message.extend(address.octets()),
            }
        }
        if self.version == Version::V2 {
            message.extend([0; AUTHENTICATION_LEN]);
        }
        let pdu_len = message.len();
        message.extend(trailer.into_iter().flatten());
        let covered = if over_v4 { &message[..pdu_len] } else { &message[..] };
        let bare = self.version == Version::V2 || (over_v4 && self.checksum == Checksum::MessageOnly);
        let sum = if bare { Sum::default() } else { pseudo_header(from, to, PROTOCOL, covered.len()) };
        let checksum = sum.update(covered).checksum();
        message[CHECKSUM_AT..HEADER_LEN].copy_from_slice(&checksum.to_be_bytes());
        message
    }
}

/// Splits off the trailer, if the message is longer than its addresses require by exactly the trailer's length.
fn split(version: Version, message: &[u8], count: u8, over_v4: bool) -> (&[u8], Option<&Trailer>) {
    let address_len = if over_v4 { 4 } else { 16 };
    let end = if version == Version::V2 { AUTHENTICATION_LEN } else { 0 };
    let pdu_len = HEADER_LEN + usize::from(count) * address_len + end;
    match message.split_last_chunk() {
        Some((pdu, trailer)) if pdu.len() == pdu_len => (pdu, Some(trailer)),
        _ => (message, None),
    }
}

/// Checks the checksum, and returns the convention by which it is valid.
fn verify(version: Version, message: &[u8], envelope: &Envelope) -> Result<Checksum, PacketError> {
    let with = pseudo_header(envelope.from, envelope.to, PROTOCOL, message.len()).update(message);
    if version == Version::V3 && with.verifies() {
        Ok(Checksum::PseudoHeader)
    } else if envelope.from.is_ipv4() && Sum::default().update(message).verifies() {
        Ok(Checksum::MessageOnly)
    } else {
        Err(PacketError::Checksum)
    }
}

fn addresses(version: Version, message: &[u8], count: u8, over_v4: bool) -> Result<Vec<IpAddr>, PacketError> {
    let wrong = PacketError::Count { count, len: message.len() };
    let mut bytes = &message[HEADER_LEN..];
    match version {
        Version::V2 => {
            let len = bytes.len().checked_sub(AUTHENTICATION_LEN).ok_or(wrong)?;
            bytes = &bytes[..len];
        }
        Version::V3 if count == 0 => return Err(PacketError::NoAddress),
        Version::V3 => {}
    }
    let addresses: Vec<IpAddr> = if over_v4 {
        whole(bytes, wrong)?.iter().map(|octets: &[u8; 4]| IpAddr::from(*octets)).collect()
    } else {
        whole(bytes, wrong)?.iter().map(|octets: &[u8; 16]| IpAddr::from(*octets)).collect()
    };
    if addresses.len() == usize::from(count) { Ok(addresses) } else { Err(wrong) }
}

fn whole<const N: usize>(bytes: &[u8], wrong: PacketError) -> Result<&[[u8; N]], PacketError> {
    let (addresses, rest) = bytes.as_chunks();
    if rest.is_empty() { Ok(addresses) } else { Err(wrong) }
}
