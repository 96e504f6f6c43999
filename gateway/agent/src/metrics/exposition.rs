//! Formats measurements as text.

use std::{collections::BTreeMap, fmt};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    metrics::MetricType,
    registry::{Registry, Unit},
};

use super::{
    families::{self, Family, Kind},
    negotiate::Format,
    scrape::Scrape,
    sink::Sink,
};

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
            (family.samples)(self, &mut Sink::new(encoder, family))?;
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
