//! Settings under /proc/sys/net of the interface below a virtual router's own, made while they are needed.
//!
//! Two addresses on one segment answer for each other unless told not to: the interface below would answer ARP for the
//! virtual address with its own MAC address, and would name the virtual address as sender of its own requests.

use std::{
    collections::BTreeMap,
    fs, io,
    sync::{Arc, Mutex, PoisonError},
};

/// Of the interface below: it answers ARP for its own addresses only, and asks from its own only
/// (Documentation/networking/ip-sysctl.rst).
const LOWER: [(&str, &str); 2] = [("arp_ignore", "1"), ("arp_announce", "2")];

/// Of the macvlan: it answers for the virtual addresses only, and takes packets whose way back is by the interface
/// below. The loosest of rp_filter's values wins over that of `all`.
const UPPER: [(&str, &str); 3] = [("arp_ignore", "1"), ("arp_announce", "2"), ("rp_filter", "2")];

/// Of the macvlan: no addresses but the virtual ones. Neighbour discovery under the virtual MAC address, from a node
/// that is not active, would make switches send it the active node's packets.
const UPPER_V6: [(&str, &str); 3] = [("addr_gen_mode", "1"), ("accept_ra", "0"), ("autoconf", "0")];

/// What was found before, by interface, and how many need it changed. Several virtual routers may share an interface.
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
    /// Makes the settings of the interface below, for one more user. Where an earlier run has made them, `noted` is what
    /// [`Sysctls::hold`] gave it: a note of what was there before.
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

    /// Puts them back after the last user. An interface that went took its settings along.
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

/// Makes the settings of a macvlan that was just created.
pub fn prepare(macvlan: &str) -> io::Result<()> {
    for (key, value) in UPPER {
        write("ipv4", macvlan, key, value)?;
    }
    for (key, value) in UPPER_V6 {
        match write("ipv6", macvlan, key, value) {
            // A kernel without IPv6 has nothing to set.
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
