//! Metrics of virtual routers. Counters have the names of keepalived's.

use std::{fmt, time::Duration};

use gateway_api::view::Role;

use super::family::{Family, counter, gauge};
use crate::metrics::{
    measured::MeasuredRouter,
    scrape::Scrape,
    sink::{Number, Sink},
};

const ROUTER: &[&str] = &["router", "vrid"];

macro_rules! families {
    ($( $gauge:expr, )+ ; $( $name:literal $field:ident $help:literal, )+) => {
        &[
            $( $gauge, )+
            $( counter($name, ROUTER, $help, |scrape, to| each(scrape, to, |one| one.view.counters.$field)), )+
        ]
    };
}

pub(super) const FAMILIES: &[Family] = families! {
    gauge(
        "vtep_gateway_vrrp_role",
        &["router", "vrid", "role"],
        "1 for the role that holds: starting, fault (something tracked is down), backup, claiming (about to be active), \
         active (this node forwards).",
        |scrape, to| {
            let mut routers = scrape.measured.routers.iter();
            routers.try_for_each(|one| {
                let roles = Role::ALL.iter().map(|role| (*role == one.view.role, role.name()));
                to.one_hot(&[&one.view.name, &one.view.vrid.to_string()], roles)
            })
        },
    ),
    gauge(
        "vtep_gateway_vrrp_held_off",
        ROUTER,
        "1 while something keeps this node from the role that it should have: a claim is held off for longer than three \
         intervals, or another node does not hear this one.",
        |scrape, to| each(scrape, to, |one| !one.view.faults.is_empty()),
    ),
    gauge("vtep_gateway_vrrp_role_age_seconds", ROUTER, "Time since the last change of the role.", |scrape, to| {
        each(scrape, to, |one| one.view.seconds_in_role)
    }),
    gauge(
        "vtep_gateway_vrrp_lease_left_seconds",
        ROUTER,
        "How long the data plane may go on forwarding unless the lease is renewed; 0 on a node that does not forward.",
        |scrape, to| each(scrape, to, |one| Duration::from_millis(one.view.lease_left_ms.unwrap_or(0))),
    ),
    gauge("vtep_gateway_vrrp_priority", ROUTER, "The priority in force, with the effect of tracking.", |scrape, to| {
        each(scrape, to, |one| u64::from(one.view.priority))
    }),
    gauge("vtep_gateway_vrrp_interval_seconds", ROUTER, "Time between advertisements, of the active node.", |scrape, to| {
        each(scrape, to, |one| one.view.interval)
    }),
    gauge(
        "vtep_gateway_vrrp_addresses_present",
        ROUTER,
        "1 if the virtual addresses are on the interface of this node.",
        |scrape, to| each(scrape, to, |one| one.view.addresses_there),
    ),
    gauge(
        "vtep_gateway_vrrp_others",
        ROUTER,
        "Other routers with this VRID that were heard in the last minute; a node that stands by is not heard.",
        |scrape, to| each(scrape, to, |one| one.view.others.len()),
    ),
    gauge(
        "vtep_gateway_vrrp_standbys",
        ROUTER,
        "Other gateways that are connected to this one and could take over from it; 0 on a node that is not active.",
        |scrape, to| each(scrape, to, |one| one.standbys),
    ),
    gauge(
        "vtep_gateway_vrrp_bindings_able",
        ROUTER,
        "Bindings that this node forwards as the active one, or could.",
        |scrape, to| each(scrape, to, |one| u64::from(one.view.bindings_able)),
    ),
    gauge(
        "vtep_gateway_vrrp_bindings_able_elsewhere",
        ROUTER,
        "Bindings that the ablest connected node could forward, if that are more for longer than a few seconds; else 0.",
        |scrape, to| each(scrape, to, |one| one.view.ablest.as_ref().map_or(0, |ablest| u64::from(ablest.bindings))),
    ),
    gauge(
        "vtep_gateway_vrrp_held",
        ROUTER,
        "1 while this node takes over only if no other node does: another one could forward more, or has not reported yet.",
        |scrape, to| each(scrape, to, |one| one.view.held),
    ),
    ;
    "vtep_gateway_vrrp_advert_rcvd_total" advert_rcvd "Advertisements received.",
    "vtep_gateway_vrrp_advert_sent_total" advert_sent "Advertisements sent.",
    "vtep_gateway_vrrp_become_master_total" become_master "Times this node became active.",
    "vtep_gateway_vrrp_release_master_total" release_master "Times this node ceased to be active.",
    "vtep_gateway_vrrp_packet_len_err_total" packet_len_err "Packets refused: the length does not add up.",
    "vtep_gateway_vrrp_advert_interval_err_total" advert_interval_err "Advertisements refused: an interval that is none.",
    "vtep_gateway_vrrp_ip_ttl_err_total" ip_ttl_err "Packets refused: TTL or hop limit other than 255.",
    "vtep_gateway_vrrp_invalid_type_rcvd_total" invalid_type_rcvd "Packets refused: no advertisement.",
    "vtep_gateway_vrrp_addr_list_err_total" addr_list_err "Advertisements refused: without an address.",
    "vtep_gateway_vrrp_invalid_authtype_total" invalid_authtype "Packets refused: with authentication as version 2 had it.",
    "vtep_gateway_vrrp_version_err_total" version_err "Packets refused: of an unknown version of the protocol.",
    "vtep_gateway_vrrp_checksum_err_total" checksum_err "Packets refused: a wrong checksum.",
    "vtep_gateway_vrrp_priority_zero_rcvd_total" priority_zero_rcvd "Advertisements received by which another node gave its role away.",
    "vtep_gateway_vrrp_priority_zero_sent_total" priority_zero_sent "Advertisements sent by which this node gave its role away.",
    "vtep_gateway_vrrp_send_err_total" send_err "Advertisements that could not be sent.",
    "vtep_gateway_vrrp_auth_ext_missing_total" auth_ext_missing "Advertisements refused: not authenticated.",
    "vtep_gateway_vrrp_auth_ext_malformed_total" auth_ext_malformed "Advertisements refused: an authentication trailer that makes no sense.",
    "vtep_gateway_vrrp_auth_ext_unknown_key_total" auth_ext_unknown_key "Advertisements refused: a key that this node does not have.",
    "vtep_gateway_vrrp_auth_ext_invalid_hmac_total" auth_ext_invalid_hmac "Advertisements refused: a wrong HMAC.",
    "vtep_gateway_vrrp_auth_ext_stale_total" auth_ext_stale "Advertisements refused: of another time than this node's clock shows.",
    "vtep_gateway_vrrp_auth_ext_replay_total" auth_ext_replay "Advertisements refused: sent before.",
};

fn each<N: Into<Number>>(scrape: &Scrape, to: &mut Sink<'_>, value: fn(&MeasuredRouter) -> N) -> fmt::Result {
    let mut routers = scrape.measured.routers.iter();
    routers.try_for_each(|one| to.put(&[&one.view.name, &one.view.vrid.to_string()], value(one)))
}
