//! The preflight probes for features; here the kernel that runs this is asked for the programs themselves.

use std::io::{self, Write};

use gateway_datapath::{
    attach::Attacher,
    capture_programs,
    load::{self, Settings},
    losses,
    pins::PinDir,
    preflight::{self, Facts},
};

const SETTINGS: Settings = Settings { udp_port: 4789, fdb_size: 1024, trace: false };

/// Loads each program that the command may load, with the maps.
fn load_all(pins: &PinDir) -> Result<(), String> {
    let loaded = load::load(pins, SETTINGS, ::gateway::OBJECTS).map_err(|error| format!("maps: {error}"))?;
    loaded.committer().commit().map_err(|error| format!("pins: {error}"))?;
    let mut ebpf = loaded.ebpf;
    Attacher::load(&mut ebpf).map_err(|error| format!("programs that forward: {error:#}"))?;
    losses::attach(&mut ebpf, pins, &mut Vec::new()).map_err(|error| format!("programs at tracepoints: {error:#}"))?;
    let capture = capture_programs::for_capture(pins, SETTINGS, ::gateway::OBJECTS, 7);
    let capture = capture.map_err(|error| format!("programs of a capture: {error:#}"))?;
    capture.abandon().map_err(|error| format!("a capture: {error:#}"))
}

/// Prints a line that the harness does not capture: it is what one wants to know of a kernel.
fn say(text: &str) {
    io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// This is the only test that makes sense on a kernel that is too old.
#[test]
fn programs_load_where_the_preflight_misses_nothing_and_nowhere_else() {
    let pins = PinDir::new(format!("/sys/fs/bpf/vga{}", std::process::id()));
    let loaded = load_all(&pins);
    load::remove_tree(pins.root()).unwrap();
    let facts = Facts::gather().unwrap();
    let missing = facts.missing.expect("the right to ask: are you root?");
    let lacking = preflight::lacking(&missing);
    say(&format!("Linux {} lacks: {}", facts.kernel, lacking.as_deref().unwrap_or("nothing")));
    if let Err(error) = &loaded {
        say(&format!("not loaded: {error}"));
    }
    assert_eq!(loaded.is_ok(), lacking.is_none());
}
