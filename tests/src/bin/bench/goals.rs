//! Goals, beside the results.

use crate::{
    compare::Compared,
    control::Control,
    report::Report,
    scale::{MILLION_ALL, MILLION_FEW, MILLION_SOME, Row},
};

/// Bytes in a MiB.
pub(crate) const MIB: f64 = 1_048_576.0;

/// A goal.
pub(crate) struct Goal {
    /// Name of the measurement.
    pub(crate) what: &'static str,
    /// Its bound.
    pub(crate) bound: Bound,
    /// Its result, if it was measured.
    pub(crate) result: Option<f64>,
}

/// Bound of a result.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    /// Returns true if a result is within the bound.
    pub(crate) fn holds(self, result: f64) -> bool {
        match self {
            Self::AtMost(bound) => result <= bound,
            Self::AtLeast(bound) => result >= bound,
        }
    }
}

/// Returns all goals.
pub(crate) fn goals(report: &Report) -> Vec<Goal> {
    use Bound::{AtLeast, AtMost};
    let get = |compared: &Option<Compared>, key| compared.as_ref()?.values.get(key).copied();
    let goal = |what, bound, result| Goal { what, bound, result };
    let (decap, encap) = (&report.decap, &report.encap);
    let scaled = |what: &str, pick: fn(&Row) -> f64| {
        let rows = report.scale.iter().flat_map(|scale| &scale.fdb);
        rows.filter(|row| row.what == what).map(pick).next()
    };
    let cpus = report.cpus.as_ref();
    let control = |pick: fn(&Control) -> f64| report.control.as_ref().map(pick);
    vec![
        goal("decap: gateway / limit", AtMost(1.5), get(decap, "gateway_over_limit")),
        goal("encap: gateway / limit", AtMost(1.8), get(encap, "gateway_over_limit")),
        goal("decap: Linux / gateway", AtLeast(15.0), get(decap, "linux_over_gateway")),
        goal("encap: Linux / gateway", AtLeast(15.0), get(encap, "linux_over_gateway")),
        goal("decap: Linux / gateway in TC", AtLeast(1.0), get(decap, "linux_over_gateway_tc")),
        goal("encap: Linux / gateway in TC", AtLeast(1.0), get(encap, "linux_over_gateway_tc")),
        goal("decap: gateway / Open vSwitch, delivered", AtLeast(20.0), get(decap, "gateway_over_ovs")),
        goal("encap: gateway / Open vSwitch, delivered", AtLeast(20.0), get(encap, "gateway_over_ovs")),
        goal("decap: 1M MACs / 10, 64 flows", AtMost(1.25), scaled(MILLION_FEW, |row| row.decap_ratio)),
        goal("encap: 1M MACs / 10, 64 flows", AtMost(1.25), scaled(MILLION_FEW, |row| row.encap_ratio)),
        goal("decap: 1M MACs / 10, 10,000 flows", AtMost(1.25), scaled(MILLION_SOME, |row| row.decap_ratio)),
        goal("encap: 1M MACs / 10, 10,000 flows", AtMost(1.25), scaled(MILLION_SOME, |row| row.encap_ratio)),
        goal("decap: 1M MACs / 10, as many flows", AtMost(1.25), scaled(MILLION_ALL, |row| row.decap_ratio)),
        goal("encap: 1M MACs / 10, as many flows", AtMost(1.25), scaled(MILLION_ALL, |row| row.encap_ratio)),
        goal("decap: 2 CPUs / 1", AtLeast(1.9), cpus.map(|cpus| cpus.decap_ratio)),
        goal("encap: 2 CPUs / 1", AtLeast(1.9), cpus.map(|cpus| cpus.encap_ratio)),
        goal(
            "100,000 MACs programmed, ms",
            AtMost(1000.0),
            control(|control| control.own_ms.max(control.start_own_ms)),
        ),
        goal("one MAC more, us", AtMost(1000.0), control(|control| control.one_change_us)),
        goal(
            "memory for 100,000 MACs, MiB",
            AtMost(32.0),
            control(|control| control.bytes_per_100k).map(|bytes| bytes / MIB),
        ),
        goal("idle, % of a core", AtMost(0.5), control(|control| control.idle_core_percent)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_includes_itself() {
        assert!(Bound::AtMost(1.5).holds(1.5) && !Bound::AtMost(1.5).holds(1.6));
        assert!(Bound::AtLeast(15.0).holds(15.0) && !Bound::AtLeast(15.0).holds(14.9));
    }
}
