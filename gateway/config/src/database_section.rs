//! Section `[database]`.

use std::{collections::BTreeSet, net::IpAddr, ops::RangeInclusive, time::Duration};

use gateway_common::limits;
use gateway_ovsdb::{Fingerprint, Remote, Remotes, ServerIdentity};
use toml::Spanned;

use super::{
    gateway_section::MAX_FDB,
    invalid::Invalid,
    key_files::KeyFiles,
    raw::{RawConfig, RawDatabase},
    report::{Quoted, Report},
    types::DatabaseConfig,
    values,
};

/// Longest time that forwarding may be held, in seconds: a year.
const MAX_HOLD: i64 = 366 * 24 * 3600;
/// Longest inactivity probe interval, in seconds.
const MAX_PROBE: i64 = 3600;
/// Largest message limit, in MiB.
const MAX_MESSAGE: i64 = 1024;
/// Default message limit, in MiB: some 400,000 rows.
const DEFAULT_MESSAGE: u64 = 128;
/// Longest description, in characters.
const MAX_DESCRIPTION: usize = 1024;

/// Checks the section. Returns its values, if it is present and its servers can be read; other invalid values are
/// replaced by defaults.
pub(super) fn check(raw: &RawConfig, report: &mut Report<'_>) -> Option<DatabaseConfig> {
    let database = raw.database.as_ref()?;
    if let Some(switch) = raw.switch.first() {
        let what = "expected either [database] or [[switch]], found both";
        report.add(switch.name.span(), format_args!("switch {}", Quoted(switch.name.get_ref())), what);
    }
    let tls = tls(database, report);
    let remotes = remotes(database, tls.is_some(), report);
    let mut number = |raw: &Option<Spanned<i64>>, key: &str, range: RangeInclusive<i64>, default: u64| {
        let checked = raw.as_ref().and_then(|raw| {
            let value = values::number(*raw.get_ref(), range);
            report.check(raw.span(), format_args!("database.{key}"), value)
        });
        checked.unwrap_or(default)
    };
    let hold_time = number(&database.hold_time, "hold_time", 0..=MAX_HOLD, 0);
    let hold_time = database.hold_time.as_ref().map(|_| Duration::from_secs(hold_time));
    let empty_hold_time = Duration::from_secs(number(&database.empty_hold_time, "empty_hold_time", 0..=MAX_HOLD, 300));
    let message_limit = number(&database.message_limit, "message_limit", 1..=MAX_MESSAGE, DEFAULT_MESSAGE);
    let learn_limit = number(&database.learn_limit, "learn_limit", 0..=MAX_FDB, limits::DEFAULT_LEARN_LIMIT);
    let inactivity_probe =
        Duration::from_secs(number(&database.inactivity_probe, "inactivity_probe", 0..=MAX_PROBE, 5));
    let switch = database
        .switch
        .as_ref()
        .and_then(|name| report.check(name.span(), "database.switch", values::switch_name(name.get_ref())));
    // Beside a server on this machine there is one for each node, most likely.
    let local = remotes.as_ref().is_some_and(|remotes| remotes.iter().all(Remote::is_local));
    Some(DatabaseConfig {
        management_ips: management_ips(database, report),
        description: description(database, report),
        remotes: remotes?,
        switch,
        tls,
        server: server(database, report),
        message_limit: (message_limit as usize) << 20,
        hold_time,
        empty_hold_time,
        learn_limit,
        inactivity_probe,
        shared: database.shared.unwrap_or(!local),
    })
}

fn remotes(raw: &RawDatabase, tls: bool, report: &mut Report<'_>) -> Option<Remotes> {
    let (at, text) = (raw.remote.span(), raw.remote.get_ref());
    let remotes = report.check(at.clone(), "database.remote", text.parse::<Remotes>())?;
    // A relative path would depend on where the agent was started.
    let relative = |remote: &&Remote| matches!(remote, Remote::Unix(path) if !path.is_absolute());
    if let Some(remote) = remotes.iter().find(relative) {
        report.add(at.clone(), "database.remote", format_args!("expected an absolute path, found {remote}"));
    }
    let secured = remotes.iter().find(|remote| matches!(remote, Remote::Ssl { .. }));
    let given = [&raw.private_key, &raw.certificate, &raw.ca_cert].into_iter().any(Option::is_some);
    if let (Some(remote), false, false) = (secured, tls, given) {
        let what = format_args!("expected private_key, certificate and ca_cert with {remote}, found none of them");
        report.add(at, "database.remote", what);
    }
    Some(remotes)
}

/// Checks the TLS files: all three or none.
fn tls(raw: &RawDatabase, report: &mut Report<'_>) -> Option<KeyFiles> {
    let files = [("private_key", &raw.private_key), ("certificate", &raw.certificate), ("ca_cert", &raw.ca_cert)];
    let (_, given) = files.iter().find_map(|(key, file)| Some((key, file.as_ref()?)))?;
    let [private_key, certificate, ca_cert] = files.map(|(key, file)| {
        let field = format_args!("database.{key}");
        match file {
            Some(file) => report.check(file.span(), field, values::key_file(file.get_ref())),
            None => {
                report.add(given.span(), field, "required with the other two of TLS, but missing");
                None
            }
        }
    });
    Some(KeyFiles { private_key: private_key?, certificate: certificate?, ca_cert: ca_cert? })
}

/// Checks the requirements for the certificate of a server.
fn server(raw: &RawDatabase, report: &mut Report<'_>) -> ServerIdentity {
    let mut server = ServerIdentity::default();
    for (i, text) in raw.server_name.iter().enumerate() {
        let name = values::certificate_name(text.get_ref());
        server.names.extend(report.check(text.span(), format_args!("database.server_name[{i}]"), name));
    }
    for (i, text) in raw.server_fingerprint.iter().enumerate() {
        let fingerprint = text.get_ref().parse::<Fingerprint>();
        let fingerprint = fingerprint.map_err(|error| format!("{error}, found {}", Quoted(text.get_ref())));
        server.fingerprints.extend(report.check(
            text.span(),
            format_args!("database.server_fingerprint[{i}]"),
            fingerprint,
        ));
    }
    server
}

fn management_ips(raw: &RawDatabase, report: &mut Report<'_>) -> BTreeSet<IpAddr> {
    let mut ips = BTreeSet::new();
    for (i, text) in raw.management_ips.iter().enumerate() {
        let ip = text.get_ref().parse::<IpAddr>();
        let ip = ip.map_err(|_| Invalid::new("an IPv4 or IPv6 address", Quoted(text.get_ref())));
        ips.extend(report.check(text.span(), format_args!("database.management_ips[{i}]"), ip));
    }
    ips
}

fn description(raw: &RawDatabase, report: &mut Report<'_>) -> String {
    let Some(text) = &raw.description else { return String::new() };
    let length = text.get_ref().chars().count();
    if length > MAX_DESCRIPTION {
        let what = format_args!("expected at most {MAX_DESCRIPTION} characters, found {length}");
        report.add(text.span(), "database.description", what);
    }
    text.get_ref().clone()
}
