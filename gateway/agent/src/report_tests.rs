//! Tests of the lines that are logged, and how often.

use std::{
    io,
    sync::{Arc, Mutex},
};

use super::*;

/// Returns the lines that `what` logs, without their times.
fn said(what: impl FnOnce()) -> Vec<String> {
    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let log = tracing_subscriber::fmt().without_time().with_target(false).with_ansi(false);
    let log = log.with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(log, what);
    let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn say(report: &mut Report, problems: &[&str]) -> Vec<String> {
    said(|| report.problems(problems.iter().map(|problem| (*problem).to_owned())))
}

#[test]
fn a_problem_that_stands_is_said_once() {
    let mut report = Report::default();
    assert_eq!(say(&mut report, &["eth1 is down"]), ["WARN eth1 is down"]);
    assert_eq!(say(&mut report, &["eth1 is down"]), [""; 0]);
}

#[test]
fn the_end_of_a_problem_is_said_once() {
    let mut report = Report::default();
    say(&mut report, &["eth1 is down"]);
    assert_eq!(say(&mut report, &[]), ["INFO no longer: eth1 is down"]);
    assert_eq!(say(&mut report, &[]), [""; 0]);
}

#[test]
fn a_problem_that_comes_back_is_said_again() {
    let mut report = Report::default();
    say(&mut report, &["eth1 is down"]);
    say(&mut report, &[]);
    assert_eq!(say(&mut report, &["eth1 is down"]), ["WARN eth1 is down"]);
}

#[test]
fn a_new_problem_does_not_repeat_those_that_stand() {
    let mut report = Report::default();
    say(&mut report, &["eth1 is down"]);
    assert_eq!(say(&mut report, &["eth1 is down", "eth2 is down"]), ["WARN eth2 is down"]);
    assert_eq!(report.texts().len(), 2);
}

#[test]
fn one_problem_met_twice_is_one() {
    let mut report = Report::default();
    assert_eq!(say(&mut report, &["eth1 is down", "eth1 is down"]), ["WARN eth1 is down"]);
    assert_eq!(report.texts().len(), 1);
}

#[test]
fn what_was_refused_before_the_agent_started_is_not_said() {
    let mut report = Report::default();
    let before = Paths { learn_limit: 5, fdb_full: 5, ..Paths::default() };
    assert_eq!(said(|| report.learning(before, true)), [""; 0]);
    assert_eq!(said(|| report.learning(before, false)), [""; 0]);
}

#[test]
fn frames_refused_since_the_last_time_are_counted() {
    let mut report = Report::default();
    report.learning(Paths { learn_limit: 5, ..Paths::default() }, true);
    let lines = said(|| report.learning(Paths { learn_limit: 8, ..Paths::default() }, false));
    assert!(lines.len() == 1 && lines[0].contains("refused=3"), "{lines:?}");
}

#[test]
fn a_full_database_is_said_with_its_remedy() {
    let mut report = Report::default();
    let lines = said(|| report.learning(Paths { fdb_full: 2, ..Paths::default() }, false));
    assert!(lines.len() == 1 && lines[0].contains("full=2") && lines[0].contains("raise fdb_size"), "{lines:?}");
}

#[test]
fn a_problem_with_another_count_is_not_said_again() {
    let mut report = Report::default();
    let full = |count: u32| format!("fdb: the map is full, {count} entries are left out");
    assert_eq!(say(&mut report, &[&full(12_616)]).len(), 1);
    assert_eq!(say(&mut report, &[&full(12_617)]), [""; 0]);
    assert_eq!(report.texts(), &[full(12_617)].into(), "the status has the count of now");
    assert_eq!(say(&mut report, &[]), [format!("INFO no longer: {}", full(12_617))]);
}

#[test]
fn numbers_that_name_something_make_another_problem() {
    let mut report = Report::default();
    say(&mut report, &["VLAN 100 of eth1 is not bound"]);
    assert_eq!(say(&mut report, &["VLAN 101 of eth1 is not bound"]).len(), 2);
}
