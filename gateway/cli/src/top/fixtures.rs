//! Samples for tests.

use std::time::Duration;

use gateway_api::{events::Timestamp, view::samples};

use super::Sample;

/// Returns a sample of a gateway at a second, with all counters unchanged.
pub(crate) fn sample(second: u64) -> Sample {
    let time = Timestamp::new(Duration::from_secs(1_800_000_000 + second));
    Sample { time, at: Duration::from_secs(second), everything: samples::everything() }
}

/// Adds to the traffic of its only binding.
pub(crate) fn binding_carries(sample: &mut Sample, rx_packets: u64, rx_bytes: u64, tx_packets: u64, tx_bytes: u64) {
    let traffic = &mut sample.everything.bindings[0].traffic;
    traffic.rx_packets += rx_packets;
    traffic.rx_bytes += rx_bytes;
    traffic.tx_packets += tx_packets;
    traffic.tx_bytes += tx_bytes;
}

/// Adds to the traffic of its only tunnel.
pub(crate) fn tunnel_carries(sample: &mut Sample, rx_packets: u64, rx_bytes: u64, tx_packets: u64, tx_bytes: u64) {
    let traffic = &mut sample.everything.tunnels[0].traffic;
    traffic.rx_packets += rx_packets;
    traffic.rx_bytes += rx_bytes;
    traffic.tx_packets += tx_packets;
    traffic.tx_bytes += tx_bytes;
}
