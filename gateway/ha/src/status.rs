//! Published status of the virtual routers.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use gateway_api::view::VrrpCounters as Counters;
use gateway_vrrp::{AuthError, PacketError, Status, Vrid};

use super::observe::Other;

/// Status of one virtual router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualRouterStatus {
    /// Its number.
    pub vrid: Vrid,
    /// Name of the configured instance.
    pub name: String,
    /// Its role and the related state.
    pub status: Status,
    /// The source address of its advertisements, while it can send.
    pub source: Option<IpAddr>,
    /// True if the virtual addresses are on the interface.
    pub addresses_there: bool,
    /// Number of times that the addresses had to be announced: at each takeover, and when another node had them as
    /// well.
    pub announced: u64,
    /// Problems, one sentence each.
    pub problems: BTreeSet<String>,
    /// The problems that make the node unhealthy whatever its role is.
    pub faults: Vec<String>,
    /// Counters since the start.
    pub counters: Counters,
    /// Other routers whose advertisements arrived in the last minute.
    pub others: BTreeMap<IpAddr, Other>,
}

/// Counts a packet that is not a valid advertisement.
pub(crate) fn count_refused(counters: &mut Counters, error: &PacketError) {
    let counter = match error {
        PacketError::Ttl(_) => &mut counters.ip_ttl_err,
        PacketError::Version(_) => &mut counters.version_err,
        PacketError::Type(_) | PacketError::Vrid => &mut counters.invalid_type_rcvd,
        PacketError::Checksum => &mut counters.checksum_err,
        PacketError::NoAddress => &mut counters.addr_list_err,
        PacketError::Authentication(_) => &mut counters.invalid_authtype,
        PacketError::Inauthentic(error) => match error {
            AuthError::Missing => &mut counters.auth_ext_missing,
            AuthError::Malformed => &mut counters.auth_ext_malformed,
            AuthError::UnknownKey(_) | AuthError::NoKeys => &mut counters.auth_ext_unknown_key,
            AuthError::Hmac(_) => &mut counters.auth_ext_invalid_hmac,
            AuthError::Stale(_) => &mut counters.auth_ext_stale,
            AuthError::Replayed => &mut counters.auth_ext_replay,
        },
        PacketError::Interval => &mut counters.advert_interval_err,
        PacketError::IpHeader | PacketError::Short(_) | PacketError::Count { .. } => &mut counters.packet_len_err,
    };
    *counter += 1;
}
