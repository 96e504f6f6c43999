//! The network: delivery, loss and delay of advertisements.

use crate::{
    clock::{MILLISECOND, Moment},
    random::Random,
};

/// An advertisement that is neither lost nor late arrives within this, the library's `DELAY` on a slow clock.
const DELAY: u64 = 19 * MILLISECOND / 10;

pub(crate) struct Network {
    /// `cut[from][to]`
    pub(crate) cut: Vec<Vec<bool>>,
    /// `disturbed[from][to]`: the last time at which an advertisement was lost there, or was late and had not arrived.
    pub(crate) disturbed: Vec<Vec<Option<Moment>>>,
    /// One in this number is lost, late, doubled; 0: none.
    pub(crate) loss: u64,
    pub(crate) late: u64,
    pub(crate) doubled: u64,
    pub(crate) latest: u64,
    /// The longest delay of an advertisement that is not late.
    pub(crate) usual: u64,
}

impl Network {
    pub(crate) fn new(nodes: usize, random: &mut Random, latest: u64) -> Self {
        Self {
            cut: vec![vec![false; nodes]; nodes],
            disturbed: vec![vec![None; nodes]; nodes],
            loss: random.pick(&[0, 0, 0, 3, 10, 50]),
            late: random.pick(&[0, 0, 0, 30]),
            doubled: random.pick(&[0, 0, 5]),
            latest,
            usual: DELAY,
        }
    }

    /// Makes a network without disturbances.
    pub(crate) fn calm(nodes: usize) -> Self {
        Self {
            cut: vec![vec![false; nodes]; nodes],
            disturbed: vec![vec![None; nodes]; nodes],
            loss: 0,
            late: 0,
            doubled: 0,
            latest: 0,
            usual: DELAY,
        }
    }

    /// Makes a network without disturbances that also keeps the order.
    pub(crate) fn orderly(nodes: usize) -> Self {
        Self { usual: 1, ..Self::calm(nodes) }
    }

    pub(crate) fn disturb(&mut self, from: usize, to: usize, at: Moment) {
        let disturbed = &mut self.disturbed[from][to];
        *disturbed = (*disturbed).max(Some(at));
    }

    /// Records that a node starts to claim without having listened.
    pub(crate) fn unaware(&mut self, node: usize, at: Moment) {
        for from in 0..self.cut.len() {
            self.disturb(from, node, at);
        }
    }

    /// Returns the arrivals of an advertisement that leaves now: none, one or two, and none after `end`, when all
    /// disturbances are over.
    pub(crate) fn send(
        &mut self,
        from: usize,
        to: usize,
        now: Moment,
        end: Moment,
        random: &mut Random,
    ) -> [Option<Moment>; 2] {
        let longest = self.usual;
        let usual = |random: &mut Random| now + random.any_scale(longest);
        if now >= end {
            return [Some(usual(random)), None];
        }
        if self.cut[from][to] || random.once_in(self.loss) {
            self.disturb(from, to, now);
            return [None, None];
        }
        let mut arrival = usual(random);
        if random.once_in(self.late) {
            arrival = (now + random.any_scale(self.latest)).min(end.max(arrival));
            if arrival - now > DELAY {
                self.disturb(from, to, arrival);
            }
        }
        let again = random.once_in(self.doubled).then(|| usual(random));
        [Some(arrival), again]
    }

    /// Heals the network: every node hears every other node again.
    pub(crate) fn heal(&mut self) {
        self.cut.iter_mut().flatten().for_each(|cut| *cut = false);
    }

    /// Cuts the network: a partition, or single links, perhaps in one direction only.
    pub(crate) fn split(&mut self, random: &mut Random) {
        let nodes = self.cut.len();
        let sides: Vec<bool> = (0..nodes).map(|_| random.once_in(2)).collect();
        let (both_ways, by_link) = (random.once_in(2), random.once_in(3));
        for from in 0..nodes {
            for to in 0..nodes {
                self.cut[from][to] =
                    if by_link { random.once_in(3) } else { sides[from] != sides[to] && (both_ways || sides[from]) };
            }
        }
    }
}
