//! Tests that compare the example file and the reference of all keys with the loader.

use std::path::Path;

use gateway_common::limits;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Visitor, value::Error},
};

use crate::{
    Config, DatabaseConfig,
    raw::{
        RawBinding, RawConfig, RawDatabase, RawGateway, RawInterface, RawMac, RawMetrics, RawSwitch, RawSwitchOptions,
        RawSync, RawVrrp,
    },
};

const EXAMPLE: &str = include_str!("../../../../packaging/gateway.toml");
const REFERENCE: &str = include_str!("../../../../docs/CONFIGURATION.md");

/// Deserializer that records the keys of a table.
struct Keys<'k>(&'k mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Keys<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("only tables have keys"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(keys);
        Err(Error::custom("only the keys are of interest"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn keys<T: for<'de> Deserialize<'de>>() -> Vec<&'static str> {
    let mut keys = Vec::new();
    let _ = T::deserialize(Keys(&mut keys));
    assert!(!keys.is_empty());
    keys
}

/// Returns the part of the reference below `heading`, up to the next heading.
fn part(heading: &str) -> &'static str {
    let (_, rest) = REFERENCE.split_once(&format!("\n## {heading}\n")).expect(heading);
    rest.split("\n## ").next().unwrap()
}

fn assert_described(heading: &str, keys: &[&str]) {
    for key in keys {
        assert!(part(heading).contains(&format!("| `{key}` |")), "{key} is not under {heading}");
    }
}

#[test]
fn the_reference_describes_every_section() {
    for section in keys::<RawConfig>() {
        assert!(REFERENCE.contains(&format!("[{section}]")), "{section}");
    }
}

#[test]
fn the_reference_describes_every_key() {
    assert_described("`[gateway]`", &keys::<RawGateway>());
    assert_described("`[[uplink]]` and `[[port]]`", &keys::<RawInterface>());
    assert_described("`[[switch]]`", &keys::<RawSwitch>());
    assert_described("Elements of `bindings`", &keys::<RawBinding>());
    assert_described("Elements of `macs`", &keys::<RawMac>());
    assert_described("`[database]`", &keys::<RawDatabase>());
    assert_described("`[[switch_options]]`", &keys::<RawSwitchOptions>());
    assert_described("`[[vrrp]]`", &keys::<RawVrrp>());
    assert_described("`[sync]`", &keys::<RawSync>());
    assert_described("`[metrics]`", &keys::<RawMetrics>());
}

#[test]
fn the_reference_gives_the_limits_in_force() {
    for limit in [
        limits::MAX_PORTS,
        limits::MAX_SWITCHES,
        limits::MAX_BINDINGS,
        limits::MAX_TUNNELS,
        limits::MAX_FLOOD_SLOTS,
        limits::MAX_FLOOD,
    ] {
        assert!(part("Limits").contains(&format!("| {limit} |")), "{limit}");
    }
}

#[test]
fn the_example_loads() {
    let config = Config::parse(EXAMPLE, Path::new("gateway.toml")).unwrap();
    assert!(!config.rows.switches.is_empty());
}

#[test]
fn the_example_mentions_every_key() {
    let all = [
        keys::<RawConfig>(),
        keys::<RawGateway>(),
        keys::<RawInterface>(),
        keys::<RawSwitch>(),
        keys::<RawBinding>(),
        keys::<RawMac>(),
        keys::<RawDatabase>(),
        keys::<RawSwitchOptions>(),
        keys::<RawVrrp>(),
        keys::<RawSync>(),
        keys::<RawMetrics>(),
    ];
    for key in all.concat() {
        assert!(EXAMPLE.contains(&format!("{key} =")) || EXAMPLE.contains(&format!("[{key}]")), "{key}");
    }
}

/// Returns the example with its database enabled.
fn example_with_database() -> Config {
    let (before, rest) = EXAMPLE.split_once("# Logical switches").unwrap();
    let (_, database) = rest.split_once("# lines that begin with one and no space.").unwrap();
    let enabled = database.lines().map(|line| match line.strip_prefix('#') {
        Some(line) if !line.starts_with(' ') => line,
        _ => line,
    });
    let text: String = enabled.map(|line| line.to_owned() + "\n").collect();
    Config::parse(&format!("{before}{text}"), Path::new("gateway.toml")).unwrap()
}

#[test]
fn the_example_shows_a_database_with_its_defaults() {
    let shown = example_with_database().database.unwrap();
    let bare = "[gateway]\nvtep = ['172.31.0.21']\n[[uplink]]\nname = 'eth0'\n[[port]]\nname = 'eth1'\n\
                [database]\nremote = 'unix:/run/openvswitch/db.sock'\n";
    let bare = Config::parse(bare, Path::new("gateway.toml")).unwrap().database.unwrap();
    let expected = DatabaseConfig { switch: shown.switch.clone(), tls: shown.tls.clone(), ..bare };
    assert!(shown.switch.is_some() && shown.tls.is_some());
    assert_eq!(shown, expected);
}

#[test]
fn the_example_shows_a_virtual_router_with_its_defaults() {
    let (before, rest) = EXAMPLE.split_once("#[[vrrp]]").unwrap();
    let (shown, rest) = rest.split_once("# Logical switches").unwrap();
    let elsewhere = ["#vtep =", "#switch =", "#source ="];
    let enabled = shown.lines().filter(|line| !elsewhere.iter().any(|key| line.starts_with(key)));
    let enabled = enabled.map(|line| match line.strip_prefix('#') {
        Some(line) if !line.starts_with(' ') => line,
        _ => line,
    });
    let shown: String = enabled.map(|line| line.to_owned() + "\n").collect();
    let load = |keys: &str| Config::parse(&format!("{before}{keys}#{rest}"), Path::new("gateway.toml")).unwrap();
    let keys = shown.lines().find(|line| line.starts_with("auth_keys =")).unwrap();
    let bare = load(&format!("[[vrrp]]\nvrid = 51\n{keys}\n"));
    let shown = load(&format!("[[vrrp]]{shown}"));
    assert_eq!((&shown.instances, shown.sync), (&bare.instances, bare.sync));
    assert!(shown.is_redundant());
}

#[test]
fn defaults_in_the_example_are_the_defaults() {
    let bare = "[gateway]\nvtep = ['172.31.0.21']\n[[uplink]]\nname = 'eth0'\n[[port]]\nname = 'eth1'\n";
    let bare = Config::parse(bare, Path::new("gateway.toml")).unwrap();
    // A comment of the form `# key = value` shows a default; make it a setting.
    let shown: String = EXAMPLE
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|line| line.contains(" = ")).unwrap_or(line).to_owned() + "\n")
        .collect();
    let shown = Config::parse(&shown, Path::new("gateway.toml")).unwrap();
    assert_eq!(shown.gateway, bare.gateway);
}
