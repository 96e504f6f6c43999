//! The interfaces in use: NIC settings, programs, and which way frames can leave by each.
//!
//! An interface is known by name and index: one that goes and comes back under its name is a new one, to be set up anew.
//! That programs were attached is no proof that they are: each second, and when the kernel tells of filters that go, it is
//! looked at ([`Devices::look`]), and what is gone is put back.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use aya::Ebpf;
use gateway_config::{Config, Interface, Mode};
use gateway_datapath::{
    attach::{AttachError, Attacher, Device},
    capture_programs::Pinned,
    claim::Claim,
    sys::Hook,
};
use gateway_netdev::{
    nic::{self, Change, NicSettings, Outcome, Role, Setting},
    underlay::Snapshot,
};

mod poll;

/// How an interface is used.
#[derive(Clone, Debug, PartialEq, Eq)]
struct InUse {
    device: Device,
    mode: Mode,
    /// The same, or TC where XDP can't be right.
    possible: Mode,
    /// XDP receives on it.
    xdp: bool,
    /// What XDP may redirect to it.
    transmit: Transmit,
    /// Its driver has refused what was redirected to it, where the kernel does not tell that beforehand.
    refuses: bool,
    /// Why a program is not where it should be.
    trouble: BTreeMap<Hook, String>,
}

/// What an interface takes of what XDP redirects to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transmit {
    /// Frames.
    pub frames: bool,
    /// Frames in several buffers too.
    pub(crate) in_several_buffers: bool,
}

/// All interfaces in use.
pub(crate) struct Devices {
    attacher: Attacher,
    nic: NicSettings,
    pin_dir: PathBuf,
    in_use: BTreeMap<String, InUse>,
    /// Why interfaces that should be in use are not.
    failed: BTreeMap<String, String>,
    /// Interfaces that are ours to use, and their index.
    claims: BTreeMap<String, (u32, Claim)>,
    /// Programs that had gone, and until when that is told, by the monotonic clock.
    gone: BTreeMap<(String, Hook), Duration>,
    /// XDP programs that see packets before TC does, where TC is what was asked for.
    before_tc: BTreeMap<String, u32>,
    /// Why links are not pinned.
    unpinned: Option<String>,
}

impl Devices {
    /// None in use yet.
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

    /// Interfaces, by index, that XDP may redirect to.
    pub(crate) fn xdp_ports(&self) -> BTreeSet<u32> {
        self.in_use.values().filter(|used| used.transmit.frames).map(|used| used.device.ifindex).collect()
    }

    /// Those of them that take frames in several buffers.
    pub(crate) fn xdp_sg_ports(&self) -> BTreeSet<u32> {
        self.in_use.values().filter(|used| used.transmit.in_several_buffers).map(|used| used.device.ifindex).collect()
    }

    /// Whether XDP receives on the interface of this name, and what may be redirected to it; nothing if it is not in use.
    pub(crate) fn attached(&self, name: &str) -> Option<(bool, Transmit)> {
        self.in_use.get(name).filter(|used| !used.trouble.contains_key(&Hook::Tc)).map(|used| (used.xdp, used.transmit))
    }

    /// The driver of an interface refuses frames that are redirected to it. Where the kernel can't tell what a driver takes,
    /// that is told by this: TC sends from now on.
    pub(crate) fn refuses(&mut self, ifindex: u32) {
        let Some(used) = self.in_use.values_mut().find(|used| used.device.ifindex == ifindex) else { return };
        if used.transmit.frames && matches!(nic::xdp_features(ifindex), Ok(None)) {
            used.transmit = Transmit::default();
            used.refuses = true;
            tracing::warn!(interface = used.device.name, "its driver takes no redirected frames: TC sends them");
        }
    }

    /// Name of the interface in use with this number.
    pub(crate) fn name(&self, ifindex: u32) -> Option<&str> {
        let mut in_use = self.in_use.iter();
        in_use.find(|(_, used)| used.device.ifindex == ifindex).map(|(name, _)| name.as_str())
    }

    /// Interfaces in use by name, and the index under which they are.
    pub(crate) fn indices(&self) -> BTreeMap<String, u32> {
        self.in_use.iter().map(|(name, used)| (name.clone(), used.device.ifindex)).collect()
    }

    /// Why the interface of this name is not in use as it should be, where that was tried.
    pub(crate) fn problem(&self, name: &str) -> Option<&str> {
        let trouble = || self.in_use.get(name)?.trouble.values().next();
        self.failed.get(name).or_else(trouble).map(String::as_str)
    }

    /// What keeps interfaces from being used as they should be.
    pub(crate) fn problems(&self) -> impl Iterator<Item = String> {
        self.failed.values().chain(self.in_use.values().flat_map(|used| used.trouble.values())).cloned()
    }

    /// What an operator should know of, and does not keep the gateway from forwarding.
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

    /// Asks again where XDP may redirect to. A driver may change its mind, with its settings or, as veth does, with its
    /// peer's.
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

    /// True if the interfaces in use are no longer those of `config` that exist.
    pub(crate) fn differ(&self, config: &Config, underlay: &Snapshot) -> bool {
        let wanted = wanted(config, underlay);
        let given_up = |name: &String| !wanted.iter().any(|(device, _)| device.name == *name);
        wanted.len() != self.in_use.len()
            || self.failed.keys().any(given_up)
            || wanted.iter().any(|(device, mode)| {
                self.in_use.get(&device.name).is_none_or(|used| used.device != *device || used.mode != *mode)
            })
    }

    /// Attaches to all interfaces of `config` that exist, and takes the programs off all others.
    ///
    /// # Errors
    /// The first interface on which TC, or XDP where the configuration insists on it, can't be attached. The others are
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
            match self.attach_one(ebpf, &device, mode) {
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

    /// Installs the programs of a capture on all interfaces in use, in place of the ones that forward.
    ///
    /// # Errors
    /// The first interface that does not take them; [`Devices::remove_capture`] then puts all in order.
    pub(crate) fn install_capture(&mut self, capture: &mut Pinned) -> Result<(), AttachError> {
        let Self { in_use, attacher, .. } = self;
        in_use.values().try_for_each(|used| attacher.put_on(capture, &used.device, used.xdp))
    }

    /// Removes the programs of a capture and installs the ones that forward again.
    ///
    /// # Errors
    /// The first interface that does not take them; the others have them all the same.
    pub(crate) fn remove_capture(&mut self, ebpf: &mut Ebpf) -> Result<(), AttachError> {
        let Self { in_use, attacher, .. } = self;
        let mut first = Ok(());
        for used in in_use.values() {
            let done = attacher.attach_tc(ebpf, &used.device);
            let done = done.and_then(|()| match used.xdp {
                true => attacher.attach_xdp(ebpf, &used.device),
                false => Ok(()),
            });
            first = first.and(done);
        }
        first
    }

    /// Takes programs and settings off everything: a first start failed.
    pub(crate) fn undo(&mut self) {
        let tried = std::mem::take(&mut self.failed).into_keys().collect();
        if let Err(error) = self.release_others(&[], tried) {
            tracing::warn!("{error}");
        }
    }

    fn attach_one(&mut self, ebpf: &mut Ebpf, device: &Device, mode: Mode) -> Result<InUse, AttachError> {
        self.claim(device)?;
        let hidden = hidden_tags(&self.prepare(device));
        let possible = possible_mode(mode, hidden, &device.name)?;
        if possible == Mode::Xdp {
            // Where XDP is insisted on, TC does not carry its traffic instead.
            self.attach_xdp(ebpf, device)?;
        }
        self.attacher.attach_tc(ebpf, device)?;
        let mut trouble = BTreeMap::new();
        let xdp = match possible {
            Mode::Tc => {
                self.attacher.detach_xdp(device)?;
                false
            }
            Mode::Xdp => true,
            Mode::Auto => match self.attach_xdp(ebpf, device) {
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
        Ok(InUse { device: device.clone(), mode, possible, xdp, transmit, refuses: false, trouble })
    }

    /// Makes sure that no other agent has it.
    fn claim(&mut self, device: &Device) -> Result<(), AttachError> {
        if self.claims.get(&device.name).is_none_or(|(ifindex, _)| *ifindex != device.ifindex) {
            let claim = Claim::take(device.ifindex, &device.name)?;
            self.claims.insert(device.name.clone(), (device.ifindex, claim));
        }
        Ok(())
    }

    /// Attaches XDP; where the driver refuses because it merges packets, once more with that turned off.
    fn attach_xdp(&mut self, ebpf: &mut Ebpf, device: &Device) -> Result<(), AttachError> {
        let Err(first) = self.attacher.attach_xdp(ebpf, device) else { return Ok(()) };
        match self.nic.unblock_xdp(&device.name) {
            Ok(changes) if changes.iter().any(|change| change.outcome == Outcome::Made) => {
                self.attacher.attach_xdp(ebpf, device)
            }
            _ => Err(first),
        }
    }

    fn prepare(&mut self, device: &Device) -> Vec<Change> {
        match self.nic.prepare(&device.name, device.role) {
            Ok(changes) => {
                for change in &changes {
                    let value = if change.value { "on" } else { "off" };
                    let (name, setting) = (&device.name, change.setting);
                    match change.outcome {
                        Outcome::Made => tracing::info!("{name}: turned {setting} {value}; detach puts it back"),
                        Outcome::Fixed | Outcome::NotFollowed if nic::is_covered(device.role, setting) => {
                            tracing::debug!(
                                "{name}: {setting} can't be turned {value}; promiscuous mode makes up for that"
                            );
                        }
                        Outcome::Fixed | Outcome::NotFollowed => {
                            tracing::warn!("{name}: the driver does not turn {setting} {value}; traffic may be missed");
                        }
                    }
                }
                changes
            }
            Err(error) => {
                tracing::warn!("{error}");
                Vec::new()
            }
        }
    }

    /// Takes programs and settings off everything but `keep`: what is in use, and what was `tried` and may have got half of
    /// them. What another agent has is left alone.
    fn release_others(&mut self, keep: &[Device], tried: BTreeSet<String>) -> Result<(), AttachError> {
        let detached = self.attacher.detach_others(keep);
        for link in detached.iter().flatten() {
            tracing::info!(link, "detached");
        }
        let known: BTreeSet<String> = self.in_use.keys().cloned().chain(tried).collect();
        for name in known.into_iter().filter(|name| !keep.iter().any(|device| device.name == *name)) {
            self.in_use.remove(&name);
            self.before_tc.remove(&name);
            self.gone.retain(|(gone, _), _| *gone != name);
            let Some((ifindex, _claim)) = self.claims.remove(&name) else { continue };
            if let Err(error) = self.attacher.detach_filter(ifindex, &name) {
                tracing::debug!("{error}");
            }
            self.put_back(&name);
        }
        detached.map(drop)
    }

    fn put_back(&mut self, name: &str) {
        match self.nic.restore(name) {
            Ok(restored) => {
                for setting in restored {
                    tracing::info!(interface = name, setting = %setting.setting, outcome = ?setting.outcome, "put back");
                }
            }
            Err(error) => tracing::warn!("{error}"),
        }
    }
}

/// The setting that keeps a NIC taking VLAN tags off frames, where there is one: XDP would see every VLAN untagged.
fn hidden_tags(changes: &[Change]) -> Option<Setting> {
    let hides = |setting| matches!(setting, Setting::RxVlanOffload | Setting::RxVlanStagOffload);
    changes.iter().find(|change| hides(change.setting) && change.outcome != Outcome::Made).map(|change| change.setting)
}

/// The mode that keeps VLANs apart: TC is told of the tag that the NIC has taken off, and XDP is not.
fn possible_mode(mode: Mode, hidden: Option<Setting>, interface: &str) -> Result<Mode, AttachError> {
    match (mode, hidden) {
        (Mode::Auto, Some(setting)) => {
            tracing::warn!(
                "{interface}: the NIC takes VLAN tags off before XDP sees a frame, and its driver does not let {setting} be \
                 turned off: TC carries its traffic"
            );
            Ok(Mode::Tc)
        }
        (Mode::Xdp, Some(setting)) => Err(AttachError::TagsHidden { interface: interface.to_owned(), setting }),
        _ => Ok(mode),
    }
}

/// What the driver takes of what XDP redirects to it. A kernel too old to say (before 6.3) is believed to take frames, as
/// most drivers with XDP do, and none in several buffers, as few did then; what is lost all the same is counted, see
/// [`Devices::refuses`].
fn transmit(device: &Device) -> Transmit {
    match nic::xdp_features(device.ifindex) {
        Ok(Some(features)) => {
            Transmit { frames: features.ndo_xmit(), in_several_buffers: features.ndo_xmit() && features.ndo_xmit_sg() }
        }
        Ok(None) => Transmit { frames: true, in_several_buffers: false },
        Err(error) => {
            tracing::warn!("{error}");
            Transmit { frames: true, in_several_buffers: false }
        }
    }
}

fn wanted(config: &Config, underlay: &Snapshot) -> Vec<(Device, Mode)> {
    let existing = |interface: &Interface, role| {
        let ifindex = underlay.links.get(&interface.name)?.ifindex;
        Some((Device { name: interface.name.clone(), ifindex, role }, interface.mode))
    };
    let uplinks = config.uplinks.iter().filter_map(|interface| existing(interface, Role::Uplink));
    let ports = config.ports.iter().filter_map(|interface| existing(interface, Role::Access));
    uplinks.chain(ports).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_on(setting: Setting, outcome: Outcome) -> Option<Setting> {
        hidden_tags(&[Change { setting, value: false, outcome }])
    }

    #[test]
    fn a_nic_whose_tag_stripping_is_fixed_is_used_by_tc_alone() {
        for outcome in [Outcome::Fixed, Outcome::NotFollowed] {
            for setting in [Setting::RxVlanOffload, Setting::RxVlanStagOffload] {
                let hidden = left_on(setting, outcome);
                assert_eq!(possible_mode(Mode::Auto, hidden, "eth1").unwrap(), Mode::Tc);
                assert_eq!(possible_mode(Mode::Tc, hidden, "eth1").unwrap(), Mode::Tc);
            }
        }
    }

    #[test]
    fn insisting_on_xdp_where_tags_are_hidden_is_an_error_that_names_the_remedy() {
        let error = possible_mode(Mode::Xdp, left_on(Setting::RxVlanOffload, Outcome::Fixed), "eth1").unwrap_err();
        let text = error.to_string();
        assert!(["eth1", "rx-vlan-offload", "mode = \"tc\""].iter().all(|word| text.contains(word)), "{text}");
    }

    #[test]
    fn a_nic_that_shows_tags_is_used_as_it_is_configured() {
        for mode in [Mode::Auto, Mode::Xdp, Mode::Tc] {
            for hidden in [left_on(Setting::RxVlanOffload, Outcome::Made), left_on(Setting::Lro, Outcome::Fixed)] {
                assert_eq!(possible_mode(mode, hidden, "eth1").unwrap(), mode);
            }
        }
    }
}
