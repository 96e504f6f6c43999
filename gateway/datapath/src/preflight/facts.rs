//! Facts about the system.

use std::{fs, io, path::Path};

use nix::{net::if_::if_nameindex, sys::utsname::uname};

use super::{
    abilities::{self, Ability},
    capabilities::{effective_capabilities, missing_capabilities},
};

/// Facts that the checks evaluate.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Release of the running kernel, such as `6.1.0-13-amd64`.
    pub kernel: String,
    /// Features that the kernel lacks; `None` if this process may not ask.
    pub missing: Option<Vec<Ability>>,
    /// Effective capabilities, bit n for capability n.
    pub capabilities: u64,
    /// Names of the interfaces of this network namespace.
    pub interfaces: Vec<String>,
    /// False if BPF programs are interpreted.
    pub jit: bool,
    /// True if the kernel publishes its own types.
    pub btf: bool,
}

impl Facts {
    /// Gathers the facts from the running system.
    pub fn gather() -> io::Result<Self> {
        let interfaces = if_nameindex()?;
        let capabilities = effective_capabilities(&fs::read_to_string("/proc/self/status")?).unwrap_or_default();
        Ok(Self {
            kernel: uname()?.release().to_string_lossy().into_owned(),
            missing: missing_capabilities(capabilities).is_empty().then(abilities::missing),
            capabilities,
            interfaces: interfaces.iter().map(|interface| interface.name().to_string_lossy().into_owned()).collect(),
            // Only the first network namespace has this file.
            jit: fs::read_to_string("/proc/sys/net/core/bpf_jit_enable").map_or(true, |text| text.trim() != "0"),
            btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_system_answers() {
        let facts = Facts::gather().unwrap();
        assert!(facts.interfaces.contains(&"lo".to_owned()), "{facts:?}");
    }
}
