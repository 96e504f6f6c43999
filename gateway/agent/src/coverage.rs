//! Event counters of the agent: `coverage/show`, in the format of Open vSwitch.

use std::{collections::VecDeque, time::Duration};

use gateway_vrrp::Time;

/// Time between two reads of the counters.
const STEP: Duration = Duration::from_secs(5);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Names of counters, with their totals since the start.
pub(super) type Totals = Vec<(&'static str, u64)>;

/// Event that turns the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Rows of the database have changed.
    Rows,
    /// Full plan: after changes of rows that need it, of the underlay, or of the configuration.
    Update,
    /// Ageing of stations.
    Age,
    /// Roles of virtual routers have changed.
    Roles,
    /// State was received from other nodes.
    Nodes,
    /// A request on the control socket.
    Request,
    /// Reload of the configuration.
    Reload,
    /// Stations are announced to the switches outside.
    Announce,
}

const TURNS: [(&str, Turn); 8] = [
    ("turn_rows", Turn::Rows),
    ("turn_update", Turn::Update),
    ("turn_sweep", Turn::Age),
    ("turn_roles", Turn::Roles),
    ("turn_nodes", Turn::Nodes),
    ("turn_request", Turn::Request),
    ("turn_reload", Turn::Reload),
    ("turn_announce", Turn::Announce),
];

/// Numbers of turns of the loop, by event.
#[derive(Debug, Default)]
pub(super) struct Turns([u64; TURNS.len()]);

impl Turns {
    /// Counts a turn of the loop.
    pub(super) fn count(&mut self, turn: Turn) {
        self.0[turn as usize] += 1;
    }

    /// Returns the number of turns by event.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        TURNS.into_iter().map(|(name, turn)| (name, self.0[turn as usize]))
    }
}

/// History of all counters.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// Totals at each [`STEP`] of the last minute, oldest first.
    fine: VecDeque<(Time, Totals)>,
    /// Totals at each minute of the last hour.
    coarse: VecDeque<(Time, Totals)>,
}

impl Coverage {
    /// Returns true if [`Coverage::poll`] is due.
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.fine.back().is_none_or(|(last, _)| now.saturating_sub(*last) >= STEP)
    }

    /// Adds the totals to the history.
    pub(super) fn poll(&mut self, totals: Totals, now: Time) {
        if self.coarse.back().is_none_or(|(last, _)| now.saturating_sub(*last) >= MINUTE) {
            keep(&mut self.coarse, totals.clone(), HOUR, now);
        }
        keep(&mut self.fine, totals, MINUTE, now);
    }

    /// Formats rates and totals.
    pub(super) fn show(&self, mut totals: Totals, now: Time) -> String {
        totals.sort_unstable();
        let never = totals.iter().filter(|(_, total)| *total == 0).count();
        let mut text = "Event coverage, avg rate over last: 5 seconds, last minute, last hour:\n".to_owned();
        for (name, total) in totals.into_iter().filter(|(_, total)| *total > 0) {
            let rate = |history: &VecDeque<(Time, Totals)>, over: Duration| {
                let then = history.iter().rev().find(|(then, _)| now.saturating_sub(*then) >= over);
                let before = then.and_then(|(_, totals)| totals.iter().find(|(of, _)| *of == name));
                let (since, before) = match (then, before) {
                    (Some((then, _)), Some((_, before))) => (now.saturating_sub(*then), *before),
                    // The counter did not exist yet.
                    _ => (over, 0),
                };
                total.saturating_sub(before) as f64 / since.as_secs_f64()
            };
            let (second, minute, hour) = (rate(&self.fine, STEP), rate(&self.fine, MINUTE), rate(&self.coarse, HOUR));
            text.push_str(&format!(
                "{name:<24} {second:>5.1}/sec {minute:>9.3}/sec {hour:>13.4}/sec   total: {total}\n"
            ));
        }
        text + &format!("{never} events never hit\n")
    }
}

/// Adds to a history that reaches back as far as `far`, and one step more.
fn keep(history: &mut VecDeque<(Time, Totals)>, totals: Totals, far: Duration, now: Time) {
    history.push_back((now, totals));
    while history.get(1).is_some_and(|(second, _)| now.saturating_sub(*second) >= far) {
        history.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Duration::from_secs(1_000_000 + seconds)
    }

    /// Returns the numbers of a line.
    fn shown(text: &str, name: &str) -> Option<Vec<f64>> {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name))?;
        let words = line.split_whitespace().skip(1).filter_map(|word| word.trim_end_matches("/sec").parse().ok());
        Some(words.collect())
    }

    #[test]
    fn turns_are_counted_by_cause() {
        let mut turns = Turns::default();
        turns.count(Turn::Announce);
        turns.count(Turn::Rows);
        turns.count(Turn::Rows);
        let counted: Vec<_> = turns.all().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("turn_rows", 2), ("turn_announce", 1)]);
    }

    #[test]
    fn each_turn_has_its_place() {
        for (place, (_, turn)) in TURNS.into_iter().enumerate() {
            assert_eq!(turn as usize, place);
        }
    }

    #[test]
    fn rates_are_of_the_last_seconds_minute_and_hour() {
        let mut coverage = Coverage::default();
        // Two a second for two hours, then nothing for ten seconds.
        for second in 0..7200 {
            if coverage.is_due(at(second)) {
                coverage.poll(vec![("x", 2 * second), ("never", 0)], at(second));
            }
        }
        for second in 7200..7210 {
            if coverage.is_due(at(second)) {
                coverage.poll(vec![("x", 14_400), ("never", 0)], at(second));
            }
        }
        let text = coverage.show(vec![("x", 14_400), ("never", 0)], at(7210));
        let numbers = shown(&text, "x").unwrap();
        assert_eq!((numbers[0], numbers[3]), (0.0, 14_400.0), "{text}");
        assert!((1.5..1.8).contains(&numbers[1]) && (1.98..2.0).contains(&numbers[2]), "{text}");
        assert_eq!(shown(&text, "never"), None);
        assert!(text.ends_with("1 events never hit\n"));
        assert!(coverage.fine.len() <= 14 && coverage.coarse.len() <= 62);
    }

    #[test]
    fn at_first_all_is_new() {
        let text = Coverage::default().show(vec![("x", 30)], at(0));
        assert_eq!(shown(&text, "x").unwrap()[..2], [6.0, 0.5]);
    }
}
