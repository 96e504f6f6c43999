//! Compares the list with the conventions of Prometheus and with the reference.

use std::collections::BTreeSet;

use super::*;

const REFERENCE: &str = include_str!("../../../../../docs/METRICS.md");

#[test]
fn names_follow_the_conventions() {
    let mut seen = BTreeSet::new();
    for family in all() {
        let name = family.name;
        assert!(name.starts_with("vtep_gateway_") || name.starts_with("process_"), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        assert_eq!(name.ends_with("_total"), family.kind == Kind::Counter, "{name}");
        assert_eq!(name.ends_with("_info"), family.kind == Kind::Info, "{name}");
        for unit in ["milliseconds", "microseconds", "nanoseconds", "kilobytes", "percent"] {
            assert!(!name.contains(unit), "{name}: units are seconds and bytes");
        }
        assert!(seen.insert(name), "{name} is there twice");
    }
}

#[test]
fn labels_do_not_collide_with_those_that_prometheus_puts_on() {
    for family in all() {
        for label in family.labels {
            assert!(!["instance", "job", "le", "quantile"].contains(label), "{} {label}", family.name);
        }
    }
}

#[test]
fn texts_are_one_line_that_needs_no_escaping() {
    for family in all() {
        assert!(family.help.ends_with('.') && !family.help.contains(['\n', '\\', '|']), "{}", family.name);
    }
}

/// Returns the section of the reference for a group.
fn described(group: &Group) -> String {
    let mut table = String::from("| metric | type | labels | |\n|---|---|---|---|\n");
    for Family { name, kind, labels, help, .. } in group.families {
        let kind = format!("{kind:?}").to_lowercase();
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        table += &format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", "));
    }
    table
}

#[test]
fn the_reference_has_a_row_for_each_metric() {
    let mut wrong = String::new();
    for group in &GROUPS {
        let heading = format!("\n## {}\n", group.heading);
        let (_, rest) = REFERENCE.split_once(&heading).expect(group.heading);
        let section = rest.split("\n## ").next().unwrap();
        let table: String =
            section.lines().filter(|line| line.starts_with('|')).map(|line| line.to_owned() + "\n").collect();
        let wanted = described(group);
        if table != wanted {
            wrong += &format!("\n## {}\n\n{wanted}", group.heading);
        }
    }
    assert!(wrong.is_empty(), "docs/METRICS.md should have these tables:\n{wrong}");
}
