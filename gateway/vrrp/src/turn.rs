//! One turn of a virtual router: what is read, decided and done, in the order that the lease's proof relies on.
//!
//! Whoever drives a [`Machine`] lends it [`Worker`]. They are asynchronous for the simulation's sake, which lets anything
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
pub trait Worker {
    /// Reads CLOCK_MONOTONIC.
    fn now(&mut self) -> impl Future<Output = Time>;
    /// Reads what waits in the socket next.
    fn read(&mut self) -> impl Future<Output = Read>;
    /// True if something found no room in the socket since the last time.
    fn overran(&mut self) -> impl Future<Output = bool>;
    /// The next advertisement that has left, and when its sending was started.
    fn tx_completed(&mut self) -> impl Future<Output = Option<(Token, Time)>>;
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
pub async fn turn(machine: &mut Machine, worker: &mut impl Worker, most: usize) -> bool {
    let now = worker.now().await;
    // Everything that came before this moment was heard, or it is an earlier moment.
    let heard = hear(machine, worker, now, most).await;
    if worker.overran().await {
        // What was lost may have come at any time until now.
        machine.overran(worker.now().await);
    }
    transmissions(machine, worker).await;
    perform(machine, worker).await;
    machine.tick(heard.unwrap_or(now));
    perform(machine, worker).await;
    heard.is_some()
}

/// Does what the machine wants done.
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

/// Gives the time of the last packet heard where more may wait.
async fn hear(machine: &mut Machine, worker: &mut impl Worker, now: Time, most: usize) -> Option<Time> {
    let mut last = now;
    for _ in 0..most {
        match worker.read().await {
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
async fn transmissions(machine: &mut Machine, worker: &mut impl Worker) {
    while let Some((token, started)) = worker.tx_completed().await {
        machine.tx_completed(token, started, worker.now().await);
    }
}
