//! A captured packet.

use std::time::Duration;

use gateway_common::{
    capture::{FORWARDED, Head},
    counters::DropReason,
    headers::TAG_LEN,
    step::NO_TAG,
};

use crate::{
    packet::decode::{self, layers, with_tag},
    trace::names::Names,
};

/// Fate of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It leaves.
    Forwarded,
    /// It is dropped; `None` if this program does not know the reason.
    Dropped(Option<DropReason>),
}

/// A packet as it left, or as it was when it was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Time since 1970-01-01.
    pub at: Duration,
    /// Its fate.
    pub fate: Fate,
    /// Index of its ingress interface.
    pub(crate) came_in: u32,
    /// Index of its egress interface.
    pub leaves: Option<u32>,
    /// Its logical switch, if known.
    pub vni: Option<u32>,
    /// Its length.
    pub len: u32,
    /// Its first bytes.
    pub bytes: Vec<u8>,
}

impl Packet {
    /// Parses a record from the kernel. Returns `None` if it is no packet. `realtime` is the lead of CLOCK_REALTIME
    /// over CLOCK_MONOTONIC.
    pub fn read(item: &[u8], realtime: Duration) -> Option<Self> {
        let (head, bytes) = item.split_at_checked(size_of::<Head>())?;
        let head: Head = bytemuck::pod_read_unaligned(head);
        let bytes = bytes.get(..head.captured as usize)?;
        let tag = (head.tag != NO_TAG).then_some(head.tag as u16);
        let fate = match head.reason {
            FORWARDED => Fate::Forwarded,
            number => Fate::Dropped(DropReason::ALL.get(number as usize).copied()),
        };
        Some(Self {
            at: realtime + Duration::from_nanos(head.at),
            fate,
            came_in: head.came_in,
            leaves: (head.leaves != 0).then_some(head.leaves),
            vni: (head.vni != 0).then_some(head.vni),
            len: head.len + if tag.is_some() { TAG_LEN as u32 } else { 0 },
            bytes: with_tag(bytes, tag),
        })
    }

    /// Returns the interface to record: the egress interface, or else the ingress interface.
    pub fn interface(&self) -> u32 {
        self.leaves.unwrap_or(self.came_in)
    }

    /// Describes its fate, for people.
    pub fn comment(&self, names: &Names) -> String {
        let vni = self.vni.map_or_else(String::new, |vni| format!(", VNI {vni}"));
        let came_in = names.interface(self.came_in);
        match self.fate {
            Fate::Forwarded => format!("forwarded: in by {came_in}{vni}"),
            Fate::Dropped(Some(reason)) => {
                format!("dropped, {}: in by {came_in}{vni}. {}", reason.name(), reason.text())
            }
            Fate::Dropped(None) => format!("dropped, for a reason not known here: in by {came_in}{vni}"),
        }
    }

    /// Formats the packet on a line: time of day (UTC), interface, fate, layers.
    pub fn line(&self, names: &Names, vxlan_port: u16) -> String {
        let seconds = self.at.as_secs() % 86_400;
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let fate = match self.fate {
            Fate::Forwarded => "forwarded",
            Fate::Dropped(Some(reason)) => reason.name(),
            Fate::Dropped(None) => "dropped",
        };
        let way = if self.leaves.is_some() { "out by" } else { "in by" };
        format!(
            "{hours:02}:{minutes:02}:{seconds:02}.{:06} {way} {} {fate}: {}, {} bytes",
            self.at.subsec_micros(),
            names.interface(self.interface()),
            decode::line(&layers(&self.bytes, vxlan_port)),
            self.len
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head {
        at: 5_000_000_000,
        reason: FORWARDED,
        came_in: 2,
        leaves: 3,
        vni: 5001,
        len: 60,
        captured: 14,
        tag: 100,
        reserved: 0,
    };

    fn item(head: &Head, bytes: &[u8]) -> Vec<u8> {
        [bytemuck::bytes_of(head), bytes].concat()
    }

    #[test]
    fn a_tag_beside_a_packet_is_put_into_it() {
        let packet = Packet::read(&item(&HEAD, &[2; 14]), Duration::from_secs(1)).unwrap();
        assert_eq!((packet.at.as_secs(), packet.len, packet.bytes.len()), (6, 64, 18));
        assert_eq!(packet.bytes[12..16], [0x81, 0, 0, 100]);
        assert_eq!((packet.interface(), packet.fate), (3, Fate::Forwarded));
    }

    #[test]
    fn what_is_cut_short_is_no_packet() {
        assert_eq!(Packet::read(&item(&HEAD, &[2; 13]), Duration::ZERO), None);
        assert_eq!(Packet::read(&[0; 7], Duration::ZERO), None);
    }

    #[test]
    fn a_reason_is_named_and_explained() {
        let head = Head { reason: DropReason::UnknownVni as u32, leaves: 0, ..HEAD };
        let packet = Packet::read(&item(&head, &[2; 14]), Duration::ZERO).unwrap();
        let comment = packet.comment(&Names::default());
        assert!(comment.starts_with("dropped, unknown_vni: in by interface 2, VNI 5001."), "{comment}");
        assert!(comment.ends_with(DropReason::UnknownVni.text()), "{comment}");
    }
}
