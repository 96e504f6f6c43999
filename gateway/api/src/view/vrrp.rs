//! `show vrrp` and the other nodes: parts of `status`.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

/// A virtual router: tunnel addresses that move between nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Router {
    /// Name of the virtual router.
    pub name: String,
    /// Virtual router identifier, 1 to 255; also the number of the lease.
    pub vrid: u8,
    /// This node's role.
    pub role: Role,
    /// Time since the last transition.
    pub seconds_in_role: u64,
    /// The priority in force, 1 to 255: the configured one and the weights of tracked objects.
    pub priority: u8,
    /// The configured priority.
    pub configured_priority: u8,
    /// The protocol version, 2 or 3.
    pub version: u8,
    /// Advertisement interval in force, in seconds: the active node's.
    pub interval: f64,
    /// The interface that advertisements are sent and received on.
    pub interface: String,
    /// Source address of this node's advertisements, if it has one.
    pub source: Option<IpAddr>,
    /// The virtual addresses, which remote VTEPs tunnel to.
    pub addresses: Vec<IpAddr>,
    /// They are on the interface.
    pub addresses_there: bool,
    /// Rest of the lease under which the data plane forwards. None: it does not forward.
    pub lease_left_ms: Option<u64>,
    /// The active node's address, while another one is active.
    pub active_node: Option<IpAddr>,
    /// Addresses of other routers whose advertisements were received in the last minute.
    pub others: Vec<IpAddr>,
    /// State that these VRRP peers advertise.
    pub other_routers: Vec<OtherRouter>,
    /// Problems, one sentence each.
    pub problems: Vec<String>,
    /// Problems that make the node unhealthy in any role: a claim that is held off for longer than three intervals, and
    /// a node that does not receive from this one.
    pub faults: Vec<String>,
    /// The node that the role was left to, since it does not hear this one.
    pub unheard_by: Option<IpAddr>,
    /// Bindings that this node forwards as the active one, or could.
    #[serde(default)]
    pub bindings_able: u32,
    /// The connected node that could forward the most bindings, if these are more than here for longer than a few
    /// seconds.
    pub ablest: Option<Ablest>,
    /// True if this node takes over only if no other node does, because another one could forward more or has not
    /// reported yet.
    #[serde(default)]
    pub held: bool,
    /// Counters since the agent's start.
    pub counters: VrrpCounters,
}

impl Router {
    /// Returns the bindings that this node cannot forward and another one could, as a sentence.
    pub fn shortfall(&self) -> Option<String> {
        let Ablest { node, bindings } = self.ablest.as_ref().filter(|ablest| ablest.bindings > self.bindings_able)?;
        let able = self.bindings_able;
        Some(match self.role {
            Role::Active => format!(
                "this node is active with {able} bindings, and {node} could forward {bindings}: `vtep-gateway show \
                 bindings` says what is missing here, and `vtep-gateway handover` gives the role away"
            ),
            _ => format!(
                "this node could forward {able} bindings, and {node} {bindings}: it takes over only where nobody else \
                 does; `vtep-gateway show bindings` says what is missing"
            ),
        })
    }
}

/// Node that could forward more bindings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ablest {
    /// Its name.
    pub node: String,
    /// Number of bindings.
    pub bindings: u32,
}

/// Role of a node in a virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The startup delay has not ended.
    Starting,
    /// A tracked object is down: the node cannot be active.
    Fault,
    /// Another node is active, or will be.
    Backup,
    /// The node claims the active role, and waits until no other node can still forward.
    Claiming,
    /// The node is active and forwards.
    Active,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [Self::Starting, Self::Fault, Self::Backup, Self::Claiming, Self::Active];

    /// Returns the name of the role.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Fault => "fault",
            Self::Backup => "backup",
            Self::Claiming => "claiming",
            Self::Active => "active",
        }
    }
}

impl From<gateway_vrrp::Role> for Role {
    fn from(role: gateway_vrrp::Role) -> Self {
        match role {
            gateway_vrrp::Role::Starting => Self::Starting,
            gateway_vrrp::Role::Fault => Self::Fault,
            gateway_vrrp::Role::Backup => Self::Backup,
            gateway_vrrp::Role::Claiming => Self::Claiming,
            gateway_vrrp::Role::Active => Self::Active,
        }
    }
}

/// VRRP peer: another router of the same virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherRouter {
    /// Its address.
    pub address: IpAddr,
    /// The priority in its last advertisement; 0: it left.
    pub priority: u8,
    /// Its protocol version, 2 or 3.
    pub version: u8,
    /// The interval it gives, in seconds.
    pub interval: f64,
    /// Time since its last advertisement.
    pub heard_seconds_ago: u64,
}

/// The other nodes of the cluster that are connected to this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nodes {
    /// Connected nodes that could take over from this one: name and address of each, by VRID.
    pub standbys: BTreeMap<String, Vec<String>>,
    /// Stations received from active nodes.
    pub stations_heard: u64,
    /// Nodes that cannot be reached, and settings in which two nodes differ.
    pub problems: Vec<String>,
}

macro_rules! vrrp_counters {
    ($( $name:ident $text:literal, )+) => {
        /// Counters of a virtual router. Names and meanings are those of keepalived's statistics.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct VrrpCounters {
            $(#[doc = $text] pub $name: u64,)+
        }

        impl VrrpCounters {
            /// Name, count and meaning of each.
            pub const fn all(&self) -> [(&'static str, u64, &'static str); [$(stringify!($name)),+].len()] {
                [$((stringify!($name), self.$name, $text),)+]
            }
        }
    };
}

vrrp_counters! {
    advert_rcvd "Advertisements received.",
    advert_sent "Advertisements sent.",
    become_master "Times this node became active.",
    release_master "Times this node ceased to be active.",
    packet_len_err "Packets received whose length does not add up.",
    advert_interval_err "Advertisements received with an interval that is none.",
    ip_ttl_err "Packets received whose TTL or hop limit is not 255: they crossed a router.",
    invalid_type_rcvd "Packets received that are no advertisements.",
    addr_list_err "Advertisements received without an address.",
    invalid_authtype "Packets received with a password or an authentication header of version 2, which are not supported.",
    version_err "Packets received of another version of the protocol.",
    checksum_err "Packets received with a wrong checksum.",
    priority_zero_rcvd "Advertisements received from nodes that leave.",
    priority_zero_sent "Advertisements sent to leave.",
    send_err "Advertisements that could not be sent.",
    auth_ext_missing "Advertisements received without the authentication that is asked for.",
    auth_ext_malformed "Advertisements received with an authentication trailer that makes no sense.",
    auth_ext_unknown_key "Advertisements received that are authenticated with a key this node does not have.",
    auth_ext_invalid_hmac "Advertisements received whose HMAC is wrong: another key, or a forgery.",
    auth_ext_stale "Advertisements received whose time is too far from this node's.",
    auth_ext_replay "Advertisements received a second time.",
}
