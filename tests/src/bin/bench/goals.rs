//! What is aimed at, beside what came out.

use crate::{compare::Compared, report::Report};

/// A goal.
pub(crate) struct Goal {
    /// What is measured.
    pub(crate) what: &'static str,
    /// What it should be.
    pub(crate) bound: Bound,
    /// What it is, if that was measured.
    pub(crate) result: Option<f64>,
}

/// What a result should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    /// Whether a result is as it should be.
    pub(crate) fn holds(self, result: f64) -> bool {
        match self {
            Self::AtMost(bound) => result <= bound,
            Self::AtLeast(bound) => result >= bound,
        }
    }
}

/// All goals.
pub(crate) fn goals(report: &Report) -> Vec<Goal> {
    use Bound::{AtLeast, AtMost};
    let get = |compared: &Option<Compared>, key| compared.as_ref()?.values.get(key).copied();
    let goal = |what, bound, result| Goal { what, bound, result };
    let (decap, encap) = (&report.decap, &report.encap);
    vec![
        goal("decap: gateway / limit", AtMost(1.5), get(decap, "gateway_over_limit")),
        goal("encap: gateway / limit", AtMost(1.8), get(encap, "gateway_over_limit")),
        goal("decap: Linux / gateway", AtLeast(15.0), get(decap, "linux_over_gateway")),
        goal("encap: Linux / gateway", AtLeast(15.0), get(encap, "linux_over_gateway")),
        goal("decap: Linux / gateway in TC", AtLeast(1.0), get(decap, "linux_over_gateway_tc")),
        goal("encap: Linux / gateway in TC", AtLeast(1.0), get(encap, "linux_over_gateway_tc")),
        goal("decap: gateway / Open vSwitch, delivered", AtLeast(20.0), get(decap, "gateway_over_ovs")),
        goal("encap: gateway / Open vSwitch, delivered", AtLeast(20.0), get(encap, "gateway_over_ovs")),
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
