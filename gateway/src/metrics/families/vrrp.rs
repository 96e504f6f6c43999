//! Virtual routers. Counters are named after keepalived's.

use std::fmt;

use super::{Family, Scrape, Sink, counter, gauge};
use crate::{
    clock,
    ha::Counters,
    metrics::{exposition::Number, measured::Router},
    vrrp::Role,
};

const ROUTER: &[&str] = &["router", "vrid"];

const ROLES: [(Role, &str); 5] = [
    (Role::Starting, "starting"),
    (Role::Fault, "fault"),
    (Role::Backup, "backup"),
    (Role::Claiming, "claiming"),
    (Role::Active, "active"),
];

macro_rules! counters {
    ($( $name:literal $field:ident $help:literal, )+) => {
        &[
            gauge(
                "vtep_gateway_vrrp_role",
                &["router", "vrid", "role"],
                "1 for the role that holds: starting, fault (something tracked is down), backup, claiming (about to be active), \
                 active (this node forwards).",
                |scrape, to| {
                    let mut routers = scrape.measured.routers.iter();
                    routers.try_for_each(|one| {
                        let roles = ROLES.iter().map(|(role, name)| (*role == one.status.status.role, *name));
                        to.one_hot(&[&one.status.name, &one.status.vrid.to_string()], roles)
                    })
                },
            ),
            gauge(
                "vtep_gateway_vrrp_last_transition_timestamp_seconds",
                ROUTER,
                "Since when the role holds, in Unix time.",
                |scrape, to| routers(scrape, to, |one| {
                    let ago = clock::monotonic().saturating_sub(one.status.status.since);
                    clock::realtime().saturating_sub(ago)
                }),
            ),
            gauge(
                "vtep_gateway_vrrp_lease_left_seconds",
                ROUTER,
                "How long the data plane may go on forwarding unless the lease is renewed; 0 on a node that does not forward.",
                |scrape, to| routers(scrape, to, |one| one.lease_left),
            ),
            gauge("vtep_gateway_vrrp_priority", ROUTER, "The priority in force, with what is tracked.", |scrape, to| {
                routers(scrape, to, |one| u64::from(one.status.status.priority.get()))
            }),
            gauge(
                "vtep_gateway_vrrp_interval_seconds",
                ROUTER,
                "Time between advertisements, of the active node.",
                |scrape, to| routers(scrape, to, |one| one.status.status.interval.duration()),
            ),
            gauge(
                "vtep_gateway_vrrp_addresses_present",
                ROUTER,
                "1 if the virtual addresses are on the interface of this node.",
                |scrape, to| routers(scrape, to, |one| one.status.addresses_there),
            ),
            gauge(
                "vtep_gateway_vrrp_others",
                ROUTER,
                "Other routers with this VRID that were heard in the last minute.",
                |scrape, to| routers(scrape, to, |one| one.status.others.len()),
            ),
            gauge(
                "vtep_gateway_vrrp_standbys",
                ROUTER,
                "Other gateways that stand by and are told what this node learns, while it is active.",
                |scrape, to| routers(scrape, to, |one| one.standbys),
            ),
            $(counter($name, ROUTER, $help, |scrape, to| counted(scrape, to, |counters| counters.$field)),)+
        ]
    };
}

pub(super) const FAMILIES: &[Family] = counters! {
    "vtep_gateway_vrrp_advert_rcvd_total" advert_rcvd "Advertisements received.",
    "vtep_gateway_vrrp_advert_sent_total" advert_sent "Advertisements sent.",
    "vtep_gateway_vrrp_become_master_total" become_master "Times this node became active.",
    "vtep_gateway_vrrp_release_master_total" release_master "Times this node ceased to be active.",
    "vtep_gateway_vrrp_packet_len_err_total" packet_len_err "Advertisements refused: too short, or of another length than they say.",
    "vtep_gateway_vrrp_advert_interval_err_total" advert_interval_err "Advertisements refused: an interval that cannot be.",
    "vtep_gateway_vrrp_ip_ttl_err_total" ip_ttl_err "Advertisements refused: TTL or hop limit other than 255.",
    "vtep_gateway_vrrp_invalid_type_rcvd_total" invalid_type_rcvd "Packets refused: no advertisement.",
    "vtep_gateway_vrrp_addr_list_err_total" addr_list_err "Advertisements refused: without an address.",
    "vtep_gateway_vrrp_invalid_authtype_total" invalid_authtype "Advertisements refused: with authentication.",
    "vtep_gateway_vrrp_version_err_total" version_err "Advertisements refused: of an unknown version.",
    "vtep_gateway_vrrp_checksum_err_total" checksum_err "Advertisements refused: a wrong checksum.",
    "vtep_gateway_vrrp_priority_zero_rcvd_total" priority_zero_rcvd "Advertisements received by which another node gave its role away.",
    "vtep_gateway_vrrp_priority_zero_sent_total" priority_zero_sent "Advertisements sent by which this node gave its role away.",
    "vtep_gateway_vrrp_send_err_total" send_err "Advertisements that could not be sent.",
};

fn routers<N: Into<Number>>(scrape: &Scrape, to: &mut Sink<'_>, value: fn(&Router) -> N) -> fmt::Result {
    scrape
        .measured
        .routers
        .iter()
        .try_for_each(|one| to.put(&[&one.status.name, &one.status.vrid.to_string()], value(one)))
}

fn counted(scrape: &Scrape, to: &mut Sink<'_>, which: fn(&Counters) -> u64) -> fmt::Result {
    scrape
        .measured
        .routers
        .iter()
        .try_for_each(|one| to.put(&[&one.status.name, &one.status.vrid.to_string()], which(&one.status.counters)))
}
