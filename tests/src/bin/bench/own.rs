//! Own cost of a subject: without the source, the sink, and the sink's checks.
//!
//! Checking costs the sink more in one form than in another. A subject that turns one into the other must not be
//! charged for that. So the cost of the checks is measured by itself, with frames of each form that go from source to
//! sink directly, once checked and once only counted:
//!
//! ```text
//! check(form) = T(direct, frames of that form, checked) - T(direct, frames of that form, counted)
//! own         = T(subject) - T(direct, the same frames, counted) - copies * check(form that arrives)
//! ```

use anyhow::Result;

use crate::{
    ends::{Ends, Way},
    rig::Rig,
    rounds::{Case, Effort, Ns, measure},
    traffic::{Expect, Traffic},
};

/// Cost of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Without source and sink.
    pub(crate) own: Ns,
    /// With source and sink.
    pub(crate) total: Ns,
}

/// Measures the cost of each of `subjects`, in turns. `direct` is a rig with sinks and nothing else.
///
/// # Errors
/// If a frame is lost or arrives otherwise than expected.
pub(crate) fn own_costs(ends: &mut Ends, effort: Effort, direct: &Rig, subjects: Vec<Case<'_>>) -> Result<Vec<Cost>> {
    let subject_count = subjects.len();
    let mut cases = subjects;
    let bases: Vec<Base> = (0..subject_count).map(|at| Base::of(&mut cases, at, direct)).collect();
    let all = measure(ends, effort, &cases)?;
    let copies = |at: usize| f64::from(cases[at].copies);
    let own = |at: usize, base: &Base, pick: fn(Ns) -> f64| {
        let check = pick(all[base.checked]) - pick(all[base.unchecked]);
        pick(all[at]) - pick(all[base.counted]) - copies(at) * check
    };
    let costs = bases.iter().enumerate().map(|(at, base)| Cost {
        own: Ns { typical: own(at, base, |ns| ns.typical), min: own(at, base, |ns| ns.min) },
        total: all[at],
    });
    Ok(costs.collect())
}

/// Indices of the cases with which a subject's cost is compared.
struct Base {
    /// Its frames, direct and only counted.
    counted: usize,
    /// Frames of the form that arrives, direct and checked.
    checked: usize,
    /// The same, only counted.
    unchecked: usize,
}

impl Base {
    fn of<'a>(cases: &mut Vec<Case<'a>>, subject: usize, direct: &'a Rig) -> Self {
        let Case { traffic, way, batch, .. } = &cases[subject];
        let (sent, arriving, batch) = (traffic.clone(), traffic.leaving_as_arrives(way.expect), *batch);
        Self {
            counted: case(cases, direct, &sent, Expect::Anything, batch),
            checked: case(cases, direct, &arriving, Expect::AsSent, batch),
            unchecked: case(cases, direct, &arriving, Expect::Anything, batch),
        }
    }
}

/// Finds or adds frames that go from source to sink directly.
fn case<'a>(cases: &mut Vec<Case<'a>>, direct: &'a Rig, traffic: &Traffic, expect: Expect, batch: u32) -> usize {
    let traffic = traffic.clone().straight();
    let same = |case: &Case<'_>| {
        case.rig.is(direct) && case.way.expect == expect && case.traffic == traffic && case.batch == batch
    };
    if let Some(at) = cases.iter().position(same) {
        return at;
    }
    let way = Way::direct(traffic.direction, expect);
    cases.push(Case { batch, ..Case::new("source and sink", direct, way, traffic) });
    cases.len() - 1
}
