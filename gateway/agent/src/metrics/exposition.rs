//! Formats measurements as text.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet, text},
    metrics::MetricType,
    registry::{Registry, Unit},
};

use super::{
    families::{self, Family, Kind},
    measured::Measured,
    negotiate::Format,
    process::Process,
};

/// Characters of a label's value at most.
const LONGEST_LABEL: usize = 128;

/// Input of one exposition.
#[derive(Clone, Debug, Default)]
pub(super) struct Scrape {
    pub(super) measured: Arc<Measured>,
    /// Age of the measurements.
    pub(super) age: Duration,
    pub(super) process: Process,
    pub(super) server: Served,
}

/// Counters of the server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Served {
    pub(super) requests: u64,
    /// Connections closed because newer clients came, or because a client took too long.
    pub(super) hung_up: u64,
}

impl Scrape {
    /// Formats the exposition.
    ///
    /// # Errors
    /// Never: a `String` accepts everything.
    pub(super) fn expose(self, format: Format) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        text::encode(&mut text, &registry)?;
        Ok(match format {
            Format::OpenMetrics => text,
            Format::Text => classic(&text),
        })
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in families::all() {
            let stem = Stem::of(family);
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Info => MetricType::Info,
            };
            let encoder = encoder.encode_descriptor(stem.name, family.help, stem.unit.as_ref(), kind)?;
            (family.samples)(self, &mut Sink { encoder, family })?;
        }
        Ok(())
    }
}

/// Name of a metric without the parts that the encoder adds.
struct Stem {
    name: &'static str,
    unit: Option<Unit>,
}

impl Stem {
    fn of(family: &Family) -> Self {
        let suffix = match family.kind {
            Kind::Counter => "_total",
            Kind::Gauge => "",
            Kind::Info => "_info",
        };
        let name = family.name.strip_suffix(suffix).unwrap_or(family.name);
        for unit in [Unit::Bytes, Unit::Seconds] {
            if let Some(name) = name.strip_suffix(unit.as_str()).and_then(|name| name.strip_suffix('_')) {
                return Self { name, unit: Some(unit) };
            }
        }
        Self { name, unit: None }
    }
}

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

impl Sink<'_> {
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

/// Converts OpenMetrics, as it is written here, to the older text format. That one has no units and no end, and uses
/// the names of samples where OpenMetrics uses the names of metrics.
fn classic(open: &str) -> String {
    let names: BTreeMap<&str, &Family> = families::all()
        .filter_map(|family| {
            let bare = family.name.strip_suffix("_total").or_else(|| family.name.strip_suffix("_info"));
            Some((bare?, family))
        })
        .collect();
    let mut text = String::with_capacity(open.len());
    for line in open.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            text.extend([line, "\n"]);
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        let (Some(what), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) else { continue };
        let (name, rest) = match names.get(name) {
            Some(family) if what == "TYPE" && family.kind == Kind::Info => (family.name, "gauge"),
            Some(family) => (family.name, rest),
            None => (name, rest),
        };
        if what != "UNIT" {
            text.extend(["# ", what, " ", name, " ", rest, "\n"]);
        }
    }
    text
}

#[cfg(test)]
#[path = "exposition_tests.rs"]
mod tests;
