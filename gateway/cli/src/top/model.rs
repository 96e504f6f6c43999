//! State of the full screen, and the handling of keys.

use std::{cmp::Ordering, time::Duration};

use gateway_api::{ctl::CallError, screen::clean};

use super::{History, Rate, Rates, Sample};

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

/// Table of the full screen, in the order of the tabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// By access port and VLAN.
    Bindings,
    /// By remote VTEP.
    Tunnels,
    /// By reason.
    Drops,
}

impl Table {
    /// All tables.
    pub(crate) const ALL: [Self; 3] = [Self::Bindings, Self::Tunnels, Self::Drops];

    /// Returns the title of the table.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Bindings => "Bindings",
            Self::Tunnels => "Tunnels",
            Self::Drops => "Drops",
        }
    }

    /// Returns the orders that its rows can be sorted by.
    pub(crate) const fn orders(self) -> &'static [Order] {
        match self {
            Self::Bindings | Self::Tunnels => {
                &[Order::Bits, Order::RxBits, Order::TxBits, Order::RxPackets, Order::TxPackets, Order::Name]
            }
            Self::Drops => &[Order::Dropped, Order::Count, Order::Name],
        }
    }
}

/// Sort order of rows: numbers descending, names ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Bits per second, both directions.
    Bits,
    /// Bits received.
    RxBits,
    /// Bits sent.
    TxBits,
    /// Frames received.
    RxPackets,
    /// Frames sent.
    TxPackets,
    /// Packets dropped per second.
    Dropped,
    /// Packets dropped in total.
    Count,
    /// Order of the agent: by name.
    Name,
}

impl Order {
    /// Returns the title of the order.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Bits => "rx+tx bit/s",
            Self::RxBits => "RX bit/s",
            Self::TxBits => "TX bit/s",
            Self::RxPackets => "RX pkt/s",
            Self::TxPackets => "TX pkt/s",
            Self::Dropped => "pkt/s",
            Self::Count => "packets",
            Self::Name => "name",
        }
    }
}

/// Row of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// Identifier of the row, the same in all samples.
    pub key: String,
    /// Its names, one for each column.
    pub names: Vec<String>,
    /// Its rate; drops count as received packets.
    pub rate: Rate,
    /// Packets dropped in total.
    pub count: u64,
    /// Meaning of the drop reason.
    pub help: String,
    /// True if it has a problem.
    pub bad: bool,
}

impl Row {
    fn number(&self, order: Order) -> f64 {
        match order {
            Order::Bits => self.rate.bits(),
            Order::RxBits => self.rate.rx_bits_per_second,
            Order::TxBits => self.rate.tx_bits_per_second,
            Order::RxPackets | Order::Dropped => self.rate.rx_packets_per_second,
            Order::TxPackets => self.rate.tx_packets_per_second,
            Order::Count => self.count as f64,
            Order::Name => 0.0,
        }
    }
}

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

fn rows(table: Table, rates: &Rates) -> Vec<Row> {
    let row = |names: Vec<String>, rate: Rate, bad: bool| {
        let names: Vec<String> = names.iter().map(|name| clean(name)).collect();
        Row { key: names.join(" "), names, rate, count: 0, help: String::new(), bad }
    };
    match table {
        Table::Bindings => {
            let names = |one: &super::BindingRate| {
                let vlan = if one.vlan == 0 { "-".to_owned() } else { one.vlan.to_string() };
                let switch = one.switch.clone().unwrap_or_default();
                vec![one.port.clone(), vlan, one.vni.to_string(), switch]
            };
            rates.bindings.iter().map(|one| row(names(one), one.rate, false)).collect()
        }
        Table::Tunnels => {
            let names = |one: &super::TunnelRate| {
                let state = if one.resolved { "up" } else { "unresolved" };
                vec![one.local.to_string(), one.remote.to_string(), state.to_owned()]
            };
            rates.tunnels.iter().map(|one| row(names(one), one.rate, !one.resolved)).collect()
        }
        Table::Drops => {
            let one = |one: &super::DropRate| {
                let rate = Rate { rx_packets_per_second: one.packets_per_second, ..Rate::default() };
                let row = row(vec![one.name.clone()], rate, one.packets_per_second > 0.0);
                Row { count: one.count, help: clean(&one.help), ..row }
            };
            rates.drops.iter().map(one).collect()
        }
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
