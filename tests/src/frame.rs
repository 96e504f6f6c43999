//! Handmade Ethernet frames, and their parser.

use gateway_common::{
    headers::{ETH_LEN, ETH_P_8021Q, TAG_LEN, VXLAN_FLAG_I},
    net::MacAddr,
};

/// EtherType for local experiments (IEEE 802), so that no stack answers.
pub const EXPERIMENTAL: u16 = 0x88b5;

/// An Ethernet frame, with its VLAN tag beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Destination.
    pub dst: MacAddr,
    /// Source.
    pub src: MacAddr,
    /// VLAN of its tag; `None` without a tag.
    pub vlan: Option<u16>,
    /// EtherType behind the tag.
    pub ethertype: u16,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Makes an untagged frame with a text that tests find again.
    pub fn text(src: MacAddr, dst: MacAddr, text: &str) -> Self {
        // As long as the shortest frame on a real wire.
        let mut payload = text.as_bytes().to_vec();
        payload.resize(payload.len().max(46), 0);
        Self { dst, src, vlan: None, ethertype: EXPERIMENTAL, payload }
    }

    /// Adds a tag.
    pub fn tagged(self, vlan: u16) -> Self {
        Self { vlan: Some(vlan), ..self }
    }

    /// Extends the payload to `length` bytes.
    pub fn stretched(mut self, length: usize) -> Self {
        self.payload.resize(length, 0);
        self
    }

    /// Returns true if the frame was made by [`Frame::text`] with this text.
    pub fn has_text(&self, text: &str) -> bool {
        self.ethertype == EXPERIMENTAL && self.payload.starts_with(text.as_bytes())
    }

    /// Returns its bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ETH_LEN + TAG_LEN + self.payload.len());
        bytes.extend(self.dst.0);
        bytes.extend(self.src.0);
        if let Some(vlan) = self.vlan {
            bytes.extend(ETH_P_8021Q.to_be_bytes());
            bytes.extend(vlan.to_be_bytes());
        }
        bytes.extend(self.ethertype.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// Parses the bytes of a frame. Returns `None` if it is too short.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (dst, rest) = bytes.split_first_chunk::<6>()?;
        let (src, rest) = rest.split_first_chunk::<6>()?;
        let (kind, rest) = rest.split_first_chunk::<2>()?;
        let frame = |vlan, kind: &[u8; 2], payload: &[u8]| Self {
            dst: MacAddr(*dst),
            src: MacAddr(*src),
            vlan,
            ethertype: u16::from_be_bytes(*kind),
            payload: payload.to_vec(),
        };
        if u16::from_be_bytes(*kind) != ETH_P_8021Q {
            return Some(frame(None, kind, rest));
        }
        let (tag, rest) = rest.split_first_chunk::<2>()?;
        let (kind, rest) = rest.split_first_chunk::<2>()?;
        Some(frame(Some(u16::from_be_bytes(*tag) & 0xfff), kind, rest))
    }

    /// Encapsulates it as payload of a UDP datagram to a VTEP (RFC 7348 section 5).
    pub fn in_vxlan(&self, vni: u32) -> Vec<u8> {
        let mut bytes = vec![VXLAN_FLAG_I, 0, 0, 0];
        bytes.extend((vni << 8).to_be_bytes());
        bytes.extend(self.bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

    #[test]
    fn a_tagged_frame_reads_as_it_was_written() {
        let frame = Frame::text(A, B, "hello").tagged(100);
        assert_eq!(Frame::parse(&frame.bytes()), Some(frame));
    }

    #[test]
    fn the_vni_is_in_the_three_bytes_before_the_last() {
        let bytes = Frame::text(A, B, "hello").in_vxlan(0x0a_0b0c);
        assert_eq!(bytes[..8], [8, 0, 0, 0, 0x0a, 0x0b, 0x0c, 0]);
    }
}
