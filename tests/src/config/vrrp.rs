//! Section `[[vrrp]]` of the file.

use std::{
    fmt::{self, Display, Formatter},
    net::IpAddr,
};

use super::texts;

/// A virtual router. For `None`, or an empty list, the gateway's default applies.
#[derive(Clone, Debug, Default)]
pub struct Vrrp {
    /// Its number.
    pub vrid: u8,
    /// Its name.
    pub name: Option<String>,
    /// Its interface.
    pub interface: Option<String>,
    /// Its tunnel addresses, if they are not the gateway's.
    pub vtep: Vec<IpAddr>,
    /// Name of the physical switch.
    pub switch: Option<String>,
    /// Version of the protocol for sending.
    pub version: Option<u8>,
    /// Its priority; the higher one wins.
    pub priority: Option<u8>,
    /// Seconds between advertisements.
    pub interval: Option<f64>,
    /// A higher priority takes the role from a lower one.
    pub preempt: Option<bool>,
    /// Seconds until a preemption.
    pub preempt_delay: Option<f64>,
    /// Seconds from a start until it takes part.
    pub startup_delay: Option<f64>,
    /// The other nodes, if there is no multicast.
    pub peers: Vec<IpAddr>,
    /// Its source address.
    pub source: Option<IpAddr>,
    /// Put the addresses on a macvlan.
    pub virtual_mac: Option<bool>,
    /// Coverage of the checksum of version 3 over IPv4: `pseudo-header` or `message`.
    pub v3_checksum: Option<String>,
    /// Announcements of each address at a takeover.
    pub announce_count: Option<u8>,
    /// Seconds until they are repeated.
    pub announce_delay: Option<f64>,
    /// Seconds between further ones.
    pub announce_refresh: Option<f64>,
    /// Effect of a data plane that is not attached.
    pub track_data_plane: Option<Track>,
    /// Effect of a database that is not connected.
    pub track_database: Option<Track>,
    /// Keys for authentication between nodes: numbers, and the paths or values of the keys.
    pub auth_keys: Vec<(u8, String)>,
}

/// Effect of a fault on a virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// It can't be active.
    Fault,
    /// Nothing.
    Ignore,
    /// Its priority changes by this number.
    Weight(i16),
}

impl Vrrp {
    /// Makes virtual router `vrid`, which sends an advertisement every `interval` seconds.
    pub fn new(vrid: u8, interval: f64) -> Self {
        Self { vrid, interval: Some(interval), ..Self::default() }
    }

    /// Sets the priority.
    pub fn priority(self, priority: u8) -> Self {
        Self { priority: Some(priority), ..self }
    }
}

impl Display for Track {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault => f.write_str("\"fault\""),
            Self::Ignore => f.write_str("\"ignore\""),
            Self::Weight(weight) => weight.fmt(f),
        }
    }
}

impl Display for Vrrp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        fn quoted(value: Option<impl Display>) -> Option<String> {
            value.map(|value| format!("\"{value}\""))
        }
        // A whole number of seconds is written as an integer.
        fn plain(value: Option<impl Display>) -> Option<String> {
            value.map(|value| value.to_string())
        }
        fn list(addresses: &[IpAddr]) -> Option<String> {
            (!addresses.is_empty()).then(|| texts(addresses))
        }
        fn keys(keys: &[(u8, String)]) -> Option<String> {
            let keys: Vec<String> = keys.iter().map(|(id, source)| format!("{id} = \"{source}\"")).collect();
            (!keys.is_empty()).then(|| format!("{{ {} }}", keys.join(", ")))
        }
        writeln!(f, "[[vrrp]]\nvrid = {}", self.vrid)?;
        let settings = [
            ("name", quoted(self.name.as_ref())),
            ("interface", quoted(self.interface.as_ref())),
            ("vtep", list(&self.vtep)),
            ("switch", quoted(self.switch.as_ref())),
            ("version", plain(self.version)),
            ("priority", plain(self.priority)),
            ("interval", plain(self.interval)),
            ("preempt", plain(self.preempt)),
            ("preempt_delay", plain(self.preempt_delay)),
            ("startup_delay", plain(self.startup_delay)),
            ("peers", list(&self.peers)),
            ("source", quoted(self.source)),
            ("virtual_mac", plain(self.virtual_mac)),
            ("v3_checksum", quoted(self.v3_checksum.as_ref())),
            ("announce_count", plain(self.announce_count)),
            ("announce_delay", plain(self.announce_delay)),
            ("announce_refresh", plain(self.announce_refresh)),
            ("track_data_plane", plain(self.track_data_plane)),
            ("track_database", plain(self.track_database)),
            ("auth_keys", keys(&self.auth_keys)),
        ];
        for (key, value) in settings {
            if let Some(value) = value {
                writeln!(f, "{key} = {value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_not_written() {
        let vrrp = Vrrp {
            peers: vec![[172, 31, 0, 22].into()],
            track_database: Some(Track::Weight(-20)),
            track_data_plane: Some(Track::Fault),
            auth_keys: vec![(1, "/etc/key".to_owned())],
            ..Vrrp::new(20, 0.1).priority(150)
        };
        let expected = "\
[[vrrp]]
vrid = 20
priority = 150
interval = 0.1
peers = [\"172.31.0.22\"]
track_data_plane = \"fault\"
track_database = -20
auth_keys = { 1 = \"/etc/key\" }
";
        assert_eq!(vrrp.to_string(), expected);
    }
}
