//! A process: the product's own turn ([`gateway_vrrp::turn`]), driven in the simulated world. Each access to the world
//! is a step of its own, and anything may happen in between.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use gateway_vrrp::{Machine, PeerAdvert, Priority, Read, Role, Sending, Settings, Time, Token, Worker, perform, turn};

use crate::{
    node::Order,
    world::{Flaw, State},
};

/// Driver of one process on one node.
pub(crate) struct Driver {
    pub(crate) node: usize,
    pub(crate) state: Rc<RefCell<State>>,
}

/// Suspends once, so that the rest of the world goes on.
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Driver {
    /// Runs the process for its whole life.
    pub(crate) async fn run(mut self) {
        let found = self.step(|state, node| state.nodes[node].lease).await;
        let mut machine = self.step(|state, node| state.make(node, found)).await;
        perform(&mut machine, &mut self).await;
        loop {
            match self.step(State::order).await {
                Some(order) => self.obey(order, &mut machine).await,
                None => self.turn(&mut machine).await,
            }
            if machine.finished() {
                return;
            }
            self.state.borrow_mut().wait(self.node, &machine);
            Pause(false).await;
        }
    }

    async fn turn(&mut self, machine: &mut Machine) {
        let most = self.state.borrow().nodes[self.node].most;
        while turn(machine, self, most).await {}
    }

    /// Carries out an order, as the loop of `gateway_ha` does.
    async fn obey(&mut self, order: Order, machine: &mut Machine) {
        let now = self.now().await;
        match order {
            Order::Track(tracked) => machine.track(tracked, now),
            Order::Handover => {
                machine.handover(now);
                perform(machine, self).await;
            }
            Order::Reconfigure(settings) => {
                let settings = self.state.borrow().flawed(settings);
                machine.reconfigure(settings, now);
            }
            Order::Leave(how) => {
                self.turn(machine).await;
                machine.leave(how, self.now().await);
                if let Some(process) = &mut self.state.borrow_mut().nodes[self.node].process {
                    process.leaving = true;
                }
                perform(machine, self).await;
            }
        }
        self.turn(machine).await;
    }

    /// Runs a step, which happens at one moment, some time from now.
    async fn step<T>(&self, what: impl FnOnce(&mut State, usize) -> T) -> T {
        self.state.borrow_mut().pause_process(self.node);
        Pause(false).await;
        what(&mut self.state.borrow_mut(), self.node)
    }
}

impl Worker for Driver {
    async fn now(&mut self) -> Time {
        self.step(|state, node| state.nodes[node].clock.read(state.now)).await
    }

    async fn read(&mut self) -> Read {
        self.step(State::read).await
    }

    async fn overran(&mut self) -> bool {
        self.step(|state, node| {
            let overran = state.nodes[node].process.as_mut().is_some_and(|one| std::mem::take(&mut one.overran));
            overran && state.flaw != Flaw::IgnoresOverrun
        })
        .await
    }

    async fn tx_completed(&mut self) -> Option<(Token, Time)> {
        self.step(|state, node| state.nodes[node].process.as_mut()?.tx_completed.pop_front()).await
    }

    async fn send(&mut self, sending: Sending) -> bool {
        let Sending { token, priority, interval, started } = sending;
        self.step(|state, node| {
            let advert = PeerAdvert { from: state.nodes[node].settings.own, priority, interval };
            state.send(node, token, advert, started)
        })
        .await
    }

    async fn lease(&mut self, until: Time) {
        self.step(|state, node| state.lease(node, until)).await;
    }

    async fn addresses(&mut self, _there: bool) {}

    async fn announce(&mut self) {}
}

impl State {
    /// Starts the process, which has read the existing lease.
    fn make(&mut self, node: usize, found: Duration) -> Machine {
        let settings = self.flawed(self.nodes[node].settings);
        let now = self.nodes[node].clock.read(self.now);
        let resume = (found > now).then_some(found);
        self.say(|| format!("{node} starts, resumes {}", resume.is_some()));
        if resume.is_none() && settings.priority == Priority::OWNER {
            self.network.unaware(node, self.now);
        }
        let mut machine = Machine::new(settings, now, resume);
        machine.track(self.nodes[node].tracked, now);
        machine
    }

    fn order(&mut self, node: usize) -> Option<Order> {
        let order = self.nodes[node].process.as_mut()?.orders.pop_front()?;
        self.say(|| format!("{node} {order:?}"));
        Some(order)
    }

    fn read(&mut self, node: usize) -> Read {
        if self.flaw == Flaw::TicksUndrained && !self.random.once_in(8) {
            return Read::Empty;
        }
        let Some(process) = &mut self.nodes[node].process else { return Read::Empty };
        let Some((from, advert, at)) = process.socket.pop_front() else { return Read::Empty };
        if process.leaving {
            self.network.disturb(from, node, self.now);
        }
        if self.flaw == Flaw::Deaf { Read::Other(at) } else { Read::Advert(advert, at) }
    }

    fn lease(&mut self, node: usize, until: Time) {
        self.say(|| format!("{node} lease {until:?}"));
        if self.flaw == Flaw::Lies && until.is_zero() {
            return;
        }
        self.nodes[node].lease = until;
        let clock = self.nodes[node].clock;
        let outcome = self.check.lease(node, until, &clock);
        self.note(outcome);
    }

    fn flawed(&self, settings: Settings) -> Settings {
        let lag = if self.flaw == Flaw::ForgetsTick { Duration::ZERO } else { settings.lag };
        Settings { lag, ..settings }
    }

    /// Ends the turn: the process waits for an event, or for the machine's deadline.
    fn wait(&mut self, node: usize, machine: &Machine) {
        let Some(process) = &self.nodes[node].process else { return };
        let (status, lease) = (machine.status(), self.nodes[node].lease);
        if self.flaw == Flaw::None {
            if lease != status.lease.unwrap_or_default() {
                self.note(Err(format!("{node} has another lease than its machine thinks: {status:?}")));
            } else if status.lease.is_some() && status.role != Role::Active && !process.leaving {
                self.note(Err(format!("{node} has a lease, but is {:?}", status.role)));
            }
        }
        self.wait_until(node, machine.deadline());
    }
}
