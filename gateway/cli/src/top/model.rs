//! State of the full screen, and the handling of keys.

use std::{cmp::Ordering, time::Duration};

use gateway_api::ctl::CallError;

use super::{
    History, Rates, Sample,
    table::{Order, Row, Table, rows},
};

/// Sample intervals that `+` and `-` choose from.
const INTERVALS: [Duration; 9] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];

/// Rows that a page key moves by.
const PAGE: usize = 10;

/// Longest filter, in characters.
const FILTER: usize = 64;

/// Key, independent of its encoding in a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    /// Ctrl-C.
    Interrupt,
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Left,
    Right,
}

/// Action after a key, besides drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// No action.
    Nothing,
    /// Ends the program.
    Quit,
    /// Changes the interval between samples.
    Interval(Duration),
}

/// View settings of a table.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    order: usize,
    reversed: bool,
    selected: usize,
}

/// State of the full screen.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// Current rates; none before the second sample.
    pub rates: Option<Rates>,
    last: Option<Sample>,
    histories: [History; 3],
    /// Rates of all bindings together.
    pub total: History,
    /// The table that is shown.
    pub table: Table,
    looks: [Look; 3],
    /// Filter: the names of a row must contain this text.
    pub filter: String,
    /// True while the filter is being typed.
    pub(crate) filtering: bool,
    /// True while the screen is paused.
    pub(crate) paused: bool,
    /// True while the keys are explained.
    pub help: bool,
    /// Interval between samples.
    pub interval: Duration,
    /// Reason why there are no samples.
    pub trouble: Option<String>,
    /// Host name.
    pub host: String,
}

impl Model {
    /// Creates the state before the first sample.
    pub(crate) fn new(host: String, interval: Duration) -> Self {
        Self {
            rates: None,
            last: None,
            histories: Default::default(),
            total: History::default(),
            table: Table::Bindings,
            looks: Default::default(),
            filter: String::new(),
            filtering: false,
            paused: false,
            help: false,
            interval,
            trouble: None,
            host,
        }
    }

    /// Adds a sample, or the error from taking it.
    pub(crate) fn sample(&mut self, sample: Result<Sample, CallError>) {
        let sample = match sample {
            Ok(sample) => sample,
            Err(error) => {
                self.trouble = Some(error.to_string());
                return;
            }
        };
        self.trouble = None;
        let before = self.last.replace(sample);
        let (Some(before), Some(after), false) = (&before, &self.last, self.paused) else { return };
        let Some(rates) = Rates::between(before, after) else { return };
        for (table, history) in Table::ALL.into_iter().zip(&mut self.histories) {
            let rows = rows(table, &rates);
            history.push(rows.iter().map(|row| {
                let rate = if table == Table::Drops { row.number(Order::Dropped) } else { row.number(Order::Bits) };
                (row.key.as_str(), rate)
            }));
        }
        let dropped = rates.dropped_packets_per_second;
        self.total.push(
            [
                ("bindings rx", rates.total_bindings.rx_bits_per_second),
                ("bindings tx", rates.total_bindings.tx_bits_per_second),
                ("tunnels rx", rates.total_tunnels.rx_bits_per_second),
                ("tunnels tx", rates.total_tunnels.tx_bits_per_second),
                ("drops", dropped),
            ]
            .into_iter(),
        );
        self.rates = Some(rates);
    }

    fn index(&self) -> usize {
        Table::ALL.iter().position(|table| *table == self.table).unwrap_or(0)
    }

    fn look(&mut self) -> &mut Look {
        let index = self.index();
        &mut self.looks[index]
    }

    /// Returns the sort order of the current table, and true if it is reversed.
    pub(crate) fn order(&self) -> (Order, bool) {
        let look = self.looks[self.index()];
        let orders = self.table.orders();
        (orders[look.order % orders.len()], look.reversed)
    }

    /// Returns the index of the selected row, limited to the number of rows.
    pub(crate) fn selected(&self, rows: usize) -> Option<usize> {
        rows.checked_sub(1).map(|last| self.looks[self.index()].selected.min(last))
    }

    /// Returns the latest rates of a row.
    pub(crate) fn history(&self, row: &Row, count: usize) -> impl Iterator<Item = f64> {
        self.histories[self.index()].latest(&row.key, count)
    }

    /// Returns the rows of the current table, filtered and sorted.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let Some(rates) = &self.rates else { return Vec::new() };
        let mut rows = rows(self.table, rates);
        let filter = self.filter.to_lowercase();
        rows.retain(|row| row.names.join(" ").to_lowercase().contains(&filter));
        let (order, reversed) = self.order();
        // Rows of the same rate stay in the order of their names.
        rows.sort_by(|a, b| b.number(order).partial_cmp(&a.number(order)).unwrap_or(Ordering::Equal));
        if reversed {
            rows.reverse();
        }
        rows
    }

    /// Handles a key.
    pub(crate) fn key(&mut self, key: Key) -> Then {
        if key == Key::Interrupt {
            return Then::Quit;
        }
        if self.filtering {
            self.type_filter(key);
            return Then::Nothing;
        }
        if std::mem::take(&mut self.help) && !matches!(key, Key::Char('q')) {
            return Then::Nothing;
        }
        let rows = self.rows().len();
        match key {
            Key::Char('q' | 'Q') => return Then::Quit,
            Key::Char('?' | 'h') => self.help = true,
            Key::Char('p' | ' ') => self.paused = !self.paused,
            Key::Char('s') => self.look().order += 1,
            Key::Char('r') => {
                let look = self.look();
                look.reversed = !look.reversed;
            }
            Key::Char('/') => self.filtering = true,
            Key::Char('+' | '=') => return self.step(true),
            Key::Char('-') => return self.step(false),
            Key::Char('\t') | Key::Right => self.turn(1),
            Key::Left => self.turn(Table::ALL.len() - 1),
            Key::Escape => self.filter.clear(),
            Key::Up | Key::Char('k') => self.go(rows, |row| row.saturating_sub(1)),
            Key::Down | Key::Char('j') => self.go(rows, |row| row + 1),
            Key::PageUp => self.go(rows, |row| row.saturating_sub(PAGE)),
            Key::PageDown => self.go(rows, |row| row + PAGE),
            Key::Home => self.go(rows, |_| 0),
            Key::End => self.go(rows, |_| usize::MAX),
            Key::Char(_) | Key::Enter | Key::Backspace | Key::Interrupt => {}
        }
        Then::Nothing
    }

    fn type_filter(&mut self, key: Key) {
        match key {
            Key::Enter => self.filtering = false,
            Key::Escape => {
                self.filtering = false;
                self.filter.clear();
            }
            Key::Backspace => drop(self.filter.pop()),
            Key::Char(c) if !c.is_control() && self.filter.chars().count() < FILTER => self.filter.push(c),
            _ => {}
        }
    }

    fn turn(&mut self, by: usize) {
        self.table = Table::ALL[(self.index() + by) % Table::ALL.len()];
    }

    fn go(&mut self, rows: usize, to: impl Fn(usize) -> usize) {
        let from = self.selected(rows).unwrap_or(0);
        self.look().selected = to(from).min(rows.saturating_sub(1));
    }

    fn step(&mut self, longer: bool) -> Then {
        let next = if longer {
            INTERVALS.iter().find(|interval| **interval > self.interval)
        } else {
            INTERVALS.iter().rfind(|interval| **interval < self.interval)
        };
        match next {
            Some(interval) => {
                self.interval = *interval;
                Then::Interval(*interval)
            }
            None => Then::Nothing,
        }
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
