//! The internet checksum (RFC 1071).

use std::net::IpAddr;

/// An incomplete checksum. Every part that is added, except the last, must end on a whole 16-bit word.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Adds bytes. An odd last byte is padded with a zero.
    #[must_use]
    pub fn update(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks();
        let sum: u64 = words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum();
        let odd = rest.first().map_or(0, |byte| u64::from(*byte) << 8);
        Self(self.0 + sum + odd)
    }

    /// Returns the value of the checksum field, for a message that was added with zeros in that field.
    pub fn checksum(self) -> u16 {
        !self.folded()
    }

    /// Returns true if a message that was added with its checksum is valid.
    pub(crate) fn verifies(self) -> bool {
        self.folded() == 0xffff
    }

    fn folded(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        sum as u16
    }
}

/// Returns the sum of the pseudo-header: RFC 793 section 3.1 for IPv4, RFC 8200 section 8.1 for IPv6. Both give the
/// same sum, because the position of a number among the 16-bit words makes no difference.
pub fn pseudo_header(from: IpAddr, to: IpAddr, protocol: u8, len: usize) -> Sum {
    let add = |sum: Sum, address| match address {
        IpAddr::V4(address) => sum.update(&address.octets()),
        IpAddr::V6(address) => sum.update(&address.octets()),
    };
    add(add(Sum(u64::from(protocol) + len as u64), from), to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_the_rfc_sums_up() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().update(&bytes).checksum(), !0xddf2);
    }

    #[test]
    fn odd_byte_is_the_high_half_of_a_word() {
        assert_eq!(Sum::default().update(&[0x12, 0x34, 0x56]).checksum(), !(0x1234 + 0x5600));
    }
}
