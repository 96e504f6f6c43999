//! Sections `[[uplink]]` and `[[port]]`.

use std::collections::{HashMap, hash_map::Entry};

use gateway_common::limits::MAX_PORTS;

use super::{
    raw::{RawConfig, RawInterface},
    report::{Quoted, Report},
    types::{Interface, Track},
    values,
};

/// Checks uplinks and access ports. Returns the valid ones and reports the others.
pub(super) fn check(raw: &RawConfig, report: &mut Report<'_>) -> (Vec<Interface>, Vec<Interface>) {
    let mut taken = HashMap::new();
    let uplinks = section(&raw.uplink, "uplink", &mut taken, report);
    let ports = section(&raw.port, "port", &mut taken, report);
    (uplinks, ports)
}

/// Name of an interface -> the section that uses it.
type Taken<'r> = HashMap<&'r str, &'static str>;

fn section<'r>(
    raw: &'r [RawInterface],
    section: &'static str,
    taken: &mut Taken<'r>,
    report: &mut Report<'_>,
) -> Vec<Interface> {
    if raw.is_empty() {
        report.add(0..0, section, format_args!("expected at least one [[{section}]], found none"));
    }
    raw.iter().filter_map(|interface| one(interface, section, taken, report)).collect()
}

fn one<'r>(
    raw: &'r RawInterface,
    section: &'static str,
    taken: &mut Taken<'r>,
    report: &mut Report<'_>,
) -> Option<Interface> {
    let field = |key: &str| format!("{section} {}: {key}", Quoted(raw.name.get_ref()));
    let at = raw.name.span();
    let name = report.check(at.clone(), field("name"), values::interface_name(raw.name.get_ref()));
    let mode = match &raw.mode {
        None => Some(Default::default()),
        Some(mode) => report.check(mode.span(), field("mode"), values::mode(mode.get_ref())),
    };
    let track = match &raw.track {
        None => Some(Track::Fault),
        Some(track) => report.check(track.span(), field("track"), values::track(track.get_ref())),
    };
    let count = taken.len() + 1;
    match taken.entry(raw.name.get_ref()) {
        Entry::Vacant(entry) => {
            entry.insert(section);
            if count == MAX_PORTS as usize + 1 {
                report.add(at, field("name"), format_args!("expected at most {MAX_PORTS} interfaces, found more"));
            }
        }
        Entry::Occupied(entry) => report.add(
            at,
            field("name"),
            format_args!("expected each interface once, found it a second time (first as {})", entry.get()),
        ),
    }
    Some(Interface { name: name?, mode: mode?, track: track? })
}
