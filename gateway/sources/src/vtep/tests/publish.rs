//! Tests of the operations that publish the stations behind this gateway.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;

use gateway_ovsdb::Operation;

use super::*;
use crate::vtep::{LocalMac, Publisher, View};

/// Stations behind this gateway.
fn ext(number: u8) -> MacAddr {
    MacAddr([2, 0xee, 0, 0, 0, number])
}

fn learned(number: u8) -> LocalMac {
    LocalMac { vni: vni(5), mac: ext(number), ip: None }
}

struct Published {
    world: World,
    publisher: Publisher,
    now: Duration,
}

impl Published {
    /// Returns a filled database in which this gateway has its flood member, and `learned` stations.
    fn new(learned: &[LocalMac]) -> Self {
        let mut world = World::filled();
        world.change(vec![
            locator(AT_OWN, OWN),
            set(uuid(5, 21), [AT_OWN]),
            flood(tables::MCAST_MACS_LOCAL, 21, RED, uuid(5, 21)),
        ]);
        let mut publisher = Publisher::new(identity());
        publisher.replace(&world.mirror, learned.iter().copied());
        Self { world, publisher, now: Duration::ZERO }
    }

    fn change(&mut self, changes: Vec<Change<Row>>) {
        let touched = self.world.change(changes);
        self.publisher.touch(&self.world.mirror, &touched);
    }

    fn next(&mut self) -> Vec<Operation> {
        let World { mirror, mapping } = &self.world;
        self.publisher.next(View { mirror, mapping, rows: mapping.rows() }, 1000, self.now)
    }

    /// Returns the next operations as text, without guards.
    fn words(&mut self) -> Vec<String> {
        let words = self.next().iter().map(words).filter(|words| !words.starts_with("wait")).collect();
        self.publisher.done(true, self.now);
        words
    }
}

fn words(operation: &Operation) -> String {
    match operation {
        Operation::Wait { table, .. } => format!("wait {table}"),
        Operation::Insert { table, row, .. } => match row.first() {
            Some(("MAC", mac)) => {
                let ip = row.iter().find(|(column, _)| *column == "ipaddr").and_then(|(_, ip)| ip.string());
                format!("insert {table} {} {}", mac.string().unwrap(), ip.unwrap_or_default()).trim_end().to_owned()
            }
            _ => format!("insert {table}"),
        },
        Operation::Update { row, .. } => format!("{} = {:?}", row[0].0, row[0].1.string().unwrap()),
        Operation::Delete { table, condition } => {
            format!("delete {table} {}", condition[0].value.uuid().unwrap().bytes()[15])
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn a_station_is_published_under_guard() {
    let mut published = Published::new(&[learned(1)]);
    let operations = published.next();
    let texts: Vec<_> = operations.iter().map(words).collect();
    assert_eq!(texts, ["wait Logical_Switch", "insert Ucast_Macs_Local 02:ee:00:00:00:01"]);
}

#[test]
fn a_station_is_published_with_its_address() {
    let mut published = Published::new(&[LocalMac { ip: Some(ip("10.0.0.1")), ..learned(1) }]);
    assert_eq!(published.words(), ["insert Ucast_Macs_Local 02:ee:00:00:00:01 10.0.0.1"]);
}

#[test]
fn what_is_published_is_not_published_again() {
    let mut published = Published::new(&[learned(1)]);
    published.words();
    published.change(vec![local(1, ext(1), RED, AT_OWN, None)]);
    assert_eq!(published.words(), Vec::<String>::new());
}

#[test]
fn what_failed_is_tried_again() {
    let mut published = Published::new(&[learned(1)]);
    published.next();
    published.publisher.done(false, Duration::ZERO);
    assert_eq!(published.words(), ["insert Ucast_Macs_Local 02:ee:00:00:00:01"]);
}

#[test]
fn a_station_that_is_forgotten_is_withdrawn() {
    let mut published = Published::new(&[learned(1)]);
    published.words();
    published.change(vec![local(1, ext(1), RED, AT_OWN, None)]);
    published.publisher.forget(vni(5), ext(1));
    assert_eq!(published.words(), ["delete Ucast_Macs_Local 1"]);
}

#[test]
fn an_address_that_becomes_known_is_added() {
    let mut published = Published::new(&[learned(1)]);
    published.change(vec![local(1, ext(1), RED, AT_OWN, None)]);
    published.words();
    published.publisher.learn(LocalMac { ip: Some(ip("10.0.0.1")), ..learned(1) });
    assert_eq!(published.words(), ["ipaddr = \"10.0.0.1\""]);
}

#[test]
fn of_a_new_set_of_stations_the_difference_is_looked_at() {
    let mut published = Published::new(&[learned(1), learned(2)]);
    published.change(vec![local(1, ext(1), RED, AT_OWN, None), local(2, ext(2), RED, AT_OWN, None)]);
    assert_eq!(published.words(), Vec::<String>::new());
    let known = LocalMac { ip: Some(ip("10.0.0.2")), ..learned(2) };
    published.publisher.replace(&published.world.mirror, [known, learned(3)]);
    assert_eq!(
        published.words(),
        ["delete Ucast_Macs_Local 1", "ipaddr = \"10.0.0.2\"", "insert Ucast_Macs_Local 02:ee:00:00:00:03"]
    );
}

#[test]
fn before_any_station_is_reported_what_an_earlier_run_published_stays() {
    let mut published = Published::new(&[]);
    published.publisher = Publisher::new(identity());
    published.change(vec![local(1, ext(1), RED, AT_OWN, None)]);
    assert_eq!(published.words(), Vec::<String>::new());
    published.publisher.replace(&published.world.mirror, []);
    assert_eq!(published.words(), ["delete Ucast_Macs_Local 1"]);
}

#[test]
fn a_remote_station_is_never_published() {
    let remote = LocalMac { mac: mac(1), ..learned(1) };
    let mut published = Published::new(&[remote]);
    assert_eq!(published.words(), Vec::<String>::new());
}

#[test]
fn a_station_that_the_controller_calls_remote_is_withdrawn() {
    let mut published = Published::new(&[learned(1)]);
    published.change(vec![local(1, ext(1), RED, AT_OWN, None)]);
    published.words();
    published.change(vec![station(9, ext(1), RED, AT_HV1)]);
    assert_eq!(published.words(), ["delete Ucast_Macs_Local 1"]);
    published.change(vec![gone(tables::UCAST_MACS_LOCAL, uuid(8, 1))]);
    published.change(vec![gone(tables::UCAST_MACS_REMOTE, uuid(7, 9))]);
    assert_eq!(published.words(), ["insert Ucast_Macs_Local 02:ee:00:00:00:01"]);
}

#[test]
fn a_remote_station_that_cannot_be_reached_is_remote_all_the_same() {
    let mut published = Published::new(&[learned(1)]);
    published.change(vec![station(9, ext(1), RED, uuid(4, 99))]);
    assert_eq!(published.words(), Vec::<String>::new());
}

#[test]
fn a_remote_row_that_leads_back_here_is_local() {
    let mut published = Published::new(&[learned(1)]);
    published.change(vec![station(9, ext(1), RED, AT_OWN)]);
    assert_eq!(published.words(), ["insert Ucast_Macs_Local 02:ee:00:00:00:01"]);
}

#[test]
fn what_is_held_as_remote_is_not_published() {
    let mut published = Published::new(&[LocalMac { mac: mac(1), ..learned(1) }]);
    let held = Arc::clone(published.world.mapping.rows());
    published.change(vec![gone(tables::UCAST_MACS_REMOTE, uuid(7, 1))]);
    let World { mirror, mapping } = &published.world;
    assert_eq!(published.publisher.next(View { mirror, mapping, rows: &held }, 1000, Duration::ZERO), []);
}

#[test]
fn stations_of_another_gateway_are_left_alone() {
    let mut published = Published::new(&[]);
    published.change(vec![local(1, ext(1), RED, AT_HV1, None)]);
    assert_eq!(published.words(), Vec::<String>::new());
}

#[test]
fn a_station_behind_two_gateways_is_published_by_both() {
    let mut published = Published::new(&[learned(1)]);
    published.change(vec![local(1, ext(1), RED, AT_HV1, None)]);
    assert_eq!(published.words(), ["insert Ucast_Macs_Local 02:ee:00:00:00:01"]);
}

#[test]
fn of_two_rows_for_a_station_one_goes() {
    let mut published = Published::new(&[learned(1)]);
    published.change(vec![local(1, ext(1), RED, AT_OWN, None), local(2, ext(1), RED, AT_OWN, None)]);
    assert_eq!(published.words(), ["delete Ucast_Macs_Local 2"]);
}

#[test]
fn a_switch_without_bindings_has_no_stations() {
    let mut published = Published::new(&[learned(1)]);
    published.change(vec![local(1, ext(1), RED, AT_OWN, None)]);
    published.words();
    published.change(vec![port(ETH1, "eth1", [])]);
    assert_eq!(published.words(), ["delete Mcast_Macs_Local 21", "delete Ucast_Macs_Local 1"]);
}

#[test]
fn a_switch_that_is_bound_again_gets_its_stations_back() {
    let mut published = Published::new(&[learned(1)]);
    published.change(vec![switch(RED, "red", TunnelKey::Zero)]);
    published.words();
    published.change(vec![gone(tables::MCAST_MACS_LOCAL, uuid(6, 21)), switch(RED, "red", keyed(5))]);
    assert_eq!(
        published.words(),
        [
            "insert Physical_Locator_Set",
            "insert Mcast_Macs_Local unknown-dst",
            "insert Ucast_Macs_Local 02:ee:00:00:00:01"
        ]
    );
}

#[test]
fn stations_of_a_vni_that_is_not_known_yet_are_published_when_it_is() {
    let mut published = Published::new(&[]);
    published.words();
    published.publisher.learn(LocalMac { vni: vni(6), ..learned(1) });
    assert_eq!(published.words(), Vec::<String>::new());
    published.change(vec![switch(RED, "red", keyed(6))]);
    assert_eq!(published.words(), ["insert Ucast_Macs_Local 02:ee:00:00:00:01"]);
}

#[test]
fn a_locator_that_is_missing_is_made_once_in_a_transaction() {
    let mut world = World::filled();
    let mut publisher = Publisher::new(identity());
    publisher.replace(&world.mirror, [learned(1), learned(2)]);
    let view = View { mirror: &world.mirror, mapping: &world.mapping, rows: world.mapping.rows() };
    let texts: Vec<_> = publisher.next(view, 1000, Duration::ZERO).iter().map(words).collect();
    let made = texts.iter().filter(|words| *words == "insert Physical_Locator").count();
    assert_eq!((made, texts.len()), (1, 6), "{texts:?}");
    world.change(vec![]);
}

#[test]
fn a_locator_with_a_key_of_its_own_is_not_taken() {
    let mut published = Published::new(&[learned(1)]);
    let row = Locator { address: ip(OWN), vni: Some(vni(9)), vxlan: true };
    published.change(vec![change(tables::PHYSICAL_LOCATOR, AT_OWN, Row::PhysicalLocator(row))]);
    assert_eq!(published.words()[0], "insert Physical_Locator");
}

#[test]
fn many_stations_are_few_transactions() {
    let mut published = Published::new(&[]);
    let all = (0..10_000_u32).map(|i| {
        let [_, _, a, b] = i.to_be_bytes();
        LocalMac { vni: vni(5), mac: MacAddr([2, 0xee, 0, 0, a, b]), ip: None }
    });
    published.publisher.replace(&published.world.mirror, all);
    let mut sizes = Vec::new();
    loop {
        let operations = published.next();
        if operations.is_empty() {
            break;
        }
        published.publisher.done(true, published.now);
        sizes.push(operations.len());
    }
    assert_eq!(sizes.len(), 10);
    assert!(sizes.iter().all(|size| *size <= 1002), "{sizes:?}");
}

#[test]
fn flood_members_of_another_gateway_are_left_alone() {
    let mut published = Published::new(&[]);
    published.words();
    published.change(vec![set(uuid(5, 22), [AT_HV1]), flood(tables::MCAST_MACS_LOCAL, 22, RED, uuid(5, 22))]);
    published.change(vec![port(ETH1, "eth1", [])]);
    assert_eq!(published.words(), ["delete Mcast_Macs_Local 21"]);
}

#[test]
fn what_was_published_with_an_address_that_is_no_longer_ours_is_replaced() {
    let mut published = Published::new(&[learned(1)]);
    published.change(vec![local(1, ext(1), RED, AT_OWN, None)]);
    published.words();
    let identity = Identity { tunnel_ips: [ip("172.31.0.22")].into(), ..identity() };
    published.world.mapping.reconfigure(&published.world.mirror, identity.clone(), 8192);
    published.publisher.reconfigure(&published.world.mirror, identity);
    assert_eq!(
        published.words(),
        [
            "insert Physical_Locator",
            "delete Mcast_Macs_Local 21",
            "insert Physical_Locator_Set",
            "insert Mcast_Macs_Local unknown-dst",
            "delete Ucast_Macs_Local 1",
            "insert Ucast_Macs_Local 02:ee:00:00:00:01"
        ]
    );
}

/// Address that a host announces.
fn at(published: &mut Published, last: u8) {
    published.publisher.learn(LocalMac { ip: Some(ip(&format!("10.0.0.{last}"))), ..learned(1) });
}

#[test]
fn a_host_that_announces_another_address_each_time_is_written_every_five_seconds() {
    let mut published = Published::new(&[learned(1)]);
    published.change(vec![local(1, ext(1), RED, AT_OWN, None)]);
    published.words();
    let mut written = Vec::new();
    for tenth in 0..100 {
        published.now = Duration::from_millis(100 * tenth);
        at(&mut published, tenth as u8);
        let words = published.words();
        if !words.is_empty() {
            published.change(vec![local(1, ext(1), RED, AT_OWN, Some(ip(&format!("10.0.0.{tenth}"))))]);
            published.words();
        }
        written.extend(words);
    }
    assert_eq!(written, ["ipaddr = \"10.0.0.0\"", "ipaddr = \"10.0.0.50\""]);
    assert_eq!(published.publisher.deadline(), Some(Duration::from_secs(10)));
    published.now = Duration::from_secs(10);
    assert_eq!(published.words(), ["ipaddr = \"10.0.0.99\""], "the last one is not forgotten");
    assert_eq!(published.publisher.deadline(), None);
}

#[test]
fn a_station_that_another_writer_keeps_deleting_is_left_to_it_for_a_while() {
    let mut published = Published::new(&[learned(1)]);
    let mut writes = 0;
    for second in 0..100 {
        published.now = Duration::from_secs(second);
        let words = published.words();
        if words.is_empty() {
            break;
        }
        writes += 1;
        published.change(vec![local(1, ext(1), RED, AT_OWN, None)]);
        published.words();
        published.change(vec![gone(tables::UCAST_MACS_LOCAL, uuid(8, 1))]);
    }
    assert_eq!((writes, published.publisher.lost()), (6, 1));
    published.now = published.publisher.deadline().unwrap();
    assert_eq!(published.words(), ["insert Ucast_Macs_Local 02:ee:00:00:00:01"], "it is tried again");
    published.change(vec![local(1, ext(1), RED, AT_OWN, None)]);
    published.now += Duration::from_secs(3600);
    assert_eq!(published.words(), [""; 0]);
    assert_eq!(published.publisher.lost(), 0, "nobody undoes it any more");
}

#[test]
fn a_station_that_comes_and_goes_by_itself_is_nobodys_doing() {
    let mut published = Published::new(&[learned(1)]);
    for second in 0..50 {
        published.now = Duration::from_secs(second);
        assert_eq!(published.words(), ["insert Ucast_Macs_Local 02:ee:00:00:00:01"]);
        published.change(vec![local(1, ext(1), RED, AT_OWN, None)]);
        published.publisher.forget(vni(5), ext(1));
        assert_eq!(published.words(), ["delete Ucast_Macs_Local 1"]);
        published.change(vec![gone(tables::UCAST_MACS_LOCAL, uuid(8, 1))]);
        published.publisher.learn(learned(1));
    }
    assert_eq!(published.publisher.lost(), 0);
}

#[test]
fn rows_published_with_the_address_before_the_restart_are_withdrawn() {
    let mut published = Published::new(&[]);
    published.change(vec![local(1, ext(1), RED, AT_HV1, None), local(2, ext(2), RED, AT_HV2, None)]);
    published.publisher.was_at([ip(HV1), ip(OWN)]);
    published.publisher.touch_everything(&published.world.mirror);
    assert_eq!(published.words(), ["delete Ucast_Macs_Local 1"]);
}

/// Returns the change of the database by an operation on stations. The row of a station has the number of its MAC.
fn made(operation: &Operation) -> Option<Change<Row>> {
    let table = tables::UCAST_MACS_LOCAL;
    match operation {
        Operation::Insert { table: of, row, .. } if *of == table => {
            let value = |name| row.iter().find(|(column, _)| *column == name).and_then(|(_, value)| value.string());
            let mac: MacAddr = value("MAC")?.parse().ok()?;
            Some(local(mac.0[5], mac, RED, AT_OWN, value("ipaddr").and_then(|ip| ip.parse().ok())))
        }
        Operation::Update { condition, row, .. } => {
            let number = condition[0].value.uuid()?.bytes()[15];
            Some(local(number, ext(number), RED, AT_OWN, row[0].1.string()?.parse().ok()))
        }
        Operation::Delete { table: of, condition } if *of == table => Some(gone(table, condition[0].value.uuid()?)),
        _ => None,
    }
}

impl Published {
    /// Executes the next transaction, or makes it fail. Returns it as text.
    fn transact(&mut self, succeeds: bool) -> Vec<String> {
        let operations = self.next();
        if succeeds {
            self.change(operations.iter().filter_map(made).collect());
        }
        self.publisher.done(succeeds, self.now);
        operations.iter().map(words).collect()
    }
}

/// Event of a gateway that publishes.
#[derive(Clone, Debug)]
enum Step {
    /// A station is learned, with the address it has announced, or moves to another port.
    Learn(u8, Option<u8>),
    /// A station has aged out or is withdrawn.
    Forget(u8),
    /// The controller places a station behind another VTEP, or no longer.
    Remote(u8, bool),
    /// The VLAN is bound, or is not.
    Bind(bool),
    /// This node writes from now on, or is connected again.
    Role,
    /// A transaction, which may fail.
    Transact(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..8u8, prop::option::of(1..4u8)).prop_map(|(number, ip)| Step::Learn(number, ip)),
        3 => (0..8u8).prop_map(Step::Forget),
        1 => (0..8u8, any::<bool>()).prop_map(|(number, there)| Step::Remote(number, there)),
        1 => any::<bool>().prop_map(Step::Bind),
        1 => Just(Step::Role),
        4 => prop::bool::weighted(0.8).prop_map(Step::Transact),
    ]
}

proptest! {
    /// A publisher that gets changes asks for the same transactions as one that gets all stations each time.
    #[test]
    fn changes_are_published_as_the_whole_set_is(steps in prop::collection::vec(step(), 0..80)) {
        let (mut by_change, mut by_set) = (Published::new(&[]), Published::new(&[]));
        let mut all = BTreeMap::new();
        for step in steps.into_iter().chain([Step::Transact(true), Step::Transact(true)]) {
            match step {
                Step::Learn(number, last) => {
                    let station = LocalMac { ip: last.map(|last| [10, 0, 0, last].into()), ..learned(number) };
                    all.insert(number, station);
                    by_change.publisher.learn(station);
                }
                Step::Forget(number) => {
                    all.remove(&number);
                    by_change.publisher.forget(vni(5), ext(number));
                }
                Step::Transact(succeeds) => {
                    by_set.publisher.replace(&by_set.world.mirror, all.values().copied());
                    prop_assert_eq!(by_change.transact(succeeds), by_set.transact(succeeds));
                    let rows = |published: &Published| published.world.mirror.local.all().collect::<BTreeSet<_>>();
                    prop_assert_eq!(rows(&by_change), rows(&by_set));
                }
                other => {
                    for published in [&mut by_change, &mut by_set] {
                        match &other {
                            Step::Remote(number, true) => {
                                published.change(vec![station(100 + number, ext(*number), RED, AT_HV1)]);
                            }
                            Step::Remote(number, false) => {
                                published.change(vec![gone(tables::UCAST_MACS_REMOTE, uuid(7, 100 + number))]);
                            }
                            Step::Bind(true) => published.change(vec![port(ETH1, "eth1", [(100, RED)])]),
                            Step::Bind(false) => published.change(vec![port(ETH1, "eth1", [])]),
                            _ => published.publisher.touch_everything(&published.world.mirror),
                        }
                    }
                }
            }
            by_change.now += Duration::from_millis(500);
            by_set.now = by_change.now;
        }
    }
}
