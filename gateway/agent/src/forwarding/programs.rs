//! Programs of the data plane: where they are attached, and the pins that keep them.

use std::time::Duration;

use aya::{Ebpf, programs::links::PinnedLink};
use gateway_config::Config;
use gateway_datapath::{
    attach::AttachError,
    capture_programs::Pinned,
    kept::Kept,
    losses::{self, LossesError},
    pins::PinDir,
};
use gateway_ha::Leases;
use gateway_netdev::underlay::Snapshot;

use crate::{devices::Devices, error::AgentError, metrics::measured::Program};

/// Loaded programs, and everything that stays while the agent holds it.
pub(super) struct Programs {
    ebpf: Ebpf,
    devices: Devices,
    kept: Kept,
    /// Tracepoints that count losses. They are held here, so that they stay if their pins go.
    tracepoints: Vec<PinnedLink>,
}

impl Programs {
    /// Makes the state of loaded programs that are not attached yet.
    pub(super) fn new(ebpf: Ebpf, devices: Devices) -> Self {
        Self { ebpf, devices, kept: Kept::default(), tracepoints: Vec::new() }
    }

    /// Returns the interfaces in use.
    pub(super) const fn devices(&self) -> &Devices {
        &self.devices
    }

    /// Returns the interfaces in use, to change what XDP may do on them.
    pub(super) const fn devices_mut(&mut self) -> &mut Devices {
        &mut self.devices
    }

    /// Attaches to all interfaces of `config` that exist, and detaches from all others.
    ///
    /// # Errors
    /// The first interface that does not accept the programs. The others have them all the same.
    pub(super) fn attach(&mut self, config: &Config, underlay: &Snapshot) -> Result<(), AttachError> {
        self.devices.attach(&mut self.ebpf, config, underlay)
    }

    /// Attaches to interfaces that have come or changed. A failure is a standing problem. The other interfaces forward;
    /// this one is retried at the next change or ageing run.
    pub(super) fn attach_changed(&mut self, config: &Config, underlay: &Snapshot) {
        if self.devices.differ(config, underlay)
            && let Err(error) = self.attach(config, underlay)
        {
            tracing::debug!("{error}");
        }
        self.devices.follow_members(&mut self.ebpf, underlay);
    }

    /// Counts the frames that ports lose after a redirect.
    ///
    /// # Errors
    /// The kernel has no such tracepoints, or refuses the programs.
    pub(super) fn count_losses(&mut self, pins: &PinDir) -> Result<(), LossesError> {
        losses::attach(&mut self.ebpf, pins, &mut self.tracepoints)
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
    pub(super) fn check(&mut self, now: Duration) -> bool {
        let changed = self.devices.poll(&mut self.ebpf, now);
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

    /// Returns the run time and the number of runs of each program, as the kernel counts them.
    pub(super) fn counted(&self) -> Vec<Program> {
        let info = |name| {
            let info = self.ebpf.program(name)?.info().ok()?;
            Some(Program { name, run_time: info.run_time(), runs: info.run_count() })
        };
        ["xdp_uplink", "xdp_access", "tc_uplink", "tc_access"].into_iter().filter_map(info).collect()
    }
}
