//! Derives the rows in force from the contents of the database.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use gateway_config::rows::Rows;
use gateway_ovsdb::Change;

use super::{log::Log, settings::Settings};
use crate::vtep::{
    Fault, Faults, Hold, HoldState, Mapping, Mirror, Notice, Problem, Standing, Touched, Unreadable, View,
    binding_log::BindingLog, rows::Row,
};

/// Limit of unreadable rows of one change that the log names.
const NAMED: usize = 10;

/// Contents of the database, and the rows in force.
#[derive(Debug)]
pub(super) struct Forwarding {
    mirror: Mirror,
    mapping: Mapping,
    hold: Hold,
    binding_log: BindingLog,
    problems: BTreeSet<String>,
}

impl Forwarding {
    /// Creates the state without contents, from `now` on.
    pub(super) fn new(settings: &Settings, now: Duration) -> Self {
        Self {
            mirror: Mirror::default(),
            mapping: Mapping::new(settings.identity.clone(), settings.learn_limit),
            hold: Hold::new(settings.hold, now),
            binding_log: BindingLog::default(),
            problems: BTreeSet::new(),
        }
    }

    /// Returns the contents of the database.
    pub(super) fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// Returns the rows in force.
    pub(super) fn rows(&self) -> &Arc<Rows> {
        self.hold.rows()
    }

    /// Returns the contents, with the rows in force.
    pub(super) fn view(&self) -> View<'_> {
        View { mirror: &self.mirror, mapping: &self.mapping, rows: self.hold.rows() }
    }

    /// Returns the state of forwarding relative to the database.
    pub(super) fn state(&self, now: Duration) -> HoldState {
        self.hold.state(now)
    }

    /// Returns the contents that are not turned into forwarding.
    pub(super) fn problems(&self) -> &BTreeSet<String> {
        &self.problems
    }

    /// Returns the faults that result from the contents.
    pub(super) fn faults(&self) -> Faults {
        let mut faults = self.mapping.faults();
        let contested = self.mapping.problems().any(|problem| matches!(problem, Problem::VniTwice { .. }));
        if contested || self.mirror.unreadable() > 0 {
            faults.switch.insert(Fault::Unspecified);
        }
        faults
    }

    /// Returns the time at which to call [`tick`](Self::tick) next.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.hold.deadline()
    }

    /// Applies new settings. [`follow`](Self::follow) brings them into force.
    pub(super) fn reconfigure(&mut self, settings: &Settings) {
        self.hold.set_times(settings.hold);
        self.mapping.reconfigure(&self.mirror, settings.identity.clone(), settings.learn_limit);
    }

    /// Sets the remote VTEPs that cannot be reached, see [`Mapping::set_unreachable`].
    pub(super) fn set_unreachable(&mut self, unreachable: BTreeSet<IpAddr>) {
        self.mapping.set_unreachable(&self.mirror, unreachable);
    }

    /// Applies changes of the database. [`follow`](Self::follow) brings them into force.
    pub(super) fn apply(&mut self, changes: Vec<Change<Row>>, log: &mut Log) -> Touched {
        let touched = self.mirror.apply(changes);
        log_unreadable(&touched.unreadable, log);
        self.mapping.update(&self.mirror, &touched);
        touched
    }

    /// Updates the rows in force. Returns true if the hold has begun or ended, so that any of them may have changed.
    pub(super) fn follow(&mut self, now: Duration, log: &mut Log) -> bool {
        let standing = Standing::of(&self.mirror, self.mapping.identity());
        let notice = self.hold.update(self.mapping.rows(), standing, now);
        if let Some(notice) = notice {
            match notice {
                Notice::Restored => log.info(notice.to_string()),
                _ => log.warn(notice.to_string()),
            }
        }
        self.log_bindings(log);
        let mut problems: BTreeSet<String> = self.mapping.problems().map(ToString::to_string).collect();
        problems.extend(self.unbound());
        log.changes(&self.problems, &problems);
        self.problems = problems;
        notice.is_some()
    }

    /// Records that the database cannot be reached.
    pub(super) fn gone(&mut self, now: Duration, log: &mut Log) {
        if let Some(notice) = self.hold.gone(now) {
            log.warn(notice.to_string());
        }
    }

    /// Processes timeouts at `now`. Returns true if the rows in force have changed.
    pub(super) fn tick(&mut self, now: Duration, log: &mut Log) -> bool {
        let Some(notice) = self.hold.tick(now) else { return false };
        log.warn(notice.to_string());
        self.log_bindings(log);
        true
    }

    fn log_bindings(&mut self, log: &mut Log) {
        self.binding_log.changes(self.hold.rows()).into_iter().for_each(|line| log.info(line));
    }

    /// Returns a message if no VLAN at all is bound, which may be intended or not.
    fn unbound(&self) -> Option<String> {
        let name = &self.mapping.identity().name;
        let bound = self.rows().switches.values().any(|switch| !switch.bindings.is_empty());
        let there = self.mirror.physical_switch(name).is_some();
        (there && !bound).then(|| {
            format!(
                "the database binds no VLAN of {name:?} to a logical switch: nothing is forwarded \
                 (vtep-ctl bind-ls {name} PORT VLAN SWITCH)"
            )
        })
    }

    /// Returns addresses that this gateway had in its last run, and that no other gateway has. Rows published with them
    /// are its own.
    pub(super) fn former_addresses(&self) -> BTreeSet<IpAddr> {
        let identity = self.mapping.identity();
        let others = self.mirror.physical_switches.values().filter(|row| row.name != identity.name);
        let taken: BTreeSet<&String> = others.flat_map(|row| &row.tunnel_ips).collect();
        let own = self.mirror.physical_switch(&identity.name).into_iter().flat_map(|(_, row)| &row.tunnel_ips);
        own.filter(|ip| !taken.contains(ip))
            .filter_map(|ip| ip.parse().ok())
            .filter(|ip| !identity.is_own(*ip))
            .collect()
    }
}

fn log_unreadable(rows: &[Unreadable], log: &mut Log) {
    for Unreadable { table, uuid, error } in rows.iter().take(NAMED) {
        log.warn(format!("row {uuid} of {table} in the database is skipped: {error}"));
    }
    if rows.len() > NAMED {
        let more = rows.len() - NAMED;
        log.warn(format!("{more} more rows in the database that cannot be read are skipped"));
    }
}
