//! One turn of a virtual router: reads, decides and acts in the order that the proof of the lease relies on.
//!
//! The driver of a [`Machine`] implements [`Worker`]. Its functions are asynchronous because the simulation must be
//! able to insert events between any two accesses to the outside. The real functions never wait.

use std::future::Future;

use super::{Action, Interval, Machine, PeerAdvert, Time, Token, Tracked};

/// Result of one read from the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// An advertisement of another router, and its time of arrival.
    Advert(PeerAdvert, Time),
    /// Another packet, and its time of arrival.
    Other(Time),
    /// The queue is empty.
    Empty,
    /// The socket can't be used any more. This changes the tracked state.
    Closed(Tracked),
}

/// An advertisement to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Identifies the advertisement when its transmission is reported.
    pub token: Token,
    /// Priority to advertise; 0: this node leaves.
    pub priority: u8,
    /// The interval to advertise.
    pub interval: Interval,
    /// Time at which sending was started, read from the clock beforehand.
    pub started: Time,
}

/// Access of a virtual router to clock, socket, data plane and interface.
pub trait Worker {
    /// Reads CLOCK_MONOTONIC.
    fn now(&mut self) -> impl Future<Output = Time>;
    /// Reads the next packet from the socket.
    fn read(&mut self) -> impl Future<Output = Read>;
    /// Returns true if the socket has dropped a packet for lack of room since the last call.
    fn overran(&mut self) -> impl Future<Output = bool>;
    /// Returns the next advertisement that was transmitted, and the time at which its sending was started.
    fn tx_completed(&mut self) -> impl Future<Output = Option<(Token, Time)>>;
    /// Hands an advertisement to the kernel. Returns false if the kernel refused it.
    fn send(&mut self, sending: Sending) -> impl Future<Output = bool>;
    /// Allows the data plane to forward until that time; [`Time::ZERO`]: not at all.
    fn lease(&mut self, until: Time) -> impl Future<Output = ()>;
    /// Adds the virtual addresses to the interface, or removes them.
    fn addresses(&mut self, there: bool) -> impl Future<Output = ()>;
    /// Announces the virtual addresses on the underlay.
    fn announce(&mut self) -> impl Future<Output = ()>;
}

/// Reads at most `most` packets, advances the time and performs the actions. Returns true if more packets may wait.
pub async fn turn(machine: &mut Machine, worker: &mut impl Worker, most: usize) -> bool {
    let now = worker.now().await;
    // Everything that arrived before this moment has been read. Otherwise `read_until` is an earlier moment.
    let read_until = read(machine, worker, now, most).await;
    if worker.overran().await {
        // A lost packet may have arrived at any time until now.
        machine.overran(worker.now().await);
    }
    transmissions(machine, worker).await;
    perform(machine, worker).await;
    machine.tick(read_until.unwrap_or(now));
    perform(machine, worker).await;
    read_until.is_some()
}

/// Performs the actions that the machine requests.
pub async fn perform(machine: &mut Machine, worker: &mut impl Worker) {
    while let Some(action) = machine.next() {
        match action {
            Action::Advertise { token, priority, interval } => {
                let started = worker.now().await;
                if !worker.send(Sending { token, priority, interval, started }).await {
                    machine.failed(token, worker.now().await);
                }
                transmissions(machine, worker).await;
            }
            Action::Lease(until) => worker.lease(until).await,
            Action::AddAddresses => worker.addresses(true).await,
            Action::RemoveAddresses => worker.addresses(false).await,
            Action::Announce => worker.announce().await,
        }
    }
}

/// Reads waiting packets. Returns the time of the last packet read if more may wait.
async fn read(machine: &mut Machine, worker: &mut impl Worker, now: Time, most: usize) -> Option<Time> {
    let mut last = now;
    for _ in 0..most {
        match worker.read().await {
            Read::Advert(advert, at) => {
                machine.advert_received(advert, at);
                last = at.min(now);
            }
            Read::Other(at) => last = at.min(now),
            Read::Empty => return None,
            Read::Closed(tracked) => {
                machine.track(tracked, now);
                return None;
            }
        }
    }
    Some(last)
}

/// Reports transmitted advertisements to the machine.
async fn transmissions(machine: &mut Machine, worker: &mut impl Worker) {
    while let Some((token, started)) = worker.tx_completed().await {
        machine.tx_completed(token, started, worker.now().await);
    }
}
