//! Follows interfaces and their addresses by netlink, on a connection of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, StreamExt};
use gateway_common::net::MacAddr;
use rtnetlink::MulticastGroup;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::netlink::{self, ANSWER_LIMIT, Change, Changes, Handle, InterfaceAddress};

const GROUPS: [MulticastGroup; 3] = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
/// Size in bytes of the kernel's buffer for notifications. If it overflows, notifications are dropped.
const NEWS_BUFFER: usize = 1 << 20;
/// Time after which netlink is tried again after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// An interface and its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its index.
    pub ifindex: u32,
    /// True if the operator has set it up and it has a carrier.
    pub up: bool,
    /// Its Ethernet address, if it has one.
    pub mac: Option<MacAddr>,
    /// Its usable addresses, in the order in which the kernel added them.
    pub addresses: Vec<IpAddr>,
}

/// All interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    by_index: BTreeMap<u32, (String, Interface)>,
}

impl Links {
    /// Returns the interface of that name.
    pub fn get(&self, name: &str) -> Option<&Interface> {
        self.by_index.values().find(|(other, _)| other == name).map(|(_, link)| link)
    }

    /// Returns the address from which a virtual router on `name` sends, unless one is configured: the first of the
    /// family that is not virtual. For IPv6 it is link-local (RFC 9568 section 5.1.2.1).
    pub fn source(&self, name: &str, ipv6: bool, virtual_addresses: &BTreeSet<IpAddr>) -> Option<IpAddr> {
        let fits = |address: &&IpAddr| match address {
            IpAddr::V4(_) => !ipv6,
            IpAddr::V6(v6) => ipv6 && v6.is_unicast_link_local(),
        };
        let mut own = self.get(name)?.addresses.iter().filter(|address| !virtual_addresses.contains(address));
        own.find(fits).copied()
    }

    /// Applies one change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Link(link) => {
                let new = Interface { ifindex: link.ifindex, up: false, mac: None, addresses: Vec::new() };
                let (name, interface) = self.by_index.entry(link.ifindex).or_insert_with(|| (String::new(), new));
                *name = link.name;
                interface.up = link.admin_up && link.running;
                interface.mac = link.mac;
            }
            Change::LinkGone(ifindex) => {
                self.by_index.remove(&ifindex);
            }
            Change::Address(InterfaceAddress { ifindex, address, usable }) => {
                let Some((_, interface)) = self.by_index.get_mut(&ifindex) else { return };
                if !usable {
                    interface.addresses.retain(|other| *other != address);
                } else if !interface.addresses.contains(&address) {
                    interface.addresses.push(address);
                }
            }
            Change::AddressGone { ifindex, address } => {
                if let Some((_, interface)) = self.by_index.get_mut(&ifindex) {
                    interface.addresses.retain(|other| *other != address);
                }
            }
            Change::Neighbour(..) | Change::NeighbourGone(_) | Change::Routing | Change::Overrun => {}
        }
    }
}

/// Follows all interfaces from now on. The first value is complete.
///
/// # Errors
/// Netlink is not available.
pub async fn follow() -> io::Result<watch::Receiver<Arc<Links>>> {
    let mut follower = Follower::open().await?;
    let (sender, receiver) = watch::channel(Arc::new(follower.links.clone()));
    tokio::spawn(async move {
        loop {
            follower.run(&sender).await;
            if sender.is_closed() {
                return;
            }
            sleep(RETRY).await;
            if let Ok(again) = Follower::open().await {
                follower = again;
                publish(&sender, &follower.links);
            }
        }
    });
    Ok(receiver)
}

struct Follower {
    handle: Handle,
    changes: Changes,
    links: Links,
}

impl Follower {
    async fn open() -> io::Result<Self> {
        // Notifications are subscribed first, so that a change during the dump is reported again rather than missed.
        let changes = netlink::subscribe(&GROUPS, NEWS_BUFFER)?;
        let mut follower = Self { handle: netlink::connect()?, changes, links: Links::default() };
        follower.dump().await?;
        Ok(follower)
    }

    /// Publishes changes until netlink fails or there is no receiver.
    async fn run(&mut self, sender: &watch::Sender<Arc<Links>>) -> io::Error {
        loop {
            let change = tokio::select! {
                change = self.changes.next() => change,
                () = sender.closed() => None,
            };
            let Some(change) = change else { return io::Error::from(io::ErrorKind::UnexpectedEof) };
            let mut overrun = self.take(change);
            // A host with thousands of interfaces reports many changes at once.
            while let Some(Some(change)) = self.changes.next().now_or_never() {
                overrun |= self.take(change);
            }
            if overrun && let Err(error) = self.dump().await {
                return error;
            }
            publish(sender, &self.links);
        }
    }

    /// Applies a change. Returns true if notifications were lost.
    fn take(&mut self, change: Change) -> bool {
        let overrun = change == Change::Overrun;
        self.links.apply(change);
        overrun
    }

    async fn dump(&mut self) -> io::Result<()> {
        let all = timeout(ANSWER_LIMIT, list(&self.handle)).await;
        self.links = all.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(())
    }
}

fn publish(sender: &watch::Sender<Arc<Links>>, links: &Links) {
    sender.send_if_modified(|published| {
        let changed = **published != *links;
        if changed {
            *published = Arc::new(links.clone());
        }
        changed
    });
}

/// Returns the current state of all interfaces.
pub async fn list(handle: &Handle) -> io::Result<Links> {
    let mut all = Links::default();
    let links = netlink::links(handle).await.map_err(netlink::io_error)?;
    links.into_iter().for_each(|link| all.apply(Change::Link(link)));
    let addresses = netlink::addresses(handle).await.map_err(netlink::io_error)?;
    addresses.into_iter().for_each(|address| all.apply(Change::Address(address)));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::Link;

    fn link(name: &str, up: bool) -> Change {
        Change::Link(Link { ifindex: 2, name: name.to_owned(), admin_up: true, running: up, ..Link::default() })
    }

    fn address(address: &str, usable: bool) -> Change {
        Change::Address(InterfaceAddress { ifindex: 2, address: address.parse().unwrap(), usable })
    }

    fn links() -> Links {
        let mut links = Links::default();
        links.apply(link("eth0", true));
        links
    }

    fn has(links: &mut Links, text: &str) {
        links.apply(address(text, true));
    }

    #[test]
    fn source_is_the_first_address_that_is_not_virtual() {
        let mut links = links();
        has(&mut links, "10.0.0.1");
        has(&mut links, "10.0.0.2");
        has(&mut links, "10.0.0.3");
        let source = links.source("eth0", false, &["10.0.0.1".parse().unwrap()].into());
        assert_eq!(source, Some("10.0.0.2".parse().unwrap()));
    }

    #[test]
    fn source_over_ipv6_is_link_local() {
        let mut links = links();
        has(&mut links, "2001:db8::1");
        has(&mut links, "fe80::1");
        assert_eq!(links.source("eth0", true, &BTreeSet::new()), Some("fe80::1".parse().unwrap()));
    }

    #[test]
    fn address_still_being_probed_is_none() {
        let mut links = links();
        links.apply(address("fe80::1", false));
        assert_eq!(links.source("eth0", true, &BTreeSet::new()), None);
    }

    #[test]
    fn interface_that_was_renamed_is_found_by_its_new_name() {
        let mut links = links();
        links.apply(link("up0", false));
        assert!(links.get("eth0").is_none());
        assert!(links.get("up0").is_some_and(|link| !link.up));
    }

    #[test]
    fn interface_that_went_has_no_addresses_when_it_is_back() {
        let mut links = links();
        has(&mut links, "10.0.0.1");
        links.apply(Change::LinkGone(2));
        links.apply(link("eth0", true));
        assert_eq!(links.source("eth0", false, &BTreeSet::new()), None);
    }
}
