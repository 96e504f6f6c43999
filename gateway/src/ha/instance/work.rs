//! What a virtual router does: hears, and carries out what its machine wants.

use gateway_common::net::MacAddr;

use super::{Instance, READ_AT_ONCE, REOPEN, Shared, Work};
use crate::{
    announce, clock,
    ha::{
        Family, FrameError, FrameSender, Received, macvlan,
        observe::{Expected, Verdict},
        port::Port,
    },
    vrrp::{Action, Advertisement, Authentic, Heard, Interval, Priority, Time, Token, UnixTime, arrived},
};

impl Instance {
    /// Gives the time of the last packet heard where more may wait.
    pub(super) fn hear_all(&mut self, now: Time, shared: &mut Shared) -> Option<Time> {
        let mut last = now;
        for _ in 0..READ_AT_ONCE {
            match self.port.as_mut()?.receive() {
                Ok(Some(received)) => {
                    last = received.at.min(now);
                    self.hear(&received, now);
                }
                Ok(None) => return None,
                Err(error) => {
                    shared.voice.warn(format!("{}: receiving advertisements: {error}", self.title()));
                    self.close(shared);
                    self.reopen = now + REOPEN;
                    self.track(shared, now);
                    return None;
                }
            }
        }
        Some(last)
    }

    pub(super) fn hear(&mut self, received: &Received, now: Time) {
        // Of other virtual routers on the same segment.
        if received.message.get(1).is_some_and(|vrid| *vrid != self.vrid.get()) {
            return;
        }
        let from = received.envelope.from;
        let at = arrived(received.at, now, UnixTime(clock::realtime()));
        let (heard, skew) = match self.auth.read(&received.message, &received.envelope, at) {
            Ok(Authentic { advertisement, skew }) => (advertisement, skew),
            Err(error) => {
                self.counters.refused(&error);
                self.observer.refuse(&error, from, now);
                return;
            }
        };
        let Some(port) = &self.port else { return };
        let expected = Expected {
            own: port.source(),
            version: self.config.version,
            priority: self.config.priority,
            interval: self.config.interval,
            addresses: &self.spoken,
            peers: &self.config.peers,
        };
        match self.observer.hear(&heard, from, expected, now) {
            Verdict::Heard => {}
            Verdict::Stranger => return,
            Verdict::Foreign => {
                self.counters.addr_list_err += 1;
                return;
            }
        }
        if let Some(skew) = skew {
            self.observer.skewed(skew, from, now);
        }
        self.counters.advert_rcvd += 1;
        self.counters.priority_zero_rcvd += u64::from(heard.priority == 0);
        self.machine.heard(Heard { from, priority: heard.priority, interval: heard.interval }, received.at);
    }

    /// Tells the machine which advertisements have left.
    pub(super) fn departures(&mut self) {
        while let Some((token, started)) = self.port.as_mut().and_then(Port::left) {
            self.machine.left(token, started, clock::monotonic());
        }
    }

    pub(super) fn perform(&mut self, shared: &mut Shared) {
        while let Some(action) = self.machine.next() {
            match action {
                Action::Advertise { token, priority, interval } => {
                    self.advertise(token, priority, interval);
                    self.departures();
                }
                Action::Lease(until) => self.lease(until, shared),
                Action::AddAddresses => {
                    self.wanted = true;
                    self.moving = true;
                    self.mover.want(true);
                }
                Action::RemoveAddresses => {
                    self.wanted = false;
                    self.moving = true;
                    self.announce = false;
                    self.announcing.stop();
                    self.keep_quiet(shared);
                    if let Some(port) = &mut self.port {
                        port.speak_plainly();
                    }
                    self.mover.want(false);
                }
                Action::Announce => {
                    self.announce = true;
                    self.announced += 1;
                }
            }
        }
    }

    pub(super) fn advertise(&mut self, token: Token, priority: u8, interval: Interval) {
        let advertisement = Advertisement {
            version: self.config.version,
            vrid: self.vrid,
            priority,
            interval,
            addresses: self.spoken.clone(),
            checksum: self.config.checksum,
        };
        let started = clock::monotonic();
        let sent = match &mut self.port {
            Some(port) => {
                let trailer = self.auth.sign(&advertisement, port.source(), UnixTime(clock::realtime()));
                port.send(&advertisement, trailer.as_ref(), token, started).map_err(|error| Some(error.to_string()))
            }
            None => Err(None),
        };
        match sent {
            Ok(()) => {
                self.counters.advert_sent += 1;
                self.counters.priority_zero_sent += u64::from(priority == 0);
                self.hindrances.remove(&Work::Sending);
            }
            Err(reason) => {
                self.counters.send_err += 1;
                if let Some(reason) = reason {
                    self.hindrances.insert(Work::Sending, format!("sending advertisements: {reason}"));
                }
                self.machine.failed(token, clock::monotonic());
            }
        }
    }

    pub(super) fn lease(&mut self, until: Time, shared: &mut Shared) {
        match shared.leases.write(self.vrid, until) {
            Ok(()) => {
                self.hindrances.remove(&Work::Leasing);
            }
            Err(error) => {
                self.hindrances.insert(Work::Leasing, error.to_string());
            }
        }
    }

    /// Sends the announcements that are due.
    pub(super) fn announce(&mut self, now: Time, shared: &Shared) {
        let Some(ifindex) = self.there.filter(|_| self.wanted) else { return };
        if self.announce {
            self.announce = false;
            self.announcing.begin(&self.config.announce, now);
        }
        if !self.announcing.due(&self.config.announce, now) {
            return;
        }
        let mac = if self.config.virtual_mac && self.config.priority != Priority::OWNER {
            Some(macvlan::virtual_mac(self.vrid, self.family() == Family::V6))
        } else {
            shared.links.get(&self.config.interface).and_then(|link| link.mac)
        };
        // An interface without a MAC address has no neighbours to tell.
        let Some(mac) = mac else { return };
        let sent = self.send_frames(ifindex, mac);
        if sent.is_err() {
            self.keep_quiet(shared);
        }
        match sent {
            Ok(()) => {
                self.hindrances.remove(&Work::Announcing);
            }
            Err(error) => {
                self.hindrances.insert(Work::Announcing, format!("announcing the addresses: {error}"));
            }
        }
    }

    fn send_frames(&mut self, ifindex: u32, mac: MacAddr) -> Result<(), FrameError> {
        let sender = match self.sender.take() {
            Some((on, sender)) if on == ifindex => sender,
            _ => FrameSender::open(ifindex)?,
        };
        let (_, sender) = self.sender.insert((ifindex, sender));
        self.addresses.iter().try_for_each(|address| sender.send(&announce::takeover(mac, *address)))
    }

    /// Lets go of the socket that announcements are sent by.
    fn keep_quiet(&mut self, shared: &Shared) {
        if let Some(sender) = self.sender.take() {
            shared.net.close(sender);
        }
    }
}
