//! The BPF maps in one table. `docs/MAPS.md` is written from it, the pins follow it, and a test holds it to the compiled
//! programs.

use std::{any, fmt::Write as _};

use gateway_common::{
    binding::{Binding, BindingKey, Settings, Traffic},
    budget::{self, Budget},
    capture::{CAPTURE_BYTES, Filter, Head, RING_BYTES, Tally},
    counters::{Drops, Paths},
    event::SnoopKey,
    fdb::{FdbEntry, FdbKey, Target},
    flow::Generation,
    headers::HEADER_MAX,
    limits,
    logical_switch::{FloodKey, SwitchEntry},
    loss::Loss,
    path_mtu::PathMtu,
    tunnel::{Addr, Arrival, RemoteVtepKey, Tunnel, Vtep},
};

/// The type of a map, as `bpftool map` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `BPF_MAP_TYPE_ARRAY`.
    Array,
    /// `BPF_MAP_TYPE_DEVMAP_HASH`.
    DevMapHash,
    /// `BPF_MAP_TYPE_HASH`.
    Hash,
    /// `BPF_MAP_TYPE_LRU_HASH`.
    LruHash,
    /// `BPF_MAP_TYPE_PERCPU_ARRAY`.
    PerCpuArray,
    /// `BPF_MAP_TYPE_PERCPU_HASH`.
    PerCpuHash,
    /// `BPF_MAP_TYPE_PROG_ARRAY`.
    ProgramArray,
    /// `BPF_MAP_TYPE_RINGBUF`.
    RingBuf,
}

impl Kind {
    /// The name `bpftool map` gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Array => "array",
            Self::DevMapHash => "devmap_hash",
            Self::Hash => "hash",
            Self::LruHash => "lru_hash",
            Self::PerCpuArray => "percpu_array",
            Self::PerCpuHash => "percpu_hash",
            Self::ProgramArray => "prog_array",
            Self::RingBuf => "ringbuf",
        }
    }
}

/// The number of elements a map has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// Elements, all allocated when the map is made.
    Elements(u32),
    /// Elements, each allocated when it is added.
    OnDemand(u32),
    /// Elements for each CPU; the agent multiplies them when it loads the programs.
    EachCpu(u32),
    /// Elements by default; a key of the configuration sets another number.
    Configured(u32, &'static str),
    /// Bytes of a ring buffer.
    Bytes(u32),
}

impl Capacity {
    /// The number that the compiled programs declare.
    pub const fn declared(self) -> u32 {
        match self {
            Self::Elements(number)
            | Self::OnDemand(number)
            | Self::EachCpu(number)
            | Self::Configured(number, _)
            | Self::Bytes(number) => number,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Elements(number) => number.to_string(),
            Self::OnDemand(number) => format!("{number}, allocated as used"),
            Self::EachCpu(number) => format!("{number} for each CPU"),
            Self::Configured(number, key) => format!("{number}, or `{key}`"),
            Self::Bytes(number) => format!("{} KiB", number / 1024),
        }
    }
}

/// The key or the value of a map.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its size. A per-CPU map has one value of this size for each CPU.
    pub bytes: usize,
    /// Its type, if the agent and the programs share it.
    name: Option<fn() -> &'static str>,
    /// Its meaning.
    text: &'static str,
}

impl Part {
    /// Its type, if it has a name, and its meaning.
    fn text(self) -> String {
        let name = self.name.map(|name| name()).and_then(|name| name.rsplit("::").next());
        match name {
            Some(name) if self.text.is_empty() => format!("`{name}`"),
            Some(name) => format!("`{name}`: {}", self.text),
            None => self.text.to_owned(),
        }
    }
}

/// A key or value of a type that the agent and the programs share.
const fn of<T>(text: &'static str) -> Part {
    Part { bytes: size_of::<T>(), name: Some(any::type_name::<T>), text }
}

/// A number, or a value of a type that only the programs know.
const fn part(bytes: usize, text: &'static str) -> Part {
    Part { bytes, name: None, text }
}

/// The one index of an array that has a single element.
const SINGLE: Part = part(4, "0");
/// The key of a ring buffer.
const NOTHING: Part = part(0, "");

/// A writer of maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// The agent, in its event loop.
    Agent,
    /// The command `vtep-gateway capture`.
    Command,
    /// The BPF programs.
    Programs,
    /// The agent's thread of the virtual routers.
    VrrpThread,
}

impl Writer {
    const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Command => "command",
            Self::Programs => "programs",
            Self::VrrpThread => "VRRP thread",
        }
    }
}

/// One map.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name in the programs, and that of its pin.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its key; of an array, the meaning of the index.
    pub key: Part,
    /// Its value.
    pub value: Part,
    /// Its capacity.
    pub capacity: Capacity,
    /// True if it is pinned, and so outlives the agent and its programs.
    pub pinned: bool,
    /// The writers, each with what it writes if there are several.
    pub writers: &'static [(Writer, &'static str)],
}

/// The maps of the forwarding programs.
pub const FORWARDING: [Entry; 31] = [
    Entry {
        name: "settings",
        kind: Kind::Array,
        key: SINGLE,
        value: of::<Settings>("the frame length that fits every port, the number of ports that are down"),
        capacity: Capacity::Elements(1),
        pinned: true,
        writers: &[(Writer::Agent, "")],
    },
    Entry {
        name: "generation",
        kind: Kind::Array,
        key: SINGLE,
        value: of::<Generation>("the number of changes so far, in memory that agent and kernel share"),
        capacity: Capacity::Elements(1),
        pinned: true,
        writers: &[(Writer::Agent, "after it has changed other maps"), (Writer::Programs, "after a MAC has moved")],
    },
    Entry {
        name: "vteps",
        kind: Kind::Hash,
        key: of::<Addr>("a tunnel address of this gateway"),
        value: of::<Vtep>("number of its lease"),
        capacity: Capacity::Elements(limits::MAX_VTEPS),
        pinned: true,
        writers: &[(Writer::Agent, "")],
    },
    Entry {
        name: "arrivals",
        kind: Kind::Hash,
        key: of::<Arrival>("outermost MAC and VLAN of packets for this gateway"),
        value: part(4, "1"),
        capacity: Capacity::Elements(limits::MAX_ARRIVALS),
        pinned: true,
        writers: &[(Writer::Agent, "")],
    },
    Entry {
        name: "leases",
        kind: Kind::Array,
        key: part(4, "number of the lease: the VRID of a virtual router, or 0 without high availability"),
        value: part(8, "time until which to forward, `CLOCK_MONOTONIC` in nanoseconds"),
        capacity: Capacity::Elements(limits::MAX_LEASES),
        pinned: true,
        writers: &[(Writer::VrrpThread, "1 to 255"), (Writer::Agent, "0, when it loads the programs")],
    },
    Entry {
        name: "remote_vteps",
        kind: Kind::Hash,
        key: of::<RemoteVtepKey>("local tunnel address and address of the remote VTEP"),
        value: part(4, "number of the tunnel"),
        capacity: Capacity::Elements(limits::MAX_TUNNELS),
        pinned: true,
        writers: &[(Writer::Agent, "")],
    },
    Entry {
        name: "tunnels",
        kind: Kind::Array,
        key: part(4, "number of the tunnel"),
        value: of::<Tunnel>("two banks of `NextHop`, and the one in force"),
        capacity: Capacity::Elements(limits::MAX_TUNNELS),
        pinned: true,
        writers: &[(Writer::Agent, "")],
    },
    Entry {
        name: "tunnel_stats",
        kind: Kind::PerCpuArray,
        key: part(4, "number of the tunnel"),
        value: of::<Traffic>("packets and bytes in both directions"),
        capacity: Capacity::Elements(limits::MAX_TUNNELS),
        pinned: true,
        writers: &[(Writer::Programs, "count"), (Writer::Agent, "zeroes a number that it assigns")],
    },
    Entry {
        name: "strays",
        kind: Kind::PerCpuArray,
        key: part(4, "number of the lease"),
        value: part(8, "tunnel packets that came while the lease did not run here"),
        capacity: Capacity::Elements(limits::MAX_LEASES),
        pinned: true,
        writers: &[(Writer::Programs, "")],
    },
    Entry {
        name: "switches",
        kind: Kind::Hash,
        key: part(4, "VNI"),
        value: of::<SwitchEntry>("a logical switch: slots of its flood list, flags, lease, learning ceiling"),
        capacity: Capacity::Elements(limits::MAX_SWITCHES),
        pinned: true,
        writers: &[(Writer::Agent, "")],
    },
    Entry {
        name: "learned",
        kind: Kind::Hash,
        key: part(4, "VNI"),
        value: part(8, "number of MACs learned since the logical switch was programmed"),
        capacity: Capacity::Elements(limits::MAX_SWITCHES),
        pinned: true,
        writers: &[
            (Writer::Programs, "count"),
            (Writer::Agent, "adds and removes the element with the logical switch"),
        ],
    },
    Entry {
        name: "flood",
        kind: Kind::Hash,
        key: of::<FloodKey>("VNI and slot"),
        value: of::<Target>("a binding or a tunnel"),
        capacity: Capacity::OnDemand(limits::MAX_FLOOD),
        pinned: true,
        writers: &[(Writer::Agent, "")],
    },
    Entry {
        name: "bindings",
        kind: Kind::Hash,
        key: of::<BindingKey>("interface and VLAN"),
        value: of::<Binding>("VNI, number, lease, flags"),
        capacity: Capacity::Elements(limits::MAX_BINDINGS),
        pinned: true,
        writers: &[(Writer::Agent, "")],
    },
    Entry {
        name: "binding_stats",
        kind: Kind::PerCpuArray,
        key: part(4, "number of the binding"),
        value: of::<Traffic>("packets and bytes in both directions"),
        capacity: Capacity::Elements(limits::MAX_BINDINGS),
        pinned: true,
        writers: &[(Writer::Programs, "count"), (Writer::Agent, "zeroes a number that it assigns")],
    },
    Entry {
        name: "budgets",
        kind: Kind::Array,
        key: part(4, "number of the binding, or `MAX_BINDINGS` plus that of the tunnel"),
        value: of::<Budget>("what it has used for learning, moves and announced addresses, and what was refused"),
        capacity: Capacity::Elements(budget::BUDGETS),
        pinned: true,
        writers: &[(Writer::Programs, "count"), (Writer::Agent, "zeroes a number that it assigns")],
    },
    Entry {
        name: "fdb",
        kind: Kind::Hash,
        key: of::<FdbKey>("VNI and MAC"),
        value: of::<FdbEntry>("`Target`, time, origin, flags"),
        capacity: Capacity::Configured(limits::DEFAULT_FDB, "fdb_size"),
        pinned: true,
        writers: &[(Writer::Agent, "static MACs, ageing"), (Writer::Programs, "learned MACs")],
    },
    Entry {
        name: "drops",
        kind: Kind::PerCpuArray,
        key: SINGLE,
        value: of::<Drops>("dropped packets by reason, see [DROPS.md](DROPS.md)"),
        capacity: Capacity::Elements(1),
        pinned: true,
        writers: &[(Writer::Programs, "")],
    },
    Entry {
        name: "paths",
        kind: Kind::PerCpuArray,
        key: SINGLE,
        value: of::<Paths>("packets by path, see [DROPS.md](DROPS.md)"),
        capacity: Capacity::Elements(1),
        pinned: true,
        writers: &[(Writer::Programs, "")],
    },
    Entry {
        name: "devmap",
        kind: Kind::DevMapHash,
        key: part(4, "interface that XDP may redirect to"),
        value: part(8, "the same interface"),
        capacity: Capacity::Elements(limits::MAX_PORTS),
        pinned: true,
        writers: &[(Writer::Agent, "")],
    },
    Entry {
        name: "devmap_sg",
        kind: Kind::DevMapHash,
        key: part(4, "interface of `devmap` that takes frames in several buffers"),
        value: part(8, "the same interface"),
        capacity: Capacity::Elements(limits::MAX_PORTS),
        pinned: true,
        writers: &[(Writer::Agent, "")],
    },
    Entry {
        name: "down",
        kind: Kind::Hash,
        key: part(4, "access port without carrier"),
        value: part(4, "1"),
        capacity: Capacity::Elements(limits::MAX_PORTS),
        pinned: true,
        writers: &[(Writer::Agent, "")],
    },
    Entry {
        name: "members",
        kind: Kind::Hash,
        key: part(4, "active member of a bond"),
        value: part(4, "the bond"),
        capacity: Capacity::Elements(limits::MAX_MEMBERS),
        pinned: true,
        writers: &[(Writer::Agent, "")],
    },
    Entry {
        name: "path_mtu",
        kind: Kind::Hash,
        key: of::<RemoteVtepKey>("local tunnel address and address of the remote VTEP"),
        value: of::<PathMtu>("the MTU that a router reported, and the time"),
        capacity: Capacity::OnDemand(limits::MAX_TUNNELS),
        pinned: true,
        writers: &[(Writer::Programs, ""), (Writer::Agent, "removes what has expired")],
    },
    Entry {
        name: "losses",
        kind: Kind::PerCpuHash,
        key: part(4, "interface that XDP redirects to"),
        value: of::<Loss>("frames lost after a redirect"),
        capacity: Capacity::Elements(limits::MAX_PORTS),
        pinned: true,
        writers: &[(Writer::Programs, "count"), (Writer::Agent, "adds and removes elements")],
    },
    Entry {
        name: "events",
        kind: Kind::RingBuf,
        key: NOTHING,
        value: part(0, "`LearnEvent`: a MAC learned or moved, an IP address announced"),
        capacity: Capacity::Bytes(limits::EVENT_BYTES),
        pinned: true,
        writers: &[(Writer::Programs, "")],
    },
    Entry {
        name: "flows",
        kind: Kind::Array,
        key: part(4, "CPU and line"),
        value: part(64, "the flow cache: a decision about a flow, and the generation it holds for"),
        capacity: Capacity::EachCpu(limits::FLOWS),
        pinned: false,
        writers: &[(Writer::Programs, "")],
    },
    Entry {
        name: "clocks",
        kind: Kind::Array,
        key: part(4, "CPU"),
        value: part(64, "a time, and the tick in which it was read"),
        capacity: Capacity::EachCpu(1),
        pinned: false,
        writers: &[(Writer::Programs, "")],
    },
    Entry {
        name: "header",
        kind: Kind::PerCpuArray,
        key: SINGLE,
        value: part(HEADER_MAX, "outer headers while they are built; the stack has no room for them"),
        capacity: Capacity::Elements(1),
        pinned: false,
        writers: &[(Writer::Programs, "")],
    },
    Entry {
        name: "scratch",
        kind: Kind::PerCpuArray,
        key: SINGLE,
        value: part(104, "state of the flood in progress; the stack has no room for it"),
        capacity: Capacity::Elements(1),
        pinned: false,
        writers: &[(Writer::Programs, "")],
    },
    Entry {
        name: "snooped",
        kind: Kind::LruHash,
        key: of::<SnoopKey>("a station and an IP address that it announced"),
        value: part(8, "time of the last event about it"),
        capacity: Capacity::Elements(limits::MAX_SNOOPED),
        pinned: false,
        writers: &[(Writer::Programs, "")],
    },
    Entry {
        name: "AYA_LOGS",
        kind: Kind::RingBuf,
        key: NOTHING,
        value: part(0, "log lines about single packets, at trace level only"),
        capacity: Capacity::Bytes(128 * 1024),
        pinned: false,
        writers: &[(Writer::Programs, "")],
    },
];

/// The map that the agent makes and pins beside those of the programs.
pub(crate) const LAYOUT: Entry = Entry {
    name: "layout",
    kind: Kind::Array,
    key: SINGLE,
    value: part(
        8,
        "fingerprint of the sizes of keys, values and maps: an agent adopts pinned maps of its own layout only",
    ),
    capacity: Capacity::Elements(1),
    pinned: true,
    writers: &[(Writer::Agent, "")],
};

/// The maps that the programs of `trace` and `capture` have of their own.
pub const CAPTURING: [Entry; 8] = [
    Entry {
        name: "steps",
        kind: Kind::RingBuf,
        key: NOTHING,
        value: part(0, "`StepRecord`: steps and copies of the traced packet"),
        capacity: Capacity::Bytes(2 << 20),
        pinned: false,
        writers: &[(Writer::Programs, "")],
    },
    Entry {
        name: "copy",
        kind: Kind::PerCpuArray,
        key: SINGLE,
        value: part(296, "record of a copy while it is built"),
        capacity: Capacity::Elements(1),
        pinned: false,
        writers: &[(Writer::Programs, "")],
    },
    Entry {
        name: "capture",
        kind: Kind::Array,
        key: SINGLE,
        value: of::<Filter>("the packets to capture"),
        capacity: Capacity::Elements(1),
        pinned: false,
        writers: &[(Writer::Command, "")],
    },
    Entry {
        name: "captures",
        kind: Kind::PerCpuArray,
        key: SINGLE,
        value: of::<Tally>("counters of the capture"),
        capacity: Capacity::Elements(1),
        pinned: false,
        writers: &[(Writer::Programs, "")],
    },
    Entry {
        name: "captured",
        kind: Kind::RingBuf,
        key: NOTHING,
        value: part(0, "`Head` and bytes of captured packets"),
        capacity: Capacity::Bytes(RING_BYTES),
        pinned: false,
        writers: &[(Writer::Programs, "")],
    },
    Entry {
        name: "sight",
        kind: Kind::PerCpuArray,
        key: SINGLE,
        value: part(40, "facts about the packet being forwarded, which the filter compares"),
        capacity: Capacity::Elements(1),
        pinned: false,
        writers: &[(Writer::Programs, "")],
    },
    Entry {
        name: "record",
        kind: Kind::PerCpuArray,
        key: SINGLE,
        value: part(size_of::<Head>() + CAPTURE_BYTES, "captured packet while it is copied"),
        capacity: Capacity::Elements(1),
        pinned: false,
        writers: &[(Writer::Programs, "")],
    },
    Entry {
        name: "next",
        kind: Kind::ProgramArray,
        key: SINGLE,
        value: part(4, "the program that replicates"),
        capacity: Capacity::Elements(1),
        pinned: true,
        writers: &[(Writer::Command, "")],
    },
];

/// The number of forwarding maps that are pinned.
pub(super) const PINNED: usize = {
    let (mut count, mut at) = (0, 0);
    while at < FORWARDING.len() {
        count += FORWARDING[at].pinned as usize;
        at += 1;
    }
    count
};

/// The names of the forwarding maps that are pinned.
pub(super) const fn pinned() -> [&'static str; PINNED] {
    let mut names = [""; PINNED];
    let (mut count, mut at) = (0, 0);
    while at < FORWARDING.len() {
        if FORWARDING[at].pinned {
            names[count] = FORWARDING[at].name;
            count += 1;
        }
        at += 1;
    }
    names
}

const INTRODUCTION: &str = "\
<!-- Written by `cargo xtask docs`. Edit gateway/datapath/src/catalogue.rs instead. -->

# BPF maps

`bpftool map dump pinned <pin_dir>/maps/<name>` prints a pinned map with its fields. Types in `code` are those of the crate
`gateway-common`, which the programs and the agent share. The values of `percpu_` maps exist once for each CPU. Sizes are in
bytes. Numbers of elements are constants in `gateway-common/src/limits.rs`, unless the table has another number.

The agent's event loop writes most maps. The thread of the virtual routers writes the leases of virtual routers. The programs
write what they count, learn and cache. See [ARCHITECTURE.md](ARCHITECTURE.md) for the rules that the writers keep.

";

const PINNED_SECTION: &str = "\
## Pinned maps

They lie under `<pin_dir>/maps/` and outlive the agent: forwarding goes on while it restarts.

";

const PRIVATE_SECTION: &str = "
## Maps of the programs alone

They are not pinned and no part of the interface between programs and agent. They begin empty when an agent loads its
programs.

";

const CAPTURING_SECTION: &str = "
## Maps of `trace` and `capture`

The programs of these two commands share the pinned maps above as far as they need them. `trace` has copies of its own of all
maps that it writes. These maps are theirs alone. `next` is pinned under `<pin_dir>/captures/<number>/` as long as the capture
runs.

";

/// `docs/MAPS.md`.
pub fn document() -> String {
    let pinned = FORWARDING.iter().filter(|entry| entry.pinned).chain([&LAYOUT]);
    let private = FORWARDING.iter().filter(|entry| !entry.pinned);
    let mut text = INTRODUCTION.to_owned();
    table(&mut text, PINNED_SECTION, pinned);
    table(&mut text, PRIVATE_SECTION, private);
    table(&mut text, CAPTURING_SECTION, CAPTURING.iter());
    text
}

fn table<'a>(text: &mut String, before: &str, entries: impl Iterator<Item = &'a Entry>) {
    text.push_str(before);
    text.push_str("| map | type | key | value | capacity | written by |\n|---|---|---|---|---|---|\n");
    for entry in entries {
        let part = |part: Part| match part.bytes {
            0 => part.text(),
            bytes => format!("{} ({bytes})", part.text()),
        };
        let writers = entry.writers.iter().map(|(writer, what)| match *what {
            "" => writer.name().to_owned(),
            what => format!("{}: {what}", writer.name()),
        });
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} |",
            entry.name,
            entry.kind.name(),
            part(entry.key),
            part(entry.value),
            entry.capacity.text(),
            writers.collect::<Vec<_>>().join("; ")
        );
    }
}
