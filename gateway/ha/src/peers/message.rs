//! Messages between nodes: each is a line of JSON.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use gateway_common::net::{MacAddr, VlanId, Vni};
use gateway_vrrp::Vrid;
use serde::{Deserialize, Serialize};

use super::data::{Bound, Station};

/// Version of the protocol. Two nodes must have the same one.
pub(super) const PROTOCOL: u32 = 1;
/// Longest line in bytes, without the newline.
pub(super) const LINE: usize = 1 << 20;
/// The most stations or bindings in one message that is sent. Even with the longest names they fit into a line.
pub(super) const CHUNK: usize = 250;
/// Longest name in bytes.
pub(super) const NAME: usize = 255;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Message {
    /// The first message, from both sides.
    Hello { protocol: u32, node: String },
    /// The sender takes part in this virtual router. It is sent again when something has changed.
    #[serde(rename = "instance")]
    Router {
        vrid: u8,
        switch: String,
        tunnel_ips: BTreeSet<IpAddr>,
        /// Number of bindings that it forwards or could forward.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        able: Option<u32>,
        /// Number of times that packets for the active node were found to arrive here. A release without this field
        /// makes no request.
        #[serde(default, skip_serializing_if = "is_zero")]
        misled: u32,
    },
    /// The sender no longer takes part.
    #[serde(rename = "no_instance")]
    NoRouter { vrid: u8 },
    /// Bindings that were added or removed.
    Bindings { vrid: u8, there: Vec<WireBinding>, gone: Vec<WireBinding> },
    /// The description is complete, and can be compared.
    Described,
    /// All stations of this virtual router follow, from its active node.
    Picture { vrid: u8 },
    /// Stations that were added or removed.
    Stations { vrid: u8, there: Vec<WireStation>, gone: Vec<WireStation> },
    /// All stations were sent. Changes follow.
    Whole { vrid: u8 },
    /// The sender is no longer active for this virtual router.
    Retired { vrid: u8 },
    /// Keepalive, without news.
    Alive,
    /// The sender closes the connection.
    Bye { reason: String },
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde calls takes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireBinding {
    port: String,
    vlan: u16,
    switch: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireStation {
    vni: u32,
    mac: String,
    port: String,
    vlan: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
}

/// Error in a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum MessageError {
    #[error("it sent what is no message ({0})")]
    Json(String),
    #[error("it sent {what} {value}, which is none")]
    Value { what: &'static str, value: String },
    #[error("it sent a name of more than {NAME} bytes, or with control characters")]
    Name,
}

impl Message {
    /// Parses a line.
    pub(super) fn decode(line: &[u8]) -> Result<Self, MessageError> {
        serde_json::from_slice(line).map_err(|error| MessageError::Json(error.to_string()))
    }

    /// Appends a line to `out`, newline included.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        // Writing to memory can't fail for any message. If it did, the written part would be removed.
        let start = out.len();
        match serde_json::to_writer(&mut *out, self) {
            Ok(()) => out.push(b'\n'),
            Err(_) => out.truncate(start),
        }
    }
}

/// Interned names: each frequent name is in memory once.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<Arc<str>>);

impl Names {
    /// The most names that are kept. Further names are in memory as often as they are sent.
    const KEPT: usize = 4096;

    fn shared(&mut self, name: &str) -> Result<Arc<str>, MessageError> {
        if let Some(known) = self.0.get(name) {
            return Ok(known.clone());
        }
        checked_name(name)?;
        let name: Arc<str> = name.into();
        if self.0.len() < Self::KEPT {
            self.0.insert(name.clone());
        }
        Ok(name)
    }
}

/// Checks that a name is not too long and can be shown to people.
pub(super) fn checked_name(name: &str) -> Result<(), MessageError> {
    if name.len() > NAME || name.chars().any(char::is_control) { Err(MessageError::Name) } else { Ok(()) }
}

/// Checks the number of a virtual router.
pub(super) fn vrid(value: u8) -> Result<Vrid, MessageError> {
    Vrid::new(value).ok_or_else(|| MessageError::Value { what: "virtual router", value: value.to_string() })
}

fn vlan(value: u16) -> Result<VlanId, MessageError> {
    VlanId::new(value).ok_or_else(|| MessageError::Value { what: "VLAN", value: value.to_string() })
}

impl WireBinding {
    pub(super) fn checked(self, names: &mut Names) -> Result<Bound, MessageError> {
        let (port, switch) = (names.shared(&self.port)?, names.shared(&self.switch)?);
        Ok(Bound { port, vlan: vlan(self.vlan)?, switch })
    }
}

impl From<&Bound> for WireBinding {
    fn from(bound: &Bound) -> Self {
        Self { port: bound.port.as_ref().to_owned(), vlan: bound.vlan.get(), switch: bound.switch.as_ref().to_owned() }
    }
}

impl WireStation {
    pub(super) fn checked(self, names: &mut Names) -> Result<Station, MessageError> {
        let wrong = |what, value: String| MessageError::Value { what, value };
        let vni = Vni::new(self.vni).ok_or_else(|| wrong("VNI", self.vni.to_string()))?;
        let mac = self.mac.parse().ok().filter(|mac: &MacAddr| mac.is_station());
        let mac = mac.ok_or_else(|| wrong("station", format!("{:.40?}", self.mac)))?;
        Ok(Station { vni, mac, port: names.shared(&self.port)?, vlan: vlan(self.vlan)?, ip: self.ip })
    }
}

impl From<&Station> for WireStation {
    fn from(station: &Station) -> Self {
        Self {
            vni: station.vni.get(),
            mac: station.mac.to_string(),
            port: station.port.as_ref().to_owned(),
            vlan: station.vlan.get(),
            ip: station.ip,
        }
    }
}

/// Splits added and removed items into messages of at most [`CHUNK`] items.
pub(super) fn chunks<T, W: for<'a> From<&'a T>>(
    there: &[T],
    gone: &[T],
    message: impl Fn(Vec<W>, Vec<W>) -> Message,
) -> Vec<Message> {
    let wire = |items: &[T]| items.iter().map(W::from).collect();
    let gone = gone.chunks(CHUNK).map(|items| message(Vec::new(), wire(items)));
    let there = there.chunks(CHUNK).map(|items| message(wire(items), Vec::new()));
    gone.chain(there).collect()
}

/// A map by virtual router.
pub(super) type ByVrid<T> = BTreeMap<Vrid, T>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_look_like_this() {
        let station = Station {
            vni: Vni::new(5001).unwrap(),
            mac: MacAddr([2, 0xee, 0, 0, 0, 1]),
            port: "eth1".into(),
            vlan: VlanId::new(100).unwrap(),
            ip: Some("10.0.0.11".parse().unwrap()),
        };
        let mut out = Vec::new();
        Message::Hello { protocol: 1, node: "gw1".into() }.encode(&mut out);
        Message::Stations { vrid: 51, there: vec![(&station).into()], gone: vec![] }.encode(&mut out);
        Message::Alive.encode(&mut out);
        let expected = [
            r#"{"type":"hello","protocol":1,"node":"gw1"}"#,
            r#"{"type":"stations","vrid":51,"there":[{"vni":5001,"mac":"02:ee:00:00:00:01","port":"eth1","vlan":100,"ip":"10.0.0.11"}],"gone":[]}"#,
            r#"{"type":"alive"}"#,
        ];
        assert_eq!(String::from_utf8(out).unwrap().lines().collect::<Vec<_>>(), expected);
        let back = Message::decode(expected[1].as_bytes()).unwrap();
        let Message::Stations { there, .. } = back else { panic!("{back:?}") };
        assert_eq!(there[0].clone().checked(&mut Names::default()), Ok(station));
    }

    #[test]
    fn a_release_that_does_not_ask_for_announcements_is_understood_and_understands() {
        let router = |misled| Message::Router {
            vrid: 51,
            switch: "gw".into(),
            tunnel_ips: BTreeSet::new(),
            able: Some(3),
            misled,
        };
        let line = |misled| {
            let mut out = Vec::new();
            router(misled).encode(&mut out);
            String::from_utf8(out).unwrap()
        };
        let theirs = r#"{"type":"instance","vrid":51,"switch":"gw","tunnel_ips":[],"able":3}"#;
        assert_eq!(Message::decode(theirs.as_bytes()), Ok(router(0)));
        assert_eq!(line(0).trim_end(), theirs);
        assert_eq!(line(2).trim_end(), theirs.replace('}', r#","misled":2}"#));
        // A node accepts fields that a later version may add.
        assert_eq!(Message::decode(line(0).replace('}', r#","more":2}"#).as_bytes()), Ok(router(0)));
    }

    #[test]
    fn the_longest_names_fit_a_line() {
        // Each of these characters is escaped.
        let name = "\"".repeat(NAME);
        let station = WireStation {
            vni: Vni::MAX,
            mac: MacAddr::BROADCAST.to_string(),
            port: name.clone(),
            vlan: 4094,
            ip: Some("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()),
        };
        let binding = WireBinding { port: name.clone(), vlan: 4094, switch: name };
        for message in [
            Message::Stations { vrid: 255, there: vec![station; CHUNK], gone: vec![] },
            Message::Bindings { vrid: 255, there: vec![binding; CHUNK], gone: vec![] },
        ] {
            let mut out = Vec::new();
            message.encode(&mut out);
            assert!(out.len() <= LINE, "{} bytes", out.len());
        }
    }

    #[test]
    fn values_that_are_none_are_refused() {
        let station = |vni: u32, mac: &str, vlan: u16| {
            WireStation { vni, mac: mac.to_owned(), port: "eth1".into(), vlan, ip: None }
                .checked(&mut Names::default())
                .map(|_| ())
        };
        assert_eq!(station(5001, "02:ee:00:00:00:01", 0), Ok(()));
        for (vni, mac, vlan) in [
            (0, "02:ee:00:00:00:01", 0),
            (1 << 24, "02:ee:00:00:00:01", 0),
            (5001, "01:00:5e:00:00:01", 0),
            (5001, "00:00:00:00:00:00", 0),
            (5001, "02:ee", 0),
            (5001, "02:ee:00:00:00:01", 4095),
        ] {
            assert!(station(vni, mac, vlan).is_err(), "{vni} {mac} {vlan}");
        }
        assert!(vrid(0).is_err());
        assert_eq!(Names::default().shared(&"x".repeat(256)), Err(MessageError::Name));
    }
}
