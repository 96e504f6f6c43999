//! Forwarding of this node: programs, maps, and the state that is programmed in them.
//!
//! The folder reconciles the maps with rows and underlay ([`reconcile`]), keeps the forwarding database ([`fdb`]) and
//! the stations of other nodes ([`follow`]), attaches programs ([`programs`]), and collects problems
//! ([`problems`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gateway_common::{loss::Loss, tunnel::LEASE_FOREVER};
use gateway_config::{Config, InstanceConfig, rows::Rows};
use gateway_datapath::{
    Desired, Maps, Programmed,
    attach::Attacher,
    learned::{self, Epochs, FdbScan, NEVER},
    load::{Committer, Loaded},
    plan::BoundVlan,
};
use gateway_netdev::underlay::{PathMtus, Snapshot};
use gateway_sources::vtep::Fault;

use crate::{
    budgets::Budgets,
    devices::Devices,
    error::AgentError,
    losses::Losses,
    metrics::measured::Program,
    slow_path::{Carried, SlowPath},
    standby_fdb::Followed,
    stations::Stations,
};

mod data_plane;
mod fdb;
mod follow;
mod problems;
mod programs;
mod reconcile;

use problems::Problems;
use programs::Programs;

/// Lease number of a standalone gateway.
const ALONE: u32 = 0;

/// Learned MACs of a logical switch at the last FDB scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Learned {
    /// Number of MACs present.
    pub(super) present: u64,
    /// Number of MACs that the kernel had learned in all until then.
    pub(super) counted: u64,
}

/// Programs, maps and interfaces, with the state that is programmed in them.
pub(super) struct Forwarding {
    programs: Programs,
    maps: Maps,
    /// Desired state without the MACs: `programmed` has them.
    desired: Desired,
    programmed: Programmed,
    ceilings: BTreeMap<u32, u64>,
    epochs: Epochs,
    /// Standby FDB by lease: stations that another node has learned and this node has programmed.
    standby_fdb: BTreeMap<u32, Followed>,
    problems: Problems,
    /// All bindings of the last planned rows, each with its state.
    bindings: Vec<BoundVlan>,
    budgets: Budgets,
    /// Learned MACs at the last FDB scan, by VNI.
    fdb_scan: BTreeMap<u32, Learned>,
    stations: Stations,
    faults: BTreeSet<Fault>,
    losses: Losses,
    slow_path: SlowPath,
    path_mtus: PathMtus,
    /// FDB scans that were not taken yet.
    fdb_scans: Vec<FdbScan>,
    /// True once the FDB has been aged.
    aged: bool,
    /// True if everything desired is programmed and nothing has to be retried.
    settled: bool,
    /// MACs planned and operations carried out since memory was last returned to the system.
    passed: usize,
    work: Work,
}

/// Counters of the work done since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    /// Full plans.
    pub(super) plans: u64,
    /// Operations on maps that succeeded.
    pub(super) operations: u64,
    /// Operations on maps that failed.
    pub(super) failed: u64,
    /// FDB scans.
    pub(super) fdb_scans: u64,
    /// Learning events.
    pub(super) learned: u64,
}

impl Forwarding {
    /// Fills the maps of a loaded data plane, then attaches its programs, then puts its maps in force. Without rows,
    /// the contents of adopted maps stay as they are.
    pub(super) fn start(
        mut loaded: Loaded,
        devices: Devices,
        config: &Config,
        rows: Option<&Rows>,
        underlay: &Snapshot,
    ) -> Result<Self, AgentError> {
        Attacher::load(&mut loaded.ebpf)?;
        let programmed = loaded.maps.programmed()?;
        // Where tunnel addresses move between nodes, VRRP grants the leases.
        loaded.maps.set_lease(ALONE, if config.is_redundant() { 0 } else { LEASE_FOREVER })?;
        let (adopted, first) = (loaded.adopted, loaded.first);
        let (commit, pins) = (loaded.committer(), loaded.pins().clone());
        let mut this = Self {
            programs: Programs::new(loaded.ebpf, devices),
            maps: loaded.maps,
            desired: Desired::default(),
            programmed,
            ceilings: BTreeMap::new(),
            epochs: epochs(config),
            standby_fdb: BTreeMap::new(),
            problems: Problems::default(),
            bindings: Vec::new(),
            budgets: Budgets::default(),
            fdb_scan: BTreeMap::new(),
            stations: Stations::default(),
            faults: BTreeSet::new(),
            losses: Losses::default(),
            slow_path: SlowPath::default(),
            path_mtus: PathMtus::default(),
            fdb_scans: Vec::new(),
            aged: false,
            settled: false,
            passed: 0,
            work: Work::default(),
        };
        if let Some(rows) = rows {
            // An adopted database has learned MACs in it. They count before the first ceiling is set.
            this.scan_fdb(config, rows)?;
            if !adopted {
                this.reconcile(config, rows, underlay)?;
            }
        }
        if let Err(error) = this.put_in_force(&commit, first, config, rows, underlay) {
            this.devices().problems().for_each(|problem| tracing::error!("{problem}"));
            // A data plane that forwarded before goes on. One that did not is left as it was.
            if first {
                this.programs.devices_mut().undo();
                commit.abandon()?;
            }
            return Err(error);
        }
        if let Err(error) = this.programs.count_losses(&pins) {
            this.problems.set_uncounted(format!(
                "what ports lose of redirected frames is not counted: {error}; `ip -s link` and `ethtool -S` of the ports may \
                 tell"
            ));
        }
        this.report_problems();
        tracing::info!(
            adopted,
            switches = this.programmed.switches.len(),
            bindings = this.programmed.bindings.len(),
            tunnels = this.programmed.tunnels.len(),
            macs = this.programmed.static_macs.len(),
            problems = this.problems.texts().len(),
            "ready"
        );
        this.give_memory_back();
        this.programs.keep(&pins)?;
        Ok(this)
    }

    fn put_in_force(
        &mut self,
        commit: &Committer,
        first: bool,
        config: &Config,
        rows: Option<&Rows>,
        underlay: &Snapshot,
    ) -> Result<(), AgentError> {
        if let Err(error) = self.programs.attach(config, underlay) {
            if first {
                return Err(error.into());
            }
            // A forwarding data plane keeps its agent even if one interface fails. The failure is a standing problem.
            tracing::debug!("{error}");
        }
        if let Some(rows) = rows {
            self.reconcile(config, rows, underlay)?;
        }
        Ok(commit.commit()?)
    }

    /// Returns the maps, for reading.
    pub(super) const fn maps(&self) -> &Maps {
        &self.maps
    }

    /// Returns the interfaces in use.
    pub(super) const fn devices(&self) -> &Devices {
        self.programs.devices()
    }

    /// Returns all bindings of the last planned rows, each with its state.
    pub(super) fn bindings(&self) -> &[BoundVlan] {
        &self.bindings
    }

    /// Returns the number of bindings of the database that do not forward.
    pub(super) fn unforwarded(&self) -> usize {
        self.bindings.iter().filter(|binding| !binding.state.forwards()).count()
    }

    /// Returns the learned MACs of a logical switch at the last FDB scan.
    pub(super) fn last_scan(&self, vni: u32) -> Option<Learned> {
        self.fdb_scan.get(&vni).copied()
    }

    /// Returns the number of stations that this node has programmed because another node has learned them.
    pub(super) fn followed(&self) -> u64 {
        self.standby_fdb.values().map(|followed| followed.len() as u64).sum()
    }

    /// Returns the path MTUs that routers have reported.
    pub(super) const fn path_mtus(&self) -> &PathMtus {
        &self.path_mtus
    }

    /// Returns the losses on the way out of an interface.
    pub(super) fn loss(&self, ifindex: u32) -> Loss {
        self.losses.of(ifindex)
    }

    /// Returns the frames to known stations of the last seconds, by the hook that carried them.
    pub(super) const fn measured(&self) -> Option<Carried> {
        self.slow_path.measured()
    }

    /// Returns true if a problem leaves the gateway healthy.
    pub(super) fn is_warning(&self, text: &str) -> bool {
        self.problems.is_warning(text)
    }

    /// Returns the run time and the number of runs of each program, as the kernel counts them.
    pub(super) fn programs(&self) -> Vec<Program> {
        self.programs.counted()
    }

    /// Returns the counters of the work done.
    pub(super) const fn work(&self) -> Work {
        self.work
    }

    /// Reports all problems.
    fn report_problems(&mut self) {
        let losses = self.losses.problems(|ifindex| self.programs.devices().name(ifindex));
        self.problems.report(losses, self.slow_path.problems());
    }
}

/// Returns the epochs of a start: no station ages until a virtual router is active here.
fn epochs(config: &Config) -> Epochs {
    let leases = config.instances.iter().map(InstanceConfig::lease);
    leases.filter(|lease| *lease != ALONE).map(|lease| (lease, NEVER)).collect()
}

/// Returns the interval of ageing.
pub(super) fn ageing_interval(config: &Config) -> Duration {
    learned::ageing_interval(config.gateway.ageing)
}
