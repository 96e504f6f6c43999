//! Added latency: frames carry the time of their sending, one at a time, and the sink compares it with its clock.

use anyhow::Result;
use lab::Lab;
use serde::Serialize;

use crate::{
    abi::BUCKET_NS,
    cpu::{self, Pinned},
    ends::{Ends, Way},
    progress::step,
    rounds::{Case, Effort},
    subjects::{Kind, Subjects},
    traffic::{Direction, Expect, Traffic},
};

/// Time that subjects add to the way of frames from source to sink.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) decap: Vec<Added>,
    pub(crate) encap: Vec<Added>,
}

/// Time that one subject adds: its percentile less that without a subject. `None` if it exceeds the sink's histogram.
#[derive(Debug, Serialize)]
pub(crate) struct Added {
    /// `limit`, `gateway` and so on.
    pub(crate) subject: &'static str,
    pub(crate) p50_ns: Option<i64>,
    pub(crate) p99_ns: Option<i64>,
}

/// Measures the latency.
///
/// # Errors
/// If frames are lost or corrupted.
pub(crate) fn measure(lab: &Lab, ends: &mut Ends, effort: Effort) -> Result<Latency> {
    step("latency");
    let subjects = Subjects::new(lab, ends)?;
    let mut of = |direction| added(ends, effort, &subjects, direction);
    Ok(Latency { decap: of(Direction::Decap)?, encap: of(Direction::Encap)? })
}

fn added(ends: &mut Ends, effort: Effort, subjects: &Subjects, direction: Direction) -> Result<Vec<Added>> {
    let traffic = Traffic { stamped: true, ..Traffic::known(direction) };
    let kinds = [Kind::Limit, Kind::Gateway, Kind::GatewayTc, Kind::Linux];
    let (kinds, mut cases): (Vec<_>, Vec<_>) = subjects.cases(&kinds, &traffic).into_iter().unzip();
    cases.push(Case::new("source and sink", &subjects.direct, Way::direct(direction, Expect::AsSent), traffic));
    let _pinned = Pinned::to(cpu::available()?.first().copied().unwrap_or(0))?;
    let mut histograms = vec![Vec::new(); cases.len()];
    for case in &mut cases {
        // One by one: the second of a batch would wait for the first.
        case.batch = 1;
        case.send(ends, effort.frames)?;
    }
    for _ in 0..effort.rounds {
        for (case, histogram) in cases.iter().zip(&mut histograms) {
            ends.forget_latency()?;
            case.send(ends, effort.frames)?;
            add(histogram, &ends.latency()?);
        }
    }
    let [ref with @ .., ref without] = histograms[..] else { return Ok(Vec::new()) };
    let added = |with: &[u64], percent| Some(percentile(with, percent)? - percentile(without, percent)?);
    let all = kinds.iter().zip(with).map(|(kind, with)| Added {
        subject: kind.name(),
        p50_ns: added(with, 50),
        p99_ns: added(with, 99),
    });
    Ok(all.collect())
}

fn add(sum: &mut Vec<u64>, counts: &[u64]) {
    sum.resize(counts.len(), 0);
    sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
}

/// Returns the time within which `percent` of a hundred frames arrive, in nanoseconds. The last bucket is for all
/// longer times.
fn percentile(histogram: &[u64], percent: u64) -> Option<i64> {
    let wanted = (histogram.iter().sum::<u64>() * percent).div_ceil(100);
    let mut so_far = 0;
    let bucket = histogram.iter().position(|count| {
        so_far += count;
        so_far >= wanted
    })?;
    (bucket + 1 < histogram.len()).then_some((bucket as u64 * BUCKET_NS).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_where_so_many_have_arrived() {
        let histogram = [0, 50, 48, 0, 1, 1];
        let bucket = |percent| percentile(&histogram, percent).map(|ns| ns / BUCKET_NS.cast_signed());
        assert_eq!([50, 51, 98, 99].map(bucket), [Some(1), Some(2), Some(2), Some(4)]);
        assert_eq!(bucket(100), None, "the last one has no end");
    }
}
