//! Requests to the kernel for the facts of the underlay.

use std::{io, net::IpAddr};

use super::error::UnderlayError;
use crate::netlink::{self, Answer, Change, Handle, ManageRequest, Route};

/// Connection for requests.
pub(crate) struct Kernel {
    handle: Handle,
}

impl Kernel {
    /// Opens the connection in the calling thread's network namespace.
    pub(crate) fn open() -> Result<Self, UnderlayError> {
        let handle = netlink::connect().map_err(|source| UnderlayError::Open { what: "requests", source })?;
        Ok(Self { handle })
    }

    /// Returns all links and neighbours.
    pub(crate) async fn dump(&self) -> Result<Vec<Change>, UnderlayError> {
        let failed = |what| move |error| UnderlayError::Dump { what, source: netlink::io_error(error) };
        let links = netlink::links(&self.handle).await.map_err(failed("links"))?;
        let neighbours = netlink::neighbours(&self.handle).await.map_err(failed("neighbours"))?;
        let links = links.into_iter().map(Change::Link);
        Ok(links.chain(neighbours.into_iter().map(|(key, entry)| Change::Neighbour(key, entry))).collect())
    }

    /// Requests the route to `remote`, from `source` if there is one. `source` must then be an address of this host.
    pub(crate) async fn route(&self, remote: IpAddr, source: Option<IpAddr>) -> Answer {
        match netlink::look_up(&self.handle, remote, source).await {
            // The kernel doesn't repeat the source of the request.
            Answer::Via(route) => Answer::Via(Route { source: route.source.or(source), ..route }),
            answer => answer,
        }
    }

    /// Returns true if this host has the address.
    pub(crate) async fn is_local(&self, address: IpAddr) -> bool {
        netlink::look_up(&self.handle, address, None).await == Answer::Local
    }

    /// Makes the kernel manage a neighbour, or stop managing it.
    pub(crate) async fn manage(&self, request: ManageRequest) -> io::Result<()> {
        netlink::manage_neighbour(&self.handle, request).await
    }
}
