//! Changes NIC settings to those that the data plane needs, and restores them.

use std::path::Path;

use tracing::debug;

use super::{
    error::NicError,
    ethtool::{Ethtool, Identity},
    plan::{self, BLOCKS_XDP, Role, Setting, State, Step},
    store::{Saved, Store},
};
use crate::netlink;

/// Changes NIC settings, and saves the original values.
#[derive(Debug)]
pub struct NicSettings {
    ethtool: Ethtool,
    store: Store,
}

/// Result for a setting that was not as needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The setting.
    pub setting: Setting,
    /// The needed value: on or off.
    pub value: bool,
    /// Outcome of the change.
    pub outcome: Outcome,
}

/// Outcome of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The setting is now as needed.
    Made,
    /// The driver never changes the setting.
    Fixed,
    /// The driver accepted the request, but did not follow it.
    NotFollowed,
}

/// Result for a saved setting.
#[derive(Debug)]
pub struct Restored {
    /// The interface.
    pub name: String,
    /// The setting.
    pub setting: Setting,
    /// Outcome of the restoration.
    pub outcome: PutBack,
}

/// Outcome of a restoration.
#[derive(Debug)]
pub enum PutBack {
    /// The setting is as it was before the gateway changed it.
    Done,
    /// The setting is no longer as the gateway set it. Another program or the operator owns it now.
    ChangedMeanwhile,
    /// The interface doesn't exist any more, although another one of the same name may.
    Gone,
    /// The setting could not be restored, and stays saved.
    Failed(NicError),
}

impl NicSettings {
    /// Reads the settings that earlier runs have saved in `run_dir`. Sockets belong to the calling thread's network
    /// namespace.
    ///
    /// # Errors
    /// The file can't be read or parsed.
    pub fn open(run_dir: &Path) -> Result<Self, NicError> {
        Ok(Self { ethtool: Ethtool::open()?, store: Store::open(run_dir)? })
    }

    /// Sets an interface as its role needs it. Returns the settings that were wrong. To be called before XDP is
    /// attached, because some drivers refuse to change these settings with a program attached.
    ///
    /// # Errors
    /// There is no such interface, the kernel refuses, or the original values can't be saved. Nothing more is changed
    /// then.
    pub fn prepare(&mut self, name: &str, role: Role) -> Result<Vec<Change>, NicError> {
        self.change(name, plan::needs(role))
    }

    /// Sets a member of a bond as the bond's role needs it. Returns the settings that were wrong.
    ///
    /// # Errors
    /// As [`NicSettings::prepare`].
    pub fn prepare_member(&mut self, name: &str, role: Role) -> Result<Vec<Change>, NicError> {
        self.change(name, &plan::needs_of_member(role).collect::<Vec<_>>())
    }

    /// Turns off the settings that make some drivers refuse native XDP: the NIC's merging of packets, LRO and
    /// `rx-gro-hw`. To be called after attaching has failed. Another attempt is useful only if a change was made.
    ///
    /// # Errors
    /// As [`NicSettings::prepare`].
    pub fn unblock_xdp(&mut self, name: &str) -> Result<Vec<Change>, NicError> {
        self.change(name, BLOCKS_XDP)
    }

    /// Restores an interface's settings to their values before the gateway changed them.
    ///
    /// # Errors
    /// The file of original values can't be written. Refusals of the kernel are in the returned list.
    pub fn restore(&mut self, name: &str) -> Result<Vec<Restored>, NicError> {
        let identity = match self.ethtool.identity(name) {
            Ok(identity) => Some(identity),
            Err(NicError::NoInterface { .. }) => None,
            Err(error) => return Err(error),
        };
        let (settings, same) = self.store.saved(name, identity.as_ref());
        let identity = identity.filter(|_| same);
        let mut done = Vec::new();
        let mut restored = Vec::new();
        for (setting, saved) in settings {
            let outcome = match &identity {
                Some(identity) => self.put_back(name, identity, setting, saved).unwrap_or_else(PutBack::Failed),
                None => PutBack::Gone,
            };
            if !matches!(outcome, PutBack::Failed(_)) {
                done.push(setting);
            }
            restored.push(Restored { name: name.to_owned(), setting, outcome });
        }
        self.store.forget(name, &done)?;
        Ok(restored)
    }

    /// Restores all changed settings of all interfaces.
    ///
    /// # Errors
    /// As [`NicSettings::restore`].
    pub fn restore_all(&mut self) -> Result<Vec<Restored>, NicError> {
        let mut restored = Vec::new();
        for name in self.store.names() {
            restored.extend(self.restore(&name)?);
        }
        Ok(restored)
    }

    fn change(&mut self, name: &str, needs: &[(Setting, bool)]) -> Result<Vec<Change>, NicError> {
        let identity = self.ethtool.identity(name)?;
        let mut steps = Vec::new();
        for &(setting, value) in needs {
            let state = self.state(name, setting)?;
            match plan::step(state, value) {
                Step::Nothing => {}
                step => steps.push((setting, value, state, step)),
            }
        }
        // Saved before the change: after a crash in between, the setting differs from the gateway's value, and is left
        // alone.
        let saved = steps.iter().filter(|(_, value, state, step)| *step == Step::Change && state.wanted != *value);
        let saved: Vec<_> =
            saved.map(|(setting, value, state, _)| (*setting, Saved { was: state.wanted, set: *value })).collect();
        if !saved.is_empty() {
            self.store.save(name, &identity, saved)?;
        }
        let mut changes = Vec::new();
        for (setting, value, _, step) in steps {
            let outcome = if step == Step::Fixed {
                Outcome::Fixed
            } else {
                self.set(name, &identity, setting, value)?;
                if self.state(name, setting)?.active == value { Outcome::Made } else { Outcome::NotFollowed }
            };
            debug!(name, %setting, value, ?outcome, "NIC setting");
            changes.push(Change { setting, value, outcome });
        }
        Ok(changes)
    }

    fn put_back(&self, name: &str, identity: &Identity, setting: Setting, saved: Saved) -> Result<PutBack, NicError> {
        if self.state(name, setting)?.wanted != saved.set {
            return Ok(PutBack::ChangedMeanwhile);
        }
        self.set(name, identity, setting, saved.was)?;
        Ok(PutBack::Done)
    }

    fn state(&self, name: &str, setting: Setting) -> Result<State, NicError> {
        state(&self.ethtool, name, setting)
    }

    fn set(&self, name: &str, identity: &Identity, setting: Setting, on: bool) -> Result<(), NicError> {
        let Some(feature) = setting.feature() else {
            return netlink::set_promiscuous(identity.ifindex, on)
                .map_err(|source| NicError::refused(name, "switching promiscuous mode", source));
        };
        let features = self.ethtool.features(name)?;
        match features.bit(feature) {
            Some(bit) => self.ethtool.set_feature(name, bit, features.count(), on),
            None => Ok(()),
        }
    }
}

/// Returns the state of a setting.
pub(super) fn state(ethtool: &Ethtool, name: &str, setting: Setting) -> Result<State, NicError> {
    let Some(feature) = setting.feature() else {
        let on = ethtool.flags(name)? & libc::IFF_PROMISC as u32 != 0;
        return Ok(State { wanted: on, active: on, changeable: true });
    };
    let features = ethtool.features(name)?;
    // A kernel that doesn't know the feature doesn't have it enabled.
    let unknown = State { wanted: false, active: false, changeable: false };
    Ok(features.bit(feature).map_or(unknown, |bit| features.state(bit)))
}
