//! Descriptions of the faults that keep a virtual router from the role that it should have. Pure.

use std::net::IpAddr;

use gateway_vrrp::{Holdup, Role, Status, Time};

/// Returns the faults in the status of the virtual router on `interface` that make the node unhealthy, one sentence
/// each.
pub(super) fn faults(status: &Status, interface: &str, now: Time) -> Vec<String> {
    let deaf = status.deaf_peer.map(deaf);
    // A node that does not receive this node's advertisements also holds off each new claim. That is one fault, not
    // two.
    let held = status.holdup.filter(|_| deaf.is_none() && is_held_off(status, now));
    deaf.into_iter().chain(held.map(|holdup| held_off(holdup, interface))).collect()
}

/// Returns true if it has been claiming for longer than three intervals.
fn is_held_off(status: &Status, now: Time) -> bool {
    status.role == Role::Claiming && now.saturating_sub(status.since) > status.interval.three()
}

fn deaf(from: IpAddr) -> String {
    format!(
        "{from} does not hear this node: it went on advertising a lower priority, so the role was left to it; look for a \
         filter of IP protocol 112, or a link that works in one direction only"
    )
}

fn held_off(holdup: Holdup, interface: &str) -> String {
    let why = match holdup {
        Holdup::Node { from, priority } => format!(
            "{from} may still forward, as it has advertised priority {priority} and not said that it stops; if it is no \
             gateway of this cluster, find who sends that"
        ),
        Holdup::Unknown => "others may still forward, as more was advertised than could be read".to_owned(),
        Holdup::Unsent => format!("no advertisement of its own has left {interface}"),
    };
    format!("this node claims the role for longer than three intervals and does not forward: {why}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gateway_vrrp::{Interval, Priority};

    use super::*;

    fn claiming(holdup: Option<Holdup>) -> Status {
        Status {
            role: Role::Claiming,
            since: Duration::from_secs(100),
            priority: Priority::DEFAULT,
            active: None,
            interval: Interval::DEFAULT,
            lease: None,
            deaf_peer: None,
            holdup,
        }
    }

    #[test]
    fn a_claim_of_more_than_three_intervals_is_a_fault_that_names_who_holds_it_off() {
        let from = IpAddr::from([172, 31, 0, 77]);
        let status = claiming(Some(Holdup::Node { from, priority: 1 }));
        assert!(faults(&status, "eth0", Duration::from_secs(103)).is_empty());
        let found = faults(&status, "eth0", Duration::from_millis(103_001));
        assert!(found[0].contains("172.31.0.77 may still forward, as it has advertised priority 1"), "{found:?}");
    }

    #[test]
    fn a_claim_that_is_about_to_succeed_is_none() {
        assert!(faults(&claiming(None), "eth0", Duration::from_secs(200)).is_empty());
    }

    #[test]
    fn a_claim_whose_advertisements_do_not_leave_names_the_interface() {
        let found = faults(&claiming(Some(Holdup::Unsent)), "eth0", Duration::from_secs(200));
        assert!(found[0].ends_with("no advertisement of its own has left eth0"), "{found:?}");
    }

    #[test]
    fn a_deaf_node_is_one_fault_and_not_two() {
        let from = IpAddr::from([172, 31, 0, 22]);
        let holdup = Some(Holdup::Node { from, priority: 100 });
        let found = faults(&Status { deaf_peer: Some(from), ..claiming(holdup) }, "eth0", Duration::from_secs(200));
        assert!(matches!(&found[..], [one] if one.starts_with("172.31.0.22 does not hear this node")), "{found:?}");
    }
}
