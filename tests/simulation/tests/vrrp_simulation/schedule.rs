//! Schedules of faults, all of them drawn from the seed.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use gateway_vrrp::{Interval, Priority, Settings, Version};

use crate::{
    clock::{Clock, MILLISECOND, Moment},
    random::Random,
};

/// A fault, or the end of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    Split,
    /// One direction of one link.
    Cut(usize, usize),
    Heal,
    /// The process is killed; links and maps stay.
    Kill(usize),
    /// The machine loses power.
    Die(usize),
    /// The process is started if it does not run, or in place of one that does not end.
    Start(usize),
    Handover(usize),
    Fault(usize, bool),
    Delta(usize, i32),
    LeaveToReturn(usize),
    LeaveForGood(usize),
    /// From now on the sender's machine drops its advertisements without an error.
    Mute(usize, bool),
    Reconfigure(usize, Settings),
}

pub(crate) struct Schedule {
    pub(crate) settings: Vec<Settings>,
    pub(crate) clocks: Vec<Clock>,
    /// Limits of the advertisements in a node's socket.
    pub(crate) rooms: [usize; 4],
    /// One micro-step in this number stalls; 0: none.
    pub(crate) stalls: u64,
    pub(crate) longest_stall: u64,
    pub(crate) blows: Vec<(Moment, Blow)>,
    /// The longest interval that any node advertises.
    pub(crate) longest: u64,
    /// Time for which two nodes may both forward if only one direction works.
    pub(crate) one_way: u64,
    /// Time after which no fault occurs.
    pub(crate) calm: Moment,
    /// Time from which on exactly one node has to forward.
    pub(crate) settled: Moment,
    pub(crate) end: Moment,
}

const KINDS: u64 = 12;
/// Intervals until a deaf node is preempted again.
const RETRY: u64 = 10;

impl Schedule {
    pub(crate) fn new(random: &mut Random) -> Self {
        let nodes = random.pick(&[2, 2, 2, 3, 3, 4, 5]);
        let clocks: Vec<Clock> = (0..nodes).map(|_| Clock::new(random)).collect();
        let base = random.pick(&[1, 2, 5, 10, 10, 30, 100]);
        let version = random.pick(&[Version::V2, Version::V3]);
        let style = random.within(0..4);
        let settings: Vec<Settings> =
            (0..nodes).map(|node| settings(random, node, base, version, style, clocks[node].tick)).collect();
        let longest_own = settings.iter().map(|settings| settings.interval).max().unwrap_or(Interval::DEFAULT);
        let mut longest = longest_own.duration().as_nanos() as u64;
        let calm = 15 * longest + 100 * MILLISECOND;
        let mut blows = Vec::new();
        for _ in 0..random.within(1..9) {
            add_blow(random, &mut blows, &settings, 4 * longest, calm);
        }
        if version == Version::V3 && blows.iter().any(|(_, blow)| matches!(blow, Blow::LeaveToReturn(_))) {
            longest = longest.max(1000 * MILLISECOND);
        }
        restore(random, &mut blows, nodes, calm);
        blows.sort_by_key(|(at, _)| *at);
        let delays = settings.iter().map(|settings| settings.preempt_delay + settings.startup_delay).max();
        // A takeover after silence takes three intervals, skew, and claim; or at least three seconds, if a process has
        // just started. Then, perhaps, a preemption, in which earlier advertisements may overtake priority 0: one more
        // hold.
        let takeover = (4 * longest).max(3000 * MILLISECOND + longest);
        let delays = delays.unwrap_or_default().as_nanos() as u64;
        // Or a deaf node has got the role, and loses it again.
        let retry = RETRY * longest_own.duration().as_nanos() as u64 + 5 * longest;
        let settled = calm + takeover + delays + retry + 4 * longest + 100 * MILLISECOND;
        Self {
            settings,
            clocks,
            rooms: [usize::MAX, usize::MAX, 3, 1],
            stalls: random.pick(&[0, 0, 200, 50, 20]),
            longest_stall: 7 * longest,
            blows,
            longest,
            // Its first advertisement, three intervals of silence, the next one, and the lease of a node that stalls
            // then. The intervals may differ, and the other node may stall: each of them three times as long.
            one_way: 13 * longest + 20 * MILLISECOND,
            calm,
            settled,
            end: settled + 2 * longest,
        }
    }
}

impl Schedule {
    /// A schedule in which processes are killed, and started again before their lease ends, and nothing else. Once all
    /// is calm the same node has to forward all the time.
    pub(crate) fn restarts(random: &mut Random) -> Self {
        let mut schedule = Self::new(random);
        schedule.stalls = 0;
        schedule.rooms = [usize::MAX; 4];
        for settings in &mut schedule.settings {
            settings.interval = Interval::from_centiseconds(10).unwrap_or(Interval::DEFAULT);
            // No preemption comes later than the first takeover, not even by an owner that starts.
            settings.preempt = false;
            settings.priority = settings.priority.min(Priority::DEFAULT);
            settings.startup_delay = Duration::ZERO;
        }
        schedule.longest = 100 * MILLISECOND;
        schedule.calm = 4500 * MILLISECOND;
        schedule.settled = Moment::MAX;
        schedule.end = schedule.calm + 4000 * MILLISECOND;
        schedule.blows.clear();
        for kill in 0..8 {
            let at = schedule.calm + kill * 400 * MILLISECOND + random.within(0..100 * MILLISECOND);
            for node in 0..schedule.settings.len() {
                // At most one interval has passed since the lease was granted, and the restart needs some of the rest.
                let later = at + random.any_scale(160 * MILLISECOND);
                schedule.blows.extend([(at, Blow::Kill(node)), (later, Blow::Start(node))]);
            }
        }
        schedule.blows.sort_by_key(|(at, _)| *at);
        schedule
    }
}

impl Schedule {
    /// A schedule without faults; `settled` and `end` are far away. The active node stays active, unless a test acts on
    /// it.
    pub(crate) fn quiet(random: &mut Random) -> Self {
        let mut schedule = Self::restarts(random);
        schedule.blows.clear();
        schedule.end = schedule.calm + 2000 * MILLISECOND;
        schedule
    }

    /// A schedule of two nodes, of which one does not receive the other from `cut` until `calm`, with faults of processes
    /// meanwhile.
    pub(crate) fn one_way(random: &mut Random) -> Self {
        let mut schedule = Self::restarts(random);
        let interval = schedule.longest;
        schedule.settings.truncate(2);
        schedule.clocks.truncate(2);
        let preempt = random.once_in(2);
        for (settings, priority) in schedule.settings.iter_mut().zip([100, 90]) {
            settings.preempt = preempt;
            settings.priority = Priority::new(priority).unwrap_or(Priority::DEFAULT);
            settings.preempt_delay = Duration::ZERO;
            settings.retry = settings.interval.duration() * RETRY as u32;
        }
        let cut = Self::CUT + random.within(0..interval);
        let calm = cut + 40 * interval;
        schedule.blows = vec![(cut, Blow::Cut(0, 1)), (calm, Blow::Heal)];
        schedule.stalls = random.pick(&[0, 0, 500]);
        schedule.longest_stall = 2 * interval;
        schedule.one_way =
            if schedule.stalls == 0 { 4 * interval + 30 * MILLISECOND } else { 13 * interval + 20 * MILLISECOND };
        schedule.calm = calm;
        schedule.settled = calm + (RETRY + 9) * interval;
        schedule.end = schedule.settled + 5 * interval;
        schedule
    }

    /// Earliest cut of a direction in [`Self::one_way`]: a node is active, and preemptions are over.
    pub(crate) const CUT: Moment = 5000 * MILLISECOND;
}

fn settings(random: &mut Random, node: usize, base: u16, version: Version, style: u64, tick: u64) -> Settings {
    let interval = if style == 3 { (base * random.pick(&[1, 2, 10])).min(100) } else { base };
    let lag = 2 * Duration::from_nanos(tick);
    let interval = Interval::from_centiseconds(interval).unwrap_or(Interval::DEFAULT).max(least(lag));
    let priority = match style {
        0 => 100,
        1 => random.pick(&[1, 100, 254, 255]),
        _ => random.pick(&[90, 100, 110, 120]),
    };
    let some = |random: &mut Random, most: u32| {
        if random.once_in(4) {
            interval.duration() * random.within(0..u64::from(most) + 1) as u32 / 2
        } else {
            Duration::ZERO
        }
    };
    Settings {
        priority: Priority::new(priority).unwrap_or(Priority::DEFAULT),
        interval,
        version,
        own: IpAddr::V4(Ipv4Addr::new(192, 0, 2, node as u8 + 1)),
        preempt: !random.once_in(4),
        preempt_delay: some(random, 6),
        startup_delay: some(random, 2),
        lag,
        retry: RETRY as u32 * interval.duration(),
    }
}

/// Returns the shortest interval for a data plane whose clock lags this far: three intervals must be well more.
fn least(lag: Duration) -> Interval {
    let centiseconds = (2 * lag).as_nanos().div_ceil(10_000_000) as u16;
    Interval::from_centiseconds(centiseconds).unwrap_or(Interval::DEFAULT)
}

fn add_blow(random: &mut Random, blows: &mut Vec<(Moment, Blow)>, settings: &[Settings], longest: u64, calm: Moment) {
    let node = random.within(0..settings.len() as u64) as usize;
    let at = random.within(0..calm);
    let later = (at + random.any_scale(longest)).min(calm);
    match random.within(0..KINDS) {
        0 | 1 => blows.extend([(at, Blow::Split), (later, Blow::Heal)]),
        2 | 3 => blows.extend([(at, Blow::Kill(node)), (later, Blow::Start(node))]),
        4 => blows.extend([(at, Blow::Die(node)), (later, Blow::Start(node))]),
        5 => blows.push((at, Blow::Handover(node))),
        6 => blows.extend([(at, Blow::Fault(node, true)), (later, Blow::Fault(node, false))]),
        7 => blows.push((at, Blow::Delta(node, random.pick(&[-60, -15, 0, 15, 60])))),
        8 => blows.extend([(at, Blow::LeaveToReturn(node)), (later, Blow::Start(node))]),
        9 => blows.extend([(at, Blow::LeaveForGood(node)), (later, Blow::Start(node))]),
        10 => blows.extend([(at, Blow::Mute(node, true)), (later, Blow::Mute(node, false))]),
        _ => {
            let other = settings[random.within(0..settings.len() as u64) as usize];
            let Settings { own, lag, .. } = settings[node];
            blows.push((
                at,
                Blow::Reconfigure(node, Settings { own, lag, interval: other.interval.max(least(lag)), ..other }),
            ));
        }
    }
}

/// Restores the nodes at the end: all transient faults are over, and at least one node is well. The others may stay as
/// they are.
fn restore(random: &mut Random, blows: &mut Vec<(Moment, Blow)>, nodes: usize, calm: Moment) {
    let well = random.within(0..nodes as u64) as usize;
    blows.push((calm, Blow::Heal));
    for node in 0..nodes {
        blows.push((calm, Blow::Mute(node, false)));
        if node == well || !random.once_in(4) {
            blows.extend([(calm, Blow::Start(node)), (calm, Blow::Fault(node, false))]);
        } else {
            blows.push((calm - 1, random.pick(&[Blow::Kill(node), Blow::Die(node), Blow::Fault(node, true)])));
        }
    }
}
