//! What is told of the virtual routers.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::observe::Other;
use crate::vrrp::{AuthError, PacketError, Status, Vrid};

/// How one virtual router stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceStatus {
    /// Its number.
    pub vrid: Vrid,
    /// The instance's name.
    pub name: String,
    /// Its role, and all that goes with it.
    pub status: Status,
    /// The address that it advertises from, while it can.
    pub source: Option<IpAddr>,
    /// The virtual addresses are on the interface.
    pub addresses_there: bool,
    /// How often it was to be said where the addresses are: at each takeover, and when another node had them as well.
    pub announced: u64,
    /// What is wrong, one sentence each.
    pub problems: BTreeSet<String>,
    /// Those of them that make the node unhealthy whatever its role is.
    pub faults: Vec<String>,
    /// What was counted since the start.
    pub counters: Counters,
    /// Other routers heard in the last minute.
    pub others: BTreeMap<IpAddr, Other>,
}

/// Counters of one virtual router. The names are those of keepalived's statistics, and so are their meanings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it, and are taken from keepalived")]
pub struct Counters {
    pub advert_rcvd: u64,
    pub advert_sent: u64,
    pub become_master: u64,
    pub release_master: u64,
    pub packet_len_err: u64,
    pub advert_interval_err: u64,
    pub ip_ttl_err: u64,
    pub invalid_type_rcvd: u64,
    pub addr_list_err: u64,
    pub invalid_authtype: u64,
    pub version_err: u64,
    pub checksum_err: u64,
    pub priority_zero_rcvd: u64,
    pub priority_zero_sent: u64,
    /// Advertisements that could not be sent.
    pub send_err: u64,
    pub auth_ext_missing: u64,
    pub auth_ext_malformed: u64,
    pub auth_ext_unknown_key: u64,
    pub auth_ext_invalid_hmac: u64,
    pub auth_ext_stale: u64,
    pub auth_ext_replay: u64,
}

impl Counters {
    /// Counts what is no sound advertisement.
    pub(crate) fn refused(&mut self, error: &PacketError) {
        let counter = match error {
            PacketError::Ttl(_) => &mut self.ip_ttl_err,
            PacketError::Version(_) => &mut self.version_err,
            PacketError::Type(_) | PacketError::Vrid => &mut self.invalid_type_rcvd,
            PacketError::Checksum => &mut self.checksum_err,
            PacketError::NoAddress => &mut self.addr_list_err,
            PacketError::Authentication(_) => &mut self.invalid_authtype,
            PacketError::Inauthentic(error) => match error {
                AuthError::Missing => &mut self.auth_ext_missing,
                AuthError::Malformed => &mut self.auth_ext_malformed,
                AuthError::UnknownKey(_) | AuthError::NoKeys => &mut self.auth_ext_unknown_key,
                AuthError::Hmac(_) => &mut self.auth_ext_invalid_hmac,
                AuthError::Stale(_) => &mut self.auth_ext_stale,
                AuthError::Replayed => &mut self.auth_ext_replay,
            },
            PacketError::Interval => &mut self.advert_interval_err,
            PacketError::IpHeader | PacketError::Short(_) | PacketError::Count { .. } => &mut self.packet_len_err,
        };
        *counter += 1;
    }
}
