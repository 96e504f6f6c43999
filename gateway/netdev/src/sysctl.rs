//! Settings under /proc/sys/net of the interface below a virtual router's own. They are changed while they are needed.
//!
//! Two addresses on one segment answer for each other by default: the interface below would answer ARP for the virtual
//! address with its own MAC address, and would use the virtual address as the sender of its own requests.

use std::{
    collections::BTreeMap,
    fs, io,
    sync::{Arc, Mutex, PoisonError},
};

/// Settings of the interface below: it answers ARP for its own addresses only, and sends requests from its own
/// addresses only (Documentation/networking/ip-sysctl.rst).
const LOWER: [(&str, &str); 2] = [("arp_ignore", "1"), ("arp_announce", "2")];

/// Settings of the macvlan: it answers for the virtual addresses only, and accepts packets whose return path is the
/// interface below. The loosest of rp_filter's values wins over that of `all`.
const UPPER: [(&str, &str); 3] = [("arp_ignore", "1"), ("arp_announce", "2"), ("rp_filter", "2")];

/// IPv6 settings of the macvlan: no addresses except the virtual ones. Neighbour discovery from the virtual MAC address
/// by a node that is not active would make switches send it the active node's packets.
const UPPER_V6: [(&str, &str); 3] = [("addr_gen_mode", "1"), ("accept_ra", "0"), ("autoconf", "0")];

/// Previous values by interface, and the number of users that need them changed. Several virtual routers may share an
/// interface.
#[derive(Clone, Debug, Default)]
pub struct Sysctls {
    lower: Arc<Mutex<BTreeMap<String, Held>>>,
}

#[derive(Debug, Default)]
struct Held {
    users: usize,
    before: BTreeMap<&'static str, String>,
}

impl Sysctls {
    /// Changes the settings of the interface below, for one more user. If an earlier run has changed them, `noted` is
    /// the result of [`Sysctls::hold`] in that run: a note of the previous values.
    pub fn hold(&self, interface: &str, noted: Option<&str>) -> io::Result<String> {
        let mut lower = self.lower.lock().unwrap_or_else(PoisonError::into_inner);
        let held = lower.entry(interface.to_owned()).or_default();
        held.users += 1;
        for (key, value) in LOWER {
            let before = read(interface, key)?;
            let noted = noted.into_iter().flat_map(str::split_whitespace).find_map(|note| {
                let (of, before) = note.split_once('=')?;
                (of == key).then(|| before.to_owned())
            });
            if before != value {
                write("ipv4", interface, key, value)?;
            }
            held.before.entry(key).or_insert(noted.unwrap_or(before));
        }
        Ok(held.before.iter().map(|(key, before)| format!("{key}={before} ")).collect())
    }

    /// Restores the settings after the last user. The settings of an interface that was removed are gone with it.
    pub fn release(&self, interface: &str) {
        let mut lower = self.lower.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(held) = lower.get_mut(interface) else { return };
        held.users = held.users.saturating_sub(1);
        if held.users == 0 {
            for (key, before) in &held.before {
                let _ = write("ipv4", interface, key, before);
            }
            lower.remove(interface);
        }
    }
}

/// Sets up a macvlan that was just created.
pub fn prepare(macvlan: &str) -> io::Result<()> {
    for (key, value) in UPPER {
        write("ipv4", macvlan, key, value)?;
    }
    for (key, value) in UPPER_V6 {
        match write("ipv6", macvlan, key, value) {
            // A kernel without IPv6 has no such settings.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

fn path(family: &str, interface: &str, key: &str) -> String {
    format!("/proc/sys/net/{family}/conf/{interface}/{key}")
}

fn read(interface: &str, key: &str) -> io::Result<String> {
    fs::read_to_string(path("ipv4", interface, key)).map(|text| text.trim().to_owned())
}

fn write(family: &str, interface: &str, key: &str, value: &str) -> io::Result<()> {
    let path = path(family, interface, key);
    fs::write(&path, value).map_err(|error| io::Error::new(error.kind(), format!("{path} = {value}: {error}")))
}
