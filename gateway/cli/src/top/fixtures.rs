//! Samples for tests.

use std::time::Duration;

use gateway_api::{events::Timestamp, view::samples};

use super::Sample;

/// A gateway at a second, whose counters all stand still.
pub(crate) fn sample(second: u64) -> Sample {
    let time = Timestamp::new(Duration::from_secs(1_800_000_000 + second));
    Sample { time, at: Duration::from_secs(second), everything: samples::everything() }
}

/// Its one binding has carried so much more.
pub(crate) fn binding_carries(sample: &mut Sample, rx_packets: u64, rx_bytes: u64, tx_packets: u64, tx_bytes: u64) {
    let traffic = &mut sample.everything.bindings[0].traffic;
    traffic.rx_packets += rx_packets;
    traffic.rx_bytes += rx_bytes;
    traffic.tx_packets += tx_packets;
    traffic.tx_bytes += tx_bytes;
}

/// Its one tunnel has carried so much more.
pub(crate) fn tunnel_carries(sample: &mut Sample, rx_packets: u64, rx_bytes: u64, tx_packets: u64, tx_bytes: u64) {
    let traffic = &mut sample.everything.tunnels[0].traffic;
    traffic.rx_packets += rx_packets;
    traffic.rx_bytes += rx_bytes;
    traffic.tx_packets += tx_packets;
    traffic.tx_bytes += tx_bytes;
}
