//! Shape of the file: tables, keys and the types of their values. Each value keeps its position for later error
//! messages.
//!
//! `docs/CONFIGURATION.md` describes every key; a test compares the two.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use toml::Spanned;

/// The whole file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawConfig {
    pub gateway: RawGateway,
    #[serde(default)]
    pub uplink: Vec<RawInterface>,
    #[serde(default)]
    pub port: Vec<RawInterface>,
    #[serde(default)]
    pub switch: Vec<RawSwitch>,
    pub database: Option<RawDatabase>,
    #[serde(default)]
    pub switch_options: Vec<RawSwitchOptions>,
    #[serde(default)]
    pub vrrp: Vec<RawVrrp>,
    pub sync: Option<RawSync>,
    pub metrics: Option<RawMetrics>,
}

/// `[gateway]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawGateway {
    pub vtep: Option<Spanned<Vec<Spanned<String>>>>,
    pub udp_port: Option<Spanned<i64>>,
    pub ttl: Option<Spanned<i64>>,
    pub ageing: Option<Spanned<i64>>,
    pub fdb_size: Option<Spanned<i64>>,
    pub pin_dir: Option<Spanned<String>>,
    pub run_dir: Option<Spanned<String>>,
    pub control_group: Option<Spanned<String>>,
}

/// `[[uplink]]` and `[[port]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawInterface {
    pub name: Spanned<String>,
    pub mode: Option<Spanned<String>>,
    pub track: Option<Spanned<RawTrack>>,
}

/// `[[switch]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawSwitch {
    pub name: Spanned<String>,
    pub vni: Spanned<i64>,
    pub instance: Option<Spanned<String>>,
    pub learn_remote: Option<bool>,
    pub learn_limit: Option<Spanned<i64>>,
    pub control_protocols: Option<bool>,
    pub strict_sources: Option<bool>,
    #[serde(default)]
    pub flood: Vec<Spanned<String>>,
    #[serde(default)]
    pub bindings: Vec<RawBinding>,
    #[serde(default)]
    pub macs: Vec<RawMac>,
}

/// `[[switch_options]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawSwitchOptions {
    pub name: Spanned<String>,
    pub control_protocols: Option<bool>,
    pub strict_sources: Option<bool>,
}

/// An element of `bindings`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawBinding {
    pub port: Spanned<String>,
    pub vlan: Spanned<i64>,
}

/// An element of `macs`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawMac {
    pub mac: Spanned<String>,
    pub vtep: Option<Spanned<String>>,
    pub port: Option<Spanned<String>>,
    pub vlan: Option<Spanned<i64>>,
}

/// `[database]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawDatabase {
    pub remote: Spanned<String>,
    pub switch: Option<Spanned<String>>,
    #[serde(default)]
    pub management_ips: Vec<Spanned<String>>,
    pub description: Option<Spanned<String>>,
    pub private_key: Option<Spanned<String>>,
    pub certificate: Option<Spanned<String>>,
    pub ca_cert: Option<Spanned<String>>,
    #[serde(default)]
    pub server_name: Vec<Spanned<String>>,
    #[serde(default)]
    pub server_fingerprint: Vec<Spanned<String>>,
    pub message_limit: Option<Spanned<i64>>,
    pub hold_time: Option<Spanned<i64>>,
    pub empty_hold_time: Option<Spanned<i64>>,
    pub learn_limit: Option<Spanned<i64>>,
    pub inactivity_probe: Option<Spanned<i64>>,
    pub shared: Option<bool>,
}

/// `[[vrrp]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawVrrp {
    pub vrid: Spanned<i64>,
    pub name: Option<Spanned<String>>,
    pub interface: Option<Spanned<String>>,
    pub vtep: Option<Spanned<Vec<Spanned<String>>>>,
    pub switch: Option<Spanned<String>>,
    pub version: Option<Spanned<i64>>,
    pub priority: Option<Spanned<i64>>,
    pub interval: Option<Spanned<Seconds>>,
    pub preempt: Option<bool>,
    pub preempt_delay: Option<Spanned<Seconds>>,
    pub startup_delay: Option<Spanned<Seconds>>,
    #[serde(default)]
    pub peers: Vec<Spanned<String>>,
    pub source: Option<Spanned<String>>,
    pub virtual_mac: Option<bool>,
    pub v3_checksum: Option<Spanned<String>>,
    pub announce_count: Option<Spanned<i64>>,
    pub announce_delay: Option<Spanned<Seconds>>,
    pub announce_refresh: Option<Spanned<Seconds>>,
    pub track_data_plane: Option<Spanned<RawTrack>>,
    pub track_database: Option<Spanned<RawTrack>>,
    pub auth_keys: Option<Spanned<RawKeys>>,
    pub(crate) auth_key: Option<Spanned<i64>>,
    pub auth_mode: Option<Spanned<String>>,
    pub(crate) auth_replay: Option<Spanned<String>>,
    pub auth_window: Option<Spanned<i64>>,
}

/// Keys by number. An error does not show a value that is not a table, since it may be a key.
pub(crate) struct RawKeys(pub BTreeMap<String, Spanned<String>>);

impl<'de> Deserialize<'de> for RawKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = RawKeys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of numbers and keys")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawKeys, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(RawKeys)
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<RawKeys, E> {
                Err(E::custom(r#"expected a table of numbers and keys, like { 1 = "credential:vrrp-51" }"#))
            }
        }
        deserializer.deserialize_any(Table)
    }
}

/// `[sync]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawSync {
    pub port: Option<Spanned<i64>>,
}

/// `[metrics]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawMetrics {
    #[serde(default)]
    pub listen: Vec<Spanned<String>>,
}

/// Seconds, whole or with a fraction.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub f64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Seconds, E> {
                Ok(Seconds(value as f64))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Seconds, E> {
                Ok(Seconds(value))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// `"fault"`, `"ignore"`, or a weight that is added to the priority.
#[derive(Clone, Debug)]
pub enum RawTrack {
    Word(String),
    Weight(i64),
}

impl<'de> Deserialize<'de> for RawTrack {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrWeight;
        impl Visitor<'_> for WordOrWeight {
            type Value = RawTrack;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#""fault", "ignore" or a whole number"#)
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<RawTrack, E> {
                Ok(RawTrack::Weight(value))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<RawTrack, E> {
                Ok(RawTrack::Word(value.to_owned()))
            }
        }
        deserializer.deserialize_any(WordOrWeight)
    }
}
