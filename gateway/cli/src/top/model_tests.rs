//! Tests of the state after samples and keys.

use super::*;
use crate::top::fixtures::{binding_carries, sample, tunnel_carries};

const SECOND: Duration = Duration::from_secs(1);

/// Returns a sample with three bindings that have carried `per_second` bytes in each second so far: a0 much, a1
/// nothing, a2 a little.
fn three(second: u64) -> Sample {
    let mut sample = sample(second);
    let first = sample.everything.bindings[0].clone();
    sample.everything.bindings = (0..3)
        .map(|number| {
            let mut binding = first.clone();
            binding.port = format!("a{number}");
            binding.vlan = 100 + number;
            binding.traffic.rx_bytes = second * [1_000_000, 0, 100][usize::from(number)];
            binding.traffic.tx_bytes = second * [0, 0, 100_000][usize::from(number)];
            binding
        })
        .collect();
    sample
}

fn model() -> Model {
    let mut model = Model::new("gw1".to_owned(), SECOND);
    (1..=3).for_each(|second| model.sample(Ok(three(second))));
    model
}

fn ports(model: &Model) -> Vec<String> {
    model.rows().iter().map(|row| row.names[0].clone()).collect()
}

fn keys(model: &mut Model, keys: &str) {
    keys.chars().for_each(|key| {
        model.key(Key::Char(key));
    });
}

#[test]
fn the_busiest_come_first_and_the_rest_by_name() {
    assert_eq!(ports(&model()), ["a0", "a2", "a1"]);
}

#[test]
fn s_goes_through_the_orders_and_r_turns_them_round() {
    let mut model = model();
    keys(&mut model, "ss");
    assert_eq!((model.order().0, ports(&model)), (Order::TxBits, vec!["a2".into(), "a0".into(), "a1".into()]));
    keys(&mut model, "r");
    assert_eq!(ports(&model), ["a1", "a0", "a2"]);
    keys(&mut model, "rsss");
    assert_eq!((model.order(), ports(&model)), ((Order::Name, false), vec!["a0".into(), "a1".into(), "a2".into()]));
    keys(&mut model, "s");
    assert_eq!(model.order().0, Order::Bits);
}

#[test]
fn each_table_keeps_its_own_order() {
    let mut model = model();
    keys(&mut model, "s");
    model.key(Key::Right);
    assert_eq!((model.table, model.order().0), (Table::Tunnels, Order::Bits));
    keys(&mut model, "\t");
    assert_eq!((model.table, model.order().0), (Table::Drops, Order::Dropped));
    model.key(Key::Right);
    assert_eq!((model.table, model.order().0), (Table::Bindings, Order::RxBits));
    model.key(Key::Left);
    assert_eq!(model.table, Table::Drops);
}

#[test]
fn a_filter_leaves_the_rows_that_have_it_in_their_names() {
    let mut model = model();
    keys(&mut model, "/A2");
    assert_eq!(ports(&model), ["a2"]);
    // While it is typed, letters are letters.
    keys(&mut model, "q");
    assert_eq!(model.filter, "A2q");
    model.key(Key::Backspace);
    model.key(Key::Enter);
    assert_eq!(model.key(Key::Char('p')), Then::Nothing);
    assert!(model.paused && !model.filtering);
    model.key(Key::Escape);
    assert_eq!(ports(&model).len(), 3);
}

#[test]
fn a_filter_does_not_grow_without_end() {
    let mut model = model();
    keys(&mut model, &format!("/{}", "x".repeat(10_000)));
    assert_eq!(model.filter.len(), FILTER);
}

#[test]
fn while_it_is_paused_nothing_changes_and_after_it_the_rate_is_that_of_now() {
    let mut model = model();
    keys(&mut model, "p");
    let before = model.rates.clone();
    (4..10).for_each(|second| model.sample(Ok(sample(second))));
    assert_eq!(model.rates, before);
    keys(&mut model, "p");
    let mut after = sample(10);
    binding_carries(&mut after, 5, 0, 0, 0);
    model.sample(Ok(after));
    let rates = model.rates.unwrap();
    assert_eq!((rates.interval_seconds, rates.bindings[0].rate.rx_packets_per_second), (1.0, 5.0));
}

#[test]
fn plus_and_minus_change_the_interval_within_bounds() {
    let mut model = model();
    assert_eq!(model.key(Key::Char('+')), Then::Interval(2 * SECOND));
    assert_eq!(model.key(Key::Char('-')), Then::Interval(SECOND));
    keys(&mut model, &"-".repeat(20));
    assert_eq!((model.interval, model.key(Key::Char('-'))), (INTERVALS[0], Then::Nothing));
    // One that was given is left for the next on the list.
    model.interval = Duration::from_millis(700);
    assert_eq!(model.key(Key::Char('+')), Then::Interval(SECOND));
}

#[test]
fn q_and_ctrl_c_end_it_and_ctrl_c_from_anywhere() {
    let mut model = model();
    assert_eq!(model.key(Key::Char('q')), Then::Quit);
    keys(&mut model, "/");
    assert_eq!(model.key(Key::Interrupt), Then::Quit);
}

#[test]
fn any_key_closes_the_help() {
    let mut model = model();
    keys(&mut model, "?");
    assert!(model.help);
    keys(&mut model, "s");
    assert!(!model.help && model.order().0 == Order::Bits);
}

#[test]
fn the_mark_stays_among_the_rows() {
    let mut model = model();
    model.key(Key::Up);
    assert_eq!(model.selected(3), Some(0));
    for _ in 0..9 {
        model.key(Key::Down);
    }
    assert_eq!((model.selected(3), model.selected(1), model.selected(0)), (Some(2), Some(0), None));
    model.key(Key::Home);
    model.key(Key::End);
    model.key(Key::PageUp);
    assert_eq!(model.selected(3), Some(0));
}

#[test]
fn a_history_grows_with_the_samples() {
    let mut model = model();
    model.sample(Ok(three(4)));
    let row = model.rows().remove(0);
    assert_eq!(model.history(&row, 10).collect::<Vec<_>>(), [8_000_000.0; 3]);
    assert_eq!(model.total.latest("bindings rx", 1).collect::<Vec<_>>(), [8_000_800.0]);
}

#[test]
fn an_agent_that_does_not_answer_is_reported_until_it_does() {
    let mut model = model();
    model.sample(Err(CallError::Refused("no agent is running".to_owned())));
    assert!(model.trouble.is_some() && model.rates.is_some());
    let mut after = three(9);
    tunnel_carries(&mut after, 1, 1, 1, 1);
    model.sample(Ok(after));
    assert_eq!(model.trouble, None);
}
