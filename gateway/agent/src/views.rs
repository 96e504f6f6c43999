//! Views of the agent's state ([`gateway_api::view`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use gateway_api::view;
use gateway_api::view::BindingState;
use gateway_base::clock;
use gateway_common::{
    binding::{Binding, BindingKey},
    fdb,
    logical_switch::LEARN_REMOTE,
    net::Vni,
};
use gateway_config::{Interface, Mode, rows::LogicalSwitch};
use gateway_datapath::{maps::MapsError, plan};
use gateway_netdev::underlay::{Resolution, Why};

use super::{agent::Agent, cluster::Cluster, data_plane::DataPlane as _, names::Names};

/// Nanoseconds in a second.
const NANOSECONDS: u64 = 1_000_000_000;

impl Agent<'_> {
    /// Returns the overall status.
    pub(super) fn status(&self) -> view::Status {
        let now = clock::monotonic();
        let mut status = view::Status {
            schema: view::SCHEMA,
            node: nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: nix::sys::utsname::uname()
                .map(|kernel| kernel.release().to_string_lossy().into_owned())
                .unwrap_or_default(),
            uptime_seconds: now.saturating_sub(self.started()).as_secs(),
            healthy: true,
            problems: Vec::new(),
            vteps: self.config().vteps().collect(),
            udp_port: Some(self.config().gateway.udp_port),
            pin_dir: Some(self.config().gateway.pin_dir.clone()),
            database: self.source().view(now),
            forwarding: self.programmed(),
            interfaces: self.interfaces(),
            vrrp: self.routers(),
            nodes: self.cluster().and_then(Cluster::nodes),
        };
        status.evaluate(|text| self.forwarding().is_warning(text));
        status
    }

    /// Returns everything but the MACs.
    pub(super) fn everything(&self) -> Result<view::Everything, MapsError> {
        Ok(view::Everything {
            status: self.status(),
            switches: self.switches()?,
            bindings: self.bindings()?,
            tunnels: self.tunnels()?,
            neighbours: self.neighbours(),
            counters: view::Counter::paths(&self.forwarding().maps().paths()?),
            drops: view::Counter::drops(&self.forwarding().maps().drops()?),
        })
    }

    pub(super) fn programmed(&self) -> view::Forwarding {
        let programmed = self.forwarding().programmed();
        // Before the database is known, the bindings are those of an earlier run.
        let known = self.forwarding().bindings();
        let bound = if known.is_empty() { programmed.bindings.len() } else { known.len() };
        let unresolved = programmed.tunnels.values().filter(|tunnel| in_force(tunnel).ifindex == 0);
        view::Forwarding {
            switches: programmed.switches.len() as u64,
            bindings: programmed.bindings.len() as u64,
            bindings_bound: bound as u64,
            bindings_forwarding: (bound - self.forwarding().unforwarded()) as u64,
            tunnels: programmed.tunnels.len() as u64,
            tunnels_unresolved: unresolved.count() as u64,
            macs: programmed.static_macs.len() as u64,
            stations: self.forwarding().stations().len() as u64,
            fdb_size: self.config().gateway.fdb_size.into(),
            known_unicast: self.forwarding().measured().map(|of| view::Carried { xdp: of.xdp, tc: of.tc }),
            problems: self.forwarding().problems().iter().cloned().collect(),
        }
    }

    fn interfaces(&self) -> Vec<view::Interface> {
        let underlay = &self.latest().underlay;
        let one = |interface: &Interface, role| {
            let attached = self.forwarding().devices().attached(&interface.name);
            let link = underlay.links.get(&interface.name);
            let (transmit, loss) = (
                attached.map(|(_, transmit)| transmit).unwrap_or_default(),
                link.map(|link| self.forwarding().loss(link.ifindex)).unwrap_or_default(),
            );
            view::Interface {
                name: interface.name.clone(),
                role,
                configured_mode: mode(interface.mode),
                mode: attached.map(|(xdp, _)| if xdp { view::Mode::Xdp } else { view::Mode::Tc }),
                xdp_transmit: transmit.frames,
                xdp_transmit_sg: transmit.in_several_buffers,
                redirect_refused: loss.refused,
                redirect_full: loss.full,
                link: link.map(|link| view::LinkState {
                    ifindex: link.ifindex,
                    up: link.up,
                    mtu: link.mtu,
                    mac: link.mac,
                }),
                problem: self.forwarding().devices().problem(&interface.name).map(str::to_owned),
                members: self.forwarding().devices().members_by_name(&interface.name, underlay).map(|members| {
                    let one = |(name, active, xdp)| view::BondMember { name, active, xdp };
                    members.into_iter().map(one).collect()
                }),
            }
        };
        let uplinks = self.config().uplinks.iter().map(|uplink| one(uplink, view::InterfaceRole::Uplink));
        uplinks.chain(self.config().ports.iter().map(|port| one(port, view::InterfaceRole::Port))).collect()
    }

    /// Returns the virtual routers.
    pub(super) fn routers(&self) -> Vec<view::Router> {
        self.cluster().map(|cluster| cluster.routers(self.config(), clock::monotonic())).unwrap_or_default()
    }

    /// Returns the logical switches: those of the database, then others that are programmed.
    pub(super) fn switches(&self) -> Result<Vec<view::Switch>, MapsError> {
        let programmed = self.forwarding().programmed();
        let mut bindings = BTreeMap::<u32, u32>::new();
        programmed.bindings.values().for_each(|binding| *bindings.entry(binding.vni).or_default() += 1);
        let mut remotes = BTreeMap::<u32, u32>::new();
        let flooded = programmed.flood.iter().filter(|(_, target)| target.kind == fdb::REMOTE);
        flooded.for_each(|(key, _)| *remotes.entry(key.vni).or_default() += 1);
        let mut unlisted: BTreeSet<u32> = programmed.switches.keys().copied().collect();
        let mut all = Vec::new();
        for (name, switch) in &self.source().planned().switches {
            // The second of two logical switches with one VNI is not programmed.
            let vni = switch.vni.map(Vni::get);
            let own = vni.filter(|vni| unlisted.remove(vni));
            all.push(self.switch(Some((name, switch)), vni, own.is_some(), &bindings, &remotes)?);
        }
        for vni in unlisted {
            all.push(self.switch(None, Some(vni), true, &bindings, &remotes)?);
        }
        Ok(all)
    }

    fn switch(
        &self,
        row: Option<(&String, &std::sync::Arc<LogicalSwitch>)>,
        vni: Option<u32>,
        programmed: bool,
        bindings: &BTreeMap<u32, u32>,
        remotes: &BTreeMap<u32, u32>,
    ) -> Result<view::Switch, MapsError> {
        let own = vni.filter(|_| programmed);
        let count = |of: &BTreeMap<u32, u32>| own.and_then(|vni| of.get(&vni)).copied().unwrap_or(0);
        let entry = own.and_then(|vni| self.forwarding().programmed().switches.get(&vni));
        let plan = own.and_then(|vni| self.forwarding().desired().switches.get(&vni));
        let row_of = row.map(|(_, switch)| switch);
        let instance = match (row_of, entry) {
            (Some(switch), _) => self.config().instances.get(switch.instance),
            (None, Some(entry)) => self.config().instances.iter().find(|instance| instance.lease() == entry.lease),
            (None, None) => None,
        };
        Ok(view::Switch {
            name: row.map(|(name, _)| name.clone()),
            vni,
            instance: instance.map(|instance| instance.name.clone()),
            programmed,
            reason: row_of.filter(|_| !programmed).map(|switch| self.why_not(switch)),
            bindings: count(bindings),
            bindings_bound: row.map_or(count(bindings), |(name, _)| self.bound_to(name)),
            flood_remotes: count(remotes),
            macs_given: row_of.map_or(0, |switch| switch.macs.len() as u64),
            macs_learned: own.map_or(Ok(0), |vni| self.learned(vni))?,
            learn_limit: plan.map(|plan| plan.learn_limit).or(row_of.map(|row| row.learn_limit)).unwrap_or(0),
            learn_remote: entry.is_some_and(|entry| entry.flags & LEARN_REMOTE != 0),
        })
    }

    /// Returns the reason why a logical switch is not programmed.
    fn why_not(&self, switch: &LogicalSwitch) -> String {
        let first = || self.source().planned().switches.iter().find(|(_, other)| other.vni == switch.vni);
        let holder = switch.vni.zip(first()).filter(|(_, (_, first))| !std::ptr::eq(&raw const ***first, switch));
        let taken = holder.map(|(vni, (holder, _))| BindingState::VniTaken { vni, holder: holder.clone() });
        plan::state_of_switch(switch).or(taken).unwrap_or(BindingState::NotProgrammed).to_string()
    }

    /// Returns the number of bindings that the database has for a logical switch.
    fn bound_to(&self, switch: &str) -> u32 {
        self.forwarding().bindings().iter().filter(|binding| binding.switch == switch).count() as u32
    }

    /// Returns the number of learned MACs of a logical switch: those of the last FDB scan, and those learned since
    /// then.
    pub(super) fn learned(&self, vni: u32) -> Result<u64, MapsError> {
        let Some(fdb_scan) = self.forwarding().last_scan(vni) else { return self.forwarding().maps().learned(vni) };
        Ok(fdb_scan.present + self.forwarding().maps().learned(vni)?.saturating_sub(fdb_scan.counted))
    }

    /// Returns the bindings: those of the database, then others that are programmed.
    pub(super) fn bindings(&self) -> Result<Vec<view::Binding>, MapsError> {
        let programmed = self.forwarding().programmed();
        let names = self.names();
        let key = |(key, binding): (&BindingKey, &Binding)| ((names.interface(key.ifindex), key.vlan), *binding);
        let mut unlisted: BTreeMap<(String, u16), Binding> = programmed.bindings.iter().map(key).collect();
        let mut all = Vec::new();
        for bound in self.forwarding().bindings() {
            let place = (bound.port.clone(), bound.vlan);
            let vni = bound.vni.map(Vni::get);
            let own = unlisted.get(&place).copied().filter(|binding| Some(binding.vni) == vni);
            if own.is_some() {
                unlisted.remove(&place);
            }
            all.push(view::Binding {
                port: place.0,
                vlan: bound.vlan,
                vni,
                switch: Some(bound.switch.clone()),
                state: bound.state.name().into(),
                reason: bound.state.reason(),
                traffic: own.map_or(Ok(view::Traffic::default()), |binding| self.carried(&binding))?,
            });
        }
        for ((port, vlan), binding) in unlisted {
            all.push(view::Binding {
                port,
                vlan,
                vni: Some(binding.vni),
                switch: names.switch(binding.vni).map(str::to_owned),
                state: BindingState::Forwards.name().into(),
                reason: None,
                traffic: self.carried(&binding)?,
            });
        }
        all.sort_by(|a, b| (&a.port, a.vlan, &a.switch).cmp(&(&b.port, b.vlan, &b.switch)));
        Ok(all)
    }

    fn carried(&self, binding: &Binding) -> Result<view::Traffic, MapsError> {
        Ok(self.forwarding().maps().binding_traffic(binding.id)?.into())
    }

    /// Returns the tunnels.
    pub(super) fn tunnels(&self) -> Result<Vec<view::Tunnel>, MapsError> {
        let underlay = &self.latest().underlay;
        let programmed = self.forwarding().programmed();
        let names = self.names();
        let mut used = BTreeMap::<u32, (BTreeSet<u32>, u64)>::new();
        for target in programmed.flood.values().filter(|target| target.kind == fdb::REMOTE) {
            used.entry(target.out).or_default().0.insert(target.vni);
        }
        for (target, macs) in programmed.static_macs.places().filter(|(target, _)| target.kind == fdb::REMOTE) {
            let used = used.entry(target.out).or_default();
            used.0.insert(target.vni);
            used.1 += u64::from(macs);
        }
        let now = u64::try_from(clock::monotonic().as_nanos()).unwrap_or(u64::MAX);
        let mut all = Vec::new();
        for (ends, id) in &programmed.remote_vteps {
            let (vnis, macs_given) = used.remove(id).unwrap_or_default();
            let remote = IpAddr::from(ends.remote);
            let hop = programmed.tunnels.get(id).map(in_force).filter(|hop| hop.ifindex != 0);
            let path = match (hop, underlay.hops.get(&remote)) {
                (Some(hop), Some(Resolution::Resolved(known))) => view::Path::Resolved {
                    uplink: names.interface(hop.ifindex),
                    uplink_vlan: known.vlan,
                    next_hop_mac: known.dst_mac,
                    max_frame_bytes: hop.max_frame,
                },
                (_, Some(Resolution::Unresolved(why))) => view::Path::Unresolved { why: why.to_string() },
                (_, Some(Resolution::Resolved(_)) | None) => view::Path::Unresolved { why: Why::NotAsked.to_string() },
            };
            let traffic = self.forwarding().maps().tunnel_traffic(*id)?.into();
            let vnis = vnis.into_iter().collect();
            let narrow = self.forwarding().path_mtus().get(&remote);
            let left = narrow.map(|narrow| narrow.until.saturating_sub(now) / NANOSECONDS);
            all.push(view::Tunnel {
                local: ends.local.into(),
                remote,
                vnis,
                macs_given,
                path,
                path_mtu_bytes: narrow.map(|narrow| narrow.mtu),
                path_mtu_seconds_left: left,
                traffic,
            });
        }
        Ok(all)
    }

    /// Returns the next hops.
    pub(super) fn neighbours(&self) -> Vec<view::Neighbour> {
        let underlay = &self.latest().underlay;
        let names = self.names();
        let mut all = BTreeMap::<(String, IpAddr), view::Neighbour>::new();
        for (remote, resolution) in &underlay.hops {
            let (address, interface, state, mac) = match resolution {
                Resolution::Resolved(hop) => {
                    let nic = names.interface(hop.ifindex);
                    let interface = if hop.vlan == 0 { nic } else { format!("{nic}.{}", hop.vlan) };
                    (hop.via, interface, view::NeighbourState::Resolved, Some(hop.dst_mac))
                }
                Resolution::Unresolved(Why::NeighbourPending { address, link }) => {
                    (*address, link.clone(), view::NeighbourState::Pending, None)
                }
                Resolution::Unresolved(Why::NeighbourFailed { address, link }) => {
                    (*address, link.clone(), view::NeighbourState::Failed, None)
                }
                // There is no route to any neighbour.
                Resolution::Unresolved(_) => continue,
            };
            let neighbour = all.entry((interface.clone(), address)).or_insert(view::Neighbour {
                address,
                interface,
                state,
                mac,
                remotes: Vec::new(),
            });
            neighbour.remotes.push(*remote);
        }
        all.into_values().collect()
    }

    /// Returns the names for the numbers in the maps.
    pub(super) fn names(&self) -> Names<'_> {
        Names::new(self.source().planned(), &self.latest().underlay, self.forwarding().programmed())
    }

    /// Returns the path counters.
    pub(super) fn counters(&self) -> Result<Vec<view::Counter>, MapsError> {
        Ok(view::Counter::paths(&self.forwarding().maps().paths()?))
    }

    /// Returns the drop counters.
    pub(super) fn drops(&self) -> Result<Vec<view::Counter>, MapsError> {
        Ok(view::Counter::drops(&self.forwarding().maps().drops()?))
    }
}

pub(super) fn in_force(tunnel: &gateway_common::tunnel::Tunnel) -> &gateway_common::tunnel::NextHop {
    &tunnel.next_hop[tunnel.bank as usize & 1]
}

/// Converts a mode of the configuration to its view.
const fn mode(mode: Mode) -> view::Mode {
    match mode {
        Mode::Auto => view::Mode::Auto,
        Mode::Xdp => view::Mode::Xdp,
        Mode::Tc => view::Mode::Tc,
    }
}
