//! A step in words.

use std::net::IpAddr;

use gateway_common::{
    counters::DropReason,
    fdb,
    net::MacAddr,
    step::{Kind, Step, StepRecord, place_of},
    tunnel::{Addr, LEASE_FOREVER},
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::names::{self, Names};

/// A step, for people and for programs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepView {
    /// Its name, [`Step::name`].
    pub step: &'static str,
    /// One sentence.
    pub text: String,
    /// Its values, by the names in [`Step::args`].
    #[serde(flatten)]
    pub args: Map<String, Value>,
}

impl StepView {
    /// Describes `step` with its record.
    pub fn new(step: Step, record: &StepRecord, names: &Names) -> Self {
        let mut text = step.text().to_owned();
        let mut args = Map::new();
        let mut words = record.args.iter().copied();
        for (name, kind) in step.args() {
            let first = words.next().unwrap_or_default();
            let second = if kind.words() == 2 { words.next().unwrap_or_default() } else { 0 };
            let (value, word) = argument(*kind, [first, second], names);
            let switch = (*name == "vni").then(|| names.switch(first as u32)).flatten();
            let word = switch.map_or(word, |switch| format!("{first} ({switch})"));
            text = text.replace(&format!("{{{name}}}"), &word);
            args.extend(switch.map(|switch| ("switch".to_owned(), switch.into())));
            args.insert((*name).to_owned(), value);
        }
        if step == Step::Lease && record.args[1] == LEASE_FOREVER {
            "This gateway stands alone: no lease limits it.".clone_into(&mut text);
        }
        Self { step: step.name(), text, args }
    }

    /// Describes a step of a packet that has arrived at this interface.
    pub fn at(step: Step, record: &StepRecord, entrance: &str, names: &Names) -> Self {
        let view = Self::new(step, record, names);
        match step {
            Step::NoBinding => Self { text: names.no_binding(entrance, record.args[0] as u16), ..view },
            _ => view,
        }
    }
}

/// Formats an argument for programs, and for people.
fn argument(kind: Kind, words: [u64; 2], names: &Names) -> (Value, String) {
    let [word, _] = words;
    let short = word as u32;
    match kind {
        Kind::Number => (word.into(), word.to_string()),
        Kind::Mac => {
            let [_, _, mac @ ..] = word.to_be_bytes();
            plain(MacAddr(mac).to_string())
        }
        Kind::Vlan => (word.into(), names::vlan(word as u16)),
        Kind::EtherType => (word.into(), format!("{word:#06x}")),
        Kind::Interface => plain(names.interface(short)),
        Kind::Tunnel => {
            let name = names.tunnel(short);
            (name.clone().into(), format!("the tunnel to {name}"))
        }
        Kind::Left => match word {
            0 => (0.into(), "does not run: this node is not the active one".to_owned()),
            LEASE_FOREVER => (Value::Null, "does not end".to_owned()),
            _ => (seconds(word).into(), format!("runs for another {:.1} s", seconds(word))),
        },
        Kind::Ago => (seconds(word).into(), format!("{:.1} s", seconds(word))),
        Kind::Origin => plain(if short == fdb::STATIC { "given" } else { "learned" }.to_owned()),
        Kind::Reason => match DropReason::ALL.get(word as usize) {
            Some(reason) => (reason.name().into(), reason.name().to_owned()),
            None => (word.into(), format!("reason {word}")),
        },
        Kind::Place => {
            let to = place_of(words);
            (names.place_value(&to), names.place(&to))
        }
        Kind::Address => {
            let [high, low] = words.map(u64::to_be_bytes);
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&high);
            bytes[8..].copy_from_slice(&low);
            plain(IpAddr::from(Addr { bytes }).to_string())
        }
    }
}

fn plain(text: String) -> (Value, String) {
    (text.clone().into(), text)
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use gateway_common::{
        fdb::Target,
        step::{self, NO_TAG},
    };
    use serde_json::json;

    use super::*;

    fn view(step: Step, args: [u64; 4]) -> StepView {
        StepView::new(step, &StepRecord { step: step as u32, tag: NO_TAG, args }, &Names::default())
    }

    #[test]
    fn arguments_are_in_the_text_and_beside_it() {
        let [place, rest] = step::place(&Target::local(7, 100, 0));
        let view = view(Step::Known, [place, rest, u64::from(fdb::STATIC), 0]);
        assert_eq!(view.text, "The destination is behind interface 7, VLAN 100, given.");
        assert_eq!(
            serde_json::to_value(&view).unwrap(),
            json!({
                "step": "known",
                "text": view.text,
                "place": { "port": "interface 7", "vlan": 100 },
                "origin": "given",
            })
        );
    }

    #[test]
    fn addresses_of_both_families_read_as_they_are_written() {
        let words = |text: &str| step::address(Addr::from(text.parse::<IpAddr>().unwrap()).bytes);
        let ([a, b], [c, d]) = (words("172.31.0.11"), words("fd00::21"));
        assert_eq!(view(Step::Outer, [a, b, c, d]).text, "A VXLAN packet from 172.31.0.11 to fd00::21.");
    }

    #[test]
    fn no_step_leaves_a_brace() {
        for step in Step::ALL {
            assert!(!view(*step, [1, 2, 3, 4]).text.contains('{'), "{step:?}");
        }
    }
}
