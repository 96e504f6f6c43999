//! Housekeeping of the agent: its status line for the service manager, `memory/show`, `coverage/show`, `vlog/*`, and
//! the work for these each second.

use std::sync::atomic::Ordering;

use gateway_api::ctl::LogControl;
use gateway_base::{clock, memory};

use super::{cluster::Cluster, coverage::Totals, handlers::Agent, status_line::StatusLine};

impl Agent<'_> {
    /// Does the work of each second.
    pub(super) fn look_after(&mut self) {
        if let Some(cluster) = &mut self.cluster {
            cluster.look_for_strays(&self.forwarding.maps, clock::monotonic());
            cluster.tell_shortfalls(&self.config, clock::monotonic());
        }
        let status_line = self.status_line();
        self.systemd.status(status_line);
        self.log.report_left_out(false);
        let now = clock::monotonic();
        if self.coverage.is_due(now) {
            let totals = self.totals();
            self.coverage.poll(totals, now);
        }
    }

    /// Returns the status line.
    pub(super) fn status_line(&self) -> String {
        let cluster = self.cluster.as_ref();
        let mut problems: Vec<String> = self.refused.iter().map(|why| format!("reload refused: {why}")).collect();
        problems.extend(self.forwarding.problems().iter().cloned());
        problems.extend(cluster.into_iter().flat_map(Cluster::problems_of_routers));
        problems.extend(cluster.into_iter().flat_map(Cluster::shortfalls));
        problems.extend(self.differences.all().map(str::to_owned));
        let programmed = &self.forwarding.programmed;
        let status_line = StatusLine {
            roles: cluster.map(Cluster::roles_by_name).unwrap_or_default(),
            switches: programmed.switches.len(),
            bindings: programmed.bindings.len(),
            tunnels: programmed.tunnels.len(),
            given: programmed.static_macs.len(),
            learned: self.forwarding.stations.len(),
            database: self.config.database.as_ref().map(|_| *self.database.reached().borrow()),
            problems,
        };
        status_line.to_string()
    }

    /// Returns the counters since the start.
    fn totals(&self) -> Totals {
        let mut totals: Totals = self.coverage.turns().collect();
        let work = self.forwarding.work;
        totals.extend([
            ("plan", work.plans),
            ("map_operation", work.operations),
            ("map_operation_failed", work.failed),
            ("census", work.fdb_scans),
            ("learn_event", work.learned),
            ("database_reached", self.reached.0),
            ("database_lost", self.reached.1),
            ("log_line_left_out", self.log.left_out()),
        ]);
        let clients = &self.clients;
        totals.extend([
            ("ctl_client", clients.clients.load(Ordering::Relaxed)),
            ("ctl_request", clients.requests.load(Ordering::Relaxed)),
            ("ctl_hung_up", clients.hung_up.load(Ordering::Relaxed)),
            ("ctl_made_room", clients.made_room.load(Ordering::Relaxed)),
            ("ctl_sent_away", clients.sent_away.load(Ordering::Relaxed)),
        ]);
        totals
    }

    /// Formats `coverage/show`.
    pub(super) fn show_coverage(&self) -> String {
        self.coverage.show(self.totals(), clock::monotonic())
    }

    /// Formats `memory/show`: counts, and kilobytes where the name has that unit, in one line sorted by name.
    pub(super) fn show_memory(&self) -> String {
        let programmed = &self.forwarding.programmed;
        let mut shown: Vec<(&str, u64)> = vec![
            ("bindings", programmed.bindings.len() as u64),
            ("log-texts", self.log.remembered() as u64),
            ("macs-given", programmed.static_macs.len() as u64),
            ("macs-heard", self.forwarding.standby_fdb.values().map(|followed| followed.len() as u64).sum()),
            ("macs-learned", self.forwarding.stations.len() as u64),
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

    /// Handles `vlog/*`.
    pub(super) fn control_log(&self, control: LogControl) -> Result<String, String> {
        match control {
            LogControl::List => Ok(self.log.list()),
            LogControl::Set(specs) => self.log.set(&specs).map(|()| String::new()),
            LogControl::Limit(on) => {
                self.log.limit(on);
                Ok(String::new())
            }
            LogControl::Reopen => {
                Ok("there is no file to open again: the log goes to standard error or the journal\n".to_owned())
            }
        }
    }
}
