//! Announcements of the cloud's stations to the switches outside: their times, and the frames.

use std::{collections::BTreeMap, time::Duration};

use gateway_common::net::VlanId;
use gateway_config::{Config, InstanceConfig};
use gateway_netdev::{
    announce,
    frames::{FrameError, FrameSender},
};
use gateway_vrrp::Time;

use crate::{announcer::Announcer, data_plane::DataPlane};

/// Frames to the switches outside in one batch.
const BATCH: usize = 100;
/// Time between two batches: 20,000 frames a second, a few percent of what a slow access port carries.
const PACE: Duration = Duration::from_millis(5);

/// Stations that are being announced, and the sockets for it.
#[derive(Default)]
pub(super) struct Announcements {
    announcer: Announcer,
    /// Time at which the announcer's next batch is due.
    next_batch: Time,
    senders: BTreeMap<u32, FrameSender>,
    /// Times at which stations are announced once more, by lease.
    again: BTreeMap<u32, Time>,
    refused: bool,
}

impl Announcements {
    /// Announces all stations of a lease that this node has got.
    pub(super) fn start(&mut self, lease: u32, instance: &InstanceConfig, plane: &impl DataPlane, now: Time) {
        self.announce_all(lease, plane);
        let Some(vrrp) = &instance.vrrp else { return };
        if !vrrp.announce.delay.is_zero() {
            self.again.insert(lease, now + vrrp.announce.delay);
        }
    }

    /// Stops the announcement of the stations of a lease: another node has them.
    pub(super) fn stop(&mut self, lease: u32, plane: &impl DataPlane) {
        self.again.remove(&lease);
        self.announcer.stop(plane.desired(), lease);
    }

    /// Returns the time at which [`Announcements::on_time`] is due.
    pub(super) fn due(&self) -> Option<Time> {
        let batch = (!self.announcer.is_done()).then_some(self.next_batch);
        self.again.values().copied().chain(batch).min()
    }

    /// Announces some more stations, or starts all of them once more.
    pub(super) fn on_time(&mut self, config: &Config, plane: &impl DataPlane, now: Time) {
        let due: Vec<u32> = self.again.iter().filter(|(_, at)| **at <= now).map(|(lease, _)| *lease).collect();
        for lease in due {
            self.again.remove(&lease);
            self.announce_all(lease, plane);
            let instance = config.instances.iter().find(|instance| instance.lease() == lease);
            let refresh = instance.and_then(|instance| instance.vrrp.as_ref()).map(|vrrp| vrrp.announce.refresh);
            if let Some(refresh) = refresh.filter(|refresh| !refresh.is_zero()) {
                self.again.insert(lease, now + refresh);
            }
        }
        if self.next_batch <= now && !self.announcer.is_done() {
            self.next_batch = now + PACE;
            self.send_batch(plane);
        }
    }

    fn announce_all(&mut self, lease: u32, plane: &impl DataPlane) {
        self.announcer.start(plane.desired(), &plane.programmed().static_macs, lease, plane.learned_remotes());
    }

    fn send_batch(&mut self, plane: &impl DataPlane) {
        let mut refused = None;
        for call in self.announcer.next(plane.desired(), &plane.programmed().static_macs, BATCH) {
            let Some(vlan) = VlanId::new(call.to.vlan) else { continue };
            let frame = announce::rarp(call.station, vlan);
            if let Err(error) = self.send(call.to.ifindex, &frame) {
                refused = Some(error);
            }
        }
        // Logged once for a series of failures: a port that is down refuses a hundred thousand frames.
        if let (Some(error), false) = (&refused, self.refused) {
            tracing::warn!("announcing the cloud's stations on an access port: {error}");
        }
        self.refused = refused.is_some();
    }

    fn send(&mut self, ifindex: u32, frame: &[u8]) -> Result<(), FrameError> {
        if let Some(sender) = self.senders.get(&ifindex) {
            let sent = sender.send(frame);
            if sent.is_err() {
                self.senders.remove(&ifindex);
            }
            return sent;
        }
        let sender = FrameSender::open(ifindex)?;
        let sent = sender.send(frame);
        self.senders.insert(ifindex, sender);
        sent
    }
}
