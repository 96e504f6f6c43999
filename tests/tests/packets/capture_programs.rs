//! The programs of trace and capture load beside those that forward, on the kernel that runs this.

use gateway_common::step::Step;
use gateway_datapath::{
    capture_programs::{self, Pinned},
    load::{self, Settings},
    pins::PinDir,
    trace::plane::{Hook, Plane},
};
use gateway_netdev::nic::Role;

const SETTINGS: Settings = Settings { udp_port: 4789, fdb_size: 1024, trace: false };

/// A data plane of this test's own, gone with it.
struct Pins(PinDir);

impl Drop for Pins {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.root());
    }
}

fn loaded(name: &str) -> Pins {
    let pins = Pins(PinDir::new(format!("/sys/fs/bpf/vgw{}{name}", std::process::id())));
    load::load(&pins.0, SETTINGS, ::gateway::OBJECTS).unwrap().committer().commit().unwrap();
    pins
}

#[test]
fn a_trace_loads_and_recognises_a_packet_that_is_not_the_gateways() {
    let pins = loaded("t");
    for role in [Role::Uplink, Role::Access] {
        let mut plane = Plane::open(&pins.0, SETTINGS, ::gateway::OBJECTS, role).unwrap();
        for hook in [Hook::Xdp, Hook::Tc] {
            let run = plane.run(hook, 1, &[2; 60]).unwrap();
            let steps: Vec<Step> = run.steps.iter().map(|recorded| recorded.step).collect();
            assert_eq!(steps.last(), Some(&Step::Passed), "{steps:?}");
            assert!(steps.len() > 1, "{steps:?}");
        }
    }
}

#[test]
fn the_programs_of_a_capture_load_and_are_found_by_their_pins() {
    let pins = loaded("c");
    let capture = capture_programs::for_capture(&pins.0, SETTINGS, ::gateway::OBJECTS, 7).unwrap();
    Pinned::open(&pins.0, 7).map(drop).unwrap();
    capture.abandon().unwrap();
    assert!(Pinned::open(&pins.0, 7).is_err());
}
