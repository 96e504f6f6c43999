//! Programs at two tracepoints of the kernel, which count the packets that are lost after a redirect.
//!
//! Their links are pinned, so that they count while no agent runs.

use std::fs;

use aya::{
    Ebpf,
    programs::{
        ProgramError, RawTracePoint,
        links::{FdLink, PinnedLink},
    },
};

use super::{
    btf::{self, KERNEL},
    load::remove_tree,
    pins::PinDir,
};

/// The programs and the tracepoints that they are for.
const PROGRAMS: [(&str, &str); 2] = [("redirect_refused", "xdp_redirect_err"), ("redirect_sent", "xdp_devmap_xmit")];

/// Error that keeps losses from being counted.
#[derive(Debug, thiserror::Error)]
pub enum LossesError {
    /// The kernel does not report the offset of a device's index.
    #[error(
        "{KERNEL} does not say where a network device has its index (is the kernel built with CONFIG_DEBUG_INFO_BTF?)"
    )]
    NoBtf,
    /// The object lacks the program.
    #[error("the BPF object has no program {0}: this vtep-gateway was built wrongly")]
    Missing(&'static str),
    /// The kernel refuses.
    #[error("tracepoint {tracepoint}: {reason}")]
    Program {
        /// The tracepoint.
        tracepoint: &'static str,
        /// The error text of the kernel.
        reason: String,
    },
}

/// Attaches the programs that count losses. They count for as long as the links in `held` or their pins exist. Programs
/// of an earlier agent, which may count in other maps, are replaced.
///
/// # Errors
/// The first error of attaching. Programs that were attached before it stay attached.
pub fn attach(ebpf: &mut Ebpf, pins: &PinDir, held: &mut Vec<PinnedLink>) -> Result<(), LossesError> {
    let dir = pins.tracepoints();
    let failed =
        |tracepoint, error: &dyn std::fmt::Display| LossesError::Program { tracepoint, reason: error.to_string() };
    remove_tree(&dir).map_err(|error| failed("pins", &error))?;
    fs::create_dir_all(&dir).map_err(|error| failed("pins", &error))?;
    let knows = btf::ifindex_offset().is_some();
    for (name, tracepoint) in PROGRAMS {
        if tracepoint == "xdp_devmap_xmit" && !knows {
            return Err(LossesError::NoBtf);
        }
        let program = ebpf.program_mut(name).ok_or(LossesError::Missing(name))?;
        let program: &mut RawTracePoint = program.try_into().map_err(|_| LossesError::Missing(name))?;
        match program.load() {
            Ok(()) | Err(ProgramError::AlreadyLoaded) => {}
            Err(error) => return Err(failed(tracepoint, &error)),
        }
        let link = program.attach(tracepoint).and_then(|id| program.take_link(id));
        let link = FdLink::from(link.map_err(|error| failed(tracepoint, &error))?);
        held.push(link.pin(dir.join(tracepoint)).map_err(|error| failed(tracepoint, &error))?);
    }
    Ok(())
}
