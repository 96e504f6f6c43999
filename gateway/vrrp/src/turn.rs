//! One turn of a virtual router: what is read, decided and done, in the order that the lease's proof relies on.
//!
//! Whoever drives a [`Machine`] lends it [`Hands`]. They are asynchronous for the simulation's sake, which lets anything
//! happen between any two touches of the world; the real ones never wait.

use std::future::Future;

use super::{Action, Heard, Interval, Machine, Time, Token, Tracked};

/// What came of reading the socket once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// An advertisement of another router, which arrived then.
    Heard(Heard, Time),
    /// Something else that arrived then.
    Other(Time),
    /// Nothing more waits.
    Empty,
    /// The socket is of no use any more, which changes what is tracked.
    Closed(Tracked),
}

/// An advertisement to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// To say later that it has left.
    pub token: Token,
    /// 0: this node leaves.
    pub priority: u8,
    /// The interval to advertise.
    pub interval: Interval,
    /// Read from the clock before.
    pub started: Time,
}

/// All that a virtual router touches.
pub trait Hands {
    /// Reads CLOCK_MONOTONIC.
    fn now(&mut self) -> impl Future<Output = Time>;
    /// Reads what waits in the socket next.
    fn read(&mut self) -> impl Future<Output = Read>;
    /// True if something found no room in the socket since the last time.
    fn overran(&mut self) -> impl Future<Output = bool>;
    /// The next advertisement that has left, and when its sending was started.
    fn left(&mut self) -> impl Future<Output = Option<(Token, Time)>>;
    /// Hands an advertisement to the kernel. False: it was refused.
    fn send(&mut self, sending: Sending) -> impl Future<Output = bool>;
    /// Lets the data plane forward until then; [`Time::ZERO`]: not at all.
    fn lease(&mut self, until: Time) -> impl Future<Output = ()>;
    /// Puts the virtual addresses on the interface, or takes them off.
    fn addresses(&mut self, there: bool) -> impl Future<Output = ()>;
    /// Tells the underlay where they are.
    fn announce(&mut self) -> impl Future<Output = ()>;
}

/// Hears what waits, `most` of it at once, lets time pass, does what is to be done. True if there may be more to hear.
pub async fn turn(machine: &mut Machine, hands: &mut impl Hands, most: usize) -> bool {
    let now = hands.now().await;
    // Everything that came before this moment was heard, or it is an earlier moment.
    let heard = hear(machine, hands, now, most).await;
    if hands.overran().await {
        // What was lost may have come at any time until now.
        machine.overran(hands.now().await);
    }
    departures(machine, hands).await;
    perform(machine, hands).await;
    machine.tick(heard.unwrap_or(now));
    perform(machine, hands).await;
    heard.is_some()
}

/// Does what the machine wants done.
pub async fn perform(machine: &mut Machine, hands: &mut impl Hands) {
    while let Some(action) = machine.next() {
        match action {
            Action::Advertise { token, priority, interval } => {
                let started = hands.now().await;
                if !hands.send(Sending { token, priority, interval, started }).await {
                    machine.failed(token, hands.now().await);
                }
                departures(machine, hands).await;
            }
            Action::Lease(until) => hands.lease(until).await,
            Action::AddAddresses => hands.addresses(true).await,
            Action::RemoveAddresses => hands.addresses(false).await,
            Action::Announce => hands.announce().await,
        }
    }
}

/// Gives the time of the last packet heard where more may wait.
async fn hear(machine: &mut Machine, hands: &mut impl Hands, now: Time, most: usize) -> Option<Time> {
    let mut last = now;
    for _ in 0..most {
        match hands.read().await {
            Read::Heard(heard, at) => {
                machine.heard(heard, at);
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

/// Tells the machine which advertisements have left.
async fn departures(machine: &mut Machine, hands: &mut impl Hands) {
    while let Some((token, started)) = hands.left().await {
        machine.left(token, started, hands.now().await);
    }
}
