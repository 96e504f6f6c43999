//! Tests of the findings on the database.

use super::*;
use crate::doctor::{Check, Mark};

const SWITCH: Uuid = Uuid::from_bytes([1; 16]);
const PORT: Uuid = Uuid::from_bytes([2; 16]);
const LOGICAL: Uuid = Uuid::from_bytes([3; 16]);
const IP: &str = "192.0.2.21";

fn ips(ips: &[&str]) -> BTreeSet<String> {
    ips.iter().map(|ip| (*ip).to_owned()).collect()
}

fn row(name: &str, ip: &str) -> PhysicalSwitch {
    PhysicalSwitch { name: name.to_owned(), tunnel_ips: ips(&[ip]), ports: vec![PORT] }
}

fn picture() -> Picture {
    Picture {
        global: [SWITCH].into(),
        switches: [(SWITCH, row("gw1", IP))].into(),
        ports: [(PORT, ("eth1".to_owned(), [(100, LOGICAL)].into()))].into(),
        logical: [(LOGICAL, ("net".to_owned(), Some(5001)))].into(),
        ..Picture::default()
    }
}

fn facts(change: impl FnOnce(&mut Picture)) -> Facts {
    let mut picture = picture();
    change(&mut picture);
    Facts {
        remote: "unix:/x".to_owned(),
        gateways: vec![Gateway { name: "gw1".to_owned(), tunnel_ips: ips(&[IP]), ports: vec!["eth1".to_owned()] }],
        picture: Ok(picture),
        members: vec![],
        tls: vec![],
        now: 1000 * DAY,
        agent: true,
        hidden: None,
    }
}

fn found(facts: &Facts) -> Vec<(Check, Mark)> {
    evaluate(facts).iter().filter(|one| one.mark != Mark::Ok).map(|one| (one.check, one.mark)).collect()
}

#[test]
fn a_sound_database_is_fine() {
    assert_eq!(found(&facts(|_| ())), []);
}

#[test]
fn each_fault_is_found_alone() {
    let cases = [
        (facts(|p| p.missing.push("Global.x".to_owned())), DatabaseSchema, Mark::Warn),
        (facts(|p| p.switches.clear()), DatabaseSwitch, Mark::Bad),
        (Facts { hidden: Some("no".to_owned()), ..facts(|_| ()) }, DatabaseReach, Mark::Unknown),
        (Facts { agent: false, ..facts(|p| p.switches.clear()) }, DatabaseSwitch, Mark::Warn),
        (facts(|p| p.global.clear()), DatabaseSwitch, Mark::Bad),
        (facts(|p| drop(p.switches.insert(SWITCH, row("gw1", "192.0.2.9")))), DatabaseTunnelIps, Mark::Bad),
        (facts(|p| drop(p.switches.insert(LOGICAL, row("gw2", IP)))), DatabaseClash, Mark::Bad),
        (facts(|p| p.ports.get_mut(&PORT).unwrap().1.clear()), DatabaseBindings, Mark::Warn),
        (facts(|p| p.logical.get_mut(&LOGICAL).unwrap().1 = Some(0)), DatabaseKeys, Mark::Bad),
        (facts(|p| p.logical.get_mut(&LOGICAL).unwrap().1 = None), DatabaseKeys, Mark::Bad),
        (
            Facts { picture: Err(vec![("tcp:x:1".to_owned(), "refused".to_owned())]), ..facts(|_| ()) },
            DatabaseReach,
            Mark::Bad,
        ),
        (
            Facts { members: vec![("tcp:x:1".to_owned(), Err(ProbeError::new("refused")))], ..facts(|_| ()) },
            DatabaseMembers,
            Mark::Warn,
        ),
    ];
    for (facts, check, mark) in cases {
        assert_eq!(found(&facts), [(check, mark)], "{facts:?}");
    }
}

#[test]
fn a_port_of_another_name_lacks_its_row_and_is_bound_in_vain() {
    let facts = facts(|p| p.ports.get_mut(&PORT).unwrap().0 = "eth9".to_owned());
    assert_eq!(found(&facts), [(DatabasePorts, Mark::Bad), (DatabaseBindings, Mark::Warn)]);
}

#[test]
fn the_remedy_for_wrong_tunnel_ips_is_the_command() {
    let facts = facts(|p| drop(p.switches.insert(SWITCH, row("gw1", "192.0.2.9"))));
    let remedy = evaluate(&facts).into_iter().find(|one| one.mark == Mark::Bad).unwrap().remedy.unwrap();
    assert!(remedy.contains("vtep-ctl --db=unix:/x set Physical_Switch gw1 tunnel_ips='[\"192.0.2.21\"]'"), "{remedy}");
}

#[test]
fn files_of_tls_are_evaluated_by_mode_and_end() {
    let file = |secret, mode: Result<u32, ProbeError>, ends| TlsFile { path: "/x".to_owned(), secret, mode, ends };
    let mark = |file: TlsFile| tls(&file, 1000 * DAY).mark;
    assert_eq!(mark(file(true, Ok(0o100_600), None)), Mark::Ok);
    assert_eq!(mark(file(true, Ok(0o100_644), None)), Mark::Warn);
    assert_eq!(mark(file(false, Err(ProbeError::new("no")), None)), Mark::Bad);
    assert_eq!(mark(file(false, Ok(0o644), Some(1100 * DAY))), Mark::Ok);
    assert_eq!(mark(file(false, Ok(0o644), Some(1010 * DAY))), Mark::Warn);
    assert_eq!(mark(file(false, Ok(0o644), Some(999 * DAY))), Mark::Bad);
    assert_eq!(mark(file(false, Ok(0o644), None)), Mark::Unknown);
}
