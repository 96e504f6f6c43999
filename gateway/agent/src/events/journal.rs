//! Journal of the latest events, for clients that read them.

use std::{collections::VecDeque, time::Duration};

use gateway_api::events::{Cursor, Event, Page, Record, Timestamp};

use crate::events::pace::Pace;

/// Records that are kept of each of the two kinds.
const KEPT: usize = 2048;

/// Records in a page at most.
const PAGE: usize = 256;

/// Interval at which left-out events are reported.
const LEFT_OUT_EVERY: Duration = Duration::from_secs(1);

/// Moment, on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Wall clock, since 1970: for people. It may be set.
    pub wall: Duration,
    /// Monotonic clock: it never goes back.
    pub steady: Duration,
}

/// Journal of bounded memory. It leaves out events that come too fast, and keeps the latest of the others. Events of
/// stations are kept apart, because any host on a VLAN can cause them; so they cannot drive out the other events.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    started: Timestamp,
    /// Number of the next record.
    next: u64,
    stations: VecDeque<Record>,
    others: VecDeque<Record>,
    pace: Pace,
    reported: Duration,
}

impl Journal {
    /// Makes the empty journal of an agent that starts now.
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            started: Timestamp::new(now.wall),
            next: 1,
            stations: VecDeque::new(),
            others: VecDeque::new(),
            pace: Pace::default(),
            reported: now.steady,
        }
    }

    /// Returns the number of the next record.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Records the event that `event` makes, if the rate allows it: in a burst only some of many. `event` is not called
    /// for the others, so they cost only the check. `vni` is that of the event's logical switch, 0 if there is none.
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

    /// Records an event that concerns no logical switch, or is caused by the agent itself.
    pub(crate) fn note(&mut self, event: Event, now: Moment) {
        self.note_with(event.kind(), 0, now, || event);
    }

    /// Records that events were left out, if there were any and it was not just reported.
    pub(crate) fn settle(&mut self, now: Moment) {
        if now.steady.saturating_sub(self.reported) < LEFT_OUT_EVERY {
            return;
        }
        if let Some(counts) = self.pace.left_out() {
            self.reported = now.steady;
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

    /// Returns the records from `cursor` on.
    pub(crate) fn page(&self, cursor: &Cursor) -> Page {
        let (from, asked) = match cursor {
            Cursor::End => (self.next, self.next),
            // A number of another run of the agent has no meaning here, so all records are new.
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
        // Numbers have no gaps, so a number that is missing in a range was recorded and is gone.
        let missed = (next - from) - records.len() as u64;
        let oldest = self.stations.front().into_iter().chain(self.others.front()).map(|record| record.seq).min();
        let missed = if asked == 0 { 0 } else { missed };
        Page { run: self.started.to_string(), oldest: oldest.unwrap_or(self.next), next, missed, records }
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
