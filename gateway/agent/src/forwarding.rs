//! Reconciles the data plane: takes rows and underlay, and writes operations to the maps.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use aya::{Ebpf, programs::links::PinnedLink};
use gateway_api::view::BindingState;
use gateway_base::{clock, memory};
use gateway_common::{
    binding::BindingKey,
    event::{self, LearnEvent},
    fdb::FdbKey,
    loss::Loss,
    net::{MacAddr, VlanId},
    tunnel::LEASE_FOREVER,
};
use gateway_config::{Config, InstanceConfig, rows::Rows};
use gateway_datapath::{
    Desired, Maps, Programmed,
    attach::{AttachError, Attacher},
    capture_programs::Pinned,
    diff::{Limit, diff, diff_ceilings, diff_macs},
    kept::Kept,
    learned::{self, Epochs, FdbScan, NEVER},
    load::{Committer, Loaded},
    losses,
    op::Op,
    pins::PinDir,
    plan::{self, BoundVlan},
};
use gateway_ha::Leases;
use gateway_netdev::underlay::{self, PathMtus, Snapshot};
use gateway_sources::vtep::{Fault, TrafficByBinding};

use super::{
    budgets::Budgets, error::AgentError, losses::Losses, report::Report, standby_fdb::Followed, stations::Stations,
};
use crate::{devices::Devices, metrics::measured::Program};

/// Number of MACs planned or of operations on maps after which memory is returned to the system.
const MANY: usize = 10_000;

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
    ebpf: Ebpf,
    pub(super) maps: Maps,
    pub(super) devices: Devices,
    kept: Kept,
    /// Desired state without the MACs: `programmed` has them.
    pub(super) desired: Desired,
    pub(super) programmed: Programmed,
    ceilings: BTreeMap<u32, u64>,
    pub(super) epochs: Epochs,
    /// Standby FDB by lease: stations that another node has learned and this node has programmed.
    pub(super) standby_fdb: BTreeMap<u32, Followed>,
    pub(super) report: Report,
    /// All bindings of the last planned rows, each with its state.
    pub(super) bindings: Vec<BoundVlan>,
    /// Standing problems that leave the gateway healthy.
    pub(super) warnings: BTreeSet<String>,
    budgets: Budgets,
    /// Learned MACs at the last FDB scan, by VNI.
    pub(super) fdb_scan: BTreeMap<u32, Learned>,
    pub(super) stations: Stations,
    faults: BTreeSet<Fault>,
    /// Problems of the last plan, and those of them that leave the gateway healthy.
    planned: (Vec<String>, BTreeSet<String>),
    losses: Losses,
    /// Tracepoints that count losses. They are held here, so that they stay if their pins go.
    tracepoints: Vec<PinnedLink>,
    /// Reason why losses are not counted.
    uncounted: Option<String>,
    pub(super) path_mtus: PathMtus,
    /// FDB scans that were not taken yet.
    fdb_scans: Vec<FdbScan>,
    swept: bool,
    /// True if everything desired is programmed and nothing has to be retried.
    settled: bool,
    /// MACs planned and operations carried out since memory was last returned to the system.
    passed: usize,
    /// Work done since the start.
    pub(super) work: Work,
}

/// Counters of the work done.
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
            ebpf: loaded.ebpf,
            maps: loaded.maps,
            devices,
            kept: Kept::default(),
            desired: Desired::default(),
            programmed,
            ceilings: BTreeMap::new(),
            // No station ages until a virtual router is active here.
            epochs: config
                .instances
                .iter()
                .map(InstanceConfig::lease)
                .filter(|lease| *lease != ALONE)
                .map(|lease| (lease, NEVER))
                .collect(),
            standby_fdb: BTreeMap::new(),
            report: Report::default(),
            bindings: Vec::new(),
            warnings: BTreeSet::new(),
            budgets: Budgets::default(),
            fdb_scan: BTreeMap::new(),
            stations: Stations::default(),
            faults: BTreeSet::new(),
            planned: Default::default(),
            losses: Losses::default(),
            tracepoints: Vec::new(),
            uncounted: None,
            path_mtus: PathMtus::default(),
            fdb_scans: Vec::new(),
            swept: false,
            settled: false,
            passed: 0,
            work: Work::default(),
        };
        if let Some(rows) = rows {
            // An adopted database has learned MACs in it. They count before the first ceiling is set.
            this.take_census(config, rows)?;
            if !adopted {
                this.bring_up_to_date(config, rows, underlay)?;
            }
        }
        if let Err(error) = this.put_in_force(&commit, first, config, rows, underlay) {
            this.devices.problems().for_each(|problem| tracing::error!("{problem}"));
            // A data plane that forwarded before goes on. One that did not is left as it was.
            if first {
                this.devices.undo();
                commit.abandon()?;
            }
            return Err(error);
        }
        if let Err(error) = losses::attach(&mut this.ebpf, &pins, &mut this.tracepoints) {
            this.uncounted = Some(format!(
                "what ports lose of redirected frames is not counted: {error}; `ip -s link` and `ethtool -S` of the ports may \
                 tell"
            ));
        }
        this.tell();
        tracing::info!(
            adopted,
            switches = this.programmed.switches.len(),
            bindings = this.programmed.bindings.len(),
            tunnels = this.programmed.tunnels.len(),
            macs = this.programmed.static_macs.len(),
            problems = this.report.standing(),
            "ready"
        );
        this.give_memory_back();
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
        if let Err(error) = self.devices.attach(&mut self.ebpf, config, underlay) {
            if first {
                return Err(error.into());
            }
            // A forwarding data plane keeps its agent even if one interface fails. The failure is a standing problem.
            tracing::debug!("{error}");
        }
        if let Some(rows) = rows {
            self.bring_up_to_date(config, rows, underlay)?;
        }
        Ok(commit.commit()?)
    }

    /// Attaches to interfaces that have come or changed, and programs the differences.
    pub(super) fn update(&mut self, config: &Config, rows: &Rows, underlay: &Snapshot) -> Result<(), AgentError> {
        if self.devices.differ(config, underlay)
            && let Err(error) = self.devices.attach(&mut self.ebpf, config, underlay)
        {
            // The failure is a standing problem. The other interfaces forward; this one is retried at the next change
            // or ageing run.
            tracing::debug!("{error}");
        }
        self.bring_up_to_date(config, rows, underlay)?;
        self.give_memory_back();
        Ok(())
    }

    /// Applies a change of the rows from `old` to `new`, with nothing else changed. Mostly only remote MACs differ;
    /// then the cost depends on the number of differences. Returns false if [`Forwarding::update`] is needed, which
    /// also reports failures.
    pub(super) fn update_rows(&mut self, config: &Config, old: &Rows, new: &Rows) -> bool {
        let changes = plan::mac_changes(config, old, new, &self.desired);
        let ops = changes.as_ref().and_then(|changes| diff_macs(changes, &self.programmed));
        let Some(ops) = ops else { return false };
        drop(changes);
        let mut problems = Vec::new();
        self.carry_out(&ops, &mut problems);
        drop(ops);
        self.give_memory_back();
        problems.is_empty()
    }

    /// Returns the temporary memory of many changes to the system.
    fn give_memory_back(&mut self) {
        if self.passed >= MANY {
            self.passed = 0;
            memory::give_back();
        }
    }

    /// Waits for rows: attaches to interfaces that have come or changed, and leaves the maps as they are.
    pub(super) fn wait(&mut self, config: &Config, underlay: &Snapshot) {
        if self.devices.differ(config, underlay)
            && let Err(error) = self.devices.attach(&mut self.ebpf, config, underlay)
        {
            tracing::debug!("{error}");
        }
        self.planned =
            (self.devices.problems().chain(self.devices.warnings()).collect(), self.devices.warnings().collect());
        self.tell();
    }

    /// Installs the programs of a capture on all interfaces, or on none if one does not take them.
    pub(super) fn install_capture(&mut self, capture: &mut Pinned) -> Result<(), AttachError> {
        let done = self.devices.install_capture(capture);
        if done.is_err() {
            self.remove_capture()?;
        }
        done
    }

    /// Removes the programs of a capture.
    pub(super) fn remove_capture(&mut self) -> Result<(), AttachError> {
        self.devices.remove_capture(&mut self.ebpf)
    }

    /// Holds the maps that are in force now, so that they stay if their pins go.
    pub(super) fn keep(&mut self, pins: &PinDir) -> Result<(), AgentError> {
        self.kept = Kept::open(pins).map_err(|error| AgentError::io("opening the pinned maps", error))?;
        Ok(())
    }

    /// Returns the map of leases.
    pub(super) fn leases(&self) -> Result<Option<Leases>, AgentError> {
        let map = self.kept.map("leases").transpose();
        let map = map.map_err(|error| AgentError::io("opening the map of leases", error))?;
        Ok(map.map(Leases::from_fd).transpose()?)
    }

    /// Checks programs and pins, and puts back those that have gone. Returns true if the reported state has changed.
    pub(super) fn poll(&mut self) -> bool {
        let changed = self.devices.poll(&mut self.ebpf, clock::monotonic());
        match self.kept.pin_again() {
            Ok(again) => {
                if again {
                    tracing::warn!("maps had lost their pins, and are pinned again");
                }
            }
            // Links are pinned in the same directory. Their pins report this as a problem.
            Err((path, error)) => tracing::debug!("{}: {error}", path.display()),
        }
        changed
    }

    /// Returns true if the programs are attached wherever they should be.
    pub(super) fn is_attached(&self) -> bool {
        self.devices.problems().next().is_none()
    }

    /// Returns the run time and the number of runs of each program, as the kernel counts them.
    pub(super) fn programs(&self) -> Vec<Program> {
        let info = |name| {
            let info = self.ebpf.program(name)?.info().ok()?;
            Some(Program { name, run_time: info.run_time(), runs: info.run_count() })
        };
        ["xdp_uplink", "xdp_access", "tc_uplink", "tc_access"].into_iter().filter_map(info).collect()
    }

    /// Returns the traffic of each binding, by name of its port and VLAN.
    pub(super) fn traffic(&self, underlay: &Snapshot) -> Result<TrafficByBinding, AgentError> {
        let names: BTreeMap<u32, &String> = underlay.links.iter().map(|(name, link)| (link.ifindex, name)).collect();
        let mut all = TrafficByBinding::new();
        for (key, binding) in &self.programmed.bindings {
            let (Some(name), Some(vlan)) = (names.get(&key.ifindex), VlanId::new(key.vlan)) else { continue };
            let traffic = self.maps.binding_traffic(binding.id)?;
            all.insert(((*name).clone(), vlan), traffic.into());
        }
        Ok(all)
    }

    fn bring_up_to_date(&mut self, config: &Config, rows: &Rows, underlay: &Snapshot) -> Result<(), AgentError> {
        self.work.plans += 1;
        self.read_path_mtus()?;
        let (underlay, narrow) = self.path_mtus.narrow(underlay);
        let mut plan = plan::plan(config, rows, &underlay, self.devices.xdp_ports());
        plan.problems.extend(plan::path_mtus(&underlay, &narrow));
        let mut problems: Vec<String> = plan.problems.iter().map(ToString::to_string).collect();
        let mut bindings = plan.bindings;
        let warnings = plan.problems.iter().filter(|problem| problem.is_warning());
        let warnings = warnings.map(ToString::to_string).chain(self.devices.warnings());
        let warnings = warnings.chain(self.budgets.problems().cloned()).collect();
        problems.extend(self.budgets.problems().cloned());
        problems.extend(self.devices.problems());
        problems.extend(self.devices.warnings());
        let mut desired = plan.desired;
        desired.xdp_sg_ports = self.devices.xdp_sg_ports();
        self.faults.clear();
        let mut changes = diff(&desired, &self.programmed, &self.ceilings);
        let mut done = self.carry_out(&changes.ops, &mut problems);
        let mut all = changes.ops.len();
        if !changes.limits.is_empty() {
            // The removals have made room.
            changes = diff(&desired, &self.programmed, &self.ceilings);
            done += self.carry_out(&changes.ops, &mut problems);
            all += changes.ops.len();
        }
        self.settled = done == all && changes.limits.is_empty();
        self.passed += desired.macs.len();
        desired.macs.clear();
        self.desired = desired;
        if changes.limits.iter().any(|limit| matches!(limit, Limit::Tunnels(_))) {
            self.faults.insert(Fault::TunnelExhaustion);
        }
        problems.extend(changes.limits.iter().map(ToString::to_string));
        bindings.iter_mut().for_each(|binding| self.look_at(binding, &underlay));
        problems.extend(plan::unforwarded(&bindings).map(|problem| problem.to_string()));
        self.bindings = bindings;
        if done > 0 {
            tracing::debug!(operations = done, "programmed");
        }
        self.planned = (problems, warnings);
        self.tell();
        if changes.ops.iter().any(|op| matches!(op, Op::Forget(_))) {
            // The stations of removed bindings are published to the database at once.
            self.take_census(config, rows)?;
        }
        Ok(())
    }

    /// Sets the state of a planned binding: it forwards if it is programmed and programs are attached.
    fn look_at(&self, binding: &mut BoundVlan, underlay: &Snapshot) {
        if !binding.state.forwards() {
            return;
        }
        let key = underlay.links.get(&binding.port).map(|link| BindingKey {
            ifindex: link.ifindex,
            vlan: binding.vlan,
            reserved: 0,
        });
        if !key.is_some_and(|key| self.programmed.bindings.contains_key(&key)) {
            binding.state = BindingState::NotProgrammed;
        } else if self.devices.attached(&binding.port).is_none() {
            binding.state = BindingState::NotAttached;
        }
    }

    /// Returns the number of bindings of the database that do not forward.
    pub(super) fn unforwarded(&self) -> usize {
        self.bindings.iter().filter(|binding| !binding.state.forwards()).count()
    }

    /// Reports all problems.
    fn tell(&mut self) {
        let (mut problems, mut warnings) = self.planned.clone();
        for problem in self.losses.problems(|ifindex| self.devices.name(ifindex)) {
            if problem.is_warning {
                warnings.insert(problem.text.clone());
            }
            problems.push(problem.text);
        }
        if let Some(uncounted) = &self.uncounted {
            warnings.insert(uncounted.clone());
            problems.push(uncounted.clone());
        }
        self.warnings = warnings;
        self.report.problems(problems.into_iter());
    }

    /// Reads the kernel's counters of frames lost after a redirect, and its path MTUs. Returns true if a full plan is
    /// needed because of them.
    pub(super) fn hear(&mut self, now: Duration) -> Result<bool, AgentError> {
        let refused = self.losses.poll(self.maps.losses()?, now);
        let transmit = |devices: &Devices| (devices.xdp_ports(), devices.xdp_sg_ports());
        let (ports, paths) = (transmit(&self.devices), self.path_mtus.clone());
        if !refused.is_empty() {
            refused.into_iter().for_each(|ifindex| self.devices.refuses(ifindex));
            self.devices.refresh();
        }
        self.tell();
        self.read_path_mtus()?;
        Ok(ports != transmit(&self.devices) || !self.path_mtus.agrees_with(&paths))
    }

    /// Returns the losses on the way out of an interface.
    pub(super) fn loss(&self, ifindex: u32) -> Loss {
        self.losses.of(ifindex)
    }

    fn read_path_mtus(&mut self) -> Result<(), AgentError> {
        let (rows, now) = (self.maps.path_mtus()?, clock::coarse_ns()?);
        for (ends, _) in rows.iter().filter(|(_, told)| underlay::is_over(told, now)) {
            self.maps.forget_path_mtu(ends)?;
        }
        self.path_mtus = PathMtus::of(&rows, now);
        Ok(())
    }

    /// Carries out operations. One that fails stays a difference, and is retried at the next change or ageing run.
    fn carry_out(&mut self, ops: &[Op], problems: &mut Vec<String>) -> usize {
        let mut done = 0;
        let mut full = BTreeMap::<String, usize>::new();
        let mut failed = self.maps.change().write_all(ops).into_iter().peekable();
        for (place, op) in ops.iter().enumerate() {
            match failed.next_if(|(of, _)| *of == place) {
                None => {
                    if let Op::DelSwitch(vni) = op {
                        // The kernel counts from zero if the logical switch comes back.
                        self.ceilings.remove(vni);
                    }
                    self.programmed.note(op);
                    done += 1;
                }
                Some((_, error)) if error.is_full() => {
                    if matches!(op, Op::PutMac(..)) {
                        self.faults.insert(Fault::MacTableExhaustion);
                    }
                    *full.entry(error.to_string()).or_default() += 1;
                }
                Some((_, error)) => problems.push(error.to_string()),
            }
        }
        self.passed += done;
        self.work.operations += done as u64;
        self.work.failed += (ops.len() - done) as u64;
        let full = full.into_iter();
        problems.extend(full.map(|(error, count)| format!("{error}: the map is full, {count} entries are left out")));
        done
    }

    /// Handles a learning event. Restores a MAC given by the database if the kernel has learned over it: the kernel
    /// looks up and writes in two steps, and the agent may have written in between.
    pub(super) fn learned(&mut self, event: &LearnEvent) {
        self.work.learned += 1;
        let key = FdbKey::new(event.vni, event.mac);
        if event.kind != event::SNOOPED
            && let Some(entry) = self.programmed.static_macs.get(&key)
            && let Err(error) = self.maps.change().write(&Op::PutMac(key, entry))
        {
            // The MAC counts as a difference now, so the next ageing run retries it.
            self.programmed.static_macs.remove(&key);
            self.settled = false;
            tracing::warn!(vni = key.vni, mac = %MacAddr(key.mac), "not put back where it is given: {error}");
        }
        let what = match event.kind {
            event::LEARNED => "learned",
            event::MOVED => "moved",
            _ => "announced its address",
        };
        tracing::debug!(vni = event.vni, mac = %MacAddr(event.mac), "{what}");
        if !self.programmed.static_macs.contains_key(&key) {
            self.stations.event(event);
        }
    }

    /// Takes the results of the FDB scans since the last call.
    pub(super) fn fdb_scans(&mut self) -> Vec<FdbScan> {
        std::mem::take(&mut self.fdb_scans)
    }

    /// Returns the problems of forwarding.
    pub(super) fn problems(&self) -> &BTreeSet<String> {
        self.report.texts()
    }

    /// Returns the faults: parts of the database that could not be programmed for lack of room.
    pub(super) fn faults(&self) -> &BTreeSet<Fault> {
        &self.faults
    }

    /// Ages learned MACs, sets the learning ceilings again, and retries what failed.
    pub(super) fn age_fdb(&mut self, config: &Config, rows: &Rows, underlay: &Snapshot) -> Result<(), AgentError> {
        self.take_census(config, rows)?;
        let paths = self.maps.paths()?;
        self.report.learning(paths, !self.swept);
        let told = !self.budgets.poll(&paths, &self.maps, &self.programmed, underlay)?;
        self.swept = true;
        self.devices.refresh();
        let same_devices = !self.devices.differ(config, underlay)
            && self.devices.xdp_ports() == self.desired.xdp_ports
            && self.devices.xdp_sg_ports() == self.desired.xdp_sg_ports;
        if told && self.settled && same_devices && self.set_ceilings(config, rows) {
            return Ok(());
        }
        self.update(config, rows, underlay)
    }

    /// Updates the learning ceilings, the only state that changes with time. Returns false if that failed.
    fn set_ceilings(&mut self, config: &Config, rows: &Rows) -> bool {
        for (vni, plan) in plan::learn_limits(config, rows) {
            if let Some(switch) = self.desired.switches.get_mut(&vni) {
                switch.learn_limit = plan.learn_limit;
            }
        }
        let ops = diff_ceilings(&self.desired, &self.programmed, &self.ceilings);
        let mut problems = Vec::new();
        self.carry_out(&ops, &mut problems);
        problems.is_empty()
    }

    fn take_census(&mut self, config: &Config, rows: &Rows) -> Result<(), AgentError> {
        self.work.fdb_scans += 1;
        let now = clock::coarse_ns()?;
        let ageing = config.gateway.ageing.as_nanos() as u64;
        let limits = plan::learn_limits(config, rows);
        let (fdb_scan, ceilings) =
            learned::age_fdb(&mut self.maps, &self.programmed, &limits, &self.epochs, now, ageing)?;
        if !fdb_scan.aged.is_empty() {
            tracing::debug!(macs = fdb_scan.aged.len(), "aged");
        }
        if !fdb_scan.stray.is_empty() || !fdb_scan.overwritten.is_empty() {
            tracing::info!(
                forgotten = fdb_scan.stray.len(),
                put_back = fdb_scan.overwritten.len(),
                "learned MACs put right: their place is gone, or they are given"
            );
        }
        self.stations.fdb_scan(&fdb_scan.local);
        let learned = ceilings.iter().map(|(vni, ceiling)| {
            let present = fdb_scan.learned.get(vni).copied().unwrap_or(0);
            let left = limits.get(vni).map_or(0, |plan| plan.learn_limit.saturating_sub(present));
            (*vni, Learned { present, counted: ceiling.saturating_sub(left) })
        });
        self.fdb_scan = learned.collect();
        self.ceilings = ceilings;
        self.fdb_scans.push(fdb_scan);
        Ok(())
    }
}

/// Returns the interval of ageing.
pub(super) fn ageing_interval(config: &Config) -> Duration {
    learned::ageing_interval(config.gateway.ageing)
}
