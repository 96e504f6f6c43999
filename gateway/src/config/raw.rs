//! The file's shape: tables, keys and the kinds of their values. Each value knows its place, for later complaints.
//!
//! `docs/CONFIGURATION.md` describes every key; a test holds the two together.

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
    pub(crate) gateway: RawGateway,
    #[serde(default)]
    pub(crate) uplink: Vec<RawInterface>,
    #[serde(default)]
    pub(crate) port: Vec<RawInterface>,
    #[serde(default)]
    pub(crate) switch: Vec<RawSwitch>,
    pub(crate) database: Option<RawDatabase>,
    #[serde(default)]
    pub(crate) switch_options: Vec<RawSwitchOptions>,
    #[serde(default)]
    pub(crate) vrrp: Vec<RawVrrp>,
    pub(crate) sync: Option<RawSync>,
    pub(crate) metrics: Option<RawMetrics>,
}

/// `[gateway]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawGateway {
    pub(crate) vtep: Option<Spanned<Vec<Spanned<String>>>>,
    pub(crate) udp_port: Option<Spanned<i64>>,
    pub(crate) ttl: Option<Spanned<i64>>,
    pub(crate) ageing: Option<Spanned<i64>>,
    pub(crate) fdb_size: Option<Spanned<i64>>,
    pub(crate) pin_dir: Option<Spanned<String>>,
    pub(crate) run_dir: Option<Spanned<String>>,
    pub(crate) control_group: Option<Spanned<String>>,
}

/// `[[uplink]]` and `[[port]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawInterface {
    pub(crate) name: Spanned<String>,
    pub(crate) mode: Option<Spanned<String>>,
    pub(crate) track: Option<Spanned<RawTrack>>,
}

/// `[[switch]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawSwitch {
    pub(crate) name: Spanned<String>,
    pub(crate) vni: Spanned<i64>,
    pub(crate) instance: Option<Spanned<String>>,
    pub(crate) learn_remote: Option<bool>,
    pub(crate) learn_limit: Option<Spanned<i64>>,
    pub(crate) control_protocols: Option<bool>,
    pub(crate) strict_sources: Option<bool>,
    #[serde(default)]
    pub(crate) flood: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) bindings: Vec<RawBinding>,
    #[serde(default)]
    pub(crate) macs: Vec<RawMac>,
}

/// `[[switch_options]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawSwitchOptions {
    pub(crate) name: Spanned<String>,
    pub(crate) control_protocols: Option<bool>,
    pub(crate) strict_sources: Option<bool>,
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
    #[serde(default)]
    pub(crate) server_name: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) server_fingerprint: Vec<Spanned<String>>,
    pub(crate) message_limit: Option<Spanned<i64>>,
    pub(crate) hold_time: Option<Spanned<i64>>,
    pub(crate) empty_hold_time: Option<Spanned<i64>>,
    pub(crate) learn_limit: Option<Spanned<i64>>,
    pub(crate) inactivity_probe: Option<Spanned<i64>>,
    pub(crate) shared: Option<bool>,
}

/// `[[vrrp]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawVrrp {
    pub(crate) vrid: Spanned<i64>,
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) interface: Option<Spanned<String>>,
    pub(crate) vtep: Option<Spanned<Vec<Spanned<String>>>>,
    pub(crate) switch: Option<Spanned<String>>,
    pub(crate) version: Option<Spanned<i64>>,
    pub(crate) priority: Option<Spanned<i64>>,
    pub(crate) interval: Option<Spanned<Seconds>>,
    pub(crate) preempt: Option<bool>,
    pub(crate) preempt_delay: Option<Spanned<Seconds>>,
    pub(crate) startup_delay: Option<Spanned<Seconds>>,
    #[serde(default)]
    pub(crate) peers: Vec<Spanned<String>>,
    pub(crate) source: Option<Spanned<String>>,
    pub(crate) virtual_mac: Option<bool>,
    pub(crate) v3_checksum: Option<Spanned<String>>,
    pub(crate) announce_count: Option<Spanned<i64>>,
    pub(crate) announce_delay: Option<Spanned<Seconds>>,
    pub(crate) announce_refresh: Option<Spanned<Seconds>>,
    pub(crate) track_data_plane: Option<Spanned<RawTrack>>,
    pub(crate) track_database: Option<Spanned<RawTrack>>,
    pub(crate) auth_keys: Option<Spanned<RawKeys>>,
    pub(crate) auth_key: Option<Spanned<i64>>,
    pub(crate) auth_mode: Option<Spanned<String>>,
    pub(crate) auth_replay: Option<Spanned<String>>,
    pub(crate) auth_window: Option<Spanned<i64>>,
}

/// Keys by number. What is no table is not shown: it may be a key.
pub(crate) struct RawKeys(pub(crate) BTreeMap<String, Spanned<String>>);

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
    pub(crate) port: Option<Spanned<i64>>,
}

/// `[metrics]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawMetrics {
    #[serde(default)]
    pub(crate) listen: Vec<Spanned<String>>,
}

/// Seconds, whole or with a fraction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(pub(crate) f64);

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

/// `"fault"`, `"ignore"`, or what is added to the priority.
#[derive(Clone, Debug)]
pub(crate) enum RawTrack {
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
