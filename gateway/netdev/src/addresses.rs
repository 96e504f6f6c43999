//! Adds and removes the virtual addresses by rtnetlink.
//!
//! Each virtual router has a task that brings its interface to the wanted state and reports the result. Before each
//! attempt, one at a time, the task reads the state that is wanted *now*, so the last request is the one that holds,
//! whatever came in between. A failed attempt is repeated until the state is no longer wanted.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use gateway_vrrp::Vrid;
use rtnetlink::packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, CacheInfo},
};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use crate::{
    macvlan,
    net_thread::Net,
    netlink::{Handle, io_error},
    sysctl::Sysctls,
};

const RETRY: Duration = Duration::from_millis(500);
/// The most attempts at the last request of a virtual router that is gone.
const LAST_TRIES: u32 = 10;
/// Longest wait for the kernel. It ends only if an answer was lost.
const LIMIT: Duration = Duration::from_secs(5);

/// Placement of virtual addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The virtual router.
    pub vrid: Vrid,
    /// Name of its interface.
    pub interface: String,
    /// The virtual addresses.
    pub addresses: Vec<IpAddr>,
    /// True if they are on a macvlan with the virtual router's MAC address.
    pub virtual_mac: bool,
    /// True if they belong to the interface itself (priority 255). They are not changed then.
    pub owner: bool,
}

/// Result of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The virtual router.
    pub vrid: Vrid,
    /// Outcome of the attempt.
    pub outcome: Outcome,
}

/// State of the virtual addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The addresses are on the interface with this index.
    There(u32),
    /// The addresses are not on the interface.
    Gone,
    /// The attempt has failed (so far).
    Failed(String),
}

#[derive(Clone, Debug)]
struct Wanted {
    placement: Arc<Placement>,
    there: bool,
}

/// Moves the addresses of one virtual router. When it is dropped, its last request is still carried out.
#[derive(Debug)]
pub struct Mover {
    wanted: watch::Sender<Wanted>,
}

impl Mover {
    /// Starts with the addresses present, or absent, which cleans up after a crash.
    pub fn start(
        net: &Net,
        handle: Handle,
        sysctls: Sysctls,
        placement: Placement,
        there: bool,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Self {
        let (wanted, receiver) = watch::channel(Wanted { placement: Arc::new(placement), there });
        net.spawn(Worker { addresses: Configurator::new(handle, sysctls), wanted: receiver, reports }.run());
        Self { wanted }
    }

    /// Requests that the addresses are present, or absent. A repeated request checks the state again.
    pub fn want(&self, there: bool) {
        self.wanted.send_modify(|wanted| wanted.there = there);
    }

    /// Changes the placement of the addresses.
    pub fn moved(&self, placement: Placement) {
        self.wanted.send_if_modified(|wanted| {
            let changed = *wanted.placement != placement;
            if changed {
                wanted.placement = Arc::new(placement);
            }
            changed
        });
    }
}

struct Worker {
    addresses: Configurator,
    wanted: watch::Receiver<Wanted>,
    reports: mpsc::UnboundedSender<Report>,
}

impl Worker {
    async fn run(mut self) {
        let mut last: Option<Arc<Placement>> = None;
        let mut last_tries = LAST_TRIES;
        loop {
            let Wanted { placement, there } = self.wanted.borrow_and_update().clone();
            if let Some(last) = last.take_if(|last| **last != *placement) {
                // A failure here is no reason not to move to the current placement.
                let _ = self.addresses.bring(&last, false).await;
            }
            last = Some(Arc::clone(&placement));
            let attempt = timeout(LIMIT, self.addresses.bring(&placement, there)).await;
            let outcome = match attempt.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(Some(ifindex)) => Outcome::There(ifindex),
                Ok(None) => Outcome::Gone,
                Err(error) => Outcome::Failed(explain(&placement, there, &error)),
            };
            let failed = matches!(outcome, Outcome::Failed(_));
            let listened = self.reports.send(Report { vrid: placement.vrid, outcome }).is_ok();
            let waited = tokio::select! {
                changed = self.wanted.changed() => changed.is_ok(),
                () = sleep(RETRY), if failed => listened,
            };
            if !waited && (!failed || last_tries == 0) {
                return;
            }
            if !waited {
                // No further request is possible.
                last_tries -= 1;
                sleep(RETRY).await;
            }
        }
    }
}

/// Adds and removes the addresses of one virtual router.
pub struct Configurator {
    handle: Handle,
    sysctls: Sysctls,
    /// The interface whose settings this one has changed, and the note of their previous values.
    holds: Option<(String, String)>,
}

impl Configurator {
    /// Creates one that uses this netlink connection.
    pub fn new(handle: Handle, sysctls: Sysctls) -> Self {
        Self { handle, sysctls, holds: None }
    }

    /// Brings the addresses to the wanted state. Returns the index of the interface that has them, if they are wanted.
    pub async fn bring(&mut self, placement: &Placement, there: bool) -> io::Result<Option<u32>> {
        let ipv6 = macvlan::is_ipv6(&placement.addresses);
        let lower = macvlan::index(&self.handle, &placement.interface).await?;
        let missing = || io::Error::from_raw_os_error(libc::ENODEV);
        if placement.owner {
            return if there { lower.ok_or_else(missing).map(Some) } else { Ok(None) };
        }
        if !there || placement.virtual_mac {
            // With a virtual MAC address, they may still be on the interface of an earlier configuration.
            if let Some(lower) = lower {
                for address in &placement.addresses {
                    delete(&self.handle, lower, *address).await?;
                }
            }
        }
        if !there || !placement.virtual_mac {
            // A macvlan that an earlier run has left holds the note of the previous settings.
            if lower.is_some() && macvlan::note(&self.handle, placement.vrid, ipv6).await?.is_some() {
                self.hold(placement).await?;
            }
            macvlan::remove(&self.handle, placement.vrid, ipv6).await?;
            self.release().await;
        }
        if !there {
            return Ok(None);
        }
        let mut ifindex = lower.ok_or_else(missing)?;
        if placement.virtual_mac {
            let note = self.hold(placement).await?;
            ifindex = macvlan::create(&self.handle, ifindex, placement.vrid, ipv6, &note).await?;
        }
        for address in &placement.addresses {
            add(&self.handle, ifindex, *address).await?;
        }
        Ok(Some(ifindex))
    }

    /// Changes the settings of the interface below, if they are not changed yet. Returns the note of their previous
    /// values.
    async fn hold(&mut self, placement: &Placement) -> io::Result<String> {
        if let Some((interface, note)) = &self.holds
            && *interface == placement.interface
        {
            return Ok(note.clone());
        }
        self.release().await;
        let noted = macvlan::note(&self.handle, placement.vrid, macvlan::is_ipv6(&placement.addresses)).await?;
        let (sysctls, interface) = (self.sysctls.clone(), placement.interface.clone());
        // Even after a partial failure there may be something to restore.
        self.holds = Some((placement.interface.clone(), String::new()));
        let held = tokio::task::spawn_blocking(move || sysctls.hold(&interface, noted.as_deref())).await;
        match held.map_err(io::Error::other).flatten() {
            Ok(note) => {
                self.holds = Some((placement.interface.clone(), note.clone()));
                Ok(note)
            }
            Err(error) => {
                self.release().await;
                Err(error)
            }
        }
    }

    async fn release(&mut self) {
        if let Some((interface, _)) = self.holds.take() {
            let sysctls = self.sysctls.clone();
            let _ = tokio::task::spawn_blocking(move || sysctls.release(&interface)).await;
        }
    }
}

fn explain(placement: &Placement, there: bool, error: &io::Error) -> String {
    let list: Vec<String> = placement.addresses.iter().map(ToString::to_string).collect();
    let list = list.join(", ");
    if there {
        format!("putting {list} on {} failed, and is tried again: {error}", placement.interface)
    } else {
        format!("taking {list} off {} failed, and is tried again: {error}", placement.interface)
    }
}

async fn add(handle: &Handle, ifindex: u32, address: IpAddr) -> io::Result<()> {
    let mut request = handle.address().add(ifindex, address, if address.is_ipv4() { 32 } else { 128 });
    if address.is_ipv6() {
        let message = request.message_mut();
        // Another node had the address until now. Duplicate address detection would find it, or cost a second.
        message.header.flags |= AddressHeaderFlags::Nodad;
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        // Deprecated, so that the address is the source only of packets that request it.
        let mut lifetime = CacheInfo::default();
        lifetime.ifa_valid = u32::MAX;
        message.attributes.push(AddressAttribute::CacheInfo(lifetime));
    }
    match request.execute().await.map_err(io_error) {
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        other => other,
    }
}

async fn delete(handle: &Handle, ifindex: u32, address: IpAddr) -> io::Result<()> {
    let mut message = AddressMessage::default();
    message.header.index = ifindex;
    message.header.family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.prefix_len = if address.is_ipv4() { 32 } else { 128 };
    message.attributes.push(AddressAttribute::Local(address));
    message.attributes.push(AddressAttribute::Address(address));
    match handle.address().del(message).execute().await.map_err(io_error) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::ENODEV)) => Ok(()),
        other => other,
    }
}
