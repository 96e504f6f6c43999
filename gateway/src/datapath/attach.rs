//! Programs on interfaces: attaching, replacing in place, taking off.
//!
//! Each link is pinned under `links/` as `<interface>-<index>-<hook>`, so it outlives the agent, and an agent that starts
//! replaces the program behind it in one step. TC uses tcx links (kernel 6.6); older kernels have no links for TC, there
//! a filter of a fixed priority and handle in the interface's clsact qdisc is replaced instead.

use std::{fs, io, path::PathBuf};

use aya::{
    Ebpf,
    programs::{
        LinkOrder, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode,
        links::{FdLink, LinkError, PinnedLink},
        tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcError, TcHandle},
        xdp::XdpLink,
    },
    sys::SyscallError,
    util::KernelVersion,
};

use super::{pins::PinDir, watch::Pinned};
use crate::nic::{Role, Setting};

/// Priority of the filter where TC has no links; high numbers come last.
const TC_PRIORITY: u16 = 0x5654;
const TC_HANDLE: TcHandle = TcHandle::new(0, 1);

const fn xdp_program(role: Role) -> &'static str {
    match role {
        Role::Uplink => "xdp_uplink",
        Role::Access => "xdp_access",
    }
}

const fn tc_program(role: Role) -> &'static str {
    match role {
        Role::Uplink => "tc_uplink",
        Role::Access => "tc_access",
    }
}

/// Why a program could not be attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The object lacks a program.
    #[error("the BPF object has no program {0}: it is of another version")]
    Missing(&'static str),
    /// The verifier refused, or attaching failed.
    #[error("{hook} on {interface}: {reason}")]
    Program {
        /// XDP or TC.
        hook: &'static str,
        /// Which interface.
        interface: String,
        /// What the kernel said.
        reason: String,
    },
    /// XDP is insisted on, and would not see which VLAN a frame is of.
    #[error(
        "XDP on {interface}: the NIC takes VLAN tags off before XDP sees a frame, and its driver does not let {setting} be \
         turned off, so frames of one VLAN would be taken for another's; set mode = \"tc\" (or \"auto\") for {interface}"
    )]
    TagsHidden {
        /// Which interface.
        interface: String,
        /// The setting that stays on.
        setting: Setting,
    },
    /// A pin could not be made or removed.
    #[error("{path}: {reason}", path = .path.display())]
    Pin {
        /// The pin.
        path: PathBuf,
        /// What the kernel said.
        reason: String,
    },
}

/// An interface to attach to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// Which way it faces.
    pub role: Role,
}

/// Attaches and detaches.
#[derive(Debug)]
pub struct Attacher {
    pins: PinDir,
    tcx: bool,
}

impl Attacher {
    /// For links pinned under `pins`.
    pub fn new(pins: PinDir) -> Self {
        Self { pins, tcx: KernelVersion::current().is_ok_and(|kernel| kernel >= KernelVersion::new(6, 6, 0)) }
    }

    /// As if the kernel had no tcx, to test what older ones get.
    #[must_use]
    pub fn without_tcx(self) -> Self {
        Self { tcx: false, ..self }
    }

    /// Loads all programs into the kernel.
    pub fn load(ebpf: &mut Ebpf) -> Result<(), AttachError> {
        let failed = |program: &str, error: &ProgramError| AttachError::Program {
            hook: "loading",
            interface: program.to_owned(),
            reason: one_line(error),
        };
        for role in [Role::Uplink, Role::Access] {
            let name = xdp_program(role);
            xdp(ebpf, role)?.load().map_err(|error| failed(name, &error))?;
            let name = tc_program(role);
            classifier(ebpf, role)?.load().map_err(|error| failed(name, &error))?;
        }
        Ok(())
    }

    /// Puts XDP on `device`, in the driver ("native"); the program there before, if ours, is replaced in one step.
    pub fn attach_xdp(&self, ebpf: &mut Ebpf, device: &Device) -> Result<(), AttachError> {
        let pin = self.pin(device, "xdp");
        let failed = |error: &dyn std::error::Error| program_error("XDP", device, error);
        let program = xdp(ebpf, device.role)?;
        if let Some(link) = adopt(&pin)? {
            let link = XdpLink::try_from(link).map_err(|error| failed(&error))?;
            if program.attach_to_link(link).and_then(|id| program.take_link(id)).is_ok() {
                return Ok(());
            }
            unpin(&pin)?;
        }
        let link = program
            .attach_to_if_index(device.ifindex, XdpMode::Driver)
            .and_then(|id| program.take_link(id))
            .map_err(|error| failed(&error))?;
        let link = FdLink::try_from(link).map_err(|error| failed(&error))?;
        link.pin(&pin).map_err(|error| AttachError::Pin { path: pin, reason: error.to_string() })?;
        Ok(())
    }

    /// Takes XDP off `device`.
    pub fn detach_xdp(&self, device: &Device) -> Result<(), AttachError> {
        unpin(&self.pin(device, "xdp"))
    }

    /// Puts TC on `device`'s ingress; the program there before, if ours, is replaced in one step.
    pub fn attach_tc(&self, ebpf: &mut Ebpf, device: &Device) -> Result<(), AttachError> {
        let failed = |error: &dyn std::error::Error| program_error("TC", device, error);
        let program = classifier(ebpf, device.role)?;
        if !self.tcx {
            return attach_filter(program, device).map_err(|error| failed(&error));
        }
        let pin = self.pin(device, "tc");
        if let Some(link) = adopt(&pin)? {
            let link = SchedClassifierLink::try_from(link).map_err(|error| failed(&error))?;
            if program.attach_to_link(link).and_then(|id| program.take_link(id)).is_ok() {
                return Ok(());
            }
            unpin(&pin)?;
        }
        let options = TcAttachOptions::TcxOrder(LinkOrder::default());
        let link = program
            .attach_with_options(&device.name, TcAttachType::Ingress, options)
            .and_then(|id| program.take_link(id))
            .map_err(|error| failed(&error))?;
        let link = FdLink::try_from(link).map_err(|error| failed(&error))?;
        link.pin(&pin).map_err(|error| AttachError::Pin { path: pin, reason: error.to_string() })?;
        Ok(())
    }

    /// Puts the programs of a capture in the place of ours, which are on `device`: TC, and XDP if `xdp`.
    pub fn put_on(&self, capture: &mut Pinned, device: &Device, xdp: bool) -> Result<(), AttachError> {
        let failed = |hook, error: &dyn std::error::Error| AttachError::Program {
            hook,
            interface: device.name.clone(),
            reason: one_line(error),
        };
        let link = |hook: &str| {
            let pin = self.pin(device, hook);
            adopt(&pin)?.ok_or_else(|| AttachError::Pin { path: pin, reason: "there is no such link".to_owned() })
        };
        let (on_xdp, on_tc) = capture.of(device.role);
        if self.tcx {
            let link = SchedClassifierLink::try_from(link("tc")?).map_err(|error| failed("TC", &error))?;
            on_tc.attach_to_link(link).and_then(|id| on_tc.take_link(id)).map_err(|error| failed("TC", &error))?;
        } else {
            attach_filter(on_tc, device).map_err(|error| failed("TC", &error))?;
        }
        if xdp {
            let link = XdpLink::try_from(link("xdp")?).map_err(|error| failed("XDP", &error))?;
            on_xdp.attach_to_link(link).and_then(|id| on_xdp.take_link(id)).map_err(|error| failed("XDP", &error))?;
        }
        Ok(())
    }

    /// Takes everything off interfaces that are not among `keep`: links of an earlier configuration, or of interfaces
    /// that are gone. With nothing to keep, this undoes it all. Gives the names of the links removed.
    pub fn detach_others(&self, keep: &[Device]) -> Result<Vec<String>, AttachError> {
        let dir = self.pins.links();
        let failed = |reason: io::Error| AttachError::Pin { path: dir.clone(), reason: reason.to_string() };
        let kept: Vec<PathBuf> =
            keep.iter().flat_map(|device| ["xdp", "tc"].map(|hook| self.pin(device, hook))).collect();
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

    /// Takes the TC filter off `interface`, where TC has no links. No such filter is fine.
    pub fn detach_filter(&self, interface: &str) -> Result<(), AttachError> {
        if self.tcx {
            return Ok(());
        }
        // The link detaches when it is dropped.
        SchedClassifierLink::attached(interface, TcAttachType::Ingress, TC_PRIORITY, TC_HANDLE, None).map(drop).map_err(
            |error| AttachError::Program { hook: "TC", interface: interface.to_owned(), reason: error.to_string() },
        )
    }

    /// True if XDP is on `device`, by a link of ours.
    pub fn has_xdp(&self, device: &Device) -> bool {
        self.pin(device, "xdp").exists()
    }

    /// True if TC is known to be on `device`; where it has no links that can't be seen from here, and is believed.
    pub fn has_tc(&self, device: &Device) -> bool {
        !self.tcx || self.pin(device, "tc").exists()
    }

    /// Where the link of `hook`, `xdp` or `tc`, is pinned.
    pub(crate) fn pin(&self, device: &Device, hook: &str) -> PathBuf {
        // The file system has no dots, interface names no colons.
        let name = device.name.replace('.', ":");
        self.pins.links().join(format!("{name}-{}-{hook}", device.ifindex))
    }
}

fn attach_filter(program: &mut SchedClassifier, device: &Device) -> Result<(), ProgramError> {
    match tc::qdisc_add_clsact(&device.name) {
        Err(TcError::AlreadyAttached) | Ok(()) => {}
        Err(error) => return Err(error.into()),
    }
    let options = NlOptions { priority: TC_PRIORITY, handle: TC_HANDLE, ..Default::default() };
    let id = match program.attach_with_options(&device.name, TcAttachType::Ingress, TcAttachOptions::Netlink(options)) {
        Ok(id) => id,
        // There is one, ours, from an earlier run.
        Err(_) => {
            let link = SchedClassifierLink::attached(&device.name, TcAttachType::Ingress, TC_PRIORITY, TC_HANDLE, None)
                .map_err(TcError::IoError)?;
            program.attach_to_link(link)?
        }
    };
    // It would be removed when dropped; it is to stay when the agent goes.
    program.take_link(id).map(std::mem::forget)
}

fn xdp(ebpf: &mut Ebpf, role: Role) -> Result<&mut Xdp, AttachError> {
    let name = xdp_program(role);
    let program = ebpf.program_mut(name).ok_or(AttachError::Missing(name))?;
    program.try_into().map_err(|_| AttachError::Missing(name))
}

fn classifier(ebpf: &mut Ebpf, role: Role) -> Result<&mut SchedClassifier, AttachError> {
    let name = tc_program(role);
    let program = ebpf.program_mut(name).ok_or(AttachError::Missing(name))?;
    program.try_into().map_err(|_| AttachError::Missing(name))
}

/// Opens the link pinned at `pin`, if there is one. Its pin stays.
fn adopt(pin: &std::path::Path) -> Result<Option<FdLink>, AttachError> {
    match PinnedLink::from_pin(pin) {
        Ok(link) => Ok(Some(link.into())),
        Err(LinkError::SyscallError(SyscallError { io_error, .. })) if io_error.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(AttachError::Pin { path: pin.to_path_buf(), reason: error.to_string() }),
    }
}

fn unpin(pin: &std::path::Path) -> Result<(), AttachError> {
    match fs::remove_file(pin) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(AttachError::Pin { path: pin.to_path_buf(), reason: error.to_string() })
        }
        _ => Ok(()),
    }
}

fn program_error(hook: &'static str, device: &Device, error: &dyn std::error::Error) -> AttachError {
    AttachError::Program { hook, interface: device.name.clone(), reason: one_line(error) }
}

/// An error and its causes; of the verifier's pages only the end, where the reason is.
fn one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    const LONG: usize = 600;
    if text.len() <= LONG {
        return text;
    }
    let cut = text.len() - LONG;
    let cut = (cut..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    format!("… {}", &text[cut..])
}
