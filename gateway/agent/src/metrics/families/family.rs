//! Definition of one metric.

use std::fmt;

use crate::metrics::{scrape::Scrape, sink::Sink};

/// Kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::metrics) enum Kind {
    /// Value that grows, or restarts from zero.
    Counter,
    /// Value that goes up and down.
    Gauge,
    /// Constant; the information is in the labels.
    Info,
}

/// A metric.
#[derive(Debug)]
pub(in crate::metrics) struct Family {
    pub(in crate::metrics) name: &'static str,
    pub(in crate::metrics) kind: Kind,
    pub(in crate::metrics) labels: &'static [&'static str],
    /// One line, without characters that would have to be escaped.
    pub(in crate::metrics) help: &'static str,
    pub(in crate::metrics) samples: Samples,
}

type Samples = fn(&Scrape, &mut Sink<'_>) -> fmt::Result;

pub(super) const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    samples: Samples,
) -> Family {
    Family { name, kind: Kind::Counter, labels, help, samples }
}

pub(super) const fn gauge(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    samples: Samples,
) -> Family {
    Family { name, kind: Kind::Gauge, labels, help, samples }
}

pub(super) const fn info(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    samples: Samples,
) -> Family {
    Family { name, kind: Kind::Info, labels, help, samples }
}
