//! Probes, and the report about those that were received.

use std::time::Duration;

use super::outage::{Arrival, Report, Tally};

const MAGIC: [u8; 6] = *b"probe!";

/// Bytes of a probe: magic, sender, cast, number.
const LENGTH: usize = 16;

/// Content of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    /// 0: the VM, 1: the outside host.
    pub(super) sender: u8,
    pub(super) broadcast: bool,
    pub(super) number: u64,
}

impl Probe {
    /// Returns the bytes of the probe.
    pub(super) fn bytes(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..6].copy_from_slice(&MAGIC);
        bytes[6] = self.sender;
        bytes[7] = u8::from(self.broadcast);
        bytes[8..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// Parses a probe; `None` if it is something else.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LENGTH] = bytes.first_chunk()?;
        let number = u64::from_be_bytes(*bytes.last_chunk()?);
        (bytes[..6] == MAGIC).then_some(Self { sender: bytes[6], broadcast: bytes[7] != 0, number })
    }
}

/// Returns the report of the probes from `first` to before `sent`, which the VM and the outside host have sent,
/// unicast and broadcast; `received` are those received at the VM and the outside host.
pub(super) fn report(first: [[u64; 2]; 2], sent: [[u64; 2]; 2], received: [&[(Probe, Duration)]; 2]) -> Report {
    let wanted = |probe: &Probe| {
        let [sender, cast] = [usize::from(probe.sender & 1), usize::from(probe.broadcast)];
        (first[sender][cast]..sent[sender][cast]).contains(&probe.number)
    };
    let tally = |sender: u8, broadcast: bool| {
        let first = first[usize::from(sender)][usize::from(broadcast)];
        let at_other = received[usize::from(1 - sender)].iter();
        let these = at_other.filter(|(probe, _)| (probe.sender, probe.broadcast) == (sender, broadcast));
        let arrivals: Vec<Arrival> = these
            .filter(|(probe, _)| wanted(probe))
            .map(|(probe, at)| Arrival { number: probe.number - first, at: *at })
            .collect();
        Tally::new(sent[usize::from(sender)][usize::from(broadcast)] - first, &arrivals)
    };
    let own =
        (0u8..).zip(received).flat_map(|(own, received)| received.iter().filter(move |(probe, _)| probe.sender == own));
    let mut reflections: Vec<Duration> = own.filter(|(probe, _)| wanted(probe)).map(|(_, at)| *at).collect();
    reflections.sort();
    Report {
        out: tally(0, false),
        back: tally(1, false),
        broadcast_out: tally(0, true),
        broadcast_back: tally(1, true),
        reflections,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_reads_as_it_was_written() {
        let probe = Probe { sender: 1, broadcast: true, number: 0x0102_0304_0506 };
        assert_eq!(Probe::parse(&probe.bytes()), Some(probe));
        assert_eq!(Probe::parse(b"something else"), None);
    }

    #[test]
    fn what_a_sender_hears_of_itself_is_a_reflection_and_no_arrival() {
        let at = Duration::from_secs;
        let probe = |sender, broadcast, number| Probe { sender, broadcast, number };
        let at_vm = vec![(probe(1, false, 0), at(1)), (probe(0, true, 0), at(2)), (probe(1, false, 0), at(3))];
        let at_ext = vec![(probe(0, true, 0), at(1)), (probe(1, true, 0), at(4))];
        let report = report([[0; 2]; 2], [[0, 1], [2, 1]], [&at_vm, &at_ext]);
        assert_eq!((report.back.lost, report.back.doubles.len()), (1, 1));
        assert_eq!((report.broadcast_out.lost, report.broadcast_back.lost), (0, 1));
        assert_eq!(report.reflections, [at(2), at(4)]);
    }

    #[test]
    fn probes_from_before_a_mark_count_for_nothing() {
        let at = Duration::from_secs;
        let probe = |number| Probe { sender: 1, broadcast: false, number };
        let at_vm = vec![(probe(0), at(1)), (probe(0), at(2)), (probe(5), at(3)), (probe(7), at(4))];
        let report = report([[0, 0], [5, 0]], [[0, 0], [8, 0]], [&at_vm, &[]]);
        assert_eq!((report.back.sent, report.back.lost, report.back.gap), (3, 1, at(1)));
        assert!(report.back.doubles.is_empty());
    }
}
