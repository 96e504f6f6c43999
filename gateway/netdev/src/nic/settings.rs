//! Setting NICs as the data plane needs them, and putting them back.

use std::path::Path;

use tracing::debug;

use super::{
    error::NicError,
    ethtool::{Ethtool, Identity},
    netlink,
    plan::{self, BLOCKS_XDP, Role, Setting, State, Step},
    store::{Saved, Store},
};

/// Changes NIC settings, and remembers what they were.
#[derive(Debug)]
pub struct NicSettings {
    ethtool: Ethtool,
    store: Store,
}

/// What became of a setting that was not as needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub setting: Setting,
    /// What was needed: on or off.
    pub value: bool,
    /// What became of it.
    pub outcome: Outcome,
}

/// How a change went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is as needed now.
    Made,
    /// The driver never changes it.
    Fixed,
    /// The driver took the wish, and didn't follow it.
    NotFollowed,
}

/// What became of a saved setting.
#[derive(Debug)]
pub struct Restored {
    /// The interface.
    pub name: String,
    /// Which setting.
    pub setting: Setting,
    /// What became of it.
    pub outcome: PutBack,
}

/// How putting back went.
#[derive(Debug)]
pub enum PutBack {
    /// It is as it was before the gateway came.
    Done,
    /// It is no longer as the gateway set it: somebody else's business now.
    ChangedMeanwhile,
    /// That interface doesn't exist any more; one of the same name may.
    Gone,
    /// It could not be put back, and stays saved.
    Failed(NicError),
}

impl NicSettings {
    /// Reads what earlier runs saved in `run_dir`. Sockets belong to the calling thread's network namespace.
    ///
    /// # Errors
    /// When the file can't be read or understood.
    pub fn open(run_dir: &Path) -> Result<Self, NicError> {
        Ok(Self { ethtool: Ethtool::open()?, store: Store::open(run_dir)? })
    }

    /// Sets an interface as its role needs it; tells what was not right. Before XDP is attached: some drivers refuse
    /// to change these with a program in place.
    ///
    /// # Errors
    /// When there is no such interface, the kernel refuses, or the originals can't be saved; then nothing more is
    /// changed.
    pub fn prepare(&mut self, name: &str, role: Role) -> Result<Vec<Change>, NicError> {
        self.change(name, plan::needs(role))
    }

    /// Turns off what makes some drivers refuse native XDP: the NIC's merging of packets, LRO and `rx-gro-hw`. For
    /// when attaching failed; worth another try only if a change was made.
    ///
    /// # Errors
    /// As [`NicSettings::prepare`].
    pub fn unblock_xdp(&mut self, name: &str) -> Result<Vec<Change>, NicError> {
        self.change(name, BLOCKS_XDP)
    }

    /// Puts an interface's settings back as they were before the gateway changed them.
    ///
    /// # Errors
    /// When the file of originals can't be written. What the kernel refuses is told in the list.
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

    /// Puts back everything that was changed on any interface.
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
        // Written down before it is done: after a crash in between, the setting simply isn't as the gateway would
        // have set it, and is left alone.
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

/// How a setting is set.
pub(super) fn state(ethtool: &Ethtool, name: &str, setting: Setting) -> Result<State, NicError> {
    let Some(feature) = setting.feature() else {
        let on = ethtool.flags(name)? & libc::IFF_PROMISC as u32 != 0;
        return Ok(State { wanted: on, active: on, changeable: true });
    };
    let features = ethtool.features(name)?;
    // A kernel that doesn't know the feature doesn't do it.
    let unknown = State { wanted: false, active: false, changeable: false };
    Ok(features.bit(feature).map_or(unknown, |bit| features.state(bit)))
}
