//! Conversion of the configuration to the settings of the virtual router's parts.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use gateway_config::{InstanceConfig, VrrpConfig};
use gateway_netdev::addresses::Placement;
use gateway_vrrp::{AuthSettings, Priority, Settings, Time};

/// Time after which the role is claimed again, after it was left to a node that does not receive this node's
/// advertisements. It is at least `RETRY_INTERVALS` intervals.
const RETRY: Duration = Duration::from_secs(30);
const RETRY_INTERVALS: u32 = 30;

/// Returns all addresses of an instance, and those that its advertisements carry: IPv4 if there is one.
pub(super) fn addresses(config: &InstanceConfig) -> Option<(Vec<IpAddr>, Vec<IpAddr>)> {
    let v4 = config.vteps.v4.map(IpAddr::V4);
    let v6 = config.vteps.v6.map(IpAddr::V6);
    Some((v4.into_iter().chain(v6).collect(), vec![v4.or(v6)?]))
}

/// Returns the virtual addresses of all instances.
pub(crate) fn virtual_addresses(instances: &[InstanceConfig]) -> BTreeSet<IpAddr> {
    // The owner's addresses are those of the interface, which may send from them.
    let virtual_ones = instances.iter().filter(|one| one.vrrp.as_ref().is_some_and(|v| v.priority != Priority::OWNER));
    virtual_ones.filter_map(addresses).flat_map(|(all, _)| all).collect()
}

pub(super) fn placement(config: &VrrpConfig, addresses: &[IpAddr]) -> Placement {
    Placement {
        vrid: config.vrid,
        interface: config.interface.clone(),
        addresses: addresses.to_vec(),
        virtual_mac: config.virtual_mac,
        owner: config.priority == Priority::OWNER,
    }
}

/// Returns the placement of an instance's virtual addresses, or `None` without VRRP.
pub(crate) fn placement_of(config: &InstanceConfig) -> Option<Placement> {
    Some(placement(config.vrrp.as_ref()?, &addresses(config)?.0))
}

pub(super) fn settings(config: &VrrpConfig, spoken: &[IpAddr], own: Option<IpAddr>, lag: Duration) -> Settings {
    // Until there is a socket it can't be active, and this address loses every comparison.
    let none = if spoken.iter().all(IpAddr::is_ipv4) {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    };
    Settings {
        priority: config.priority,
        interval: config.interval,
        version: config.version,
        own: own.unwrap_or(none),
        preempt: config.preempt,
        preempt_delay: config.preempt_delay,
        startup_delay: config.startup_delay,
        lag,
        retry: RETRY.max(config.interval.duration() * RETRY_INTERVALS),
    }
}

pub(super) fn auth(config: &VrrpConfig) -> Option<AuthSettings> {
    config.auth.as_ref().map(|auth| auth.settings.clone())
}

/// Returns true if an earlier run of this node may have given itself the lease that was found: it is no longer than
/// three of the longest intervals.
pub(super) fn is_running(end: Time, now: Time) -> bool {
    const LONGEST: Duration = Duration::from_millis(3 * 40_950);
    end > now && end <= now + LONGEST
}
