//! Tables of the full screen: their rows, and the orders that these are sorted by.

use gateway_api::screen::clean;

use super::{BindingRate, DropRate, Rate, Rates, TunnelRate};

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
    /// Returns the number that the row is sorted by.
    pub(super) fn number(&self, order: Order) -> f64 {
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

/// Returns the rows of a table, in the order of the agent.
pub(super) fn rows(table: Table, rates: &Rates) -> Vec<Row> {
    let row = |names: Vec<String>, rate: Rate, bad: bool| {
        let names: Vec<String> = names.iter().map(|name| clean(name)).collect();
        Row { key: names.join(" "), names, rate, count: 0, help: String::new(), bad }
    };
    match table {
        Table::Bindings => {
            let names = |one: &BindingRate| {
                let vlan = if one.vlan == 0 { "-".to_owned() } else { one.vlan.to_string() };
                let switch = one.switch.clone().unwrap_or_default();
                vec![one.port.clone(), vlan, one.vni.to_string(), switch]
            };
            rates.bindings.iter().map(|one| row(names(one), one.rate, false)).collect()
        }
        Table::Tunnels => {
            let names = |one: &TunnelRate| {
                let state = if one.resolved { "up" } else { "unresolved" };
                vec![one.local.to_string(), one.remote.to_string(), state.to_owned()]
            };
            rates.tunnels.iter().map(|one| row(names(one), one.rate, !one.resolved)).collect()
        }
        Table::Drops => {
            let one = |one: &DropRate| {
                let rate = Rate { rx_packets_per_second: one.packets_per_second, ..Rate::default() };
                let row = row(vec![one.name.clone()], rate, one.packets_per_second > 0.0);
                Row { count: one.count, help: clean(&one.help), ..row }
            };
            rates.drops.iter().map(one).collect()
        }
    }
}
