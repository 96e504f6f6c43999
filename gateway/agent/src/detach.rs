//! Removes the data plane.

use std::collections::BTreeMap;

use gateway_config::Config;
use gateway_datapath::{
    attach::{AttachError, Attacher},
    claim::Claim,
    load::{LoadError, remove_tree},
    pins::PinDir,
};
use gateway_ha as ha;
use gateway_ha::HaError;
use gateway_netdev::nic::{NicError, NicSettings, PutBack};

use super::status::StatusFile;
use crate::process_lock::{ProcessLock, ProcessLockError};

/// Error that keeps parts of the data plane from being removed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each wraps the error of the part it is named after")]
pub enum DetachError {
    #[error(transparent)]
    ProcessLock(#[from] ProcessLockError),
    #[error(transparent)]
    Addresses(#[from] HaError),
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Pins(#[from] LoadError),
    #[error(transparent)]
    Nic(#[from] NicError),
}

/// Removes programs and pins, and restores NIC settings. Removes virtual addresses that an agent has left. Reports each
/// step through `say`. Succeeds if there is nothing to remove.
///
/// # Errors
/// An agent runs, or the kernel refuses something.
pub fn detach(config: &Config, mut say: impl FnMut(String)) -> Result<(), DetachError> {
    let _lock = ProcessLock::acquire(&config.gateway.run_dir)?;
    // This comes first: without the programs, the host would answer ARP for an address that is still there.
    ha::withdraw(&config.instances, &mut say)?;
    let pins = PinDir::new(&config.gateway.pin_dir);
    let mut attacher = Attacher::new(pins.clone());
    for link in attacher.detach_others(&[])? {
        say(format!("detached {link}"));
    }
    for (ifindex, name) in with_filters(config, &attacher) {
        // A filter of another gateway looks like one of ours.
        let _claim = match Claim::take(ifindex, &name) {
            Ok(claim) => claim,
            Err(taken) => {
                say(taken.to_string());
                continue;
            }
        };
        match attacher.detach_filter(ifindex, &name) {
            Ok(true) => say(format!("detached {name}-{ifindex}-filter")),
            Ok(false) => {}
            Err(error) => say(error.to_string()),
        }
    }
    // An agent that was killed has left its status file. Dropping its owner removes the file.
    drop(StatusFile::new(&config.gateway.run_dir, None));
    if pins.root().exists() {
        remove_tree(pins.root())?;
        say(format!("removed {}", pins.root().display()));
    }
    for restored in NicSettings::open(&config.gateway.run_dir)?.restore_all()? {
        let (name, setting) = (restored.name, restored.setting);
        say(match restored.outcome {
            PutBack::Done => format!("{name}: put {setting} back"),
            PutBack::ChangedMeanwhile => format!("{name}: left {setting} alone, it was changed since"),
            PutBack::Gone => format!("{name}: is gone, {setting} can't be put back"),
            PutBack::Failed(error) => format!("{name}: could not put {setting} back: {error}"),
        });
    }
    Ok(())
}

/// Returns the interfaces that may have TC filters of the gateway: those of the configuration, and those of earlier
/// ones. An interface that is gone has no filter either.
fn with_filters(config: &Config, attacher: &Attacher) -> BTreeMap<u32, String> {
    let named = config.uplinks.iter().chain(&config.ports);
    let named = named.filter_map(|interface| {
        Some((nix::net::if_::if_nametoindex(interface.name.as_str()).ok()?, interface.name.clone()))
    });
    named.chain(attacher.with_qdisc()).collect()
}
