//! The two netlink sockets: one for requests, one for notifications. (A change that is made on a socket is not reported
//! on that same socket, and a dump would delay the notifications.)

use std::{io, net::IpAddr, time::Duration};

use futures_util::{StreamExt, TryStreamExt};
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::{
    Error, Handle, MulticastGroup,
    packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage},
        route::{RouteAttribute, RouteMessage},
    },
    sys::AsyncSocket,
};
use tokio::{sync::mpsc, time::timeout};

use super::{
    decode,
    facts::{Answer, Change, Route},
    follow::UnderlayError,
    keep::Request,
};

/// Longest wait for an answer that the kernel gives at once. It ends only if a message was lost or could not be parsed.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

const GROUPS: [MulticastGroup; 8] = [
    MulticastGroup::Link,
    MulticastGroup::Neigh,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
];

/// Opens the socket for notifications, with a receive buffer of `buffer` bytes, in the calling thread's network
/// namespace.
pub(crate) fn news(buffer: usize) -> Result<mpsc::UnboundedReceiver<Change>, UnderlayError> {
    let open = |source| UnderlayError::Open { what: "events", source };
    let (mut connection, _, mut messages) = rtnetlink::new_multicast_connection(&GROUPS).map_err(open)?;
    let socket = connection.socket_mut().socket_mut();
    // Beyond net.core.rmem_max only with CAP_NET_ADMIN.
    setsockopt(socket, sockopt::RcvBufForce, &buffer)
        .or_else(|_| setsockopt(socket, sockopt::RcvBuf, &buffer))
        .map_err(|errno| open(errno.into()))?;
    tokio::spawn(connection);
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some((message, _)) = messages.next().await {
            if let Some(change) = decode::change(&message)
                && sender.send(change).is_err()
            {
                break;
            }
        }
    });
    Ok(receiver)
}

/// Socket for requests.
pub(crate) struct Kernel {
    handle: Handle,
}

impl Kernel {
    /// Opens the socket in the calling thread's network namespace.
    pub(crate) fn open() -> Result<Self, UnderlayError> {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(|source| UnderlayError::Open { what: "requests", source })?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// Returns all links and neighbours.
    pub(crate) async fn dump(&self) -> Result<Vec<Change>, UnderlayError> {
        let failed = |what| move |error: Error| UnderlayError::Dump { what, source: decode::io_error(&error) };
        let mut changes = Vec::new();
        let mut links = std::pin::pin!(self.handle.link().get().execute());
        while let Some(message) = links.try_next().await.map_err(failed("links"))? {
            changes.extend(decode::link(&message).map(Change::Link));
        }
        let mut neighbours = std::pin::pin!(self.handle.neighbours().get().execute());
        while let Some(message) = neighbours.try_next().await.map_err(failed("neighbours"))? {
            changes.extend(decode::neighbour(&message).map(|(key, entry)| Change::Neighbour(key, entry)));
        }
        Ok(changes)
    }

    /// Requests the route to `remote`, from `source` if there is one. `source` must then be an address of this host.
    pub(crate) async fn route(&self, remote: IpAddr, source: Option<IpAddr>) -> Answer {
        match self.lookup(remote, source).await {
            // The kernel doesn't repeat the source of the request.
            Answer::Via(route) => Answer::Via(Route { source: route.source.or(source), ..route }),
            answer => answer,
        }
    }

    /// Returns true if this host has the address.
    pub(crate) async fn is_local(&self, address: IpAddr) -> bool {
        self.lookup(address, None).await == Answer::Local
    }

    async fn lookup(&self, remote: IpAddr, source: Option<IpAddr>) -> Answer {
        let bits = if remote.is_ipv4() { 32 } else { 128 };
        let mut message = RouteMessage::default();
        message.header.address_family = family(remote);
        message.header.destination_prefix_length = bits;
        message.attributes.push(RouteAttribute::Destination(remote.into()));
        if let Some(source) = source {
            message.header.source_prefix_length = bits;
            message.attributes.push(RouteAttribute::Source(source.into()));
        }
        let mut replies = std::pin::pin!(self.handle.route().get(message).execute());
        match timeout(ANSWER_LIMIT, replies.next()).await {
            Ok(Some(Ok(reply))) => decode::answer(&reply),
            Ok(Some(Err(error))) => decode::refusal(&error),
            Ok(None) => Answer::NoRoute,
            Err(_) => Answer::Failed(libc::ETIMEDOUT),
        }
    }

    /// Makes the kernel manage a neighbour, or stop managing it.
    ///
    /// The state is left at `NUD_NONE`, which together with `NTF_USE` means "unchanged" on every kernel. Without
    /// `NTF_USE`, kernels before 5.16 would drop the known state of the neighbour.
    pub(crate) async fn keep(&self, request: Request) -> Result<(), io::Error> {
        let (ifindex, address) = request.key;
        let mut message = NeighbourMessage::default();
        message.header.family = family(address);
        message.header.ifindex = ifindex;
        message.header.flags = NeighbourFlags::Use;
        if request.ext_learned {
            message.header.flags |= NeighbourFlags::ExtLearned;
        }
        message.attributes.push(NeighbourAttribute::Destination(match address {
            IpAddr::V4(v4) => NeighbourAddress::Inet(v4),
            IpAddr::V6(v6) => NeighbourAddress::Inet6(v6),
        }));
        let mut flags = NLM_F_REQUEST | NLM_F_ACK;
        if request.manage {
            flags |= NLM_F_CREATE;
            message.attributes.push(NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed));
        }
        let mut message = NetlinkMessage::from(RouteNetlinkMessage::NewNeighbour(message));
        message.header.flags = flags;
        let mut replies = self.handle.clone().request(message).map_err(|error| decode::io_error(&error))?;
        // The stream ends with the acknowledgement, and carries a message only for an error.
        match timeout(ANSWER_LIMIT, replies.next()).await {
            Ok(Some(reply)) => match reply.payload {
                NetlinkPayload::Error(error) => Err(error.to_io()),
                _ => Ok(()),
            },
            Ok(None) => Ok(()),
            Err(_) => Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)),
        }
    }
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}
