//! The file's shape: tables, keys and the kinds of their values. Each value knows its place, for later complaints.
//!
//! `docs/CONFIGURATION.md` describes every key; a test holds the two together.

use serde::Deserialize;
use toml::Spanned;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawConfig {
    pub(crate) gateway: RawGateway,
    #[serde(default)]
    pub(crate) uplink: Vec<RawInterface>,
    #[serde(default)]
    pub(crate) port: Vec<RawInterface>,
    #[serde(default)]
    pub(crate) switch: Vec<RawSwitch>,
    pub(crate) database: Option<RawDatabase>,
}

/// `[gateway]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawGateway {
    pub(crate) vtep: Spanned<Vec<Spanned<String>>>,
    pub(crate) udp_port: Option<Spanned<i64>>,
    pub(crate) ttl: Option<Spanned<i64>>,
    pub(crate) ageing: Option<Spanned<i64>>,
    pub(crate) fdb_size: Option<Spanned<i64>>,
    pub(crate) pin_dir: Option<Spanned<String>>,
    pub(crate) run_dir: Option<Spanned<String>>,
}

/// `[[uplink]]` and `[[port]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawInterface {
    pub(crate) name: Spanned<String>,
    pub(crate) mode: Option<Spanned<String>>,
}

/// `[[switch]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawSwitch {
    pub(crate) name: Spanned<String>,
    pub(crate) vni: Spanned<i64>,
    pub(crate) learn_remote: Option<bool>,
    pub(crate) learn_limit: Option<Spanned<i64>>,
    #[serde(default)]
    pub(crate) flood: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) bindings: Vec<RawBinding>,
    #[serde(default)]
    pub(crate) macs: Vec<RawMac>,
}

/// An element of `bindings`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawBinding {
    pub(crate) port: Spanned<String>,
    pub(crate) vlan: Spanned<i64>,
}

/// An element of `macs`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawMac {
    pub(crate) mac: Spanned<String>,
    pub(crate) vtep: Option<Spanned<String>>,
    pub(crate) port: Option<Spanned<String>>,
    pub(crate) vlan: Option<Spanned<i64>>,
}

/// `[database]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawDatabase {
    pub(crate) remote: Spanned<String>,
    pub(crate) switch: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) management_ips: Vec<Spanned<String>>,
    pub(crate) description: Option<Spanned<String>>,
    pub(crate) private_key: Option<Spanned<String>>,
    pub(crate) certificate: Option<Spanned<String>>,
    pub(crate) ca_cert: Option<Spanned<String>>,
    pub(crate) hold_time: Option<Spanned<i64>>,
    pub(crate) learn_limit: Option<Spanned<i64>>,
    pub(crate) inactivity_probe: Option<Spanned<i64>>,
}
