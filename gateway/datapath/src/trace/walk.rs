//! Path of a packet through the programs, as the kernel takes it: by XDP if that is attached, then by TC.

use gateway_common::{
    counters::DropReason,
    headers::TAG_LEN,
    step::{NO_TAG, Step},
};
use gateway_netdev::nic::Role;
use serde::Serialize;

use super::{
    names::Names,
    plane::{Hook, Plane, PlaneError, Recorded},
    step::StepView,
};
use crate::packet::decode::{Layer, layers, with_tag};

/// Ingress of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// Name of the interface.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// The direction it faces.
    pub role: Role,
    /// True if XDP is attached to it.
    pub xdp: bool,
    /// True for a bond.
    pub bond: bool,
}

/// Verdict on a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It goes up the stack; it is not for the gateway.
    Passed,
    /// It is forwarded to one place.
    Forwarded,
    /// It is copied to all members of the logical switch.
    Flooded,
    /// It is dropped.
    Dropped,
}

/// An outgoing packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Name of the egress interface.
    pub interface: String,
    /// Its length, tag included.
    pub bytes: usize,
    /// Its layers.
    pub layers: Vec<Layer>,
}

/// Result of one hook.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Passage {
    /// The hook.
    pub hook: Hook,
    /// The steps, in order.
    pub steps: Vec<StepView>,
}

/// The whole trace of a packet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Way {
    /// Name of the ingress interface.
    #[serde(rename = "in")]
    pub entrance: String,
    /// Length of the packet.
    pub bytes: usize,
    /// Layers of the packet.
    pub layers: Vec<Layer>,
    /// The hooks that it passed.
    pub hooks: Vec<Passage>,
    /// The verdict.
    pub verdict: Verdict,
    /// The drop reason, by the name in the reference of drops.
    pub reason: Option<&'static str>,
    /// The outgoing packets.
    pub sent: Vec<Sent>,
    /// The counters that would have been incremented. A trace does not learn, so it leaves out learning.
    pub counted: Vec<&'static str>,
    /// False if there were more steps than there is room for.
    pub complete: bool,
}

impl Way {
    /// Runs a packet through the programs.
    ///
    /// # Errors
    /// The kernel does not accept the packet.
    pub fn of(
        plane: &mut Plane,
        entrance: &Entrance,
        packet: &[u8],
        names: &Names,
        vxlan_port: u16,
    ) -> Result<Self, PlaneError> {
        let mut way = Self {
            entrance: entrance.name.clone(),
            bytes: packet.len(),
            layers: layers(packet, vxlan_port),
            hooks: Vec::new(),
            verdict: Verdict::Passed,
            reason: None,
            sent: Vec::new(),
            counted: Vec::new(),
            complete: true,
        };
        let mut packet = packet.to_vec();
        let driver = match entrance {
            Entrance { xdp: false, .. } => None,
            Entrance { bond: true, ifindex, .. } => plane.member_of(*ifindex)?,
            Entrance { ifindex, .. } => Some(*ifindex),
        };
        let hooks = driver.map(|driver| (Hook::Xdp, driver)).into_iter().chain([(Hook::Tc, entrance.ifindex)]);
        for (hook, ifindex) in hooks {
            let run = plane.run(hook, ifindex, &packet)?;
            let last = run.steps.last().map(|recorded| recorded.step);
            if hook == Hook::Tc && last == Some(Step::Passed) && !way.hooks.is_empty() {
                // TC has the same result, as it must.
                break;
            }
            way.counted.extend(run.counted);
            way.conclude(&run.steps, &run.bytes, names, vxlan_port);
            let steps =
                run.steps.iter().map(|recorded| StepView::at(recorded.step, &recorded.record, &entrance.name, names));
            way.hooks.push(Passage { hook, steps: steps.collect() });
            if !matches!(last, Some(Step::Passed | Step::LeftToTc)) {
                break;
            }
            packet = run.bytes;
        }
        Ok(way)
    }

    fn conclude(&mut self, steps: &[Recorded], bytes: &[u8], names: &Names, vxlan_port: u16) {
        for recorded in steps.iter().filter(|recorded| recorded.step == Step::Copy) {
            self.sent.push(copy(recorded, names, vxlan_port));
        }
        match steps.last() {
            Some(Recorded { step: Step::Passed | Step::LeftToTc, .. }) => self.verdict = Verdict::Passed,
            Some(Recorded { step: Step::Redirected, .. }) => {
                self.verdict = Verdict::Forwarded;
                let argument = |step| steps.iter().rev().find(|recorded| recorded.step == step);
                let out = argument(Step::Out).map_or(0, |out| out.record.args[0] as u32);
                let tag = argument(Step::Tag).map(|tag| tag.record.args[0] as u16);
                let bytes = with_tag(bytes, tag);
                let layers = layers(&bytes, vxlan_port);
                self.sent.push(Sent { interface: names.interface(out), bytes: bytes.len(), layers });
            }
            Some(Recorded { step: Step::Flooded, .. }) => self.verdict = Verdict::Flooded,
            Some(Recorded { step: Step::Dropped, record, .. }) => {
                self.verdict = Verdict::Dropped;
                self.reason = DropReason::ALL.get(record.args[0] as usize).map(|reason| reason.name());
            }
            _ => self.complete = false,
        }
    }
}

fn copy(recorded: &Recorded, names: &Names, vxlan_port: u16) -> Sent {
    let [_, _, ifindex, length] = recorded.record.args;
    let tag = (recorded.record.tag != NO_TAG).then_some(recorded.record.tag as u16);
    let length = length as usize;
    let first = &recorded.bytes[..recorded.bytes.len().min(length)];
    let tag_bytes = if tag.is_some() { TAG_LEN } else { 0 };
    Sent {
        interface: names.interface(ifindex as u32),
        bytes: length + tag_bytes,
        layers: layers(&with_tag(first, tag), vxlan_port),
    }
}
