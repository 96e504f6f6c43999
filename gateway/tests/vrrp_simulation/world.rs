//! All nodes and the network, event by event.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use gateway::vrrp::{Action, Heard, Leave, Machine, Priority, Role};

use crate::{
    check::Check,
    clock::{MILLISECOND, Moment},
    network::Network,
    node::{Node, Order, Process, Step},
    random::Random,
    schedule::{Blow, Schedule},
};

/// What is wrong with the driver, for tests of the simulation itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flaw {
    #[default]
    None,
    /// It ticks without having read its socket, mostly.
    TicksUndrained,
    /// It says of advertisements that its own machine dropped that they have left.
    TakesSentForLeft,
    /// It says priority 0 and goes on.
    Lies,
    /// It tells the machine nothing of other nodes.
    Deaf,
    /// It thinks that the data plane's clock has no tick.
    ForgetsTick,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Blow(usize),
    /// The process goes on, if it is still in that turn.
    Step {
        node: usize,
        turn: u64,
    },
    Arrival {
        to: usize,
        from: usize,
        packet: usize,
    },
    Word {
        node: usize,
        packet: usize,
        turn: u64,
    },
}

pub(crate) struct World {
    random: Random,
    pub(crate) schedule: Schedule,
    network: Network,
    pub(crate) nodes: Vec<Node>,
    pub(crate) check: Check,
    flaw: Flaw,
    traced: bool,
    events: BinaryHeap<Reverse<(Moment, u64, Event)>>,
    order: u64,
    pub(crate) now: Moment,
    /// All advertisements ever sent: the sender's lifetime, its clock before sending, and what was sent.
    packets: Vec<(u64, Duration, gateway::vrrp::Token, Heard)>,
    lives: Vec<u64>,
}

macro_rules! trace {
    ($world:expr, $($arg:tt)*) => {
        if $world.traced {
            println!("{:>14} {}", format!("{:.6}ms", $world.now as f64 / 1e6), format_args!($($arg)*));
        }
    };
}

impl World {
    pub(crate) fn new(seed: u64, flaw: Flaw, traced: bool) -> Self {
        let mut random = Random::new(seed);
        let schedule = Schedule::new(&mut random);
        let network = Network::new(schedule.settings.len(), &mut random, 5 * schedule.longest);
        Self::of(random, schedule, network, flaw, traced)
    }

    pub(crate) fn of(mut random: Random, schedule: Schedule, network: Network, flaw: Flaw, traced: bool) -> Self {
        let count = schedule.settings.len();
        let nodes = (0..count)
            .map(|node| Node {
                clock: schedule.clocks[node],
                settings: schedule.settings[node],
                tracked: Default::default(),
                lease: Duration::ZERO,
                mute: false,
                stamps: random.once_in(2),
                process: None,
                turn: 0,
                wakes: 0,
            })
            .collect();
        let check = Check::new(count, 4 * schedule.longest + 2 * MILLISECOND, schedule.settled);
        let mut world = Self {
            random,
            network,
            nodes,
            check,
            flaw,
            traced,
            events: BinaryHeap::new(),
            order: 0,
            now: 0,
            packets: Vec::new(),
            lives: vec![0; count],
            schedule,
        };
        for node in 0..count {
            trace!(world, "{node}: {:?}", world.nodes[node].settings);
            world.start(node);
        }
        for blow in 0..world.schedule.blows.len() {
            world.at(world.schedule.blows[blow].0, Event::Blow(blow));
        }
        world
    }

    /// To the end, or to the first thing that is wrong.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        while self.step()? {}
        Ok(())
    }

    /// One event. False: that was the last one.
    pub(crate) fn step(&mut self) -> Result<bool, String> {
        let Some(Reverse((at, _, event))) = self.events.pop() else {
            return Ok(false);
        };
        let at = at.min(self.schedule.end);
        let network = &self.network;
        self.check.advance(at, |one, other| network.disturbed_between(one, other))?;
        self.now = at;
        if at == self.schedule.end {
            return Ok(false);
        }
        match event {
            Event::Blow(blow) => self.blow(self.schedule.blows[blow].1),
            Event::Step { node, turn } if self.nodes[node].turn == turn => self.go_on(node)?,
            Event::Step { .. } => {}
            Event::Arrival { to, from, packet } => self.arrive(to, from, packet),
            Event::Word { node, packet, turn } => {
                let (life, started, token, _) = self.packets[packet];
                if life == turn
                    && self.lives[node] == life
                    && let Some(process) = &mut self.nodes[node].process
                {
                    process.words.push_back((token, started));
                    self.wake(node);
                }
            }
        }
        Ok(true)
    }

    fn at(&mut self, at: Moment, event: Event) {
        self.order += 1;
        self.events.push(Reverse((at, self.order, event)));
    }

    /// How long a step takes. None is too long to happen, before all is calm.
    fn pause(&mut self) -> u64 {
        if self.now >= self.schedule.calm {
            return self.random.within(1_000..50_000);
        }
        let left = self.schedule.calm - self.now;
        let pause = if self.random.once_in(self.schedule.stalls) {
            self.random.any_scale(self.schedule.longest_stall)
        } else if self.random.once_in(30) {
            self.random.within(1_000..3 * MILLISECOND / 2)
        } else {
            self.random.within(1_000..40_000)
        };
        pause.min(left)
    }

    fn next_step(&mut self, node: usize, step: Step) {
        let at = self.now + self.pause();
        let this = &mut self.nodes[node];
        if let Some(process) = &mut this.process {
            process.step = step;
            this.turn += 1;
            this.wakes = at;
            let turn = this.turn;
            self.at(at, Event::Step { node, turn });
        }
    }

    /// Something has happened that a waiting process looks at.
    fn wake(&mut self, node: usize) {
        let waits = self.nodes[node].process.as_ref().is_some_and(|process| matches!(process.step, Step::Wait));
        if waits && self.nodes[node].wakes > self.now + 2 * MILLISECOND {
            self.next_step(node, Step::Wait);
        }
    }

    fn start(&mut self, node: usize) {
        if self.nodes[node].process.as_ref().is_some_and(|process| !process.leaving) {
            return;
        }
        self.end_process(node);
        self.nodes[node].process = Some(Process::new());
        self.next_step(node, Step::Find);
    }

    /// What it had not read is lost.
    fn end_process(&mut self, node: usize) {
        self.nodes[node].turn += 1;
        self.lives[node] += 1;
        if let Some(process) = self.nodes[node].process.take() {
            for (from, ..) in process.socket {
                self.network.disturb(from, node, self.now);
            }
        }
    }

    fn blow(&mut self, blow: Blow) {
        trace!(self, "{blow:?}");
        match blow {
            Blow::Split => self.network.split(&mut self.random),
            Blow::Heal => self.network.heal(),
            Blow::Kill(node) => self.end_process(node),
            Blow::Die(node) => {
                self.end_process(node);
                self.nodes[node].lease = Duration::ZERO;
                self.check.dead(node);
            }
            Blow::Start(node) => self.start(node),
            Blow::Handover(node) => self.nodes[node].order(Order::Handover),
            Blow::Fault(node, fault) => {
                self.nodes[node].tracked.fault = fault;
                let tracked = self.nodes[node].tracked;
                self.nodes[node].order(Order::Track(tracked));
            }
            Blow::Delta(node, delta) => {
                self.nodes[node].tracked.delta = delta;
                let tracked = self.nodes[node].tracked;
                self.nodes[node].order(Order::Track(tracked));
            }
            Blow::LeaveToReturn(node) => self.nodes[node].order(Order::Leave(Leave::Keep)),
            Blow::LeaveForGood(node) => self.nodes[node].order(Order::Leave(Leave::Handover)),
            Blow::Mute(node, mute) => self.nodes[node].mute = mute,
            Blow::Reconfigure(node, settings) => {
                self.nodes[node].settings = settings;
                self.nodes[node].order(Order::Reconfigure(settings));
            }
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].process.as_ref().is_some_and(|process| !process.orders.is_empty()) {
                self.wake(node);
            }
        }
    }

    fn arrive(&mut self, to: usize, from: usize, packet: usize) {
        let heard = self.packets[packet].3;
        let at = self.nodes[to].clock.read(self.now);
        match &mut self.nodes[to].process {
            Some(process) => {
                process.socket.push((from, heard, at));
                self.wake(to);
            }
            None => self.network.disturb(from, to, self.now),
        }
    }

    /// One step of the driver.
    fn go_on(&mut self, node: usize) -> Result<(), String> {
        let time = self.nodes[node].clock.read(self.now);
        let settings = self.nodes[node].settings;
        let Some(mut process) = self.nodes[node].process.take() else {
            return Ok(());
        };
        let step = process.step;
        let next = match step {
            Step::Find => Some(Step::Make { found: self.nodes[node].lease }),
            Step::Make { found } => {
                let mut settings = settings;
                if self.flaw == Flaw::ForgetsTick {
                    settings.lag = Duration::ZERO;
                }
                let resume = (found > time).then_some(found);
                trace!(self, "{node} starts, resumes {}", resume.is_some());
                if resume.is_none() && settings.priority == Priority::OWNER {
                    self.network.unaware(node, self.now);
                }
                let mut machine = Machine::new(settings, time, resume);
                machine.track(self.nodes[node].tracked, time);
                process.machine = Some(machine);
                Some(Step::Next)
            }
            _ => match &mut process.machine {
                Some(machine) => match step {
                    Step::Clock => Some(Step::Drain { now: time }),
                    Step::Drain { now } => {
                        if self.flaw != Flaw::TicksUndrained || self.random.once_in(8) {
                            for (from, heard, at) in process.socket.drain(..) {
                                if process.leaving {
                                    self.network.disturb(from, node, self.now);
                                }
                                if self.flaw != Flaw::Deaf {
                                    machine.heard(heard, at);
                                }
                            }
                        }
                        Some(Step::Tick { now })
                    }
                    Step::Tick { now } => {
                        machine.tick(now);
                        Some(Step::Next)
                    }
                    Step::Next => match machine.next() {
                        Some(Action::Advertise { token, priority, interval }) => {
                            Some(Step::Send { token, priority, interval, started: time })
                        }
                        Some(action) => Some(Step::Do(action)),
                        None => match process.words.pop_front() {
                            Some((token, started)) => Some(Step::Word { token, started }),
                            None => Some(Step::Wait),
                        },
                    },
                    Step::Word { token, started } => Some(Step::Left { token, started, now: time }),
                    Step::Left { token, started, now } => {
                        machine.left(token, started, now);
                        Some(Step::Next)
                    }
                    Step::Do(action) => {
                        trace!(self, "{node} {action:?} ({:?})", machine.status().role);
                        if let Action::Lease(lease) = action
                            && !(self.flaw == Flaw::Lies && lease.is_zero())
                        {
                            self.nodes[node].lease = lease;
                            let clock = self.nodes[node].clock;
                            self.check.lease(node, lease, &clock)?;
                        }
                        Some(Step::Next)
                    }
                    Step::Send { token, priority, interval, started } => {
                        let heard = Heard { from: settings.own, priority, interval };
                        let left = self.send(node, token, heard, started);
                        match left {
                            Some(true) => Some(Step::Word { token, started }),
                            Some(false) => {
                                machine.failed(token, time);
                                Some(Step::Next)
                            }
                            None => Some(Step::Next),
                        }
                    }
                    Step::Wait => match process.orders.pop_front() {
                        Some(order) => {
                            trace!(self, "{node} {order:?}");
                            match order {
                                Order::Track(tracked) => machine.track(tracked, time),
                                Order::Handover => machine.handover(time),
                                Order::Reconfigure(mut settings) => {
                                    if self.flaw == Flaw::ForgetsTick {
                                        settings.lag = Duration::ZERO;
                                    }
                                    machine.reconfigure(settings, time);
                                }
                                Order::Leave(how) => {
                                    machine.leave(how, time);
                                    process.leaving = true;
                                }
                            }
                            Some(if self.random.once_in(2) { Step::Next } else { Step::Clock })
                        }
                        None if !process.words.is_empty() && self.random.once_in(2) => Some(Step::Next),
                        None => Some(Step::Clock),
                    },
                    Step::Find | Step::Make { .. } => None,
                },
                None => None,
            },
        };
        let finished = process.machine.as_ref().is_some_and(Machine::finished);
        self.nodes[node].process = Some(process);
        match next {
            Some(Step::Wait) if finished => {
                trace!(self, "{node} ends");
                self.end_process(node);
                Ok(())
            }
            Some(Step::Wait) => self.wait(node),
            Some(step) => {
                self.next_step(node, step);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The turn is over: until something happens, or the machine's deadline.
    fn wait(&mut self, node: usize) -> Result<(), String> {
        let this = &mut self.nodes[node];
        let Some(process) = &mut this.process else { return Ok(()) };
        let Some(machine) = &process.machine else { return Ok(()) };
        let status = machine.status();
        let sound = self.flaw == Flaw::None;
        if sound && this.lease != status.lease.unwrap_or_default() {
            return Err(format!("{node} has another lease than its machine thinks: {status:?}"));
        }
        if sound && status.lease.is_some() && status.role != Role::Active && !process.leaving {
            return Err(format!("{node} has a lease, but is {:?}", status.role));
        }
        let deadline = machine.deadline();
        if !process.socket.is_empty() || !process.orders.is_empty() || !process.words.is_empty() {
            self.next_step(node, Step::Wait);
            return Ok(());
        }
        process.step = Step::Wait;
        this.turn += 1;
        let turn = this.turn;
        this.wakes = Moment::MAX;
        if let Some(deadline) = deadline {
            let due = this.clock.when(deadline).max(self.now);
            let at = due + self.pause_at(due);
            self.nodes[node].wakes = at;
            self.at(at, Event::Step { node, turn });
        }
        Ok(())
    }

    fn pause_at(&mut self, at: Moment) -> u64 {
        let pause = self.pause();
        if at >= self.schedule.calm { pause.min(50_000) } else { pause.min(self.schedule.calm - at) }
    }

    /// Whether it is known at once that it has left (yes), that it has not (no), or not yet.
    fn send(&mut self, node: usize, token: gateway::vrrp::Token, heard: Heard, started: Duration) -> Option<bool> {
        if self.now < self.schedule.calm && self.random.once_in(500) {
            trace!(self, "{node} can't send {heard:?}");
            return Some(false);
        }
        let stamps = self.nodes[node].stamps || self.nodes[node].mute;
        if self.nodes[node].mute {
            if self.flaw == Flaw::TakesSentForLeft {
                self.check.left(node, started, heard.interval.three());
                return Some(true);
            }
            return None;
        }
        trace!(self, "{node} sends {heard:?}");
        if heard.priority != 0 {
            self.check.left(node, started, heard.interval.three());
        }
        let packet = self.packets.len();
        self.packets.push((self.lives[node], started, token, heard));
        for to in 0..self.nodes.len() {
            if to == node {
                continue;
            }
            let arrivals = self.network.send(node, to, self.now, self.schedule.calm, &mut self.random);
            if arrivals[0].is_none() {
                trace!(self, "{node} -> {to} lost");
            }
            for at in arrivals.into_iter().flatten() {
                self.at(at, Event::Arrival { to, from: node, packet });
            }
        }
        if !stamps {
            return Some(true);
        }
        let pause = self.pause();
        let turn = self.lives[node];
        self.at(self.now + pause, Event::Word { node, packet, turn });
        None
    }

    /// The one node that forwards.
    pub(crate) fn forwarder(&self) -> Option<usize> {
        (0..self.nodes.len()).find(|node| self.check.forwards(*node))
    }
}
