//! Follows interfaces and their addresses by netlink, on a connection of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, TryStreamExt};
use gateway_common::net::MacAddr;
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::{
    Error, Handle, MulticastGroup,
    packet_core::{NetlinkMessage, NetlinkPayload},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope},
        link::{LinkAttribute, LinkFlags, LinkMessage},
    },
    sys::AsyncSocket,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

const GROUPS: [MulticastGroup; 3] = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
/// Size in bytes of the kernel's buffer for notifications. If it overflows, notifications are dropped.
const NEWS_BUFFER: usize = 1 << 20;
/// Longest wait for an answer that the kernel gives at once.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Time after which netlink is tried again after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
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
    by_index: BTreeMap<u32, (String, Link)>,
}

/// A change of an interface or address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An interface was added or has changed.
    Link {
        /// Its index.
        ifindex: u32,
        /// Its name.
        name: String,
        /// True if it is up and has a carrier.
        up: bool,
        /// Its Ethernet address.
        mac: Option<MacAddr>,
    },
    /// The interface was removed.
    LinkGone(u32),
    /// The interface has an address, which is usable or not (yet).
    Address {
        /// The interface.
        ifindex: u32,
        /// The address.
        address: IpAddr,
        /// False while duplicate address detection runs or has failed.
        usable: bool,
    },
    /// The interface has lost an address.
    AddressGone {
        /// The interface.
        ifindex: u32,
        /// The address.
        address: IpAddr,
    },
    /// Notifications were lost.
    Overrun,
}

impl Links {
    /// Returns the interface of that name.
    pub fn get(&self, name: &str) -> Option<&Link> {
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
            Change::Link { ifindex, name, up, mac } => {
                let entry = self
                    .by_index
                    .entry(ifindex)
                    .or_insert_with(|| (String::new(), Link { ifindex, up: false, mac: None, addresses: Vec::new() }));
                entry.0 = name;
                entry.1.up = up;
                entry.1.mac = mac;
            }
            Change::LinkGone(ifindex) => {
                self.by_index.remove(&ifindex);
            }
            Change::Address { ifindex, address, usable } => {
                let Some((_, link)) = self.by_index.get_mut(&ifindex) else { return };
                if !usable {
                    link.addresses.retain(|other| *other != address);
                } else if !link.addresses.contains(&address) {
                    link.addresses.push(address);
                }
            }
            Change::AddressGone { ifindex, address } => {
                if let Some((_, link)) = self.by_index.get_mut(&ifindex) {
                    link.addresses.retain(|other| *other != address);
                }
            }
            Change::Overrun => {}
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

type Messages = futures_util::stream::BoxStream<'static, NetlinkMessage<RouteNetlinkMessage>>;

struct Follower {
    handle: Handle,
    messages: Messages,
    links: Links,
}

impl Follower {
    async fn open() -> io::Result<Self> {
        // Notifications are subscribed first, so that a change during the dump is reported again rather than missed.
        let (mut connection, _, messages) = rtnetlink::new_multicast_connection(&GROUPS)?;
        let socket = connection.socket_mut().socket_mut();
        // Beyond net.core.rmem_max only with CAP_NET_ADMIN.
        setsockopt(socket, sockopt::RcvBufForce, &NEWS_BUFFER)
            .or_else(|_| setsockopt(socket, sockopt::RcvBuf, &NEWS_BUFFER))?;
        tokio::spawn(connection);
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        let messages = messages.map(|(message, _)| message).boxed();
        let mut follower = Self { handle, messages, links: Links::default() };
        follower.dump().await?;
        Ok(follower)
    }

    /// Publishes changes until netlink fails or there is no receiver.
    async fn run(&mut self, sender: &watch::Sender<Arc<Links>>) -> io::Error {
        loop {
            let message = tokio::select! {
                message = self.messages.next() => message,
                () = sender.closed() => None,
            };
            let Some(message) = message else { return io::Error::from(io::ErrorKind::UnexpectedEof) };
            let mut overrun = self.take(&message);
            // A host with thousands of interfaces reports many changes at once.
            while let Some(Some(message)) = self.messages.next().now_or_never() {
                overrun |= self.take(&message);
            }
            if overrun && let Err(error) = self.dump().await {
                return error;
            }
            publish(sender, &self.links);
        }
    }

    /// Applies a message. Returns true if notifications were lost.
    fn take(&mut self, message: &NetlinkMessage<RouteNetlinkMessage>) -> bool {
        match change(message) {
            Some(Change::Overrun) => return true,
            Some(change) => self.links.apply(change),
            None => {}
        }
        false
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
    let mut links = std::pin::pin!(handle.link().get().execute());
    while let Some(message) = links.try_next().await.map_err(|error| io_error(&error))? {
        link(&message).into_iter().for_each(|change| all.apply(change));
    }
    let mut addresses = std::pin::pin!(handle.address().get().execute());
    while let Some(message) = addresses.try_next().await.map_err(|error| io_error(&error))? {
        address(&message).into_iter().for_each(|change| all.apply(change));
    }
    Ok(all)
}

/// Returns the kernel's reason in an error of rtnetlink.
pub fn io_error(error: &Error) -> io::Error {
    match error {
        Error::NetlinkError(message) => message.to_io(),
        other => io::Error::other(other.to_string()),
    }
}

fn change(message: &NetlinkMessage<RouteNetlinkMessage>) -> Option<Change> {
    let inner = match &message.payload {
        NetlinkPayload::InnerMessage(inner) => inner,
        NetlinkPayload::Overrun(_) => return Some(Change::Overrun),
        _ => return None,
    };
    match inner {
        RouteNetlinkMessage::NewLink(message) => link(message),
        // A port that leaves its bridge is a DELLINK of family AF_BRIDGE; the interface itself stays.
        RouteNetlinkMessage::DelLink(message) if message.header.interface_family == AddressFamily::Unspec => {
            Some(Change::LinkGone(message.header.index))
        }
        RouteNetlinkMessage::NewAddress(message) => address(message),
        RouteNetlinkMessage::DelAddress(message) => {
            local(message).map(|address| Change::AddressGone { ifindex: message.header.index, address })
        }
        _ => None,
    }
}

fn link(message: &LinkMessage) -> Option<Change> {
    if message.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let flags = message.header.flags;
    let (mut name, mut mac) = (String::new(), None);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name.clone_from(text),
            LinkAttribute::Address(bytes) => mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(MacAddr),
            _ => {}
        }
    }
    let up = flags.contains(LinkFlags::Up) && flags.contains(LinkFlags::Running);
    Some(Change::Link { ifindex: message.header.index, name, up, mac })
}

/// Returns the local address. On a point-to-point link IFA_ADDRESS is that of the other end, so IFA_LOCAL is preferred.
fn local(message: &AddressMessage) -> Option<IpAddr> {
    let find = |pick: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(pick);
    find(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    })
    .or_else(|| {
        find(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })
}

fn address(message: &AddressMessage) -> Option<Change> {
    let flags = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Flags(flags) => Some(*flags),
        _ => None,
    });
    let bits = flags.map_or(u32::from(message.header.flags.bits()), |flags| flags.bits());
    let address = local(message)?;
    // An address that duplicate address detection has not accepted can't be a source.
    let unusable = AddressFlags::Tentative.bits() | AddressFlags::Dadfailed.bits();
    let foreign = message.header.scope == AddressScope::Host || address == IpAddr::V6(Ipv6Addr::LOCALHOST);
    Some(Change::Address { ifindex: message.header.index, address, usable: bits & unusable == 0 && !foreign })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Links {
        let mut links = Links::default();
        links.apply(Change::Link { ifindex: 2, name: "eth0".to_owned(), up: true, mac: None });
        links
    }

    fn has(links: &mut Links, address: &str) {
        links.apply(Change::Address { ifindex: 2, address: address.parse().unwrap(), usable: true });
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
        let address = "fe80::1".parse().unwrap();
        links.apply(Change::Address { ifindex: 2, address, usable: false });
        assert_eq!(links.source("eth0", true, &BTreeSet::new()), None);
    }

    #[test]
    fn interface_that_was_renamed_is_found_by_its_new_name() {
        let mut links = links();
        links.apply(Change::Link { ifindex: 2, name: "up0".to_owned(), up: false, mac: None });
        assert!(links.get("eth0").is_none());
        assert!(links.get("up0").is_some_and(|link| !link.up));
    }

    #[test]
    fn interface_that_went_has_no_addresses_when_it_is_back() {
        let mut links = links();
        has(&mut links, "10.0.0.1");
        links.apply(Change::LinkGone(2));
        links.apply(Change::Link { ifindex: 2, name: "eth0".to_owned(), up: true, mac: None });
        assert_eq!(links.source("eth0", false, &BTreeSet::new()), None);
    }
}
