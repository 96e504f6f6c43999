//! Worker of a virtual router: performs the actions of its turn.

use gateway_base::clock;
use gateway_common::net::MacAddr;
use gateway_netdev::{
    announce,
    frames::{FrameError, FrameSender},
    macvlan,
};
use gateway_vrrp::{
    Advertisement, Authentic, PeerAdvert, Priority, Read, Sending, Time, Token, UnixTime, Worker, arrived,
};

use super::{Body, REOPEN, Shared, Work};
use crate::{
    Family, Received, Transmission,
    observe::{Expected, Verdict},
    port::Port,
};

/// Worker for one turn. It never waits.
pub(super) struct Acting<'a> {
    pub(super) body: &'a mut Body,
    pub(super) shared: &'a mut Shared,
}

impl Worker for Acting<'_> {
    async fn now(&mut self) -> Time {
        clock::monotonic()
    }

    async fn read(&mut self) -> Read {
        let Some(port) = &mut self.body.port else { return Read::Empty };
        match port.receive() {
            Ok(Some(received)) => match self.body.check(&received, clock::monotonic()) {
                Some(advert) => Read::Advert(advert, received.at),
                None => Read::Other(received.at),
            },
            Ok(None) => Read::Empty,
            Err(error) => {
                let text = format!("{}: receiving advertisements: {error}", self.body.title());
                self.shared.log_queue.warn(text);
                self.body.close(self.shared);
                self.body.reopen = clock::monotonic() + REOPEN;
                Read::Closed(self.body.track(self.shared))
            }
        }
    }

    async fn overran(&mut self) -> bool {
        self.body.port.as_mut().is_some_and(Port::overran)
    }

    async fn tx_completed(&mut self) -> Option<(Token, Time)> {
        let sent = self.body.port.as_mut().and_then(Port::tx_completed)?;
        Some((sent.token, sent.started))
    }

    async fn send(&mut self, sending: Sending) -> bool {
        self.body.advertise(sending)
    }

    async fn lease(&mut self, until: Time) {
        self.body.lease(until, self.shared);
    }

    async fn addresses(&mut self, there: bool) {
        let body = &mut *self.body;
        body.placement.wanted = there;
        body.placement.moving = true;
        if !there {
            body.announcements.requested = false;
            body.announcements.schedule.stop();
            body.close_sender(self.shared);
            if let Some(port) = &mut body.port {
                port.close_macvlan();
            }
        }
        body.placement.mover.want(there);
    }

    async fn announce(&mut self) {
        self.body.announcements.requested = true;
        self.body.announcements.sent += 1;
    }
}

impl Body {
    /// Checks a packet, and returns the advertisement that the [`gateway_vrrp::Machine`] is to handle.
    fn check(&mut self, received: &Received, now: Time) -> Option<PeerAdvert> {
        // It is of another virtual router on the same segment.
        if received.message.get(1).is_some_and(|vrid| *vrid != self.vrid.get()) {
            return None;
        }
        let from = received.envelope.from;
        let at = arrived(received.at, now, UnixTime(clock::realtime()));
        let (advert, skew) = match self.auth.read(&received.message, &received.envelope, at) {
            Ok(Authentic { advertisement, skew }) => (advertisement, skew),
            Err(error) => {
                crate::status::count_refused(&mut self.counters, &error);
                self.observer.refuse(&error, from, now);
                return None;
            }
        };
        let port = self.port.as_ref()?;
        let expected = Expected {
            own: port.source(),
            version: self.config.version,
            priority: self.config.priority,
            interval: self.config.interval,
            addresses: &self.spoken,
            peers: &self.config.peers,
        };
        match self.observer.check(&advert, &received.envelope, expected, now) {
            Verdict::Accepted => {}
            Verdict::Stranger => return None,
            Verdict::Foreign => {
                self.counters.addr_list_err += 1;
                return None;
            }
        }
        if let Some(skew) = skew {
            self.observer.skewed(skew, from, now);
        }
        self.counters.advert_rcvd += 1;
        self.counters.priority_zero_rcvd += u64::from(advert.priority == 0);
        Some(PeerAdvert { from, priority: advert.priority, interval: advert.interval })
    }

    /// Sends an advertisement. Returns false if it was not sent.
    fn advertise(&mut self, sending: Sending) -> bool {
        let Sending { token, priority, interval, started } = sending;
        let advertisement = Advertisement {
            version: self.config.version,
            vrid: self.vrid,
            priority,
            interval,
            addresses: self.spoken.clone(),
            checksum: self.config.checksum,
        };
        let sent = match &mut self.port {
            Some(port) => {
                let trailer = self.auth.sign(&advertisement, port.source(), UnixTime(clock::realtime()));
                port.send(&advertisement, trailer.as_ref(), Transmission { token, started })
                    .map_err(|error| Some(error.to_string()))
            }
            None => Err(None),
        };
        match sent {
            Ok(()) => {
                self.counters.advert_sent += 1;
                self.counters.priority_zero_sent += u64::from(priority == 0);
                self.work_faults.remove(&Work::Sending);
                true
            }
            Err(reason) => {
                self.counters.send_err += 1;
                if let Some(reason) = reason {
                    self.work_faults.insert(Work::Sending, format!("sending advertisements: {reason}"));
                }
                false
            }
        }
    }

    pub(super) fn lease(&mut self, until: Time, shared: &mut Shared) {
        match shared.leases.write(self.vrid, until) {
            Ok(()) => {
                self.work_faults.remove(&Work::Leasing);
            }
            Err(error) => {
                self.work_faults.insert(Work::Leasing, error.to_string());
            }
        }
    }

    /// Sends the announcements that are due.
    pub(super) fn announce(&mut self, now: Time, shared: &Shared) {
        let Some(ifindex) = self.placement.there.filter(|_| self.placement.wanted) else { return };
        if self.announcements.requested {
            self.announcements.requested = false;
            self.announcements.schedule.begin(&self.config.announce, now);
        }
        if !self.announcements.schedule.due(&self.config.announce, now) {
            return;
        }
        let mac = if self.config.virtual_mac && self.config.priority != Priority::OWNER {
            Some(macvlan::virtual_mac(self.vrid, self.family() == Family::V6))
        } else {
            shared.links.get(&self.config.interface).and_then(|link| link.mac)
        };
        // An interface without a MAC address has no neighbours that need an announcement.
        let Some(mac) = mac else { return };
        let sent = self.send_frames(ifindex, mac, now);
        if sent.is_err() {
            self.close_sender(shared);
        }
        match sent {
            Ok(()) => {
                self.work_faults.remove(&Work::Announcing);
            }
            Err(error) => {
                self.work_faults.insert(Work::Announcing, format!("announcing the addresses: {error}"));
            }
        }
    }

    fn send_frames(&mut self, ifindex: u32, mac: MacAddr, now: Time) -> Result<(), FrameError> {
        let sender = match self.announcements.sender.take() {
            Some((on, sender)) if on == ifindex => sender,
            _ => FrameSender::open(ifindex)?,
        };
        let (_, sender) = self.announcements.sender.insert((ifindex, sender));
        let mut frames = self.addresses.iter().flat_map(|address| announce::takeover(mac, *address, now));
        frames.try_for_each(|frame| sender.send(&frame))
    }

    /// Closes the socket for announcements.
    fn close_sender(&mut self, shared: &Shared) {
        if let Some(sender) = self.announcements.sender.take() {
            shared.net.close(sender);
        }
    }
}
