//! Tests of the records that are kept, of readers, and of records that are gone.

use gateway_api::{events::Kind, view::Place};
use gateway_common::net::MacAddr;

use super::*;

fn at(seconds: u64) -> Moment {
    Moment { wall: Duration::from_secs(1_000_000 + seconds), steady: Duration::from_secs(seconds) }
}

fn reloaded(number: usize) -> Event {
    Event::Reloaded { file: number.to_string() }
}

fn learned(journal: &mut Journal, number: u32, now: Moment) {
    let mac = MacAddr([2, 0, 0, 0, 0, number as u8]);
    journal.note_with(Kind::Learned, 5001, now, || {
        let at = Place::Port { port: "a0".to_owned(), vlan: 100 };
        Event::Learned { vni: 5001, switch: None, mac, at }
    });
}

fn from(seq: u64) -> Cursor {
    Cursor::From { seq, run: None }
}

fn numbers(page: &Page) -> Vec<u64> {
    page.records.iter().map(|record| record.seq).collect()
}

#[test]
fn a_reader_gets_what_comes_after_what_it_has() {
    let mut journal = Journal::new(at(0));
    let end = journal.page(&Cursor::End);
    assert_eq!((end.next, end.records.len()), (1, 0));
    journal.note(reloaded(1), at(1));
    journal.note(reloaded(2), at(2));
    let page = journal.page(&from(end.next));
    assert_eq!((numbers(&page), page.next, page.missed), (vec![1, 2], 3, 0));
    assert_eq!(page.records[1].time, Timestamp::new(at(2).wall));
    assert!(journal.page(&from(page.next)).records.is_empty());
}

#[test]
fn a_long_stretch_comes_in_several_pages() {
    let mut journal = Journal::new(at(0));
    // The rate is low enough for none to be left out.
    (0..600).for_each(|number| journal.note(reloaded(number), at(number as u64)));
    let mut seen = Vec::new();
    let mut cursor = 1;
    while cursor <= 600 {
        let page = journal.page(&from(cursor));
        assert_eq!(page.missed, 0);
        seen.extend(numbers(&page));
        cursor = page.next;
    }
    assert_eq!(seen, (1..=600).collect::<Vec<_>>());
}

#[test]
fn a_reader_that_is_too_slow_gets_the_number_of_missed_events() {
    let mut journal = Journal::new(at(0));
    (0..KEPT + 10).for_each(|number| journal.note(reloaded(number), at(number as u64)));
    let page = journal.page(&from(1));
    // The first page is full, and the missed records lie before it.
    assert_eq!((page.missed, page.oldest, page.records[0].seq), (10, 11, 11));
    assert_eq!(journal.page(&from(page.next)).missed, 0);
    // A reader that wants all records from the start has missed nothing.
    assert_eq!(journal.page(&from(0)).missed, 0);
}

#[test]
fn stations_cannot_drive_out_the_rest_and_are_in_order_with_it() {
    let mut journal = Journal::new(at(0));
    journal.note(reloaded(0), at(0));
    for second in 0..KEPT as u64 {
        (0..2).for_each(|number| learned(&mut journal, number, at(second)));
    }
    journal.note(reloaded(1), at(10_000));
    let mut records = Vec::new();
    let mut cursor = from(0);
    while let page @ Page { next, .. } = journal.page(&cursor)
        && !page.records.is_empty()
    {
        records.extend(page.records);
        cursor = from(next);
    }
    assert_eq!(records.len(), KEPT + 2);
    assert!(records.is_sorted_by(|a, b| a.seq < b.seq));
    assert_eq!((&records[0].event, &records[KEPT + 1].event), (&reloaded(0), &reloaded(1)));
}

#[test]
fn a_flood_is_summed_up() {
    let mut journal = Journal::new(at(0));
    (0..1_000_000).for_each(|number| learned(&mut journal, number, at(1)));
    journal.settle(at(1));
    let page = journal.page(&from(0));
    assert_eq!(page.records.len(), 101);
    assert_eq!(page.records[100].event, Event::LeftOut { counts: [(Kind::Learned, 999_900)].into() });
    // Once a second at most.
    (0..1000).for_each(|number| learned(&mut journal, number, at(1)));
    journal.settle(at(1));
    assert_eq!(journal.next(), 102);
    journal.settle(at(2));
    assert_eq!(journal.next(), 103);
}

#[test]
fn a_number_of_another_run_means_all_of_this_one() {
    let mut journal = Journal::new(at(0));
    journal.note(reloaded(0), at(1));
    let cursor = Cursor::From { seq: 500, run: Some("2020-01-01T00:00:00.000Z".to_owned()) };
    let page = journal.page(&cursor);
    assert_eq!((numbers(&page), page.missed), (vec![1], 0));
    let same = Cursor::From { seq: 2, run: Some(page.run) };
    assert!(journal.page(&same).records.is_empty());
}

#[test]
fn a_number_that_is_not_there_yet_is_the_end() {
    let journal = Journal::new(at(0));
    let page = journal.page(&from(u64::MAX));
    assert_eq!((page.next, page.missed, page.records.len()), (1, 0, 0));
}
