//! Tests of the loader as a whole, one topic in each file.

pub(crate) mod accepts;
pub(crate) mod bounds;
pub(crate) mod damage;
pub(crate) mod database;
pub(crate) mod documents;
pub(crate) mod metrics;
pub(crate) mod refusals;
pub(crate) mod vrrp;

use std::path::Path;

use super::{Config, ConfigError};

/// Complete file of 19 lines with an entry of each kind.
pub(super) const GOOD: &str = r#"[gateway]
vtep = ["172.31.0.21", "2001:db8::21"]
[[uplink]]
name = "eth0"
[[port]]
name = "eth1"
[[port]]
name = "eth2"
mode = "tc"
[[switch]]
name = "db-net"
vni = 5001
learn_limit = 10
flood = ["172.31.0.11", "2001:db8::11"]
bindings = [{ port = "eth1", vlan = 100 }, { port = "eth2", vlan = 0 }]
macs = [{ mac = "02:aa:00:00:00:01", vtep = "172.31.0.11" }, { mac = "02:ee:00:00:00:01", port = "eth1", vlan = 100 }]
[[switch]]
name = "web-net"
vni = 5002
"#;

pub(super) fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("g.toml"))
}
