//! The main table: all subjects side by side, with short frames and with others.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use lab::{Lab, process};
use serde::Serialize;

use crate::{
    ends::Ends,
    ovs::Switch,
    own::{Cost, own_costs},
    progress::step,
    report::{mpps, ns, ratio},
    rounds::Effort,
    subjects::{Kind, Subjects},
    traffic::{Direction, FULL, IMIX, JUMBO, STATIONS, Traffic},
};

/// Values by their keys: `gateway_ns`, `gateway_min_ns` and so on.
pub(crate) type Values = BTreeMap<String, f64>;

/// Results of a direction. All `_ns` are own costs, all `_mpps` are delivered.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Compared {
    /// With short frames.
    #[serde(flatten)]
    pub(crate) values: Values,
    /// With other frames, by their name.
    pub(crate) sizes: BTreeMap<String, Values>,
}

/// Sizes of inner frames other than the shortest, by name.
fn sizes() -> [(String, Vec<u32>); 3] {
    [("imix".into(), IMIX.to_vec()), (FULL.to_string(), vec![FULL]), (JUMBO.to_string(), vec![JUMBO])]
}

/// Further comparisons, beside subjects that take turns with short frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct With {
    /// Other sizes of frames.
    pub(crate) sizes: bool,
    /// Open vSwitch.
    pub(crate) ovs: bool,
}

/// Compares all subjects in all of `directions`.
///
/// # Errors
/// If a subject loses or corrupts frames.
pub(crate) fn all(
    lab: &Lab,
    ends: &mut Ends,
    effort: Effort,
    directions: &[Direction],
    with: With,
) -> Result<Vec<(Direction, Compared)>> {
    if with.ovs {
        // Checked before the measurements rather than after them.
        process::run(&["ovs-vswitchd", "--version"]).context("looking for Open vSwitch")?;
    }
    step("setting up the subjects");
    let subjects = Subjects::new(lab, ends)?;
    let mut all = Vec::new();
    for direction in directions {
        all.push((*direction, compare(ends, effort, &subjects, *direction, with.sizes)?));
    }
    if with.ovs {
        step("Open vSwitch");
        let ovs = Switch::new(lab, ends, STATIONS)?;
        for (direction, Compared { values, .. }) in &mut all {
            let delivered = ovs.delivers(ends, *direction)?;
            values.insert("ovs_mpps".into(), mpps(delivered));
            if let Some(gateway) = values.get("gateway_mpps").copied() {
                values.insert("gateway_over_ovs".into(), ratio(gateway / delivered));
            }
        }
    }
    Ok(all)
}

fn compare(
    ends: &mut Ends,
    effort: Effort,
    subjects: &Subjects,
    direction: Direction,
    with_sizes: bool,
) -> Result<Compared> {
    step(&format!("{}: 64 bytes, all subjects in turn", direction.name()));
    let values = side_by_side(ends, effort, subjects, &Kind::ALL, Traffic::known(direction))?;
    let mut compared = Compared { values, ..Compared::default() };
    for (name, sizes) in sizes().into_iter().filter(|_| with_sizes) {
        step(&format!("{}: {name} bytes", direction.name()));
        let traffic = Traffic { sizes, ..Traffic::known(direction) };
        let values = side_by_side(ends, effort.half(), subjects, &[Kind::Limit, Kind::Gateway, Kind::Linux], traffic)?;
        compared.sizes.insert(name, values);
    }
    Ok(compared)
}

fn side_by_side(
    ends: &mut Ends,
    effort: Effort,
    subjects: &Subjects,
    kinds: &[Kind],
    traffic: Traffic,
) -> Result<Values> {
    let (kinds, cases): (Vec<_>, Vec<_>) = subjects.cases(kinds, &traffic).into_iter().unzip();
    let costs = own_costs(ends, effort, &subjects.direct, cases)?;
    let costs: Vec<(Kind, Cost)> = kinds.into_iter().zip(costs).collect();
    let cost = |kind| costs.iter().find(|cost| cost.0 == kind).map(|cost| cost.1);
    let own = |kind| cost(kind).map(|cost| cost.own.typical);
    let mut values = Values::new();
    for (kind, Cost { own, total }) in &costs {
        let name = kind.name();
        values.insert(format!("{name}_ns"), ns(own.typical));
        values.insert(format!("{name}_min_ns"), ns(own.min));
        values.insert(format!("{name}_mpps"), mpps(1000.0 / total.typical));
    }
    if let Some(limit) = cost(Kind::Limit) {
        values.insert("source_and_sink_ns".into(), ns(limit.total.typical - limit.own.typical));
    }
    for (key, above, below) in [
        ("gateway_over_limit", Kind::Gateway, Kind::Limit),
        ("gateway_over_least", Kind::Gateway, Kind::Least),
        ("gateway_tc_over_limit_tc", Kind::GatewayTc, Kind::LimitTc),
        ("linux_over_gateway", Kind::Linux, Kind::Gateway),
        ("linux_over_gateway_tc", Kind::Linux, Kind::GatewayTc),
    ] {
        if let (Some(above), Some(below)) = (own(above), own(below)) {
            values.insert(key.into(), ratio(above / below));
        }
    }
    Ok(values)
}
