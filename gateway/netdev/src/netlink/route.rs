//! Routes: `RTM_GETROUTE` and its answer.

use std::{net::IpAddr, pin::pin};

use futures_util::StreamExt;
use rtnetlink::{
    Error, Handle,
    packet_route::{
        AddressFamily,
        route::{RouteAddress, RouteAttribute, RouteMessage, RouteMetric, RouteType, RouteVia},
    },
};
use tokio::time::timeout;

use super::error::{ANSWER_LIMIT, errno};

/// The kernel's answer to "how would you reach this address?" (`RTM_GETROUTE`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Through an interface.
    Via(Route),
    /// It is an address of this host.
    Local,
    /// It is a multicast or broadcast address.
    NotUnicast,
    /// No route matches.
    NoRoute,
    /// A route matches, and refuses.
    Forbidden(Forbidden),
    /// The lookup failed with this error number.
    Failed(i32),
}

/// A route to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Index of the outgoing interface.
    pub(crate) oif: u32,
    /// The router; `None` if the address is on the link itself. May be IPv6 for an IPv4 route (RFC 5549).
    pub gateway: Option<IpAddr>,
    /// The source address that the kernel would choose.
    pub source: Option<IpAddr>,
    /// MTU of the path in bytes, if a route or path MTU discovery reports one.
    pub mtu: Option<u32>,
}

/// The kinds of route that refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// `blackhole`: dropped silently.
    Blackhole,
    /// `unreachable`: dropped, with an ICMP error.
    Unreachable,
    /// `prohibit`: dropped, with an ICMP error of the administrative kind.
    Prohibit,
}

/// Looks up the route to `remote`, for packets from `source` if there is one. `source` must then be an address of this
/// host.
pub(crate) async fn look_up(handle: &Handle, remote: IpAddr, source: Option<IpAddr>) -> Answer {
    let bits = if remote.is_ipv4() { 32 } else { 128 };
    let mut message = RouteMessage::default();
    message.header.address_family = if remote.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.destination_prefix_length = bits;
    message.attributes.push(RouteAttribute::Destination(remote.into()));
    if let Some(source) = source {
        message.header.source_prefix_length = bits;
        message.attributes.push(RouteAttribute::Source(source.into()));
    }
    let mut replies = pin!(handle.route().get(message).execute());
    match timeout(ANSWER_LIMIT, replies.next()).await {
        Ok(Some(Ok(reply))) => answer(&reply),
        Ok(Some(Err(error))) => refusal(&error),
        Ok(None) => Answer::NoRoute,
        Err(_) => Answer::Failed(libc::ETIMEDOUT),
    }
}

/// Returns the kernel's answer to a route lookup.
fn answer(message: &RouteMessage) -> Answer {
    match message.header.kind {
        RouteType::Unicast => {}
        RouteType::Local => return Answer::Local,
        RouteType::Broadcast | RouteType::Multicast | RouteType::Anycast => return Answer::NotUnicast,
        RouteType::BlackHole => return Answer::Forbidden(Forbidden::Blackhole),
        RouteType::Unreachable => return Answer::Forbidden(Forbidden::Unreachable),
        RouteType::Prohibit => return Answer::Forbidden(Forbidden::Prohibit),
        _ => return Answer::NoRoute,
    }
    let mut oif = None;
    let (mut gateway, mut source, mut mtu) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => oif = Some(*index),
            RouteAttribute::Gateway(address) => gateway = ip(address),
            RouteAttribute::Via(RouteVia::Inet(v4)) => gateway = Some(IpAddr::V4(*v4)),
            RouteAttribute::Via(RouteVia::Inet6(v6)) => gateway = Some(IpAddr::V6(*v6)),
            RouteAttribute::PrefSource(address) => source = ip(address),
            RouteAttribute::Metrics(metrics) => {
                mtu = metrics.iter().find_map(|metric| match metric {
                    RouteMetric::Mtu(value) if *value > 0 => Some(*value),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    match oif {
        Some(oif) => Answer::Via(Route { oif, gateway, source, mtu }),
        None => Answer::NoRoute,
    }
}

/// Returns the meaning of a refused route lookup. For IPv4 the kinds of route that refuse differ only by the error
/// (`fib_props` in net/ipv4/fib_semantics.c).
fn refusal(error: &Error) -> Answer {
    match errno(error) {
        libc::ENETUNREACH | libc::ESRCH => Answer::NoRoute,
        libc::EINVAL => Answer::Forbidden(Forbidden::Blackhole),
        libc::EHOSTUNREACH => Answer::Forbidden(Forbidden::Unreachable),
        libc::EACCES => Answer::Forbidden(Forbidden::Prohibit),
        other => Answer::Failed(other),
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_takes_an_ipv6_router_for_ipv4() {
        let mut message = RouteMessage::default();
        message.header.kind = RouteType::Unicast;
        let router = "fe80::1".parse().unwrap();
        message.attributes = vec![RouteAttribute::Oif(3), RouteAttribute::Via(RouteVia::Inet6(router))];
        let expected = Route { oif: 3, gateway: Some(IpAddr::V6(router)), source: None, mtu: None };
        assert_eq!(answer(&message), Answer::Via(expected));
    }

    #[test]
    fn route_of_refusing_kind_is_forbidden() {
        let mut message = RouteMessage::default();
        message.header.kind = RouteType::Prohibit;
        assert_eq!(answer(&message), Answer::Forbidden(Forbidden::Prohibit));
    }
}
