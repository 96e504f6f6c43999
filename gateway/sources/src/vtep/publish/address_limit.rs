//! Limits how often the address of one station is written.

use std::{collections::BTreeMap, time::Duration};

use crate::vtep::Station;

/// Minimum interval of writing the address of one station. A station that sends ARP with another sender address each
/// time must not cause a write each time.
const EVERY: Duration = Duration::from_secs(5);

/// Times of recent writes of addresses.
#[derive(Debug, Default)]
pub(super) struct AddressLimit {
    written: BTreeMap<Station, Duration>,
    /// Time at which to remove the older of these.
    prune: Duration,
}

impl AddressLimit {
    /// Records that the address of `station` was written at `now`.
    pub(super) fn written(&mut self, station: Station, now: Duration) {
        self.written.insert(station, now);
    }

    /// Returns the time at which the address of `station` may be written again. `None`: it may be written at `now`.
    pub(super) fn wait(&self, station: &Station, now: Duration) -> Option<Duration> {
        self.written.get(station).map(|written| *written + EVERY).filter(|due| now < *due)
    }

    /// Removes old times.
    pub(super) fn prune(&mut self, now: Duration) {
        if now >= self.prune {
            self.prune = now + EVERY;
            self.written.retain(|_, written| now < *written + EVERY);
        }
    }
}
