//! Interfaces in use: their NIC settings, their programs, and the ways by which frames can leave each.
//!
//! An interface is identified by name and index. One that goes and comes back under its name is a new one, and is set
//! up again. An attached program may be detached by others later. So the programs are checked each second, and when the
//! kernel notifies that filters have gone ([`Devices::poll`]). Programs that have gone are put back.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use aya::Ebpf;
use gateway_config::{Config, Interface, Mode};
use gateway_datapath::{
    attach::{AttachError, Attacher, Device},
    claim::Claim,
    sys::Hook,
};
use gateway_netdev::{
    nic::{self, Change, NicError, NicSettings, Outcome, Role},
    underlay::{BondMember, Snapshot},
};

use crate::slow_path::Expected;

mod bonds;
mod capture;
mod modes;
mod poll;
mod release;

use bonds::Members;
pub(crate) use modes::Transmit;
use modes::{hidden_tags, possible_mode, transmit};

/// Largest MTU at which frames are in one buffer with every driver: a page without headroom and the kernel's trailer.
const ONE_BUFFER: u32 = 3400;

/// State of an interface in use.
#[derive(Clone, Debug, PartialEq, Eq)]
struct InUse {
    device: Device,
    mode: Mode,
    /// Mode that keeps VLANs apart: `mode`, or TC where XDP can't be right.
    possible: Mode,
    /// True if XDP receives on the interface.
    xdp: bool,
    /// Frames that XDP may redirect to the interface.
    transmit: Transmit,
    /// True if the driver has refused redirected frames and the kernel does not report that in advance.
    refuses: bool,
    /// Reasons why programs are not attached.
    trouble: BTreeMap<Hook, String>,
    /// Members, if it is a bond.
    members: Members,
}

/// All interfaces in use.
pub(crate) struct Devices {
    attacher: Attacher,
    nic: NicSettings,
    pin_dir: PathBuf,
    in_use: BTreeMap<String, InUse>,
    /// Reasons why configured interfaces are not in use.
    failed: BTreeMap<String, String>,
    /// Interfaces claimed by this agent, with their indices.
    claims: BTreeMap<String, (u32, Claim)>,
    /// Programs that had gone, and the time until which that is reported, by the monotonic clock.
    gone: BTreeMap<(String, Hook), Duration>,
    /// XDP programs that see packets before TC does, where TC is configured.
    before_tc: BTreeMap<String, u32>,
    /// Reason why links are not pinned.
    unpinned: Option<String>,
}

impl Devices {
    /// Makes the state without interfaces in use.
    pub(crate) const fn new(attacher: Attacher, nic: NicSettings, pin_dir: PathBuf) -> Self {
        Self {
            attacher,
            nic,
            pin_dir,
            in_use: BTreeMap::new(),
            failed: BTreeMap::new(),
            claims: BTreeMap::new(),
            gone: BTreeMap::new(),
            before_tc: BTreeMap::new(),
            unpinned: None,
        }
    }

    /// Returns the indices of the interfaces that XDP may redirect to.
    pub(crate) fn xdp_ports(&self) -> BTreeSet<u32> {
        self.in_use.values().filter(|used| used.transmit.frames).map(|used| used.device.ifindex).collect()
    }

    /// Returns the indices of the interfaces that accept redirected frames in several buffers.
    pub(crate) fn xdp_sg_ports(&self) -> BTreeSet<u32> {
        self.in_use.values().filter(|used| used.transmit.in_several_buffers).map(|used| used.device.ifindex).collect()
    }

    /// Returns whether XDP receives on an interface, and which frames may be redirected to it; `None` if it is not in
    /// use.
    pub(crate) fn attached(&self, name: &str) -> Option<(bool, Transmit)> {
        self.in_use.get(name).filter(|used| !used.trouble.contains_key(&Hook::Tc)).map(|used| (used.xdp, used.transmit))
    }

    /// Returns the ways on which XDP is expected to carry all frames to known stations.
    pub(crate) fn expected(&self, underlay: &Snapshot) -> Expected {
        let of = |role| self.in_use.values().filter(move |used| used.device.role == role);
        let receives = |role| of(role).all(|used| used.xdp);
        let sends = |role| {
            of(role).all(|used| {
                let mtu = underlay.links.get(&used.device.name).map_or(0, |link| link.mtu);
                used.transmit.frames && (used.transmit.in_several_buffers || mtu <= ONE_BUFFER)
            })
        };
        Expected {
            encap: receives(Role::Access) && sends(Role::Uplink),
            decap: receives(Role::Uplink) && sends(Role::Access),
            local: receives(Role::Access) && sends(Role::Access),
        }
    }

    /// Handles a driver that refuses redirected frames. If the kernel does not report what a driver accepts, this is
    /// the only sign. TC sends on the interface from then on. A bond refuses frames while it has no active member; its
    /// members accept them, or the kernel would not have let the program on.
    pub(crate) fn refuses(&mut self, ifindex: u32) {
        let Some(used) = self.in_use.values_mut().find(|used| used.device.ifindex == ifindex) else { return };
        if used.transmit.frames && !used.device.bond && matches!(nic::xdp_features(ifindex), Ok(None)) {
            used.transmit = Transmit::default();
            used.refuses = true;
            tracing::warn!(interface = used.device.name, "its driver takes no redirected frames: TC sends them");
        }
    }

    /// Returns the name of the interface in use with this index.
    pub(crate) fn name(&self, ifindex: u32) -> Option<&str> {
        let mut in_use = self.in_use.iter();
        in_use.find(|(_, used)| used.device.ifindex == ifindex).map(|(name, _)| name.as_str())
    }

    /// Returns the interfaces in use by name, with their indices.
    pub(crate) fn indices(&self) -> BTreeMap<String, u32> {
        self.in_use.iter().map(|(name, used)| (name.clone(), used.device.ifindex)).collect()
    }

    /// Returns the reason why an interface is not in use as it should be, if it was tried.
    pub(crate) fn problem(&self, name: &str) -> Option<&str> {
        let trouble = || self.in_use.get(name)?.trouble.values().next();
        self.failed.get(name).or_else(trouble).map(String::as_str)
    }

    /// Returns the problems of the interfaces.
    pub(crate) fn problems(&self) -> impl Iterator<Item = String> {
        self.failed.values().chain(self.in_use.values().flat_map(|used| used.trouble.values())).cloned()
    }

    /// Returns the warnings: an operator should know of them, but the gateway forwards.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> {
        let gone = self.gone.keys().map(|(name, hook)| {
            format!(
                "the gateway's {} program had gone from {name}, and was put back: find out what took it off (bpftool, `tc \
                 qdisc`, network scripts); no packet passed meanwhile",
                hook.title()
            )
        });
        let before_tc = self.before_tc.iter().map(|(name, id)| {
            format!("{name}: {}; {}", nic::foreign_xdp(*id, None), nic::foreign_xdp_remedy(name, *id))
        });
        gone.chain(before_tc).chain(self.unpinned.clone())
    }

    /// Queries again which interfaces XDP may redirect to. A driver may change that with its settings, or, like veth,
    /// with those of its peer.
    pub(crate) fn refresh(&mut self) {
        for (name, used) in self.in_use.iter_mut().filter(|(_, used)| used.xdp && !used.refuses) {
            let transmit = transmit(&used.device);
            if transmit != used.transmit {
                used.transmit = transmit;
                let Transmit { frames, in_several_buffers } = transmit;
                tracing::info!(interface = name, xdp_transmit = frames, in_several_buffers, "driver changed");
            }
        }
    }

    /// Returns true if the interfaces in use are no longer those of `config` that exist.
    pub(crate) fn differ(&self, config: &Config, underlay: &Snapshot) -> bool {
        let wanted = wanted(config, underlay);
        let is_unwanted = |name: &String| !wanted.iter().any(|(device, _)| device.name == *name);
        wanted.len() != self.in_use.len()
            || self.failed.keys().any(is_unwanted)
            || wanted.iter().any(|(device, mode)| {
                self.in_use.get(&device.name).is_none_or(|used| used.device != *device || used.mode != *mode)
            })
    }

    /// Attaches to all interfaces of `config` that exist, and detaches from all others.
    ///
    /// # Errors
    /// The first interface on which TC can't be attached, or XDP where the configuration requires it. The others are
    /// attached all the same.
    pub(crate) fn attach(&mut self, ebpf: &mut Ebpf, config: &Config, underlay: &Snapshot) -> Result<(), AttachError> {
        let wanted = wanted(config, underlay);
        let mut first = None;
        let tried = std::mem::take(&mut self.failed).into_keys().collect();
        let keep: Vec<Device> = wanted.iter().map(|(device, _)| device.clone()).collect();
        for (device, mode) in wanted {
            if self.in_use.get(&device.name).is_some_and(|used| used.device == device && used.mode == mode) {
                continue;
            }
            let members = bonds::members_of(underlay, &device);
            match self.attach_one(ebpf, &device, mode, members) {
                Ok(used) => drop(self.in_use.insert(device.name, used)),
                Err(error) => {
                    self.in_use.remove(&device.name);
                    self.failed.insert(device.name, error.to_string());
                    first.get_or_insert(error);
                }
            }
        }
        self.release_others(&keep, tried)?;
        first.map_or(Ok(()), Err)
    }

    fn attach_one(
        &mut self,
        ebpf: &mut Ebpf,
        device: &Device,
        mode: Mode,
        members: BTreeMap<u32, BondMember>,
    ) -> Result<InUse, AttachError> {
        self.claim(device)?;
        let hidden = hidden_tags(&self.prepare(device));
        let members = self.prepare_members(device, members);
        let hidden = if device.bond { members.hidden_tags() } else { hidden };
        let possible = possible_mode(mode, hidden, &device.name)?;
        if possible == Mode::Xdp {
            // If the configuration requires XDP, TC does not carry its traffic instead.
            self.attach_xdp(ebpf, device, &members)?;
        }
        self.attacher.attach_tc(ebpf, device)?;
        let mut trouble = BTreeMap::new();
        let xdp = match possible {
            Mode::Tc => {
                self.attacher.detach_xdp(device)?;
                false
            }
            Mode::Xdp => true,
            // The kernel refuses to add a NIC without XDP to a bond with a program, so the bond has to have members first.
            Mode::Auto if device.bond && members.is_empty() => {
                tracing::info!(
                    interface = device.name,
                    "a bond without members: TC carries its traffic until it has some"
                );
                false
            }
            Mode::Auto => match self.attach_xdp(ebpf, device, &members) {
                Ok(()) => true,
                Err(error) if error.is_busy() => {
                    trouble.insert(Hook::Xdp, error.to_string());
                    false
                }
                Err(error) => {
                    tracing::info!(interface = device.name, "no XDP, TC carries its traffic: {error}");
                    false
                }
            },
        };
        let transmit = if xdp { transmit(device) } else { Transmit::default() };
        let (mode_name, xdp_transmit) = (if xdp { "xdp" } else { "tc" }, transmit.frames);
        tracing::info!(interface = device.name, role = ?device.role, mode = mode_name, xdp_transmit, "attached");
        Ok(InUse { device: device.clone(), mode, possible, xdp, transmit, refuses: false, trouble, members })
    }

    /// Claims an interface, so that no other agent uses it.
    fn claim(&mut self, device: &Device) -> Result<(), AttachError> {
        if self.claims.get(&device.name).is_none_or(|(ifindex, _)| *ifindex != device.ifindex) {
            let claim = Claim::take(device.ifindex, &device.name)?;
            self.claims.insert(device.name.clone(), (device.ifindex, claim));
        }
        Ok(())
    }

    /// Attaches XDP. If the driver refuses because it merges packets, turns that off and tries once more.
    fn attach_xdp(&mut self, ebpf: &mut Ebpf, device: &Device, members: &Members) -> Result<(), AttachError> {
        let Err(first) = self.attacher.attach_xdp(ebpf, device) else { return Ok(()) };
        let mut made = false;
        // A bond has the program run by the drivers of its members.
        for name in [device.name.as_str()].into_iter().chain(members.names()) {
            let changes = self.nic.unblock_xdp(name).unwrap_or_default();
            made |= changes.iter().any(|change| change.outcome == Outcome::Made);
        }
        if made { self.attacher.attach_xdp(ebpf, device) } else { Err(first) }
    }

    fn prepare(&mut self, device: &Device) -> Vec<Change> {
        let changes = self.nic.prepare(&device.name, device.role);
        report_changes(&device.name, device.role, changes)
    }
}

/// Logs the changes of an interface's settings.
fn report_changes(name: &str, role: Role, changes: Result<Vec<Change>, NicError>) -> Vec<Change> {
    let changes = match changes {
        Ok(changes) => changes,
        Err(error) => {
            tracing::warn!("{error}");
            return Vec::new();
        }
    };
    for change in &changes {
        let value = if change.value { "on" } else { "off" };
        let setting = change.setting;
        match change.outcome {
            Outcome::Made => tracing::info!("{name}: turned {setting} {value}; detach puts it back"),
            Outcome::Fixed | Outcome::NotFollowed if nic::is_covered(role, setting) => {
                tracing::debug!("{name}: {setting} can't be turned {value}; promiscuous mode makes up for that");
            }
            Outcome::Fixed | Outcome::NotFollowed => {
                tracing::warn!("{name}: the driver does not turn {setting} {value}; traffic may be missed");
            }
        }
    }
    changes
}

fn wanted(config: &Config, underlay: &Snapshot) -> Vec<(Device, Mode)> {
    let existing = |interface: &Interface, role| {
        let link = underlay.links.get(&interface.name)?;
        let (name, ifindex, bond) = (interface.name.clone(), link.ifindex, link.bond.is_some());
        Some((Device { name, ifindex, role, bond }, interface.mode))
    };
    let uplinks = config.uplinks.iter().filter_map(|interface| existing(interface, Role::Uplink));
    let ports = config.ports.iter().filter_map(|interface| existing(interface, Role::Access));
    uplinks.chain(ports).collect()
}
