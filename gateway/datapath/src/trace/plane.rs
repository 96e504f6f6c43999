//! The programs that report every step, in the kernel.

use std::collections::BTreeMap;

use aya::{
    Ebpf,
    maps::{HashMap, Map, MapData, MapError, PerCpuArray, ProgramArray, RingBuf},
    programs::{ProgramError, SchedClassifier, TestRun, TestRunOptions, TestRunResult, Xdp},
};
use gateway_common::{
    counters::{DropReason, Drops, PathCounter, Paths},
    step::{Step, StepRecord},
    tunnel::RemoteVtepKey,
};
use gateway_netdev::nic::Role;

use crate::{
    capture_programs::{self, CaptureProgramsError},
    load::{Objects, Settings},
    pins::PinDir,
};

/// Longest packet, in bytes, that IP can carry over Ethernet.
const LONGEST: usize = 65_535 + 18;
/// Room for headers in front of a packet.
const GROWTH: usize = 256;

/// Error of tracing a packet.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    /// Error of loading the programs.
    #[error(transparent)]
    Watch(#[from] CaptureProgramsError),
    /// Error of a map.
    #[error("map {0}: {1}")]
    Map(&'static str, MapError),
    /// A program is not in the object.
    #[error("the BPF object has no program {0}: this vtep-gateway was built wrongly")]
    Missing(String),
    /// Error of the verifier, or of the run.
    #[error("{0}: {1}")]
    Program(String, ProgramError),
    /// The kernel does not accept a packet of this length.
    #[error(
        "a packet of {0} bytes can't be run through {1}: the kernel takes 14 bytes and more, and about 3,500 at TC"
    )]
    Length(usize, &'static str),
}

/// Hook of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hook {
    /// In the driver.
    Xdp,
    /// At the entrance of the kernel's stack.
    Tc,
}

impl Hook {
    /// Returns its name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xdp => "XDP",
            Self::Tc => "TC",
        }
    }
}

/// A step that a program has reported, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The step.
    pub step: Step,
    /// The record as it was written.
    pub record: StepRecord,
    /// The first bytes of a copy.
    pub bytes: Vec<u8>,
}

/// Result of a program for a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The packet after the run. At TC a tag may be beside it, see [`Step::Tag`].
    pub bytes: Vec<u8>,
    /// The steps, the last of them the verdict.
    pub steps: Vec<Recorded>,
    /// The counters that would have been incremented, by name.
    pub counted: Vec<&'static str>,
}

/// The programs, and the maps that they write to.
pub struct Plane {
    ebpf: Ebpf,
    role: Role,
    /// Held open: the kernel empties it once nothing has it open.
    _next: ProgramArray<MapData>,
    steps: RingBuf<MapData>,
    drops: PerCpuArray<MapData, Drops>,
    paths: PerCpuArray<MapData, Paths>,
    peers: HashMap<MapData, RemoteVtepKey, u32>,
    members: HashMap<MapData, u32, u32>,
}

impl Plane {
    /// Loads the programs for interfaces of one `role` onto the maps pinned under `pins`.
    ///
    /// # Errors
    /// Nothing is pinned, or pins of another version, or the kernel refuses.
    pub fn open(pins: &PinDir, settings: Settings, objects: Objects, role: Role) -> Result<Self, PlaneError> {
        let mut ebpf = capture_programs::for_trace(pins, settings, objects)?;
        let name = program(Hook::Xdp, role);
        xdp(&mut ebpf, name)?.load().map_err(|error| PlaneError::Program(name.to_owned(), error))?;
        let name = program(Hook::Tc, role);
        classifier(&mut ebpf, name)?.load().map_err(|error| PlaneError::Program(name.to_owned(), error))?;
        let name = "trace_tc_flood";
        let failed = |error| PlaneError::Program(name.to_owned(), error);
        let mut next: ProgramArray<MapData> = take(&mut ebpf, "next")?;
        let flood = classifier(&mut ebpf, name)?;
        flood.load().map_err(failed)?;
        let flood = flood.fd().map_err(failed)?;
        next.set(0, flood, 0).map_err(|error| PlaneError::Map("next", error))?;
        Ok(Self {
            role,
            _next: next,
            steps: take(&mut ebpf, "steps")?,
            drops: take(&mut ebpf, "drops")?,
            paths: take(&mut ebpf, "paths")?,
            peers: take(&mut ebpf, "remote_vteps")?,
            members: take(&mut ebpf, "members")?,
            ebpf,
        })
    }

    /// Returns the existing tunnels, by their ends.
    ///
    /// # Errors
    /// The map can't be read.
    pub fn tunnels(&self) -> Result<BTreeMap<RemoteVtepKey, u32>, PlaneError> {
        self.peers.iter().collect::<Result<_, _>>().map_err(|error| PlaneError::Map("remote_vteps", error))
    }

    /// Returns an active member of a bond: the kernel runs the XDP program of a bond on its members. Returns `None` if
    /// there is none.
    ///
    /// # Errors
    /// The map can't be read.
    pub fn member_of(&self, bond: u32) -> Result<Option<u32>, PlaneError> {
        let members = self.members.iter().collect::<Result<BTreeMap<u32, u32>, _>>();
        let members = members.map_err(|error| PlaneError::Map("members", error))?;
        Ok(members.into_iter().find(|(_, of)| *of == bond).map(|(member, _)| member))
    }

    /// Runs a packet that arrives at the interface `ifindex` through a program.
    ///
    /// # Errors
    /// The kernel does not accept the packet.
    pub fn run(&mut self, hook: Hook, ifindex: u32, packet: &[u8]) -> Result<Run, PlaneError> {
        let before = self.counters()?;
        let name = program(hook, self.role);
        let mut bytes = vec![0; packet.len().min(LONGEST) + GROWTH];
        let result = match hook {
            Hook::Xdp => {
                // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
                let context = [0, packet.len() as u32, 0, ifindex, 0, 0];
                test_run(xdp(&mut self.ebpf, name)?, packet, bytemuck::bytes_of(&context), &mut bytes)
            }
            Hook::Tc => {
                // struct __sk_buff, of which only ifindex is set.
                let mut context = [0u32; 48];
                context[10] = ifindex;
                test_run(classifier(&mut self.ebpf, name)?, packet, bytemuck::bytes_of(&context), &mut bytes)
            }
        };
        let result = result.map_err(|error| match &error {
            ProgramError::SyscallError(call) if call.io_error.raw_os_error() == Some(libc::EINVAL) => {
                PlaneError::Length(packet.len(), hook.name())
            }
            _ => PlaneError::Program(name.to_owned(), error),
        })?;
        bytes.truncate(result.data_size_out as usize);
        Ok(Run { bytes, steps: self.recorded(), counted: counted(&before, &self.counters()?) })
    }

    fn recorded(&mut self) -> Vec<Recorded> {
        let mut steps = Vec::new();
        while let Some(item) = self.steps.next() {
            let Some((head, bytes)) = item.split_at_checked(size_of::<StepRecord>()) else { continue };
            let record: StepRecord = bytemuck::pod_read_unaligned(head);
            let Some(step) = Step::of(record.step) else { continue };
            steps.push(Recorded { step, record, bytes: bytes.to_vec() });
        }
        steps
    }

    fn counters(&self) -> Result<(Drops, Paths), PlaneError> {
        let mut sums = (Drops::default(), Paths::default());
        let drops = self.drops.get(&0, 0).map_err(|error| PlaneError::Map("drops", error))?;
        drops.iter().for_each(|cpu| sums.0.add(cpu));
        let paths = self.paths.get(&0, 0).map_err(|error| PlaneError::Map("paths", error))?;
        paths.iter().for_each(|cpu| sums.1.add(cpu));
        Ok(sums)
    }
}

const fn program(hook: Hook, role: Role) -> &'static str {
    match (hook, role) {
        (Hook::Xdp, Role::Uplink) => "trace_xdp_uplink",
        (Hook::Xdp, Role::Access) => "trace_xdp_access",
        (Hook::Tc, Role::Uplink) => "trace_tc_uplink",
        (Hook::Tc, Role::Access) => "trace_tc_access",
    }
}

fn xdp<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp, PlaneError> {
    let missing = || PlaneError::Missing(name.to_owned());
    ebpf.program_mut(name).ok_or_else(missing)?.try_into().map_err(|_| missing())
}

fn classifier<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut SchedClassifier, PlaneError> {
    let missing = || PlaneError::Missing(name.to_owned());
    ebpf.program_mut(name).ok_or_else(missing)?.try_into().map_err(|_| missing())
}

fn take<T: TryFrom<Map, Error = MapError>>(ebpf: &mut Ebpf, name: &'static str) -> Result<T, PlaneError> {
    let map = ebpf.take_map(name).ok_or_else(|| PlaneError::Missing(format!("map {name}")))?;
    map.try_into().map_err(|error| PlaneError::Map(name, error))
}

fn test_run<P>(program: &P, packet: &[u8], context: &[u8], out: &mut [u8]) -> Result<TestRunResult, ProgramError>
where
    P: for<'a> TestRun<Opts<'a> = TestRunOptions<'a>, Result = TestRunResult>,
{
    let mut options = TestRunOptions::new();
    options.data_in = Some(packet);
    options.data_out = Some(out);
    options.ctx_in = Some(context);
    program.test_run(options)
}

fn counted(before: &(Drops, Paths), after: &(Drops, Paths)) -> Vec<&'static str> {
    let drops = DropReason::ALL.iter().filter(|reason| after.0.get(**reason) != before.0.get(**reason));
    let paths = PathCounter::ALL.iter().filter(|path| after.1.get(**path) != before.1.get(**path));
    drops.map(|reason| reason.name()).chain(paths.map(|path| path.name())).collect()
}
