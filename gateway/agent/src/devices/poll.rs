//! Checks that programs are still attached, and puts back those that have gone.

use std::{collections::BTreeSet, time::Duration};

use aya::Ebpf;
use gateway_config::Mode;
use gateway_datapath::{
    attach::{AttachError, Seen},
    preflight,
    sys::Hook,
};
use gateway_netdev::Link;

use super::{
    Devices, InUse,
    modes::{Transmit, transmit},
};

/// Time for which a program that had gone is reported after it was put back.
const REPORTED: Duration = Duration::from_secs(300);

impl Devices {
    /// Checks that the programs are attached, puts back those that have gone, and pins links that have lost their pins.
    /// Returns true if the state has changed.
    pub(crate) fn poll(&mut self, ebpf: &mut Ebpf, now: Duration) -> bool {
        let reported = |this: &Self| (this.problems().collect::<Vec<_>>(), this.warnings().collect::<Vec<_>>());
        let before = (reported(self), self.xdp_ports());
        self.gone.retain(|_, until| *until > now);
        for mut used in std::mem::take(&mut self.in_use).into_values() {
            self.check(ebpf, &mut used, now);
            self.in_use.insert(used.device.name.clone(), used);
        }
        self.pin_again();
        before != (reported(self), self.xdp_ports())
    }

    fn check(&mut self, ebpf: &mut Ebpf, used: &mut InUse, now: Duration) {
        let name = used.device.name.clone();
        // An interface that has gone, or come back as another, is a change of the underlay.
        let Ok(Some(interface)) = Link::named(&name) else { return };
        if interface.ifindex != used.device.ifindex {
            return;
        }
        match self.attacher.look_tc(&used.device) {
            Ok(Seen::Ours) => drop(used.trouble.remove(&Hook::Tc)),
            Ok(Seen::Nothing | Seen::Other(_)) => {
                let done = self.attacher.attach_tc(ebpf, &used.device);
                self.put_back_program(used, Hook::Tc, done, now);
            }
            Err(error) => tracing::debug!(interface = name, "looking for the TC program: {error}"),
        }
        let seen = self.attacher.look_xdp(&used.device, interface.xdp);
        self.before_tc.remove(&name);
        match (used.possible, seen) {
            (Mode::Tc, Seen::Other(id)) => drop(self.before_tc.insert(name, id)),
            (Mode::Tc, _) => {}
            (_, Seen::Ours) => drop(used.trouble.remove(&Hook::Xdp)),
            // The driver has no XDP.
            (Mode::Auto, Seen::Nothing) if !used.xdp && !used.trouble.contains_key(&Hook::Xdp) => {}
            (_, Seen::Nothing | Seen::Other(_)) => {
                let done = self.attacher.attach_xdp(ebpf, &used.device);
                used.xdp = done.is_ok();
                used.transmit = if used.xdp && !used.refuses { transmit(&used.device) } else { Transmit::default() };
                self.put_back_program(used, Hook::Xdp, done, now);
            }
        }
    }

    fn put_back_program(&mut self, used: &mut InUse, hook: Hook, done: Result<(), AttachError>, now: Duration) {
        let name = &used.device.name;
        match done {
            Ok(()) => {
                tracing::warn!(
                    interface = name,
                    hook = hook.title(),
                    "the gateway's program had gone, and is put back"
                );
                used.trouble.remove(&hook);
                self.gone.insert((name.clone(), hook), now + REPORTED);
            }
            // As at a start, TC carries the traffic if the driver does not accept XDP.
            Err(error) if hook == Hook::Xdp && used.mode == Mode::Auto && !error.is_busy() => {
                tracing::warn!(interface = name, "no XDP any more, TC carries its traffic: {error}");
                used.trouble.remove(&hook);
            }
            Err(error) => {
                used.trouble.insert(hook, error.to_string());
            }
        }
    }

    /// Pins links again. The agent holds links, so they stay while it runs; the pins keep them after its end.
    fn pin_again(&mut self) {
        let names: BTreeSet<String> = self.in_use.keys().cloned().collect();
        let pinned = self.attacher.pin_again(&names).or_else(|error| {
            preflight::ensure_bpffs(&self.pin_dir).map_err(|failure| format!("{error}; {failure}"))?;
            self.attacher.pin_again(&names).map_err(|error| error.to_string())
        });
        self.unpinned = match pinned {
            Ok(false) => None,
            Ok(true) => {
                tracing::warn!("links had lost their pins in {}, and are pinned again", self.pin_dir.display());
                None
            }
            Err(reason) => Some(format!(
                "the links of the programs are no longer pinned: forwarding would end with this agent, which can't pin them \
                 again: {reason}"
            )),
        };
    }
}
