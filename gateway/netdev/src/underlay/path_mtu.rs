//! Path MTUs to remote VTEPs as reported by routers: their lifetime, and the lower limit of credible values.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use gateway_common::{
    limits::PATH_MTU_NS,
    path_mtu::{LEAST_V4, LEAST_V6, PathMtu},
    tunnel::RemoteVtepKey,
};

use super::{resolve::Resolution, snapshot::Snapshot};

/// A path with a smaller MTU than the underlay of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Narrow {
    /// MTU: the longest IP packet in bytes that passes.
    pub mtu: u32,
    /// Time at which it expires, in nanoseconds of CLOCK_MONOTONIC. The MTU of the path may have grown, which is never
    /// reported.
    pub until: u64,
}

/// Accepted path MTUs, by remote VTEP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathMtus(BTreeMap<IpAddr, Narrow>);

impl PathMtus {
    /// Derives the path MTUs from the entries that the data plane has noted, as of `now` (CLOCK_MONOTONIC nanoseconds).
    /// Of several tunnels to one remote, the least value counts. A value below the least MTU that every path must have
    /// is raised to it.
    pub fn of(rows: &[(RemoteVtepKey, PathMtu)], now: u64) -> Self {
        let mut all = BTreeMap::<IpAddr, Narrow>::new();
        for (ends, report) in rows.iter().filter(|(_, report)| !is_over(report, now)) {
            let remote = IpAddr::from(ends.remote);
            let least = if remote.is_ipv4() { LEAST_V4 } else { LEAST_V6 };
            let new = Narrow { mtu: report.mtu.max(least), until: report.reported.saturating_add(PATH_MTU_NS) };
            let old = all.entry(remote).or_insert(new);
            if new.mtu < old.mtu || (new.mtu == old.mtu && new.until > old.until) {
                *old = new;
            }
        }
        Self(all)
    }

    /// Returns true if the path MTUs equal those of `other`, regardless of their expiry.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let mtus = |all: &Self| all.0.iter().map(|(remote, narrow)| (*remote, narrow.mtu)).collect::<BTreeMap<_, _>>();
        mtus(self) == mtus(other)
    }

    /// Returns the accepted path MTU to `remote`, if there is one.
    pub fn get(&self, remote: &IpAddr) -> Option<Narrow> {
        self.0.get(remote).copied()
    }

    /// Applies the path MTUs to the underlay. None grows beyond the MTU of the underlay. Returns also the remotes for
    /// which this has made a difference.
    pub fn narrow<'s>(&self, underlay: &'s Snapshot) -> (Cow<'s, Snapshot>, BTreeSet<IpAddr>) {
        let mut narrowed = Cow::Borrowed(underlay);
        let mut remotes = BTreeSet::new();
        for (remote, narrow) in &self.0 {
            let wider = |hop: &Resolution| matches!(hop, Resolution::Resolved(hop) if hop.mtu > narrow.mtu);
            if !underlay.hops.get(remote).is_some_and(wider) {
                continue;
            }
            if let Some(Resolution::Resolved(hop)) = narrowed.to_mut().hops.get_mut(remote) {
                hop.mtu = narrow.mtu;
                remotes.insert(*remote);
            }
        }
        (narrowed, remotes)
    }
}

/// Returns true if a report has expired.
pub fn is_over(report: &PathMtu, now: u64) -> bool {
    now.saturating_sub(report.reported) >= PATH_MTU_NS
}

#[cfg(test)]
mod tests {
    use gateway_common::net::MacAddr;

    use super::*;
    use crate::underlay::Hop;

    const REMOTE: &str = "172.31.0.11";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn report(remote: &str, mtu: u32, reported: u64) -> (RemoteVtepKey, PathMtu) {
        let local = if remote.contains(':') { "fd00::21" } else { "172.31.0.21" };
        (RemoteVtepKey { local: ip(local).into(), remote: ip(remote).into() }, PathMtu { reported, mtu, reserved: 0 })
    }

    fn underlay(mtu: u32) -> Snapshot {
        let hop = Hop {
            ifindex: 2,
            vlan: 0,
            src_mac: MacAddr([2; 6]),
            via: ip(REMOTE),
            dst_mac: MacAddr([4; 6]),
            mtu,
            source: None,
        };
        Snapshot { hops: [(ip(REMOTE), Resolution::Resolved(hop))].into(), ..Snapshot::default() }
    }

    fn mtu(underlay: &Snapshot) -> u32 {
        match &underlay.hops[&ip(REMOTE)] {
            Resolution::Resolved(hop) => hop.mtu,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_path_becomes_as_narrow_as_a_router_reports_and_never_wider() {
        for (here, reported, is) in [(1600, 1400, 1400), (1500, 1500, 1500), (1400, 1500, 1400)] {
            let here_it_is = underlay(here);
            let (narrowed, remotes) = PathMtus::of(&[report(REMOTE, reported, 5)], 6).narrow(&here_it_is);
            assert_eq!((mtu(&narrowed), remotes.len()), (is, usize::from(is < here)));
        }
    }

    #[test]
    fn what_is_too_little_to_be_true_is_taken_for_the_least_there_can_be() {
        let mtus = PathMtus::of(&[report(REMOTE, 68, 5), report("fd00::11", 1000, 5)], 6);
        assert_eq!(mtus.get(&ip(REMOTE)).unwrap().mtu, 576);
        assert_eq!(mtus.get(&ip("fd00::11")).unwrap().mtu, 1280);
    }

    #[test]
    fn a_report_is_forgotten_after_ten_minutes() {
        let rows = [report(REMOTE, 1400, 1_000)];
        let end = 1_000 + 600_000_000_000;
        assert_eq!(PathMtus::of(&rows, end - 1).get(&ip(REMOTE)), Some(Narrow { mtu: 1400, until: end }));
        assert_eq!(PathMtus::of(&rows, end), PathMtus::default());
    }

    #[test]
    fn of_several_tunnels_to_a_remote_the_narrowest_path_holds() {
        let other = RemoteVtepKey { local: ip("172.31.0.22").into(), remote: ip(REMOTE).into() };
        let rows = [report(REMOTE, 1400, 1), (other, PathMtu { reported: 2, mtu: 1300, reserved: 0 })];
        assert_eq!(PathMtus::of(&rows, 3).get(&ip(REMOTE)).unwrap().mtu, 1300);
        let back: Vec<_> = rows.into_iter().rev().collect();
        assert!(PathMtus::of(&back, 3).agrees_with(&PathMtus::of(&rows, 3)));
    }
}
