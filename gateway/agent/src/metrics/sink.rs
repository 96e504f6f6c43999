//! Writes samples of a metric.

use std::{borrow::Cow, fmt, time::Duration};

use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet};

use super::families::{Family, Kind};

/// Characters of a label's value at most.
pub(super) const LONGEST_LABEL: usize = 128;

/// Receiver of the samples of one metric.
pub(super) struct Sink<'e> {
    encoder: MetricEncoder<'e>,
    family: &'static Family,
}

/// Value of a sample.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Whole(u64),
    Real(f64),
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        Self::Whole(value as u64)
    }
}

impl From<bool> for Number {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<Duration> for Number {
    fn from(value: Duration) -> Self {
        Self::Real(value.as_secs_f64())
    }
}

impl<'e> Sink<'e> {
    /// Makes a receiver that writes to `encoder`.
    pub(super) fn new(encoder: MetricEncoder<'e>, family: &'static Family) -> Self {
        Self { encoder, family }
    }

    /// Adds a sample with these values of the metric's labels.
    pub(super) fn put(&mut self, values: &[&str], value: impl Into<Number>) -> fmt::Result {
        debug_assert_eq!(values.len(), self.family.labels.len(), "{}", self.family.name);
        let labels = Labels { names: self.family.labels, values };
        if self.family.kind == Kind::Info {
            return self.encoder.encode_info(&labels);
        }
        let (kind, value) = (self.family.kind, value.into());
        // The encoder would write an empty set of labels with braces.
        if values.is_empty() {
            return write(&mut self.encoder, kind, value);
        }
        write(&mut self.encoder.encode_family(&labels)?, kind, value)
    }

    /// Adds a sample if there is a value.
    pub(super) fn maybe(&mut self, values: &[&str], value: Option<impl Into<Number>>) -> fmt::Result {
        value.map_or(Ok(()), |value| self.put(values, value))
    }

    /// Adds a sample for each of `states`, 1 for the one that holds and 0 for the others.
    pub(super) fn one_hot<'s>(
        &mut self,
        values: &[&str],
        states: impl Iterator<Item = (bool, &'s str)>,
    ) -> fmt::Result {
        for (holds, name) in states {
            self.put(&[values, &[name]].concat(), holds)?;
        }
        Ok(())
    }
}

fn write(encoder: &mut MetricEncoder<'_>, kind: Kind, value: Number) -> fmt::Result {
    match (kind, value) {
        (Kind::Counter, Number::Whole(value)) => encoder.encode_counter::<NoLabelSet, u64, f64>(&value, None),
        (Kind::Counter, Number::Real(value)) => encoder.encode_counter::<NoLabelSet, f64, f64>(&value, None),
        (_, Number::Whole(value)) => encoder.encode_gauge(&value),
        (_, Number::Real(value)) => encoder.encode_gauge(&value),
    }
}

struct Labels<'l> {
    names: &'static [&'static str],
    values: &'l [&'l str],
}

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        for (name, value) in self.names.iter().zip(self.values) {
            (*name, &*clean(value)).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}

/// Cleans the value of a label. Names from a database may be of any length and hold any character. The encoder escapes
/// what its text format requires.
fn clean(value: &str) -> Cow<'_, str> {
    let end = value.char_indices().nth(LONGEST_LABEL).map_or(value.len(), |(end, _)| end);
    let value = &value[..end];
    if value.contains(char::is_control) {
        Cow::Owned(value.replace(char::is_control, "\u{fffd}"))
    } else {
        Cow::Borrowed(value)
    }
}
