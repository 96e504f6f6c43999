//! Neighbours: `RTM_NEWNEIGH` and its kin.

use std::{future::ready, io, net::IpAddr};

use futures_util::{StreamExt, TryStreamExt};
use gateway_common::net::MacAddr;
use rtnetlink::{
    Error, Handle,
    packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage},
    },
};
use tokio::time::timeout;

use super::{
    error::{ANSWER_LIMIT, io_error},
    request::ask,
};

/// Key of an entry of the neighbour tables: interface index and IP address.
pub type NeighbourKey = (u32, IpAddr);

/// An entry of the ARP or ND table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// State of the entry in the kernel.
    pub state: NeighbourState,
    /// Its Ethernet address, if known.
    pub mac: Option<MacAddr>,
    /// True if the kernel keeps it resolved by itself (`NTF_EXT_MANAGED`).
    pub managed: bool,
    /// True if a control plane has added it (`NTF_EXT_LEARNED`). A request without that flag would remove the flag.
    pub(crate) ext_learned: bool,
}

/// The kernel's NUD states, as far as they make a difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighbourState {
    /// Resolution is in progress, or has not begun.
    Pending,
    /// Resolution has failed: no answer.
    Failed,
    /// Usable: reachable, or stale, delay and probe, in which the kernel still sends to the known address.
    Valid,
    /// Usable, and managed by the operator only: permanent or noarp.
    Fixed,
}

/// Request to manage a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ManageRequest {
    /// The entry.
    pub(crate) key: NeighbourKey,
    /// True: manage it. False: stop managing it.
    pub(crate) manage: bool,
    /// True if the entry carries `NTF_EXT_LEARNED`, which the request must repeat to keep it.
    pub(crate) ext_learned: bool,
}

/// Returns all neighbours.
pub(crate) async fn neighbours(handle: &Handle) -> Result<Vec<(NeighbourKey, Neighbour)>, Error> {
    handle.neighbours().get().execute().try_filter_map(|message| ready(Ok(neighbour(&message)))).try_collect().await
}

/// Requests one neighbour. The error is `ENOENT` if there is no such entry.
pub(crate) fn neighbour_of((ifindex, address): NeighbourKey) -> io::Result<Option<Neighbour>> {
    let answer = ask(libc::RTM_GETNEIGH, &message_about((ifindex, address)))?;
    Ok(answer.as_ref().and_then(neighbour).map(|(_, entry)| entry))
}

/// Makes the kernel manage a neighbour, or stop managing it.
///
/// The state is left at `NUD_NONE`, which together with `NTF_USE` means "unchanged" on every kernel. Without `NTF_USE`,
/// kernels before 5.16 would drop the known state of the neighbour.
pub(crate) async fn manage_neighbour(handle: &Handle, request: ManageRequest) -> io::Result<()> {
    let mut message = message_about(request.key);
    message.header.flags = NeighbourFlags::Use;
    if request.ext_learned {
        message.header.flags |= NeighbourFlags::ExtLearned;
    }
    let mut flags = NLM_F_REQUEST | NLM_F_ACK;
    if request.manage {
        flags |= NLM_F_CREATE;
        message.attributes.push(NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed));
    }
    let mut message = NetlinkMessage::from(RouteNetlinkMessage::NewNeighbour(message));
    message.header.flags = flags;
    let mut replies = handle.clone().request(message).map_err(io_error)?;
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

fn message_about((ifindex, address): NeighbourKey) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.ifindex = ifindex;
    message.attributes.push(NeighbourAttribute::Destination(match address {
        IpAddr::V4(v4) => NeighbourAddress::Inet(v4),
        IpAddr::V6(v6) => NeighbourAddress::Inet6(v6),
    }));
    message
}

/// Returns the entry in a message, or `None` for those of a bridge's forwarding database, and for proxies.
pub(super) fn neighbour(message: &NeighbourMessage) -> Option<(NeighbourKey, Neighbour)> {
    if message.header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let mut entry = Neighbour {
        state: neighbour_state(message.header.state.into()),
        mac: None,
        managed: false,
        ext_learned: message.header.flags.contains(NeighbourFlags::ExtLearned),
    };
    let mut address = None;
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => address = Some(IpAddr::V4(*v4)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => address = Some(IpAddr::V6(*v6)),
            NeighbourAttribute::LinkLayerAddress(bytes) => entry.mac = bytes.as_slice().try_into().ok().map(MacAddr),
            NeighbourAttribute::ExtFlags(flags) => entry.managed = flags.contains(NeighbourExtFlags::Managed),
            _ => {}
        }
    }
    Some(((message.header.ifindex, address?), entry))
}

/// Converts `NUD_*` bits (linux/neighbour.h).
fn neighbour_state(bits: u16) -> NeighbourState {
    const FIXED: u16 = libc::NUD_PERMANENT | libc::NUD_NOARP;
    const VALID: u16 = libc::NUD_REACHABLE | libc::NUD_STALE | libc::NUD_DELAY | libc::NUD_PROBE;
    if bits & FIXED != 0 {
        NeighbourState::Fixed
    } else if bits & VALID != 0 {
        NeighbourState::Valid
    } else if bits & libc::NUD_FAILED != 0 {
        NeighbourState::Failed
    } else {
        NeighbourState::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_neighbour_is_valid_and_incomplete_is_not() {
        assert_eq!(neighbour_state(libc::NUD_STALE), NeighbourState::Valid);
        assert_eq!(neighbour_state(libc::NUD_PERMANENT), NeighbourState::Fixed);
        assert_eq!(neighbour_state(libc::NUD_INCOMPLETE), NeighbourState::Pending);
        assert_eq!(neighbour_state(libc::NUD_FAILED), NeighbourState::Failed);
        assert_eq!(neighbour_state(0), NeighbourState::Pending);
    }
}
