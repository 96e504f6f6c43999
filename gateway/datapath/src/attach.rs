//! Programs on interfaces: attach, replace in place, check, detach.
//!
//! The agent holds each link by its descriptor and pins it under `links/` as `<interface>-<index>-<hook>`. The
//! descriptor keeps the link if the pin is removed; the pin keeps it if the agent ends. An agent that starts replaces
//! the program behind a pinned link in one step. TC uses tcx links (kernel 6.6). Older kernels have no links for TC:
//! there the agent replaces a [`filter`] of a fixed priority and handle in the clsact qdisc of the interface.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use aya::{
    Ebpf,
    programs::{ProgramError, SchedClassifier, Xdp},
    util::KernelVersion,
};
use gateway_base::causes;
use gateway_netdev::nic::Role;

use super::{
    capture_programs::Pinned,
    filter,
    pins::PinDir,
    sys::{self, Hook},
};

mod device;
mod error;

pub use device::Device;
use device::{file_name, tc_program, without_dots, xdp_program, xdp_programs};
pub use error::AttachError;
use error::one_line;

/// Index of the loopback in every network namespace.
const LOOPBACK: u32 = 1;
/// Environment variable that disables tcx when it is `off`, as on kernels before 6.6. For tests.
const TCX_VARIABLE: &str = "VTEP_GATEWAY_TCX";

/// Result of a look at the place of one of our programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Ours.
    Ours,
    /// No program.
    Nothing,
    /// Another program, by its id.
    Other(u32),
}

/// Attaches and detaches.
#[derive(Debug)]
pub struct Attacher {
    pins: PinDir,
    tcx: bool,
    /// Links, by index of the interface.
    held: BTreeMap<(u32, Hook), OwnedFd>,
    /// The program that should be in the filter, by index of the interface, for kernels without links for TC.
    filters: BTreeMap<u32, u32>,
}

impl Attacher {
    /// For links pinned under `pins`.
    pub fn new(pins: PinDir) -> Self {
        let tcx = env::var_os(TCX_VARIABLE).is_none_or(|value| value != "off") && has_tcx();
        Self { pins, tcx, held: BTreeMap::new(), filters: BTreeMap::new() }
    }

    /// Disables tcx, to test the behaviour on older kernels.
    #[must_use]
    pub fn without_tcx(self) -> Self {
        Self { tcx: false, ..self }
    }

    /// Returns true if the kernel has links for TC.
    pub const fn has_links_for_tc(&self) -> bool {
        self.tcx
    }

    /// Loads all programs into the kernel.
    pub fn load(ebpf: &mut Ebpf) -> Result<(), AttachError> {
        let failed = |program: &str, error: &ProgramError| AttachError::Program {
            hook: "loading",
            interface: program.to_owned(),
            reason: one_line(error),
            errno: causes::errno(error),
        };
        for role in [Role::Uplink, Role::Access] {
            for name in xdp_programs(role) {
                xdp(ebpf, name)?.load().map_err(|error| failed(name, &error))?;
            }
            let name = tc_program(role);
            classifier(ebpf, role)?.load().map_err(|error| failed(name, &error))?;
        }
        Ok(())
    }

    /// Attaches XDP to `device`, in the driver ("native"). Replaces our earlier program, if any, in one step.
    pub fn attach_xdp(&mut self, ebpf: &mut Ebpf, device: &Device) -> Result<(), AttachError> {
        let program = xdp(ebpf, xdp_program(device))?;
        let program = program.fd().map_err(|error| program_error("XDP", device, &error))?;
        self.put(device, Hook::Xdp, program.as_fd())
    }

    /// Detaches XDP from `device`.
    pub fn detach_xdp(&mut self, device: &Device) -> Result<(), AttachError> {
        self.held.remove(&(device.ifindex, Hook::Xdp));
        unpin(&self.pin(device, Hook::Xdp))
    }

    /// Attaches TC to the ingress of `device`. Replaces our earlier program, if any, in one step.
    pub fn attach_tc(&mut self, ebpf: &mut Ebpf, device: &Device) -> Result<(), AttachError> {
        self.put_tc(classifier(ebpf, device.role)?, tc_program(device.role), device)
    }

    fn put_tc(&mut self, program: &mut SchedClassifier, name: &str, device: &Device) -> Result<(), AttachError> {
        let info = program.info().map_err(|error| program_error("TC", device, &error))?;
        let fd = program.fd().map_err(|error| program_error("TC", device, &error))?;
        if self.tcx {
            self.put(device, Hook::Tc, fd.as_fd())?;
            // An agent without tcx may have left one.
            return self.detach_filter(device.ifindex, &device.name).map(drop);
        }
        self.put_filter(device, fd.as_fd(), name)?;
        self.filters.insert(device.ifindex, info.id());
        self.held.remove(&(device.ifindex, Hook::Tc));
        unpin(&self.pin(device, Hook::Tc))
    }

    /// Replaces our programs on `device` by those of a capture: TC, and XDP if `xdp`.
    pub fn put_on(&mut self, capture: &mut Pinned, device: &Device, xdp: bool) -> Result<(), AttachError> {
        let (on_xdp, on_tc) = capture.of(device);
        let name = if device.role == Role::Uplink { "capt_tc_uplink" } else { "capt_tc_access" };
        self.put_tc(on_tc, name, device)?;
        if xdp {
            let fd = on_xdp.fd().map_err(|error| program_error("XDP", device, &error))?;
            self.put(device, Hook::Xdp, fd.as_fd())?;
        }
        Ok(())
    }

    /// Points the link of `hook` to `program`.
    fn put(&mut self, device: &Device, hook: Hook, program: BorrowedFd<'_>) -> Result<(), AttachError> {
        let (key, pin) = ((device.ifindex, hook), self.pin(device, hook));
        let there = match self.held.remove(&key) {
            Some(link) => Some(link),
            None => sys::open(&pin).map_err(|error| AttachError::pin(&pin, &error))?,
        };
        if let Some(link) = there {
            if sys::link_update(&link, program).is_ok() {
                return self.hold(key, link, &pin);
            }
            // The link was detached, or its interface is gone: it stays without an interface for good.
            unpin(&pin)?;
        }
        let link =
            sys::attach(program, device.ifindex, hook).map_err(|error| AttachError::kernel(hook, device, &error))?;
        self.hold(key, link, &pin)
    }

    fn hold(&mut self, key: (u32, Hook), link: OwnedFd, pin: &Path) -> Result<(), AttachError> {
        if !pin.exists() {
            make_parent(pin).and_then(|()| sys::pin(&link, pin)).map_err(|error| AttachError::pin(pin, &error))?;
        }
        self.held.insert(key, link);
        Ok(())
    }

    fn put_filter(&self, device: &Device, program: BorrowedFd<'_>, name: &str) -> Result<(), AttachError> {
        let failed = |error: io::Error| AttachError::kernel(Hook::Tc, device, &error);
        if filter::add_qdisc(device.ifindex).map_err(failed)? {
            self.mark_qdisc(device);
        }
        filter::put(device.ifindex, program, name).map_err(failed)
    }

    /// Records that the qdisc is ours to remove, as a directory beside the pins. Like the pins and the qdisc, it does
    /// not survive a reboot.
    fn mark_qdisc(&self, device: &Device) {
        let mark = self.pins.qdiscs().join(file_name(device));
        if let Err(error) = fs::create_dir_all(&mark) {
            tracing::debug!("{}: {error}; detach will leave the clsact qdisc of {}", mark.display(), device.name);
        }
    }

    /// Restores lost pins. Returns true if there was one, and an error for a pin that can't be made.
    pub fn pin_again(&self, devices: &BTreeSet<String>) -> Result<bool, AttachError> {
        let mut again = false;
        for ((ifindex, hook), link) in &self.held {
            let on = |name: &&String| nix::net::if_::if_nametoindex(name.as_str()).is_ok_and(|index| index == *ifindex);
            let Some(name) = devices.iter().find(on) else { continue };
            let pin = self.pins.links().join(format!("{}-{ifindex}-{}", without_dots(name), hook.name()));
            if !pin.exists() {
                make_parent(&pin)
                    .and_then(|()| sys::pin(link, &pin))
                    .map_err(|error| AttachError::pin(&pin, &error))?;
                again = true;
            }
        }
        Ok(again)
    }

    /// Looks up the program on `device` in the driver, in the place of ours.
    pub fn look_xdp(&self, device: &Device, on_it: Option<u32>) -> Seen {
        let ours = self.held.get(&(device.ifindex, Hook::Xdp)).and_then(|link| sys::link_info(link).ok());
        match (on_it, ours) {
            (None, _) => Seen::Nothing,
            (Some(id), Some(ours)) if id == ours.program && ours.ifindex == device.ifindex => Seen::Ours,
            (Some(id), _) => Seen::Other(id),
        }
    }

    /// Looks up our program on `device` at the ingress of TC.
    pub fn look_tc(&self, device: &Device) -> io::Result<Seen> {
        let found = if self.tcx {
            let ours = self.held.get(&(device.ifindex, Hook::Tc)).and_then(|link| sys::link_info(link).ok());
            let there = sys::tcx_programs(device.ifindex)?;
            ours.is_some_and(|ours| ours.ifindex == device.ifindex && there.contains(&ours.program))
        } else {
            filter::program(device.ifindex)?.is_some_and(|id| self.filters.get(&device.ifindex) == Some(&id))
        };
        Ok(if found { Seen::Ours } else { Seen::Nothing })
    }

    /// Detaches everything from interfaces that are not among `keep`: links of an earlier configuration, or of
    /// interfaces that are gone. With an empty `keep`, this detaches everything. Returns the names of the links
    /// removed.
    pub fn detach_others(&mut self, keep: &[Device]) -> Result<Vec<String>, AttachError> {
        self.held.retain(|(ifindex, _), _| keep.iter().any(|device| device.ifindex == *ifindex));
        let dir = self.pins.links();
        let failed = |error: io::Error| AttachError::pin(&dir, &error);
        let kept: Vec<PathBuf> =
            keep.iter().flat_map(|device| [Hook::Xdp, Hook::Tc].map(|hook| self.pin(device, hook))).collect();
        let mut removed = Vec::new();
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(removed),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if !kept.contains(&path) {
                unpin(&path)?;
                removed.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
            }
        }
        Ok(removed)
    }

    /// Removes our TC filter from an interface, and the qdisc if it is ours and empty. Returns true if there was one.
    pub fn detach_filter(&mut self, ifindex: u32, name: &str) -> Result<bool, AttachError> {
        let device = Device { name: name.to_owned(), ifindex, role: Role::Access, bond: false };
        let failed = |error: io::Error| AttachError::kernel(Hook::Tc, &device, &error);
        self.filters.remove(&ifindex);
        let mut removed = filter::remove(ifindex).map_err(failed)?;
        let mark = self.pins.qdiscs().join(file_name(&device));
        if mark.exists() {
            removed |= filter::remove_empty_qdisc(ifindex).map_err(failed)?;
            fs::remove_dir(&mark).map_err(|error| AttachError::pin(&mark, &error))?;
        }
        Ok(removed)
    }

    /// Returns the interfaces whose clsact qdisc is ours, if they still exist.
    pub fn with_qdisc(&self) -> Vec<(u32, String)> {
        let entries = fs::read_dir(self.pins.qdiscs()).into_iter().flatten().flatten();
        let named = entries.filter_map(|entry| {
            let index = entry.file_name().to_str()?.rsplit_once('-')?.1.parse().ok()?;
            let name = nix::net::if_::if_indextoname(index).ok()?;
            Some((index, name.to_string_lossy().into_owned()))
        });
        named.collect()
    }

    /// Returns true if XDP is on `device`, by a link of ours.
    pub fn has_xdp(&self, device: &Device) -> bool {
        self.pin(device, Hook::Xdp).exists()
    }

    /// Returns true if TC is on `device`, by a link or filter of ours.
    pub fn has_tc(&self, device: &Device) -> bool {
        self.pin(device, Hook::Tc).exists() || self.filter_on(device).is_some()
    }

    /// Returns the id of our program at the ingress of TC of `device`, if it is there.
    pub fn tc_on(&self, device: &Device) -> Option<u32> {
        let link = sys::open(&self.pin(device, Hook::Tc)).ok().flatten();
        let by_link = link.and_then(|link| sys::link_info(&link).ok()).filter(|info| info.ifindex == device.ifindex);
        by_link.map(|info| info.program).or_else(|| self.filter_on(device))
    }

    /// Returns the id of the program in our filter at the ingress of TC, for kernels without links.
    pub fn filter_on(&self, device: &Device) -> Option<u32> {
        filter::program(device.ifindex).ok().flatten()
    }

    /// Returns the id of our XDP program, if the pinned link leads to `device`.
    pub fn xdp_on(&self, device: &Device) -> Option<u32> {
        let link = sys::open(&self.pin(device, Hook::Xdp)).ok()??;
        sys::link_info(&link).ok().filter(|info| info.ifindex == device.ifindex).map(|info| info.program)
    }

    /// Returns the path of the pin of the link of `hook`.
    fn pin(&self, device: &Device, hook: Hook) -> PathBuf {
        self.pins.links().join(format!("{}-{}", file_name(device), hook.name()))
    }
}

/// Returns true if the kernel has links for TC. Asks for them on the loopback: kernels of distributions have features
/// that their version does not show.
pub fn has_tcx() -> bool {
    match sys::tcx_programs(LOOPBACK) {
        Ok(_) => true,
        // Without the permission to ask, the version decides.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            KernelVersion::current().is_ok_and(|kernel| kernel >= KernelVersion::new(6, 6, 0))
        }
        Err(_) => false,
    }
}

fn make_parent(pin: &Path) -> io::Result<()> {
    pin.parent().map_or(Ok(()), fs::create_dir_all)
}

fn xdp<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut Xdp, AttachError> {
    let program = ebpf.program_mut(name).ok_or(AttachError::Missing(name))?;
    program.try_into().map_err(|_| AttachError::Missing(name))
}

fn classifier(ebpf: &mut Ebpf, role: Role) -> Result<&mut SchedClassifier, AttachError> {
    let name = tc_program(role);
    let program = ebpf.program_mut(name).ok_or(AttachError::Missing(name))?;
    program.try_into().map_err(|_| AttachError::Missing(name))
}

fn unpin(pin: &Path) -> Result<(), AttachError> {
    match fs::remove_file(pin) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(AttachError::pin(pin, &error)),
        _ => Ok(()),
    }
}

fn program_error(hook: &'static str, device: &Device, error: &(dyn std::error::Error + 'static)) -> AttachError {
    AttachError::Program { hook, interface: device.name.clone(), reason: one_line(error), errno: causes::errno(error) }
}
