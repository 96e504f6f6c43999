//! All nodes and the network, event by event.

use std::{cell::RefCell, cmp::Reverse, collections::BinaryHeap, pin::Pin, rc::Rc, task, time::Duration};

use gateway_vrrp::{Leave, PeerAdvert};

use crate::{
    check::Check,
    clock::{MILLISECOND, Moment},
    driver::Driver,
    network::Network,
    node::{Node, Order, Process},
    random::Random,
    schedule::{Blow, Schedule},
};

/// Flaw of the driver, for tests of the simulation itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flaw {
    #[default]
    None,
    /// It usually ticks without having read its socket.
    TicksUndrained,
    /// It reports advertisements as sent that its own machine dropped.
    TakesSentForLeft,
    /// It sends priority 0 and goes on.
    Lies,
    /// It passes no advertisements of other nodes to the machine.
    Deaf,
    /// It assumes that the data plane's clock has no tick.
    ForgetsTick,
    /// It does not report that the socket has lost advertisements.
    IgnoresOverrun,
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
    TxCompleted {
        node: usize,
        packet: usize,
        turn: u64,
    },
}

/// The world, and the processes in it.
pub(crate) struct World {
    state: Rc<RefCell<State>>,
    processes: Vec<Option<Running>>,
}

/// A process, with the number of the node's life.
type Running = (u64, Pin<Box<dyn Future<Output = ()>>>);

/// The world without the processes.
pub(crate) struct State {
    pub(crate) random: Random,
    pub(crate) schedule: Schedule,
    pub(crate) network: Network,
    pub(crate) nodes: Vec<Node>,
    pub(crate) check: Check,
    pub(crate) flaw: Flaw,
    traced: bool,
    events: BinaryHeap<Reverse<(Moment, u64, Event)>>,
    order: u64,
    pub(crate) now: Moment,
    /// All advertisements ever sent: the sender's lifetime, its clock before sending, and the content.
    packets: Vec<(u64, Duration, gateway_vrrp::Token, PeerAdvert)>,
    lives: Vec<u64>,
    /// Violation that a process has found.
    failure: Option<String>,
}

impl World {
    pub(crate) fn new(seed: u64, flaw: Flaw, traced: bool) -> Self {
        let mut random = Random::new(seed);
        let schedule = Schedule::new(&mut random);
        let network = Network::new(schedule.settings.len(), &mut random, 5 * schedule.longest);
        Self::of(random, schedule, network, flaw, traced)
    }

    pub(crate) fn of(random: Random, schedule: Schedule, network: Network, flaw: Flaw, traced: bool) -> Self {
        let state = State::new(random, schedule, network, flaw, traced);
        let processes = (0..state.nodes.len()).map(|_| None).collect();
        Self { state: Rc::new(RefCell::new(state)), processes }
    }

    /// Runs to the end, or to the first violation.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        while self.step()? {}
        Ok(())
    }

    /// Handles one event. Returns false if that was the last one.
    pub(crate) fn step(&mut self) -> Result<bool, String> {
        let Some(event) = self.state.borrow_mut().next()? else { return Ok(false) };
        if let Event::Step { node, turn } = event {
            self.go_on(node, turn);
        } else {
            self.state.borrow_mut().happen(event);
        }
        match self.state.borrow_mut().failure.take() {
            Some(failure) => Err(failure),
            None => Ok(true),
        }
    }

    /// Runs the next step of the process, if it is still in that turn.
    fn go_on(&mut self, node: usize, turn: u64) {
        let life = {
            let mut state = self.state.borrow_mut();
            if state.nodes[node].turn != turn {
                return;
            }
            if let Some(process) = &mut state.nodes[node].process {
                process.waits = false;
            }
            state.lives[node]
        };
        let (_, process) = match self.processes[node].take() {
            Some(running) if running.0 == life => self.processes[node].insert(running),
            _ => {
                let driver = Driver { node, state: Rc::clone(&self.state) };
                self.processes[node].insert((life, Box::pin(driver.run())))
            }
        };
        if process.as_mut().poll(&mut task::Context::from_waker(task::Waker::noop())).is_ready() {
            let mut state = self.state.borrow_mut();
            state.say(|| format!("{node} ends"));
            state.end_process(node);
        }
    }

    /// Applies a fault to the nodes.
    pub(crate) fn strike(&mut self, blow: Blow) {
        self.state.borrow_mut().blow(blow);
    }

    pub(crate) fn now(&self) -> Moment {
        self.state.borrow().now
    }

    /// Returns the nodes that forward.
    pub(crate) fn forwarders(&self) -> Vec<usize> {
        let state = self.state.borrow();
        (0..state.nodes.len()).filter(|node| state.check.forwards(*node)).collect()
    }
}

impl State {
    fn new(mut random: Random, schedule: Schedule, network: Network, flaw: Flaw, traced: bool) -> Self {
        let count = schedule.settings.len();
        let nodes = (0..count)
            .map(|node| Node {
                clock: schedule.clocks[node],
                settings: schedule.settings[node],
                tracked: Default::default(),
                lease: Duration::ZERO,
                mute: false,
                stamps: random.once_in(2),
                room: random.pick(&schedule.rooms),
                most: random.pick(&[256, 256, 2, 1]),
                process: None,
                turn: 0,
                wakes: 0,
            })
            .collect();
        let check = Check::new(count, &schedule);
        let mut state = Self {
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
            failure: None,
            schedule,
        };
        for node in 0..count {
            state.say(|| format!("{node}: {:?}", state.nodes[node].settings));
            state.start(node);
        }
        for blow in 0..state.schedule.blows.len() {
            state.at(state.schedule.blows[blow].0, Event::Blow(blow));
        }
        state
    }

    /// Prints an event, if that is wanted.
    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        if self.traced {
            println!("{:>14} {}", format!("{:.6}ms", self.now as f64 / 1e6), what());
        }
    }

    /// Records a violation, unless there is one already.
    pub(crate) fn note(&mut self, outcome: Result<(), String>) {
        self.failure = self.failure.take().or(outcome.err());
    }

    /// Advances to the next event and its time; `None` at the end.
    fn next(&mut self) -> Result<Option<Event>, String> {
        let Some(Reverse((at, _, event))) = self.events.pop() else { return Ok(None) };
        let at = at.min(self.schedule.end);
        self.check.advance(at, &self.network.disturbed)?;
        self.now = at;
        Ok((at < self.schedule.end).then_some(event))
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Blow(blow) => self.blow(self.schedule.blows[blow].1),
            Event::Step { .. } => {}
            Event::Arrival { to, from, packet } => self.arrive(to, from, packet),
            Event::TxCompleted { node, packet, turn } => {
                let (life, started, token, _) = self.packets[packet];
                if life == turn
                    && self.lives[node] == life
                    && let Some(process) = &mut self.nodes[node].process
                {
                    process.tx_completed.push_back((token, started));
                    self.wake(node);
                }
            }
        }
    }

    fn at(&mut self, at: Moment, event: Event) {
        self.order += 1;
        self.events.push(Reverse((at, self.order, event)));
    }

    /// Returns the duration of a step. Before all is calm, any duration is possible.
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

    /// Schedules the process to go on some time from now.
    pub(crate) fn pause_process(&mut self, node: usize) {
        let at = self.now + self.pause();
        self.go_on_at(node, at);
    }

    fn go_on_at(&mut self, node: usize, at: Moment) {
        let this = &mut self.nodes[node];
        this.turn += 1;
        this.wakes = at;
        let turn = this.turn;
        self.at(at, Event::Step { node, turn });
    }

    /// Wakes a waiting process for an event.
    fn wake(&mut self, node: usize) {
        let waits = self.nodes[node].process.as_ref().is_some_and(|process| process.waits);
        if waits && self.nodes[node].wakes > self.now + 2 * MILLISECOND {
            self.pause_process(node);
        }
    }

    /// Lets the process wait for an event, or for that time by its clock.
    pub(crate) fn wait_until(&mut self, node: usize, deadline: Option<Duration>) {
        let now = self.now;
        let this = &mut self.nodes[node];
        let Some(process) = &mut this.process else { return };
        if process.has_news() {
            return self.pause_process(node);
        }
        process.waits = true;
        this.turn += 1;
        this.wakes = Moment::MAX;
        if let Some(deadline) = deadline {
            let due = this.clock.when(deadline).max(now);
            let at = due + self.pause_at(due);
            self.go_on_at(node, at);
        }
    }

    fn start(&mut self, node: usize) {
        if self.nodes[node].process.as_ref().is_some_and(|process| !process.leaving) {
            return;
        }
        self.end_process(node);
        self.nodes[node].process = Some(Process::default());
        self.pause_process(node);
    }

    /// Ends the process. The advertisements that it had not read are lost.
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
        self.say(|| format!("{blow:?}"));
        match blow {
            Blow::Split => self.network.split(&mut self.random),
            Blow::Cut(from, to) => self.network.cut[from][to] = true,
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
        let advert = self.packets[packet].3;
        let at = self.nodes[to].clock.read(self.now);
        let room = self.nodes[to].room;
        match &mut self.nodes[to].process {
            // The process is notified, so this counts as received.
            Some(process) if process.socket.len() >= room && self.now < self.schedule.calm => {
                process.overran = true;
                if process.leaving {
                    self.network.disturb(from, to, self.now);
                }
            }
            Some(process) => process.socket.push_back((from, advert, at)),
            None => self.network.disturb(from, to, self.now),
        }
        self.wake(to);
    }

    fn pause_at(&mut self, at: Moment) -> u64 {
        let pause = self.pause();
        if at >= self.schedule.calm { pause.min(50_000) } else { pause.min(self.schedule.calm - at) }
    }

    /// Sends an advertisement. Returns true if the kernel accepts it.
    pub(crate) fn send(
        &mut self,
        node: usize,
        token: gateway_vrrp::Token,
        advert: PeerAdvert,
        started: Duration,
    ) -> bool {
        if self.now < self.schedule.calm && self.random.once_in(500) {
            self.say(|| format!("{node} can't send {advert:?}"));
            return false;
        }
        let mute = self.nodes[node].mute;
        if advert.priority != 0 && (!mute || self.flaw == Flaw::TakesSentForLeft) {
            self.check.tx_completed(node, started, advert.interval.three());
        }
        if mute {
            if self.flaw == Flaw::TakesSentForLeft {
                self.tx_completed(node, token, started);
            }
            return true;
        }
        self.say(|| format!("{node} sends {advert:?}"));
        let packet = self.packets.len();
        self.packets.push((self.lives[node], started, token, advert));
        for to in (0..self.nodes.len()).filter(|to| *to != node) {
            let arrivals = self.network.send(node, to, self.now, self.schedule.calm, &mut self.random);
            if arrivals[0].is_none() {
                self.say(|| format!("{node} -> {to} lost"));
            }
            for at in arrivals.into_iter().flatten() {
                self.at(at, Event::Arrival { to, from: node, packet });
            }
        }
        if self.nodes[node].stamps {
            let pause = self.pause();
            let turn = self.lives[node];
            self.at(self.now + pause, Event::TxCompleted { node, packet, turn });
        } else {
            self.tx_completed(node, token, started);
        }
        true
    }

    /// Reports at once that an advertisement has left.
    fn tx_completed(&mut self, node: usize, token: gateway_vrrp::Token, started: Duration) {
        if let Some(process) = &mut self.nodes[node].process {
            process.tx_completed.push_back((token, started));
        }
    }
}
