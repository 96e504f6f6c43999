//! The virtual addresses, put on and taken off by rtnetlink.
//!
//! Each virtual router has a task that brings its interface to what is wanted and says when that is so. It looks at
//! what is wanted *now* before each attempt, one attempt after the other, so whatever came in between, the last wish
//! is what holds. What fails is tried again until it is no longer wanted.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use gateway_vrrp::Vrid;
use rtnetlink::{
    Handle,
    packet_route::{
        AddressFamily,
        address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, CacheInfo},
    },
};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use crate::{links::io_error, macvlan, net_thread::Net, sysctl::Sysctls};

const RETRY: Duration = Duration::from_millis(500);
/// Attempts at the last wish of a virtual router that is gone.
const LAST_TRIES: u32 = 10;
/// Longest wait for the kernel; it only ends where an answer was lost.
const LIMIT: Duration = Duration::from_secs(5);

/// Where virtual addresses belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The virtual router.
    pub vrid: Vrid,
    /// Name of its interface.
    pub interface: String,
    /// The virtual addresses.
    pub addresses: Vec<IpAddr>,
    /// On a macvlan with the virtual router's MAC address.
    pub virtual_mac: bool,
    /// They are the interface's own (priority 255), and are left alone.
    pub owner: bool,
}

/// How an attempt went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The virtual router.
    pub vrid: Vrid,
    /// What came of it.
    pub outcome: Outcome,
}

/// Whether the virtual addresses are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The addresses are there, on the interface of this index.
    There(u32),
    /// They are not.
    Gone,
    /// It did not work (yet).
    Failed(String),
}

#[derive(Clone, Debug)]
struct Wanted {
    placement: Arc<Placement>,
    there: bool,
}

/// Moves the addresses of one virtual router. When it is dropped, its last wish is still carried out.
#[derive(Debug)]
pub struct Mover {
    wanted: watch::Sender<Wanted>,
}

impl Mover {
    /// Starts with the addresses there or, which cleans up after a crash, not there.
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

    /// Wants the addresses there, or not. Asking again for what was asked looks again whether it is so.
    pub fn want(&self, there: bool) {
        self.wanted.send_modify(|wanted| wanted.there = there);
    }

    /// They belong elsewhere from now on.
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
                // Its failing is no reason not to go where they belong now.
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
                // Nobody can wish for anything else any more.
                last_tries -= 1;
                sleep(RETRY).await;
            }
        }
    }
}

/// Puts the addresses of one virtual router on and takes them off.
pub struct Configurator {
    handle: Handle,
    sysctls: Sysctls,
    /// The interface whose settings this one has changed, and the note of what they were.
    holds: Option<(String, String)>,
}

impl Configurator {
    /// Works with this netlink connection.
    pub fn new(handle: Handle, sysctls: Sysctls) -> Self {
        Self { handle, sysctls, holds: None }
    }

    /// Gives the index of the interface they are on, if they are wanted.
    pub async fn bring(&mut self, placement: &Placement, there: bool) -> io::Result<Option<u32>> {
        let ipv6 = macvlan::is_ipv6(&placement.addresses);
        let lower = macvlan::index(&self.handle, &placement.interface).await?;
        let missing = || io::Error::from_raw_os_error(libc::ENODEV);
        if placement.owner {
            return if there { lower.ok_or_else(missing).map(Some) } else { Ok(None) };
        }
        if !there || placement.virtual_mac {
            // With a virtual MAC address, they may still be where an earlier configuration had them.
            if let Some(lower) = lower {
                for address in &placement.addresses {
                    delete(&self.handle, lower, *address).await?;
                }
            }
        }
        if !there || !placement.virtual_mac {
            // One that an earlier run has left says how things were before.
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

    /// Makes the settings of the interface below, if they are not made yet, and gives the note of what was before.
    async fn hold(&mut self, placement: &Placement) -> io::Result<String> {
        if let Some((interface, note)) = &self.holds
            && *interface == placement.interface
        {
            return Ok(note.clone());
        }
        self.release().await;
        let noted = macvlan::note(&self.handle, placement.vrid, macvlan::is_ipv6(&placement.addresses)).await?;
        let (sysctls, interface) = (self.sysctls.clone(), placement.interface.clone());
        // Even where it fails half way, there may be something to put back.
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
        // Another node had it until now: duplicate address detection would find it, or cost a second.
        message.header.flags |= AddressHeaderFlags::Nodad;
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        // Deprecated: nothing that does not ask for it is sent from it.
        let mut lifetime = CacheInfo::default();
        lifetime.ifa_valid = u32::MAX;
        message.attributes.push(AddressAttribute::CacheInfo(lifetime));
    }
    match request.execute().await.map_err(|error| io_error(&error)) {
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
    match handle.address().del(message).execute().await.map_err(|error| io_error(&error)) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::ENODEV)) => Ok(()),
        other => other,
    }
}
