//! Sections `[[vrrp]]` and `[sync]`, and the instances that result from them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::RangeInclusive,
    time::Duration,
};

use gateway_vrrp::{Checksum, Interval, Priority, Version, Vrid};
use toml::Spanned;

use super::{
    auth_section, gateway_section,
    invalid::Invalid,
    raw::{RawConfig, RawTrack, RawVrrp, Seconds},
    report::{Quoted, Report},
    types::{AnnounceConfig, DatabaseConfig, InstanceConfig, SyncConfig, Track, VrrpConfig, Vteps},
    values,
};

/// Longest delay, in seconds.
const MAX_DELAY: f64 = 3600.0;
/// Intervals of version 3 (RFC 9568 section 5.2.7).
const INTERVALS: RangeInclusive<f64> = 0.01..=40.95;
/// Most other nodes that can be named.
const MAX_PEERS: usize = 16;
/// Default TCP port of `[sync]`.
const SYNC_PORT: u16 = 8477;
/// Name of the instance if there is no virtual router.
const ALONE: &str = "gateway";

/// Checks the sections; returns the instances, at least one.
pub(super) fn check(
    raw: &RawConfig,
    database: Option<&DatabaseConfig>,
    report: &mut Report<'_>,
) -> (Vec<InstanceConfig>, SyncConfig) {
    let own = raw.gateway.vtep.as_ref().map(|vtep| gateway_section::vteps(vtep, "gateway", report));
    let switch = database.and_then(|database| database.switch.clone());
    if raw.vrrp.is_empty() {
        if own.is_none() {
            report.add(0..0, "gateway.vtep", "required, but missing");
        }
        let vteps = own.unwrap_or_default();
        let alone = InstanceConfig { name: ALONE.to_owned(), vteps, switch, vrrp: None };
        return (vec![alone], SyncConfig { port: 0 });
    }
    if let (Some(vtep), true) = (&raw.gateway.vtep, raw.vrrp.len() > 1) {
        let what = "expected vtep in each [[vrrp]], as there are several, found it here";
        report.add(vtep.span(), "gateway.vtep", what);
    }
    let mut sections = Sections { raw, own, switch, database: database.is_some(), taken: Taken::default(), report };
    let instances = raw.vrrp.iter().filter_map(|vrrp| sections.one(vrrp)).collect();
    (instances, SyncConfig { port: sync_port(raw, report) })
}

fn sync_port(raw: &RawConfig, report: &mut Report<'_>) -> u16 {
    let port = raw.sync.as_ref().and_then(|sync| sync.port.as_ref());
    port.and_then(|port| report.check(port.span(), "sync.port", values::number(*port.get_ref(), 0..=65_535)))
        .unwrap_or(SYNC_PORT)
}

/// Values that must differ between sections.
#[derive(Default)]
struct Taken {
    vrids: BTreeSet<i64>,
    names: BTreeSet<String>,
    vteps: BTreeMap<IpAddr, String>,
    switches: BTreeSet<String>,
}

struct Sections<'r, 'p, 't> {
    raw: &'r RawConfig,
    own: Option<Vteps>,
    switch: Option<String>,
    database: bool,
    taken: Taken,
    report: &'p mut Report<'t>,
}

impl Sections<'_, '_, '_> {
    fn one(&mut self, raw: &RawVrrp) -> Option<InstanceConfig> {
        let number = *raw.vrid.get_ref();
        let field = |key: &str| format!("vrrp {number}: {key}");
        let checked = values::number::<u8>(number, 1..=255);
        let vrid = self.report.check(raw.vrid.span(), field("vrid"), checked).and_then(Vrid::new);
        if vrid.is_some() && !self.taken.vrids.insert(number) {
            let what = format_args!("expected a number of its own, found {number} a second time");
            self.report.add(raw.vrid.span(), field("vrid"), what);
        }
        let name = self.name(raw, &field);
        let vteps = self.vteps(raw, &name);
        let switch = self.switch(raw, &field);
        let family_v4 = vteps.v4.is_some();
        let version = self.version(raw, family_v4, &field);
        let interface = self.interface(raw, &field);
        let vrrp = VrrpConfig {
            vrid: vrid?,
            interface: interface?,
            version,
            priority: self.priority(raw, &field),
            interval: self.interval(raw, version, &field),
            preempt: raw.preempt.unwrap_or(true),
            preempt_delay: self.delay(raw.preempt_delay.as_ref(), field("preempt_delay"), 0.0),
            startup_delay: self.delay(raw.startup_delay.as_ref(), field("startup_delay"), 0.0),
            peers: self.peers(raw, family_v4, &field),
            source: raw.source.as_ref().and_then(|text| self.address(text, family_v4, field("source"))),
            virtual_mac: raw.virtual_mac.unwrap_or(false),
            checksum: self.checksum(raw, &field),
            announce: AnnounceConfig {
                count: self.count(raw, &field),
                delay: self.delay(raw.announce_delay.as_ref(), field("announce_delay"), 5.0),
                refresh: self.delay(raw.announce_refresh.as_ref(), field("announce_refresh"), 0.0),
            },
            track_data_plane: self.track(raw.track_data_plane.as_ref(), field("track_data_plane"), Track::Fault),
            track_database: self.track(raw.track_database.as_ref(), field("track_database"), Track::Ignore),
            auth: auth_section::check(raw, &field, self.report),
        };
        Some(InstanceConfig { name, vteps, switch, vrrp: Some(vrrp) })
    }

    fn name(&mut self, raw: &RawVrrp, field: &dyn Fn(&str) -> String) -> String {
        let default = format!("vrrp-{}", raw.vrid.get_ref());
        let Some(name) = &raw.name else {
            self.taken.names.insert(default.clone());
            return default;
        };
        let checked = self.report.check(name.span(), field("name"), values::switch_name(name.get_ref()));
        let checked = checked.unwrap_or(default);
        if !self.taken.names.insert(checked.clone()) {
            let what = format_args!("expected a name of its own, found {} a second time", Quoted(&checked));
            self.report.add(name.span(), field("name"), what);
        }
        checked
    }

    fn vteps(&mut self, raw: &RawVrrp, name: &str) -> Vteps {
        let of = format!("vrrp {}", raw.vrid.get_ref());
        let vteps = match (&raw.vtep, self.own) {
            (Some(vtep), None) => gateway_section::vteps(vtep, &of, self.report),
            (Some(vtep), Some(_)) if self.raw.vrrp.len() == 1 => {
                let what = "expected it in [gateway] or here, found both";
                self.report.add(vtep.span(), format_args!("{of}.vtep"), what);
                return Vteps::default();
            }
            (Some(vtep), Some(_)) => gateway_section::vteps(vtep, &of, self.report),
            (None, Some(own)) if self.raw.vrrp.len() == 1 => own,
            (None, _) => {
                self.report.add(raw.vrid.span(), format_args!("{of}.vtep"), "required, but missing");
                return Vteps::default();
            }
        };
        for address in vteps.iter() {
            if let Some(first) = self.taken.vteps.insert(address, name.to_owned()) {
                let what = format_args!("expected addresses of its own, found {address}, which {first} has");
                self.report.add(raw.vrid.span(), format_args!("{of}.vtep"), what);
            }
        }
        vteps
    }

    fn switch(&mut self, raw: &RawVrrp, field: &dyn Fn(&str) -> String) -> Option<String> {
        let several = self.raw.vrrp.len() > 1;
        let Some(switch) = &raw.switch else {
            if several && self.database {
                let what = "required where there are several [[vrrp]] and a [database], but missing";
                self.report.add(raw.vrid.span(), field("switch"), what);
            }
            return self.switch.clone();
        };
        if !self.database {
            let what = "expected it with a [database] only; a [[switch]] names its instance itself";
            self.report.add(switch.span(), field("switch"), what);
        } else if self.switch.is_some() {
            let what = "expected it in [database] or here, found both";
            self.report.add(switch.span(), field("switch"), what);
        }
        let name = self.report.check(switch.span(), field("switch"), values::switch_name(switch.get_ref()))?;
        if !self.taken.switches.insert(name.clone()) {
            let what = format_args!("expected a physical switch of its own, found {} a second time", Quoted(&name));
            self.report.add(switch.span(), field("switch"), what);
        }
        Some(name)
    }

    /// Returns the interface that is given, or the only uplink.
    fn interface(&mut self, raw: &RawVrrp, field: &dyn Fn(&str) -> String) -> Option<String> {
        match (&raw.interface, &self.raw.uplink[..]) {
            (Some(name), _) => {
                self.report.check(name.span(), field("interface"), values::interface_name(name.get_ref()))
            }
            (None, [only]) => values::interface_name(only.name.get_ref()).ok(),
            (None, _) => {
                let what = "required where there are several uplinks, but missing";
                self.report.add(raw.vrid.span(), field("interface"), what);
                None
            }
        }
    }

    fn version(&mut self, raw: &RawVrrp, family_v4: bool, field: &dyn Fn(&str) -> String) -> Version {
        let Some(version) = &raw.version else { return Version::V3 };
        match *version.get_ref() {
            3 => return Version::V3,
            2 if family_v4 => return Version::V2,
            2 => {
                let what = "expected 3, as version 2 has no IPv6, found 2";
                self.report.add(version.span(), field("version"), what);
            }
            other => {
                self.report.add(version.span(), field("version"), format_args!("expected 2 or 3, found {other}"));
            }
        }
        Version::V3
    }

    fn priority(&mut self, raw: &RawVrrp, field: &dyn Fn(&str) -> String) -> Priority {
        let Some(priority) = &raw.priority else { return Priority::DEFAULT };
        let checked = values::number::<u8>(*priority.get_ref(), 1..=255);
        let checked = self.report.check(priority.span(), field("priority"), checked);
        checked.and_then(Priority::new).unwrap_or(Priority::DEFAULT)
    }

    fn interval(&mut self, raw: &RawVrrp, version: Version, field: &dyn Fn(&str) -> String) -> Interval {
        let Some(interval) = &raw.interval else { return Interval::DEFAULT };
        let checked = values::seconds(*interval.get_ref(), INTERVALS);
        let Some(time) = self.report.check(interval.span(), field("interval"), checked) else {
            return Interval::DEFAULT;
        };
        let milliseconds = time.as_millis();
        let exact = if version == Version::V2 { 1000 } else { 10 };
        if milliseconds % exact != 0 {
            let unit = if version == Version::V2 { "whole seconds in version 2" } else { "whole centiseconds" };
            let what = format_args!("expected {unit}, found {}", interval.get_ref().0);
            self.report.add(interval.span(), field("interval"), what);
        }
        Interval::from_centiseconds((milliseconds / 10) as u16).unwrap_or(Interval::DEFAULT)
    }

    fn delay(&mut self, raw: Option<&Spanned<Seconds>>, field: String, default: f64) -> Duration {
        let given =
            raw.and_then(|raw| self.report.check(raw.span(), field, values::seconds(*raw.get_ref(), 0.0..=MAX_DELAY)));
        given.unwrap_or(Duration::from_secs_f64(default))
    }

    fn count(&mut self, raw: &RawVrrp, field: &dyn Fn(&str) -> String) -> u8 {
        let given = raw.announce_count.as_ref().and_then(|count| {
            self.report.check(count.span(), field("announce_count"), values::number(*count.get_ref(), 1..=255))
        });
        given.unwrap_or(5)
    }

    fn track(&mut self, raw: Option<&Spanned<RawTrack>>, field: String, default: Track) -> Track {
        raw.and_then(|raw| self.report.check(raw.span(), field, values::track(raw.get_ref()))).unwrap_or(default)
    }

    fn checksum(&mut self, raw: &RawVrrp, field: &dyn Fn(&str) -> String) -> Checksum {
        let Some(checksum) = &raw.v3_checksum else { return Checksum::PseudoHeader };
        match checksum.get_ref().as_str() {
            "pseudo-header" => Checksum::PseudoHeader,
            "message" => Checksum::MessageOnly,
            other => {
                let what = format_args!(r#"expected "pseudo-header" or "message", found {}"#, Quoted(other));
                self.report.add(checksum.span(), field("v3_checksum"), what);
                Checksum::PseudoHeader
            }
        }
    }

    fn peers(&mut self, raw: &RawVrrp, family_v4: bool, field: &dyn Fn(&str) -> String) -> Vec<IpAddr> {
        let mut peers = Vec::new();
        for (i, text) in raw.peers.iter().enumerate() {
            let Some(peer) = self.address(text, family_v4, field(&format!("peers[{i}]"))) else { continue };
            if peers.contains(&peer) {
                let what = format_args!("expected each address once, found {peer} a second time");
                self.report.add(text.span(), field(&format!("peers[{i}]")), what);
            } else {
                peers.push(peer);
            }
            if peers.len() == MAX_PEERS + 1 {
                let what = format_args!("expected at most {MAX_PEERS} peers, found more");
                self.report.add(text.span(), field("peers"), what);
            }
        }
        peers
    }

    /// Parses the address of a node, of the family of the virtual router.
    fn address(&mut self, text: &Spanned<String>, family_v4: bool, field: String) -> Option<IpAddr> {
        let parsed = text.get_ref().parse::<IpAddr>();
        let parsed = parsed.map_err(|_| Invalid::new("an address", Quoted(text.get_ref())));
        let address = self.report.check(text.span(), &field, parsed)?;
        let sound = !address.is_multicast() && !address.is_unspecified() && !address.is_loopback();
        if address.is_ipv4() != family_v4 || !sound {
            let family = if family_v4 { "IPv4" } else { "IPv6" };
            let what =
                format_args!("expected a unicast {family} address, as VRRP here runs over {family}, found {address}");
            self.report.add(text.span(), field, what);
            return None;
        }
        Some(address)
    }
}
