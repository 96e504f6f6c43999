//! Comparison of `docs/JSON.md` with the code.

use std::{collections::BTreeSet, net::IpAddr};

use serde::Serialize;
use serde_json::Value;

use super::{samples, *};

const REFERENCE: &str = include_str!("../../../../docs/JSON.md");

/// Returns the fields in the reference's table under `heading`.
fn described(heading: &str) -> BTreeSet<String> {
    let start = REFERENCE.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading {heading:?}"));
    let section = &REFERENCE[start + heading.len() + 2..];
    let section = section.split("\n#").next().unwrap_or(section);
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| Some(row.split_once('`')?.0.to_owned())).collect()
}

/// Returns the fields of serialized objects of any type.
fn fields<T: Serialize>(all: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for one in all {
        let Value::Object(object) = serde_json::to_value(one).unwrap() else { panic!("not an object") };
        fields.extend(object.into_iter().map(|(field, _)| field));
    }
    fields
}

fn assert_described<T: Serialize>(heading: &str, all: impl IntoIterator<Item = T>) {
    assert_eq!(described(heading), fields(all), "{heading}");
}

#[test]
fn the_reference_describes_every_field_of_status() {
    let status = samples::healthy();
    assert_described("## `status --json`", [&status]);
    assert_described("### Elements of `problems`", [Problem::fault("x")]);
    let several = Database::Several { instances: [("a".to_owned(), Database::Static)].into() };
    assert_described("### `database`", [&status.database, &Database::Static, &several]);
    assert_described("### `forwarding`", [&status.forwarding]);
    assert_described("### Elements of `interfaces`", &status.interfaces);
    assert_described("### `link` of an interface", status.interfaces.iter().filter_map(|one| one.link));
    assert_described("### `nodes`", &status.nodes);
}

#[test]
fn the_reference_describes_every_field_of_every_noun() {
    assert_described("## `show switches --json`", [samples::switch()]);
    assert_described("## `show bindings --json`", [samples::binding()]);
    let behind = Place::Tunnel { remote: Some(IpAddr::from([10, 0, 0, 1])), remote_vni: 5001 };
    assert_described("## `show macs --json`", [samples::mac(), Mac { place: behind, ..samples::mac() }]);
    let path = Path::Unresolved { why: "x".into() };
    assert_described("## `show tunnels --json`", [samples::tunnel(), Tunnel { path, ..samples::tunnel() }]);
    assert_described("## `show neighbours --json`", [samples::neighbour()]);
    assert_described("## `show vrrp --json`", [samples::router()]);
    assert_described("### Elements of `other_routers`", samples::router().other_routers);
    assert_described("### `counters` of a virtual router", [VrrpCounters::default()]);
    assert_described("## `show counters --json` and `show drops --json`", samples::everything().drops);
    assert_described("## `show/everything`", [samples::everything()]);
    assert_described("## `show/macs`", [Macs::default()]);
}

#[test]
fn everything_reads_as_it_was_written() {
    let text = serde_json::to_string(&samples::everything()).unwrap();
    assert_eq!(serde_json::from_str::<Everything>(&text).unwrap(), samples::everything());
    let text = serde_json::to_string(&samples::mac()).unwrap();
    assert_eq!(serde_json::from_str::<Mac>(&text).unwrap(), samples::mac());
}
