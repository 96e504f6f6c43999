//! A lab: the name that everything in it carries, and its removal.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context, Result, bail};

use crate::{
    Host, janitor, netns, process,
    sweep::{self, BPFFS, KEPT, PREFIX},
};

/// A lab. Everything in it is removed once the last handle on it or on one of its hosts is dropped.
#[derive(Clone, Debug)]
pub struct Lab(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: String,
}

impl Lab {
    /// Makes an empty lab. The first one of a process also removes the remains of dead runs.
    ///
    /// # Errors
    /// Without root, or if the BPF file system cannot be mounted.
    pub fn new() -> Result<Self> {
        static FIRST: OnceLock<Result<(), String>> = OnceLock::new();
        static NUMBER: AtomicU32 = AtomicU32::new(0);

        let ready = FIRST.get_or_init(|| prepare().map_err(|trouble| format!("{trouble:#}")));
        if let Err(trouble) = ready {
            bail!("labs cannot run here: {trouble}");
        }
        let id = format!("{PREFIX}{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let lab = Self(Arc::new(Inner { id }));
        fs::create_dir_all(lab.directory()).with_context(|| format!("making {}", lab.directory().display()))?;
        Ok(lab)
    }

    /// Returns its name.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Returns the directory for its files.
    pub fn directory(&self) -> PathBuf {
        sweep::directory(self.id())
    }

    /// Returns the directory for pins of the gateway `name`.
    pub fn pins(&self, name: &str) -> PathBuf {
        Path::new(BPFFS).join(format!("{}-{name}", self.id()))
    }

    /// Adds a host: a network namespace with a working loopback and without IPv6, so that only the test's own packets
    /// are on the wire; see [`Host::speak_ipv6`].
    ///
    /// # Errors
    /// If there is one of that name.
    pub fn host(&self, name: &str) -> Result<Host> {
        if name.contains('-') {
            bail!("`{name}`: names of hosts have no `-`, it parts the name of the lab from theirs");
        }
        let host = Host::new(self.clone(), name);
        process::run(&["ip", "netns", "add", host.namespace()])?;
        netns::enter(host.namespace(), || {
            for scope in ["all", "default"] {
                crate::host::sysctl(&format!("ipv6/conf/{scope}/disable_ipv6"), "1")?;
                // Duplicate address detection would delay the use of a new address by a second or two.
                crate::host::sysctl(&format!("ipv6/conf/{scope}/accept_dad"), "0")?;
            }
            Ok(())
        })?;
        host.ip("link set lo up")?;
        Ok(host)
    }

    /// Keeps the lab when the process ends; [`sweep::remove`] removes it.
    ///
    /// # Errors
    /// If its directory cannot be written.
    pub fn keep(&self) -> Result<()> {
        let mark = self.directory().join(KEPT);
        fs::write(&mark, "").with_context(|| format!("writing {}", mark.display()))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !sweep::is_kept(&self.id)
            && let Err(trouble) = sweep::remove(&self.id)
        {
            eprintln!("{trouble:#}");
        }
    }
}

fn prepare() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("network namespaces and BPF need root");
    }
    let mounted = fs::read_to_string("/proc/mounts")?.lines().any(|line| line.split(' ').nth(1) == Some(BPFFS));
    if !mounted {
        nix::mount::mount(Some("bpf"), BPFFS, Some("bpf"), nix::mount::MsFlags::empty(), None::<&str>)
            .with_context(|| format!("mounting the BPF file system on {BPFFS}"))?;
    }
    sweep::sweep()?;
    janitor::hire()
}
