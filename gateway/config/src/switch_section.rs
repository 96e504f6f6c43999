//! Static database: checks the `[[switch]]` sections of the configuration file and converts them to rows.

use std::{
    collections::{BTreeSet, HashMap, HashSet, btree_map, hash_map},
    fmt::{self, Arguments, Display, Formatter},
    net::IpAddr,
    ops::Range,
    sync::Arc,
};

use gateway_common::{
    limits,
    net::{VlanId, Vni},
};
use toml::Spanned;

use crate::{
    GatewayConfig, InstanceConfig, MAX_FDB,
    macs::Macs,
    raw::{RawBinding, RawConfig, RawMac, RawSwitch},
    report::{Quoted, Report},
    rows::{Location, LogicalSwitch, Remote, Rows},
    values,
};

/// Returns the rows of the file. Errors go to the report, and invalid entries are left out.
pub(crate) fn read(
    raw: &RawConfig,
    gateway: &GatewayConfig,
    instances: &[InstanceConfig],
    report: &mut Report<'_>,
) -> Rows {
    // An invalid or missing address of the gateway does not cause another error for each remote VTEP of its family.
    let lists = raw.gateway.vtep.iter().chain(raw.vrrp.iter().filter_map(|vrrp| vrrp.vtep.as_ref()));
    let own: usize = lists.map(|list| list.get_ref().len()).sum();
    let sound = instances.iter().all(|instance| instance.vteps.iter().next().is_some());
    let taken: usize = instances.iter().map(|instance| instance.vteps.iter().count()).sum();
    let mut reader = Reader {
        gateway,
        instances,
        families_known: sound && own == taken,
        ports: raw.port.iter().map(|port| port.name.get_ref().as_str()).collect(),
        report,
        vnis: HashMap::new(),
        bound: HashMap::new(),
        remotes: HashSet::new(),
        macs: 0,
        flood: 0,
    };
    let mut rows = Rows::default();
    for switch in &raw.switch {
        reader.switch(switch, &mut rows);
    }
    rows
}

/// State of the check: values from the rest of the file and from the previous switches.
struct Reader<'r, 'p, 't> {
    gateway: &'r GatewayConfig,
    instances: &'r [InstanceConfig],
    families_known: bool,
    ports: HashSet<&'r str>,
    report: &'p mut Report<'t>,
    vnis: HashMap<Vni, &'r RawSwitch>,
    bound: HashMap<(&'r str, VlanId), &'r RawSwitch>,
    /// Remote VTEPs of all switches; each needs a tunnel.
    remotes: HashSet<IpAddr>,
    /// MACs of all switches.
    macs: usize,
    /// Flood members of all switches.
    flood: usize,
}

impl<'r> Reader<'r, '_, '_> {
    fn switch(&mut self, raw: &'r RawSwitch, rows: &mut Rows) {
        let vni = self.vni(raw);
        let instance = self.instance(raw);
        let learn_limit = raw.learn_limit.as_ref().and_then(|limit| {
            let field = Field(raw, format_args!("learn_limit"));
            self.report.check(limit.span(), field, values::number(*limit.get_ref(), 0..=MAX_FDB))
        });
        let switch = LogicalSwitch {
            vni,
            contested: None,
            instance,
            learn_remote: raw.learn_remote.unwrap_or(false),
            learn_limit: learn_limit.unwrap_or(limits::DEFAULT_LEARN_LIMIT),
            bindings: self.bindings(raw),
            flood: self.flood(raw, instance),
            macs: self.macs(raw, instance),
        };
        let (at, field) = (raw.name.span(), Field(raw, format_args!("name")));
        let Some(name) = self.report.check(at.clone(), field, values::switch_name(raw.name.get_ref())) else { return };
        match rows.switches.entry(name) {
            btree_map::Entry::Vacant(entry) => {
                entry.insert(Arc::new(switch));
                self.limit(rows.switches.len(), 1, limits::MAX_SWITCHES, at, field, "switches");
            }
            btree_map::Entry::Occupied(_) => {
                self.report.add(at, field, "expected a name of its own, found it a second time");
            }
        }
    }

    /// Returns the index of its instance: the one named, or the only one.
    fn instance(&mut self, raw: &RawSwitch) -> usize {
        let field = Field(raw, format_args!("instance"));
        match &raw.instance {
            None if self.instances.len() > 1 => {
                let what = "required where there are several [[vrrp]], but missing";
                self.report.add(raw.name.span(), field, what);
                0
            }
            None => 0,
            Some(name) => {
                let found = self.instances.iter().position(|instance| instance.name == *name.get_ref());
                if found.is_none() {
                    let what = format_args!("expected the name of a [[vrrp]], found {}", Quoted(name.get_ref()));
                    self.report.add(name.span(), field, what);
                }
                found.unwrap_or(0)
            }
        }
    }

    fn vni(&mut self, raw: &'r RawSwitch) -> Option<Vni> {
        let (at, field) = (raw.vni.span(), Field(raw, format_args!("vni")));
        let vni = self.report.check(at.clone(), field, values::vni(*raw.vni.get_ref()))?;
        match self.vnis.entry(vni) {
            hash_map::Entry::Vacant(entry) => {
                entry.insert(raw);
            }
            hash_map::Entry::Occupied(first) => {
                let name = Quoted(first.get().name.get_ref());
                let what = format_args!("expected a VNI of its own, found {vni}, that of switch {name}");
                self.report.add(at, field, what);
            }
        }
        Some(vni)
    }

    fn bindings(&mut self, raw: &'r RawSwitch) -> BTreeSet<(String, VlanId)> {
        let mut bindings = BTreeSet::new();
        for (i, binding) in raw.bindings.iter().enumerate() {
            let key = format_args!("bindings[{i}]");
            let Some((port, vlan)) = self.place(raw, key, &binding.port, &binding.vlan) else { continue };
            let at = binding.vlan.span();
            match self.bound.entry((port, vlan)) {
                hash_map::Entry::Vacant(entry) => {
                    entry.insert(raw);
                    bindings.insert((port.to_owned(), vlan));
                    let all = "bindings in all switches";
                    self.limit(self.bound.len(), 1, limits::MAX_BINDINGS, at, Field(raw, key), all);
                }
                hash_map::Entry::Occupied(first) => {
                    let switch = Quoted(first.get().name.get_ref());
                    let what = format_args!(
                        "expected each VLAN of a port once, found {vlan} of {port} in switch {switch} too"
                    );
                    self.report.add(at, Field(raw, format_args!("{key}.vlan")), what);
                }
            }
        }
        bindings
    }

    /// Checks that a port is configured and that the VLAN is valid.
    fn place(
        &mut self,
        raw: &RawSwitch,
        key: Arguments<'_>,
        port: &'r Spanned<String>,
        vlan: &Spanned<i64>,
    ) -> Option<(&'r str, VlanId)> {
        let name = port.get_ref().as_str();
        let known = self.ports.contains(name);
        if !known {
            let what = format_args!("expected the name of a [[port]], found {}", Quoted(name));
            self.report.add(port.span(), Field(raw, format_args!("{key}.port")), what);
        }
        let field = Field(raw, format_args!("{key}.vlan"));
        let vlan = self.report.check(vlan.span(), field, values::vlan(*vlan.get_ref()))?;
        known.then_some((name, vlan))
    }

    fn flood(&mut self, raw: &'r RawSwitch, instance: usize) -> BTreeSet<Remote> {
        let mut flood = BTreeSet::new();
        for (i, text) in raw.flood.iter().enumerate() {
            let (at, key) = (text.span(), format_args!("flood[{i}]"));
            let Some(remote) = self.remote(raw, instance, key, text) else { continue };
            if flood.insert(remote) {
                // A frame is copied to each of these and to each binding; the copies share one set of slots.
                let copies = flood.len() + raw.bindings.len();
                let both = "flood addresses and bindings together";
                self.limit(copies, 1, limits::MAX_FLOOD_SLOTS, at, Field(raw, key), both);
            } else {
                let what = format_args!("expected each address once, found {} a second time", remote.address);
                self.report.add(at, Field(raw, key), what);
            }
        }
        let added = flood.len() + raw.bindings.len();
        self.flood += added;
        let (at, field) = (raw.name.span(), Field(raw, format_args!("flood")));
        self.limit(self.flood, added, limits::MAX_FLOOD, at, field, "flood addresses and bindings in all switches");
        flood
    }

    /// Checks the address of a remote VTEP.
    fn remote(
        &mut self,
        raw: &RawSwitch,
        instance: usize,
        key: Arguments<'_>,
        text: &Spanned<String>,
    ) -> Option<Remote> {
        let (at, field) = (text.span(), Field(raw, key));
        let address = self.report.check(at.clone(), field, values::tunnel_end(text.get_ref()))?;
        let vteps = self.instances.get(instance).map(|instance| instance.vteps).unwrap_or_default();
        match vteps.towards(address) {
            Some(own) if own == address => {
                let what = format_args!("expected the address of another VTEP, found this gateway's own, {own}");
                self.report.add(at, field, what);
                return None;
            }
            None if self.families_known => {
                let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
                let what =
                    format_args!("expected a family that gateway.vtep has too, found {family} address {address}");
                self.report.add(at, field, what);
                return None;
            }
            _ => {}
        }
        if self.remotes.insert(address) {
            self.limit(self.remotes.len(), 1, limits::MAX_TUNNELS, at, field, "remote VTEPs in all switches");
        }
        Some(Remote { address, vni: None })
    }

    fn macs(&mut self, raw: &'r RawSwitch, instance: usize) -> Macs {
        // As written in the file, so that an invalid binding does not cause another error for each MAC on it.
        let bound = raw.bindings.iter().map(|RawBinding { port, vlan }| (port.get_ref().as_str(), *vlan.get_ref()));
        let bound: HashSet<_> = bound.collect();
        let mut macs = Macs::default();
        for (i, entry) in raw.macs.iter().enumerate() {
            let (at, key) = (entry.mac.span(), format_args!("macs[{i}]"));
            let field = Field(raw, format_args!("{key}.mac"));
            let mac = self.report.check(at.clone(), field, values::station(entry.mac.get_ref()));
            let location = self.location(raw, instance, key, entry, &bound);
            let (Some(mac), Some(location)) = (mac, location) else { continue };
            if macs.insert(mac, location).is_some() {
                self.report.add(at, field, format_args!("expected each MAC once, found {mac} a second time"));
                continue;
            }
            self.macs += 1;
            // Leave room for at least one learned MAC.
            let room = self.gateway.fdb_size.saturating_sub(1);
            self.limit(self.macs, 1, room, at, Field(raw, key), "MACs in all switches (gateway.fdb_size less one)");
        }
        macs
    }

    fn location(
        &mut self,
        raw: &'r RawSwitch,
        instance: usize,
        key: Arguments<'_>,
        entry: &'r RawMac,
        bound: &HashSet<(&str, i64)>,
    ) -> Option<Location> {
        let whole = Field(raw, key);
        match (&entry.vtep, &entry.port, &entry.vlan) {
            (Some(vtep), None, None) => {
                self.remote(raw, instance, format_args!("{key}.vtep"), vtep).map(Location::Remote)
            }
            (None, Some(port), Some(vlan)) => {
                let (name, id) = self.place(raw, key, port, vlan)?;
                if !bound.contains(&(name, i64::from(id.get()))) {
                    let what = format_args!("expected a VLAN of the switch's bindings, found {id} of {name}");
                    self.report.add(vlan.span(), Field(raw, format_args!("{key}.vlan")), what);
                }
                Some(Location::Port { name: name.to_owned(), vlan: id })
            }
            (None, Some(port), None) => {
                self.report.add(port.span(), Field(raw, format_args!("{key}.vlan")), "required with port, but missing");
                None
            }
            (None, None, _) => {
                self.report.add(entry.mac.span(), whole, "expected vtep, or port and vlan, found no place");
                None
            }
            (Some(vtep), ..) => {
                self.report.add(vtep.span(), whole, "expected either vtep, or port and vlan, found both");
                None
            }
        }
    }

    /// Reports an error once `added` more entries have brought `count` above the limit of the maps.
    fn limit(&mut self, count: usize, added: usize, limit: u32, at: Range<usize>, field: Field<'_>, of: &str) {
        let limit = limit as usize;
        if count > limit && count - added <= limit {
            self.report.add(at, field, format_args!("expected at most {limit} {of}, found more"));
        }
    }
}

/// Name of a field of a switch, formatted only when it is printed.
#[derive(Clone, Copy)]
struct Field<'a>(&'a RawSwitch, Arguments<'a>);

impl Display for Field<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "switch {}: {}", Quoted(self.0.name.get_ref()), self.1)
    }
}
