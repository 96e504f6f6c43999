//! Views of the agent itself: its status line for the service manager, `memory/show`, and the counters of
//! `coverage/show`.

use std::sync::atomic::Ordering;

use gateway_base::{log, memory};

use super::{agent::Agent, cluster::Cluster, coverage::Totals, data_plane::DataPlane as _, status_line::StatusLine};
use crate::ctl::Counters;

impl Agent<'_> {
    /// Returns the status line.
    pub(super) fn status_line(&self) -> String {
        let cluster = self.cluster();
        let mut problems: Vec<String> =
            self.refused().into_iter().map(|why| format!("reload refused: {why}")).collect();
        problems.extend(self.forwarding().problems().iter().cloned());
        problems.extend(cluster.into_iter().flat_map(Cluster::problems_of_routers));
        problems.extend(cluster.into_iter().flat_map(Cluster::shortfalls).cloned());
        problems.extend(cluster.into_iter().flat_map(Cluster::differences).cloned());
        let programmed = self.forwarding().programmed();
        let status_line = StatusLine {
            roles: cluster.map(Cluster::roles_by_name).unwrap_or_default(),
            switches: programmed.switches.len(),
            bindings: programmed.bindings.len(),
            tunnels: programmed.tunnels.len(),
            static_macs: programmed.static_macs.len(),
            learned: self.forwarding().stations().len(),
            database: self.config().database.as_ref().map(|_| self.source().is_reached()),
            problems,
        };
        status_line.to_string()
    }

    /// Returns the counters since the start.
    pub(super) fn totals(&self, log: &log::Control, clients: &Counters) -> Totals {
        let mut totals: Totals = self.turns().all().collect();
        let (work, (reached, lost)) = (self.forwarding().work(), self.source().counts());
        totals.extend([
            ("plan", work.plans),
            ("map_operation", work.operations),
            ("map_operation_failed", work.failed),
            ("census", work.fdb_scans),
            ("learn_event", work.learned),
            ("database_reached", reached),
            ("database_lost", lost),
            ("log_line_left_out", log.left_out()),
        ]);
        totals.extend([
            ("ctl_client", clients.clients.load(Ordering::Relaxed)),
            ("ctl_request", clients.requests.load(Ordering::Relaxed)),
            ("ctl_hung_up", clients.hung_up.load(Ordering::Relaxed)),
            ("ctl_made_room", clients.made_room.load(Ordering::Relaxed)),
            ("ctl_sent_away", clients.sent_away.load(Ordering::Relaxed)),
        ]);
        totals
    }

    /// Formats `memory/show`: counts, and kilobytes where the name has that unit, in one line sorted by name.
    pub(super) fn memory(&self, log: &log::Control) -> String {
        let programmed = self.forwarding().programmed();
        let mut shown: Vec<(&str, u64)> = vec![
            ("bindings", programmed.bindings.len() as u64),
            ("log-texts", log.remembered() as u64),
            ("macs-given", programmed.static_macs.len() as u64),
            ("macs-heard", self.forwarding().followed()),
            ("macs-learned", self.forwarding().stations().len() as u64),
            ("switches", programmed.switches.len() as u64),
            ("tunnels", programmed.tunnels.len() as u64),
        ];
        let kilobytes = [
            ("heap-kB", memory::allocated()),
            ("maps-kB", memory::of_maps().ok()),
            ("resident-kB", memory::resident().ok()),
        ];
        shown.extend(kilobytes.into_iter().filter_map(|(name, bytes)| Some((name, bytes? >> 10))));
        shown.sort_unstable();
        let shown: Vec<String> = shown.iter().map(|(name, count)| format!("{name}:{count}")).collect();
        shown.join(" ") + "\n"
    }
}
