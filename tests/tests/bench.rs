//! The benchmark still measures what it claims. How long anything takes is no matter here: a frame that is lost on its way
//! through any subject, or that arrives otherwise than it should, makes the benchmark fail.
#![expect(clippy::unwrap_used, reason = "all of this is test code, outside `#[test]` functions too")]

use std::process::Command;

use serde_json::Value;

fn bench(arguments: &[&str]) -> (bool, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bench")).args(arguments).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), serde_json::from_slice(&output.stdout).unwrap_or_default(), printed)
}

/// A tiny run of these parts.
fn tiny(parts: &str) -> Value {
    let (fine, report, printed) = bench(&["--json", "--rounds", "1", "--frames", "500", "--only", parts]);
    assert!(fine, "{printed}");
    report
}

#[test]
fn every_frame_arrives_through_every_subject() {
    let report = tiny("decap,encap,local");
    for direction in ["decap", "encap", "local"] {
        for subject in ["limit", "gateway", "gateway_tc", "limit_tc", "linux"] {
            let delivered = &report[direction][format!("{subject}_mpps")];
            assert!(delivered.as_f64().is_some_and(|mpps| mpps > 0.0), "{direction}, {subject}: {delivered}");
        }
    }
    assert!(report["scale"].is_null(), "not asked for");
}

#[test]
fn every_copy_of_a_broadcast_arrives_and_programs_redirect() {
    let report = tiny("flood,latency,calls,memory");
    assert_eq!(report["flood"].as_array().map(Vec::len), Some(3));
    assert_eq!(report["latency"]["encap"].as_array().map(Vec::len), Some(4));
    assert!(report["calls"]["xdp_decap_ns"].is_number());
    assert!(report["memory"]["bytes_per_100k"].as_u64().is_some_and(|bytes| bytes > 0));
}

#[test]
fn rows_of_the_database_come_into_the_maps() {
    let arguments = ["--json", "--quick", "--macs", "1000", "--rest", "1", "--only", "control"];
    let (fine, report, printed) = bench(&arguments);
    assert!(fine, "{printed}");
    let control = &report["control"];
    assert_eq!(control["macs"], 1000);
    for what in ["programmed_ms", "start_programmed_ms", "one_change_agent_cpu_us", "kernel_bytes_per_100k"] {
        assert!(control[what].as_f64().is_some_and(|value| value > 0.0), "{what}: {control}");
    }
}

#[test]
fn without_its_programs_it_explains_how_to_get_them() {
    let (fine, _, printed) = bench(&["--object", "/nonexistent/programs"]);
    assert!(!fine);
    assert!(printed.contains("/nonexistent/programs") && printed.contains("cargo xtask build-ebpf"), "{printed}");
}
