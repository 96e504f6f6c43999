//! The benchmark still measures what it says. How long anything takes is no matter here: a frame that is lost on its way
//! through any subject, or that arrives otherwise than it should, makes the benchmark fail.
#![expect(clippy::unwrap_used, reason = "all of this is test code, outside `#[test]` functions too")]

use std::process::Command;

use serde_json::Value;

fn bench(arguments: &[&str]) -> (bool, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bench")).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
}

#[test]
fn every_frame_arrives_through_every_subject() {
    let parts = "decap,encap,local,latency,flood,calls,memory";
    let (fine, report, said) = bench(&["--json", "--rounds", "1", "--frames", "500", "--only", parts]);
    assert!(fine, "{said}");
    for direction in ["decap", "encap", "local"] {
        for subject in ["limit", "gateway", "gateway_tc", "limit_tc", "linux"] {
            let delivered = &report[direction][format!("{subject}_mpps")];
            assert!(delivered.as_f64().is_some_and(|mpps| mpps > 0.0), "{direction}, {subject}: {delivered}");
        }
        for size in ["imix", "1518", "3000"] {
            assert!(report[direction]["sizes"][size]["gateway_mpps"].is_number(), "{direction}, {size}");
        }
    }
    assert_eq!(report["flood"].as_array().map(Vec::len), Some(3));
    assert!(report["calls"]["xdp_decap_ns"].is_number());
    assert!(report["memory"]["bytes_per_100k"].as_u64().is_some_and(|bytes| bytes > 0));
    assert!(report["scale"].is_null(), "not asked for");
}

#[test]
fn without_its_programs_it_says_how_to_get_them() {
    let (fine, _, said) = bench(&["--object", "/nonexistent/programs"]);
    assert!(!fine);
    assert!(said.contains("/nonexistent/programs") && said.contains("cargo xtask build-ebpf"), "{said}");
}
