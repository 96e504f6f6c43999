//! Many MACs written together come to the same as one by one, whatever the kernel makes of them.

use std::collections::BTreeMap;

use gateway_common::fdb::{FdbEntry, FdbKey, LEARNED, STATIC, Target};
use gateway_datapath::op::Op;

use crate::plane::Plane;

const ROOM: u32 = 16_384;

fn key(number: u32) -> FdbKey {
    let [a, b, c, d] = number.to_be_bytes();
    FdbKey::new(5001 + number % 3, [2, 0xcc, a, b, c, d])
}

fn put(number: u32, tunnel: u32) -> Op {
    Op::PutMac(key(number), FdbEntry { to: Target::remote(tunnel, 5001), seen: 0, origin: STATIC, flags: 0 })
}

fn fdb(plane: &Plane) -> BTreeMap<FdbKey, Target> {
    let rows: Vec<_> = plane.maps.fdb().map(Result::unwrap).collect();
    let map: BTreeMap<_, _> = rows.iter().map(|(key, entry)| (*key, entry.to)).collect();
    assert_eq!(map.len(), rows.len(), "a walk gives each element once");
    map
}

#[test]
fn many_together_come_to_the_same_as_one_by_one() {
    // New ones, some of them changed at once, some removed, and some removed that are not there.
    let mut ops: Vec<Op> = (0..10_000).map(|number| put(number, 1)).collect();
    ops.extend((0..10_000).step_by(7).map(|number| put(number, 2)));
    ops.extend((5000..12_000).map(|number| Op::DelMac(key(number))));
    ops.extend((6000..6003).map(|number| put(number, 3)));
    let (mut together, mut apart) = (Plane::take(ROOM), Plane::take(ROOM));
    assert!(together.maps.change().write_all(&ops).is_empty());
    ops.iter().for_each(|op| apart.maps.change().write(op).unwrap());
    let written = fdb(&together);
    assert_eq!(written, fdb(&apart));
    assert_eq!(written.len(), 5003);
    assert_eq!(together.maps.programmed().unwrap(), apart.maps.programmed().unwrap());
    // As looked up one by one, too.
    for number in [0, 1, 7, 4999, 5000, 6000, 9999] {
        let found = together.maps.mac(&key(number)).unwrap().map(|entry| entry.to);
        assert_eq!(found, written.get(&key(number)).copied(), "{number}");
    }
    together.give_back();
    apart.give_back();
}

#[test]
fn a_full_map_leaves_out_exactly_the_rest_and_reports_it() {
    const SIZE: u32 = 1024;
    let mut plane = Plane::take(SIZE);
    let ops: Vec<Op> = (0..SIZE + 76).map(|number| put(number, 1)).collect();
    let failed = plane.maps.change().write_all(&ops);
    assert!(failed.iter().all(|(_, error)| error.is_full()), "{failed:?}");
    assert!(failed.iter().map(|(place, _)| *place as u32).eq(SIZE..SIZE + 76));
    assert!(fdb(&plane).into_keys().eq(sorted(0..SIZE)));
    // What is there can still be changed, and the first of the rest finds the room that is made.
    let mut ops: Vec<Op> = (0..100).map(|number| put(number, 2)).collect();
    ops.extend((200..210).map(|number| Op::DelMac(key(number))));
    ops.extend((SIZE..SIZE + 20).map(|number| put(number, 1)));
    let failed = plane.maps.change().write_all(&ops);
    assert!(failed.iter().map(|(place, _)| *place).eq(120..130), "{failed:?}");
    let map = fdb(&plane);
    assert!(map.keys().copied().eq(sorted((0..200).chain(210..SIZE + 10))));
    assert!((0..100).all(|number| map[&key(number)] == Target::remote(2, 5001)));
    plane.give_back();
}

#[test]
fn only_static_macs_are_read_back() {
    let mut plane = Plane::take(ROOM);
    let learned = FdbEntry { to: Target::remote(1, 5001), seen: 5, origin: LEARNED, flags: 0 };
    let mut ops: Vec<Op> = (0..9000).map(|number| put(number, 1)).collect();
    ops.extend((9000..9010).map(|number| Op::PutMac(key(number), learned)));
    assert!(plane.maps.change().write_all(&ops).is_empty());
    let macs = plane.maps.programmed().unwrap().static_macs;
    assert_eq!(macs.len(), 9000);
    assert!((0..9000).all(|number| macs.contains_key(&key(number))));
    plane.give_back();
}

fn sorted(numbers: impl Iterator<Item = u32>) -> impl Iterator<Item = FdbKey> {
    let mut keys: Vec<FdbKey> = numbers.map(key).collect();
    keys.sort_unstable();
    keys.into_iter()
}
