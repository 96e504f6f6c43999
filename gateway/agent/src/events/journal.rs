//! The latest events, kept for whoever wants to read them.

use std::{collections::VecDeque, time::Duration};

use gateway_api::events::{Cursor, Event, Page, Record, Timestamp};

use crate::events::pace::Pace;

/// Records of each of the two kinds that are kept.
const KEPT: usize = 2048;

/// Records in a page at most.
const PAGE: usize = 256;

/// How often it is told that events were left out.
const LEFT_OUT_EVERY: Duration = Duration::from_secs(1);

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    /// What the clock on the wall shows, since 1970: for people. It may be set.
    pub wall: Duration,
    /// By a clock that never goes back.
    pub steady: Duration,
}

/// The journal. Its memory is bounded: of what it is told it leaves out what comes too fast, and of what it has it keeps the
/// latest. Events of stations, which anybody on a VLAN can bring about, are kept apart from the others, so that they cannot
/// drive those out.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    started: Timestamp,
    /// Number of the next record.
    next: u64,
    stations: VecDeque<Record>,
    others: VecDeque<Record>,
    pace: Pace,
    told: Duration,
}

impl Journal {
    /// An empty journal of an agent that starts now.
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            started: Timestamp::new(now.wall),
            next: 1,
            stations: VecDeque::new(),
            others: VecDeque::new(),
            pace: Pace::default(),
            told: now.steady,
        }
    }

    /// Number of the next record.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Notes what `event` makes, if there is room for it: in a burst, only some of many. It is not called for the others, so
    /// they cost nothing but the question. `vni` is that of the logical switch it is about, 0 if it is about none.
    pub(crate) fn note_with(
        &mut self,
        kind: gateway_api::events::Kind,
        vni: u32,
        now: Moment,
        event: impl FnOnce() -> Event,
    ) {
        if self.pace.admits(kind, vni, now.steady) {
            self.keep(event(), now);
        }
    }

    /// Notes an event that is about no logical switch, or is the agent's own doing.
    pub(crate) fn note(&mut self, event: Event, now: Moment) {
        self.note_with(event.kind(), 0, now, || event);
    }

    /// Notes that events were left out, if there were and it has not just been told.
    pub(crate) fn settle(&mut self, now: Moment) {
        if now.steady.saturating_sub(self.told) < LEFT_OUT_EVERY {
            return;
        }
        if let Some(counts) = self.pace.left_out() {
            self.told = now.steady;
            self.keep(Event::LeftOut { counts }, now);
        }
    }

    fn keep(&mut self, event: Event, now: Moment) {
        let ring = if event.kind().is_of_stations() { &mut self.stations } else { &mut self.others };
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back(Record { seq: self.next, time: Timestamp::new(now.wall), event });
        self.next += 1;
    }

    /// What there is from `cursor` on.
    pub(crate) fn page(&self, cursor: &Cursor) -> Page {
        let (from, asked) = match cursor {
            Cursor::End => (self.next, self.next),
            // A number of another run of the agent says nothing here: all that there is is new.
            Cursor::From { run: Some(run), .. } if *run != self.started.to_string() => (1, 1),
            Cursor::From { seq, .. } => ((*seq).clamp(1, self.next), *seq),
        };
        let since = |ring: &VecDeque<Record>| ring.partition_point(|record| record.seq < from);
        let mut stations = self.stations.range(since(&self.stations)..).peekable();
        let mut others = self.others.range(since(&self.others)..).peekable();
        let mut records = Vec::new();
        while records.len() < PAGE {
            let first = match (stations.peek(), others.peek()) {
                (Some(a), Some(b)) if a.seq < b.seq => stations.next(),
                (Some(_), None) => stations.next(),
                _ => others.next(),
            };
            let Some(record) = first else { break };
            records.push(record.clone());
        }
        let next = if records.len() < PAGE { self.next } else { records.last().map_or(from, |last| last.seq + 1) };
        // Numbers have no gaps, so what is not there of a stretch has been there and is gone.
        let missed = (next - from) - records.len() as u64;
        let oldest = self.stations.front().into_iter().chain(self.others.front()).map(|record| record.seq).min();
        let missed = if asked == 0 { 0 } else { missed };
        Page { run: self.started.to_string(), oldest: oldest.unwrap_or(self.next), next, missed, records }
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
