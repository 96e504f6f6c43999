//! Loaded data planes, to be used by one test after another: loading is what takes the time, and far more of it in a
//! virtual machine.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use aya::{
    Ebpf,
    maps::{MapData, RingBuf},
};
use gateway_common::event::LearnEvent;
use gateway_datapath::{
    Desired, Maps,
    attach::Attacher,
    diff::diff,
    load::{self, Settings},
    pins::PinDir,
};

/// Programs in the kernel, and their maps.
pub(crate) struct Plane {
    pub(crate) ebpf: Ebpf,
    pub(crate) maps: Maps,
    events: RingBuf<MapData>,
    fdb_size: u32,
}

static IDLE: Mutex<Vec<Plane>> = Mutex::new(Vec::new());

impl Plane {
    /// One with empty maps.
    pub(crate) fn take(fdb_size: u32) -> Self {
        let mut idle = IDLE.lock().unwrap();
        let fitting = idle.iter().position(|plane| plane.fdb_size == fdb_size);
        fitting.map(|at| idle.swap_remove(at)).unwrap_or_else(|| Self::load(fdb_size))
    }

    fn load(fdb_size: u32) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("vgp{}n{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let pins = PinDir::new(format!("/sys/fs/bpf/{name}"));
        let loaded = load::load(&pins, Settings { udp_port: 4789, fdb_size, trace: false }, ::gateway::OBJECTS)
            .expect("the programs load");
        loaded.committer().commit().unwrap();
        let events = Maps::open_events(&pins).unwrap();
        // The pins have done their duty: open descriptors keep the maps, and nothing is left behind.
        std::fs::remove_dir_all(pins.root()).unwrap();
        let (mut ebpf, maps) = (loaded.ebpf, loaded.maps);
        Attacher::load(&mut ebpf).expect("the verifier takes the programs");
        Self { ebpf, maps, events, fdb_size }
    }

    /// Returns the events that the kernel has sent since the last call.
    pub(crate) fn events(&mut self) -> Vec<LearnEvent> {
        std::iter::from_fn(|| self.events.next().map(|item| bytemuck::pod_read_unaligned(&item))).collect()
    }

    /// Empties the maps for the next test.
    pub(crate) fn give_back(mut self) {
        let programmed = self.maps.programmed().unwrap();
        for op in diff(&Desired::default(), &programmed, &BTreeMap::new()).ops {
            self.maps.change().write(&op).unwrap();
        }
        let rest: Vec<_> = self.maps.fdb().map(|row| row.unwrap().0).collect();
        for key in rest {
            self.maps.change().remove_mac(&key).unwrap();
        }
        for (ends, _) in self.maps.path_mtus().unwrap() {
            self.maps.forget_path_mtu(&ends).unwrap();
        }
        self.events();
        IDLE.lock().unwrap().push(self);
    }
}
