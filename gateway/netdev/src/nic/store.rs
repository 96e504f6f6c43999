//! File of the original NIC settings, from before the gateway changed them.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{error::NicError, ethtool::Identity, plan::Setting};

const FILE: &str = "nic-settings.json";

/// Original value of a setting, and the value that the gateway has set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) was: bool,
    pub(super) set: bool,
}

/// An interface and its saved settings. Name, index and MAC together identify the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Interface {
    ifindex: u32,
    mac: String,
    settings: BTreeMap<Setting, Saved>,
}

impl Interface {
    fn is(&self, identity: &Identity) -> bool {
        let macs = [Some(identity.mac), identity.permanent].into_iter().flatten();
        self.ifindex == identity.ifindex && macs.map(|mac| mac.to_string()).any(|mac| mac == self.mac)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    interfaces: BTreeMap<String, Interface>,
}

/// The file and its content.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    content: Content,
}

impl Store {
    /// Reads the file in `dir`, if there is one.
    pub(super) fn open(dir: &Path) -> Result<Self, NicError> {
        let path = dir.join(FILE);
        let content = match fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(content) => content,
                Err(source) => return Err(NicError::Corrupt { path, source }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Content::default(),
            Err(source) => return Err(NicError::Store { doing: "reading", path, source }),
        };
        Ok(Self { path, content })
    }

    /// Returns the names of the interfaces with saved settings.
    pub(super) fn names(&self) -> Vec<String> {
        self.content.interfaces.keys().cloned().collect()
    }

    /// Returns the settings that are saved under a name, and true if they belong to the interface with this identity.
    pub(super) fn saved(&self, name: &str, identity: Option<&Identity>) -> (Vec<(Setting, Saved)>, bool) {
        let Some(interface) = self.content.interfaces.get(name) else { return (Vec::new(), false) };
        let same = identity.is_some_and(|identity| interface.is(identity));
        (interface.settings.iter().map(|(setting, saved)| (*setting, *saved)).collect(), same)
    }

    /// Saves original values. A value that is already saved for this same interface is older, and stays. Values that
    /// were saved for another interface of that name are dropped.
    pub(super) fn save(
        &mut self,
        name: &str,
        identity: &Identity,
        settings: impl IntoIterator<Item = (Setting, Saved)>,
    ) -> Result<(), NicError> {
        let mut content = self.content.clone();
        let interface = content
            .interfaces
            .entry(name.to_owned())
            .and_modify(|interface| {
                if !interface.is(identity) {
                    interface.settings.clear();
                }
            })
            .or_insert_with(|| Interface { ifindex: 0, mac: String::new(), settings: BTreeMap::new() });
        interface.ifindex = identity.ifindex;
        interface.mac = identity.permanent.unwrap_or(identity.mac).to_string();
        for (setting, saved) in settings {
            interface.settings.entry(setting).or_insert(saved);
        }
        self.replace(content)
    }

    /// Removes some saved settings of an interface, and the interface with the last one.
    pub(super) fn forget(&mut self, name: &str, settings: &[Setting]) -> Result<(), NicError> {
        let mut content = self.content.clone();
        if let Some(interface) = content.interfaces.get_mut(name) {
            interface.settings.retain(|setting, _| !settings.contains(setting));
            if interface.settings.is_empty() {
                content.interfaces.remove(name);
            }
        }
        self.replace(content)
    }

    fn replace(&mut self, content: Content) -> Result<(), NicError> {
        if content != self.content {
            let written = if content.interfaces.is_empty() { remove(&self.path) } else { write(&self.path, &content) };
            written.map_err(|source| NicError::Store { doing: "writing", path: self.path.clone(), source })?;
            self.content = content;
        }
        Ok(())
    }
}

/// Writes a new file and replaces the old one with it, so that a crash leaves one of them complete.
fn write(path: &Path, content: &Content) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let fresh = path.with_extension("json.new");
    let mut file = File::create(&fresh)?;
    serde_json::to_writer_pretty(&mut file, content)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(dir)?.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use gateway_common::net::MacAddr;

    use super::*;

    const WAS_ON: Saved = Saved { was: true, set: false };
    const WAS_OFF: Saved = Saved { was: false, set: true };

    fn identity(ifindex: u32) -> Identity {
        Identity { ifindex, mac: MacAddr([2, 0, 0, 0, 0, 1]), permanent: None }
    }

    /// A directory that is removed after the test.
    struct Dir(PathBuf);

    impl Dir {
        fn new(test: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("vtep-gateway-nic-{}-{test}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn saved_settings_outlive_the_agent() {
        let dir = Dir::new("outlive");
        Store::open(&dir.0).unwrap().save("eth0", &identity(2), [(Setting::Lro, WAS_ON)]).unwrap();
        let store = Store::open(&dir.0).unwrap();
        assert_eq!(store.saved("eth0", Some(&identity(2))), (vec![(Setting::Lro, WAS_ON)], true));
    }

    #[test]
    fn second_start_does_not_overwrite_the_first_one_s_originals() {
        let dir = Dir::new("once");
        let mut store = Store::open(&dir.0).unwrap();
        store.save("eth0", &identity(2), [(Setting::Lro, WAS_ON)]).unwrap();
        store.save("eth0", &identity(2), [(Setting::Lro, WAS_OFF), (Setting::Promiscuous, WAS_OFF)]).unwrap();
        let (saved, _) = store.saved("eth0", Some(&identity(2)));
        assert_eq!(saved, [(Setting::Lro, WAS_ON), (Setting::Promiscuous, WAS_OFF)]);
    }

    #[test]
    fn recreated_interface_starts_afresh() {
        let dir = Dir::new("recreated");
        let mut store = Store::open(&dir.0).unwrap();
        store.save("eth0", &identity(2), [(Setting::Lro, WAS_ON)]).unwrap();
        assert!(!store.saved("eth0", Some(&identity(3))).1);
        store.save("eth0", &identity(3), [(Setting::Promiscuous, WAS_OFF)]).unwrap();
        assert_eq!(store.saved("eth0", Some(&identity(3))), (vec![(Setting::Promiscuous, WAS_OFF)], true));
    }

    #[test]
    fn file_goes_with_its_last_setting() {
        let dir = Dir::new("last");
        let mut store = Store::open(&dir.0).unwrap();
        store.save("eth0", &identity(2), [(Setting::Lro, WAS_ON)]).unwrap();
        store.forget("eth0", &[Setting::Lro]).unwrap();
        assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 0);
    }

    #[test]
    fn file_that_is_not_ours_is_refused_by_name() {
        let dir = Dir::new("corrupt");
        fs::write(dir.0.join(FILE), "{").unwrap();
        let error = Store::open(&dir.0).unwrap_err();
        assert!(error.to_string().contains(FILE), "{error}");
    }

    #[test]
    fn a_nic_is_the_same_in_a_bond_and_out_of_it() {
        let dir = Dir::new("bond");
        let permanent = Some(MacAddr([2, 0, 0, 0, 0, 9]));
        let in_bond = Identity { permanent, ..identity(2) };
        let mut store = Store::open(&dir.0).unwrap();
        store.save("eth0", &in_bond, [(Setting::Lro, WAS_ON)]).unwrap();
        let alone = Identity { mac: MacAddr([2, 0, 0, 0, 0, 9]), ..in_bond };
        assert!(store.saved("eth0", Some(&alone)).1);
        let other = Identity { permanent: Some(MacAddr([2, 0, 0, 0, 0, 8])), ..identity(2) };
        assert!(!store.saved("eth0", Some(&other)).1);
    }
}
