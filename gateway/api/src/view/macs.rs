//! `show macs`: the forwarding database, in pages.

use std::net::IpAddr;

use gateway_common::net::MacAddr;
use serde::{Deserialize, Serialize};

use super::mac_text;

/// Page of the forwarding database, in no order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Macs {
    /// MACs of this page.
    pub macs: Vec<Mac>,
    /// Start of the next page, for `show/macs NEXT`; None: this was the last page.
    pub next: Option<u32>,
}

/// Station in the forwarding database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mac {
    /// VNI of its logical switch.
    pub vni: u32,
    /// Name of its logical switch, where the database is known.
    pub switch: Option<String>,
    /// Its address.
    #[serde(with = "mac_text")]
    pub mac: MacAddr,
    /// Source of the entry.
    pub kind: Kind,
    /// Its location.
    #[serde(flatten)]
    pub place: Place,
    /// Time since its last frame, accurate to two seconds. None for static MACs, which do not age.
    pub age_seconds: Option<u64>,
    /// The IP address that it announced last, if an announcement arrived on an access port.
    pub ip: Option<IpAddr>,
}

/// Source of an entry of the forwarding database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// From the database or the configuration.
    #[serde(rename = "given")]
    Static,
    /// From the station's own frames, received here or on the node that was active before.
    Learned,
}

/// Location of a station; the field `where` has the variant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "where", rename_all = "snake_case")]
pub enum Place {
    /// Behind an access port.
    Port {
        /// Its name; `if` and its index where the interface is gone.
        port: String,
        /// VLAN on it, 0 for untagged.
        vlan: u16,
    },
    /// Behind a remote VTEP.
    Tunnel {
        /// Address of the remote VTEP. None: the tunnel is gone, and the next ageing removes the MACs learned behind
        /// it.
        remote: Option<IpAddr>,
        /// VNI that frames to it are sent with.
        remote_vni: u32,
    },
}

/// Filter for MACs: a MAC must match all fields that are set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MacFilter {
    /// In the logical switch of this name.
    pub switch: Option<String>,
    /// In the logical switch with this VNI.
    pub vni: Option<u32>,
    /// Behind this access port.
    pub port: Option<String>,
    /// With this address.
    pub mac: Option<MacAddr>,
    /// Behind this remote VTEP.
    pub remote: Option<IpAddr>,
}

/// Reasons for which a word is no condition of a [`MacFilter`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The word has no `=`.
    #[error("expected KEY=VALUE, found {0:?}")]
    NoKey(String),
    /// There is no such key.
    #[error("{0}: expected switch, vni, port, mac or remote")]
    Key(String),
    /// The key has no such value.
    #[error("{key}: expected {expected}, found {found:?}")]
    Value {
        /// The key.
        key: String,
        /// The kind of values that it has.
        expected: &'static str,
        /// The value.
        found: String,
    },
}

impl MacFilter {
    /// Returns true if a MAC matches.
    pub fn accepts(&self, mac: &Mac) -> bool {
        let (port, remote) = match &mac.place {
            Place::Port { port, .. } => (Some(port), None),
            Place::Tunnel { remote, .. } => (None, *remote),
        };
        self.switch.as_ref().is_none_or(|name| mac.switch.as_ref() == Some(name))
            && self.vni.is_none_or(|vni| mac.vni == vni)
            && self.port.as_ref().is_none_or(|name| port == Some(name))
            && self.mac.is_none_or(|address| mac.mac == address)
            && self.remote.is_none_or(|address| remote == Some(address))
    }

    /// Returns the filter as words of a request on the control socket, `KEY=VALUE`.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut add = |key: &str, value: Option<String>| words.extend(value.map(|value| format!("{key}={value}")));
        add("switch", self.switch.clone());
        add("vni", self.vni.map(|vni| vni.to_string()));
        add("port", self.port.clone());
        add("mac", self.mac.map(|mac| mac.to_string()));
        add("remote", self.remote.map(|remote| remote.to_string()));
        words
    }

    /// Adds a condition from such a word.
    ///
    /// # Errors
    /// The word is not a valid condition.
    pub fn take(&mut self, word: &str) -> Result<(), FilterError> {
        let Some((key, value)) = word.split_once('=') else {
            return Err(FilterError::NoKey(word.to_owned()));
        };
        let bad = |expected| FilterError::Value { key: key.to_owned(), expected, found: value.to_owned() };
        match key {
            "switch" => self.switch = Some(value.to_owned()),
            "vni" => self.vni = Some(value.parse().map_err(|_| bad("a number"))?),
            "port" => self.port = Some(value.to_owned()),
            "mac" => self.mac = Some(value.parse().map_err(|_| bad("an Ethernet address"))?),
            "remote" => self.remote = Some(value.parse().map_err(|_| bad("an IP address"))?),
            _ => return Err(FilterError::Key(key.to_owned())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::samples;

    #[test]
    fn a_filter_reads_as_it_was_written() {
        let filter = MacFilter {
            switch: Some("a=b c".into()),
            vni: Some(7),
            port: Some("eth1".into()),
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            remote: Some(IpAddr::from([10, 0, 0, 1])),
        };
        let mut read = MacFilter::default();
        filter.words().iter().for_each(|word| read.take(word).unwrap());
        assert_eq!(read, filter);
    }

    #[test]
    fn a_word_that_is_none_is_refused() {
        for word in ["", "vni", "vni=x", "mac=1", "remote=", "colour=red"] {
            assert!(MacFilter::default().take(word).is_err(), "{word}");
        }
    }

    #[test]
    fn a_mac_has_to_match_all_conditions() {
        let mac = samples::mac();
        assert!(MacFilter::default().accepts(&mac));
        let here = MacFilter { port: Some("eth1".into()), vni: Some(5001), ..MacFilter::default() };
        assert!(here.accepts(&mac));
        assert!(!MacFilter { remote: Some(IpAddr::from([10, 0, 0, 1])), ..here }.accepts(&mac));
    }
}
