//! Checks of the keys `auth_*` of `[[vrrp]]`.

use std::collections::BTreeMap;

use gateway_vrrp::{AntiReplay, AuthMode, AuthSettings, Keyring};
use toml::Spanned;

use super::{
    auth::{AuthConfig, KeySource},
    invalid::Invalid,
    keys::{HEX, decode},
    raw::RawVrrp,
    report::{Quoted, Report},
    values,
};

/// Default for the allowed difference between clocks, in seconds. A recorded advertisement can be replayed for this
/// time to a node that has not received it. On the other hand, two nodes whose clocks differ by more discard each
/// other's advertisements, and may both be active. The second is worse, and happens without an attacker.
const WINDOW: u16 = 60;

/// Checks the keys of one section; returns None if it has none.
pub(super) fn check(raw: &RawVrrp, field: &dyn Fn(&str) -> String, report: &mut Report<'_>) -> Option<AuthConfig> {
    let window = window(raw, field, report);
    let mode = mode(raw, field, report);
    let replay = replay(raw, window, field, report);
    let Some(keys) = &raw.auth_keys else {
        let others = [
            ("auth_key", raw.auth_key.as_ref().map(Spanned::span)),
            ("auth_mode", raw.auth_mode.as_ref().map(Spanned::span)),
            ("auth_replay", raw.auth_replay.as_ref().map(Spanned::span)),
            ("auth_window", raw.auth_window.as_ref().map(Spanned::span)),
        ];
        for (key, span) in others {
            if let Some(span) = span {
                report.add(span, field(key), "expected it with auth_keys only, found none of these");
            }
        }
        return None;
    };
    let mut sources = BTreeMap::new();
    for (number, source) in &keys.get_ref().0 {
        let of = || field(&format!("auth_keys.{number}"));
        let id = number.parse().ok().filter(|id: &u8| *id > 0);
        let id = id.ok_or_else(|| Invalid::new("a number from 1 to 255 for a key", Quoted(number)));
        let id = report.check(source.span(), of(), id);
        let source = report.check(source.span(), of(), parse(source.get_ref()));
        sources.extend(id.zip(source));
    }
    let active = match (&raw.auth_key, &sources.keys().collect::<Vec<_>>()[..]) {
        (Some(id), _) => {
            let checked = values::number::<u8>(*id.get_ref(), 1..=255).and_then(|found| match sources.get(&found) {
                Some(_) => Ok(found),
                None => Err(Invalid::new("the number of one of the auth_keys", found)),
            });
            report.check(id.span(), field("auth_key"), checked)?
        }
        (None, [only]) => **only,
        (None, []) => {
            report.add(keys.span(), field("auth_keys"), "expected a key, found none");
            return None;
        }
        (None, _) => {
            let what = "required where there are several auth_keys, but missing: which of them signs?";
            report.add(keys.span(), field("auth_key"), what);
            return None;
        }
    };
    let keyring = Keyring { keys: BTreeMap::new(), active };
    Some(AuthConfig { sources, settings: AuthSettings { keyring, mode, replay } })
}

/// Parses `/path/to/file`, `credential:NAME` or `hex:` with the key itself. An error does not contain the text, which
/// may be a key.
fn parse(text: &str) -> Result<KeySource, Invalid> {
    if text.starts_with(HEX) {
        return decode(text.as_bytes()).map(KeySource::Here);
    }
    let expected = "/path/to/a/file, credential:NAME, or hex: with the key in hexadecimal digits";
    values::key_file(text).map(KeySource::File).map_err(|_| Invalid::hidden(expected))
}

fn mode(raw: &RawVrrp, field: &dyn Fn(&str) -> String, report: &mut Report<'_>) -> AuthMode {
    let Some(mode) = &raw.auth_mode else { return AuthMode::default() };
    let checked = match mode.get_ref().as_str() {
        "enforce" => Ok(AuthMode::Enforce),
        "permissive" => Ok(AuthMode::Permissive),
        "receive-only" => Ok(AuthMode::ReceiveOnly),
        other => Err(Invalid::new(r#""enforce", "permissive" or "receive-only""#, Quoted(other))),
    };
    report.check(mode.span(), field("auth_mode"), checked).unwrap_or_default()
}

fn window(raw: &RawVrrp, field: &dyn Fn(&str) -> String, report: &mut Report<'_>) -> u16 {
    let given = raw.auth_window.as_ref().and_then(|window| {
        report.check(window.span(), field("auth_window"), values::number(*window.get_ref(), 1..=300))
    });
    given.unwrap_or(WINDOW)
}

fn replay(raw: &RawVrrp, window: u16, field: &dyn Fn(&str) -> String, report: &mut Report<'_>) -> AntiReplay {
    let Some(replay) = &raw.auth_replay else { return AntiReplay::Time(window) };
    let checked = match (replay.get_ref().as_str(), &raw.auth_window) {
        ("time", _) => Ok(AntiReplay::Time(window)),
        ("monotonic", None) => Ok(AntiReplay::Monotonic),
        ("monotonic", Some(_)) => Err(Invalid::new(r#""time", as there is an auth_window"#, r#""monotonic""#)),
        (other, _) => Err(Invalid::new(r#""time" or "monotonic""#, Quoted(other))),
    };
    report.check(replay.span(), field("auth_replay"), checked).unwrap_or(AntiReplay::Time(window))
}
