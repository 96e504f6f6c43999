//! Views of the forwarding database.

use std::fmt::Write as _;

use gateway_api::view::{self, MacFilter};
use gateway_base::{clock, suggest as nearest};
use gateway_common::fdb::{self, FdbEntry, FdbKey};
use gateway_datapath::maps::MapsError;

use super::{agent::Agent, data_plane::DataPlane as _, error::AgentError, names::Names};

/// MACs that `fdb/show` returns at most: it is one text, and the loop stands still while it is written.
const SHOWN: usize = 65_536;
/// Pages of a thousand MACs each that it reads at most.
const PAGES: usize = 256;

impl Agent<'_> {
    /// Returns the MACs on a page of the forwarding database that pass `filter`. The cost of a page does not depend on
    /// the number of MACs.
    pub(super) fn macs(&self, from: Option<u32>, filter: &MacFilter) -> Result<view::Macs, AgentError> {
        let names = self.names();
        let (rows, next) = match filter.mac {
            Some(mac) => (self.everywhere(mac.0)?, None),
            None => self.forwarding().maps().fdb_page(from)?,
        };
        let now = clock::coarse_ns()?;
        // No logical switch has VNI 0, so an unknown one has no MACs.
        let vni = filter.switch.as_ref().map(|switch| names.vni(switch).unwrap_or(0));
        let wanted = |key: &FdbKey| vni.is_none_or(|vni| vni == key.vni) && filter.vni.is_none_or(|vni| vni == key.vni);
        let macs = rows.into_iter().filter(|(key, _)| wanted(key)).map(|row| self.mac(row, &names, now));
        Ok(view::Macs { macs: macs.filter(|mac| filter.accepts(mac)).collect(), next })
    }

    /// Finds one MAC in all logical switches.
    fn everywhere(&self, mac: [u8; 6]) -> Result<Vec<(FdbKey, FdbEntry)>, MapsError> {
        let mut found = Vec::new();
        for vni in self.forwarding().programmed().switches.keys() {
            let key = FdbKey::new(*vni, mac);
            found.extend(self.forwarding().maps().mac(&key)?.map(|entry| (key, entry)));
        }
        Ok(found)
    }

    fn mac(&self, (key, entry): (FdbKey, FdbEntry), names: &Names<'_>, now: u64) -> view::Mac {
        let place = if entry.to.kind == fdb::REMOTE {
            view::Place::Tunnel { remote: names.remote(entry.to.out), remote_vni: entry.to.vni }
        } else {
            view::Place::Port { port: names.interface(entry.to.out), vlan: entry.to.vlan }
        };
        let learned = entry.origin == fdb::LEARNED;
        view::Mac {
            vni: key.vni,
            switch: names.switch(key.vni).map(str::to_owned),
            mac: gateway_common::net::MacAddr(key.mac),
            kind: if learned { view::Kind::Learned } else { view::Kind::Static },
            place,
            age_seconds: learned.then(|| now.saturating_sub(entry.seen) / 1_000_000_000),
            ip: self.forwarding().stations().get(&key).and_then(|known| known.ip),
        }
    }

    /// Formats the forwarding database like `ovs-appctl fdb/show`, with the logical switch added: of one logical
    /// switch, by name or VNI, or of all.
    pub(super) fn fdb_show(&self, switch: Option<&str>) -> Result<String, AgentError> {
        let filter = match switch {
            Some(word) => match word.parse() {
                Ok(vni) => MacFilter { vni: Some(vni), ..MacFilter::default() },
                Err(_) => MacFilter { switch: Some(word.to_owned()), ..MacFilter::default() },
            },
            None => MacFilter::default(),
        };
        if let Some(word) = switch {
            self.has_switch(word)?;
        }
        let (mut macs, mut from, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = self.macs(from, &filter)?;
            macs.extend(page.macs);
            (from, pages) = (page.next, pages + 1);
            if from.is_none() {
                break;
            }
            if macs.len() > SHOWN || pages == PAGES {
                return Err(AgentError::TooManyMacs);
            }
        }
        macs.sort_by_key(|mac| (mac.vni, mac.mac));
        let mut text = format!("{:>15}  VLAN  MAC                Age      VNI\n", "port");
        for mac in &macs {
            let (port, vlan) = match &mac.place {
                view::Place::Port { port, vlan } => (port.clone(), *vlan),
                view::Place::Tunnel { remote, .. } => (remote.map_or("gone".to_owned(), |ip| ip.to_string()), 0),
            };
            let age = mac.age_seconds.map_or("static".to_owned(), |age| age.to_string());
            let _ = writeln!(text, "{port:>15}  {vlan:>4}  {}  {age:>6} {:>8}", mac.mac, mac.vni);
        }
        Ok(text)
    }

    /// Checks that a logical switch exists. An unknown name or VNI must not look like a logical switch without MACs.
    fn has_switch(&self, word: &str) -> Result<(), AgentError> {
        let names = || self.source().planned().switches.keys().map(String::as_str);
        let vni = word.parse().is_ok_and(|vni: u32| self.forwarding().programmed().switches.contains_key(&vni));
        if vni || names().any(|name| name == word) {
            return Ok(());
        }
        Err(AgentError::NoSwitch { word: word.to_owned(), meant: nearest::question(word, names()) })
    }

    /// Formats the use of the forwarding database and the learning statistics, like `ovs-appctl fdb/stats-show`.
    pub(super) fn fdb_stats(&self) -> Result<String, AgentError> {
        let paths = self.forwarding().maps().paths()?;
        let (static_macs, stations) =
            (self.forwarding().programmed().static_macs.len(), self.forwarding().stations().len());
        Ok(format!(
            "Statistics for the forwarding database:\n  Size: {} MACs at most\n  Given MACs: {static_macs}\n  Learned behind \
             access ports: {stations}\n  Total number of learned MACs: {}\n  Total number of port moves: {}\n  Frames \
             not learned from, limit of the switch reached: {}\n  Frames not learned from, database full: {}\n",
            self.config().gateway.fdb_size,
            paths.learned,
            paths.moved,
            paths.learn_limit,
            paths.fdb_full
        ))
    }
}
