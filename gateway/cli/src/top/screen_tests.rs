//! Tests of the contents of the screen.

use std::time::Duration;

use gateway_api::{
    ctl::CallError,
    view::{Path, Problem},
};
use ratatui::{Terminal, backend::TestBackend};

use super::*;
use crate::top::{
    fixtures::{binding_carries, sample, tunnel_carries},
    model::Key,
};

const MEANS: Means = Means { unicode: true, colours: true };

/// Returns the lines of a screen of this size.
fn drawn(model: &Model, means: Means, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, model, means)).unwrap();
    let buffer = terminal.backend().buffer();
    let cells = buffer.content().chunks(usize::from(width));
    cells.map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned()).collect()
}

fn lines(model: &Model) -> Vec<String> {
    drawn(model, MEANS, 80, 24)
}

fn line<'l>(lines: &'l [String], beginning: &str) -> &'l str {
    let found = lines.iter().find(|line| line.starts_with(beginning));
    found.unwrap_or_else(|| panic!("no line begins with {beginning:?}:\n{}", lines.join("\n")))
}

/// Returns a gateway that has carried more in each second than in the one before.
fn busy() -> Model {
    let mut model = Model::new("gw1".to_owned(), Duration::from_secs(1));
    for second in 1..=5 {
        let mut sample = sample(second);
        let packets = second * second * 1000;
        binding_carries(&mut sample, packets, packets * 100, packets / 2, packets * 50);
        tunnel_carries(&mut sample, packets / 2, packets * 50, packets, packets * 100);
        sample.everything.drops[0].count = second * 7;
        model.sample(Ok(sample));
    }
    model
}

#[test]
fn at_eighty_columns_all_that_matters_is_in_sight() {
    let lines = lines(&busy());
    assert!(lines[0].starts_with("vtep-gateway on gw1  up 1 h  healthy"), "{}", lines[0]);
    assert!(lines[0].ends_with("every 1 s") && lines[0].chars().count() == 80, "{}", lines[0]);
    assert_eq!(line(&lines, "role"), "role      a active, prio 150, lease 2.9 s, VIP 172.31.0.21");
    assert_eq!(line(&lines, "database"), "database  following tcp:172.31.0.100:6640");
    assert_eq!(line(&lines, "fdb"), "fdb       7 of 262144 MACs (5 static, 2 learned) 0%");
    assert_eq!(line(&lines, "drops"), "drops     7 pkt/s: outer_malformed 7");
    let total = line(&lines, "bindings");
    assert!(total.contains("RX 7.20 Mbit/s 9.00 kpkt/s") && total.contains("TX 3.60 Mbit/s 4.50 kpkt/s"), "{total}");
    let row: Vec<&str> = line(&lines, "eth1").split_whitespace().collect();
    assert_eq!(row, ["eth1", "100", "5001", "db-net", "9.00k", "7.20M", "4.50k", "3.60M", "▃▅▇█"]);
    assert!(lines[23].starts_with("q quit") && lines[23].contains("? help"), "{}", lines[23]);
}

#[test]
fn tunnels_and_drops_have_tables_of_their_own() {
    let mut model = busy();
    model.key(Key::Right);
    let shown = lines(&model);
    let row: Vec<&str> = line(&shown, "172.31.0.21").split_whitespace().collect();
    assert_eq!(row[..5], ["172.31.0.21", "172.31.0.11", "up", "4.50k", "3.60M"]);
    model.key(Key::Right);
    let shown = lines(&model);
    let row: Vec<&str> = line(&shown, "outer_malformed").split_whitespace().collect();
    assert_eq!(row[..3], ["outer_malformed", "7", "35"]);
}

#[test]
fn problems_are_highlighted() {
    let mut model = busy();
    let mut bad = sample(6);
    bad.everything.status.healthy = false;
    bad.everything.status.problems = vec![Problem::fault("eth1 is down"), Problem::warning("MTU")];
    bad.everything.tunnels[0].path = Path::Unresolved { why: "no route".to_owned() };
    model.sample(Ok(bad));
    model.key(Key::Right);
    let shown = lines(&model);
    assert!(shown[0].contains("NOT HEALTHY"));
    assert_eq!(line(&shown, "problem"), "problem   (1 more) eth1 is down");
    assert!(line(&shown, "172.31.0.21").contains("unresolved"));
}

#[test]
fn a_lost_agent_is_reported_and_the_last_rates_stay() {
    let mut model = Model::new("gw1".to_owned(), Duration::from_secs(1));
    assert!(lines(&model)[1].contains("waiting"));
    model.sample(Err(CallError::Refused("no agent is running".to_owned())));
    assert!(lines(&model)[1].contains("no agent is running"));
    let mut model = busy();
    model.sample(Err(CallError::Refused("no agent is running".to_owned())));
    let shown = lines(&model);
    assert!(line(&shown, "agent").contains("no agent is running"));
    line(&shown, "eth1");
}

#[test]
fn pause_filter_and_help_are_seen() {
    let mut model = busy();
    model.key(Key::Char('p'));
    assert!(lines(&model).iter().any(|line| line.contains("PAUSED")));
    for key in "/eth9".chars() {
        model.key(Key::Char(key));
    }
    assert!(lines(&model)[23].starts_with("/eth9"));
    model.key(Key::Enter);
    let shown = lines(&model);
    assert!(shown.iter().any(|line| line.contains("only \"eth9\"")) && shown.iter().any(|line| line.contains("Esc")));
    model.key(Key::Char('?'));
    let shown = lines(&model);
    assert!(shown.iter().any(|line| line.contains(" Keys ")));
    for (key, _) in HELP {
        assert!(shown.iter().any(|line| line.contains(key)), "{key}");
    }
}

#[test]
fn a_terminal_without_colours_and_characters_beyond_ascii_is_enough() {
    let lines = drawn(&busy(), Means { unicode: false, colours: false }, 80, 24);
    assert!(lines.iter().all(|line| line.is_ascii()), "{lines:?}");
}

#[test]
fn it_draws_at_any_size() {
    let mut model = busy();
    for help in [false, true] {
        model.help = help;
        for width in [1, 2, 9, 20, 37, 79, 200] {
            for height in [1, 2, 5, 8, 9, 10, 24, 60] {
                drawn(&model, MEANS, width, height);
            }
        }
    }
}

#[test]
fn more_rows_than_there_is_room_for_are_scrolled_through() {
    let mut model = Model::new("gw1".to_owned(), Duration::from_secs(1));
    for second in 1..=2 {
        let mut sample = sample(second);
        let first = sample.everything.bindings[0].clone();
        let many = (0..500).map(|number| view_of(&first, number));
        sample.everything.bindings = many.collect();
        model.sample(Ok(sample));
    }
    assert!(lines(&model).iter().any(|line| line.starts_with("port000")));
    model.key(Key::End);
    let shown = lines(&model);
    assert!(shown.iter().any(|line| line.starts_with("port499")), "{}", shown.join("\n"));
}

fn view_of(binding: &gateway_api::view::Binding, number: u16) -> gateway_api::view::Binding {
    gateway_api::view::Binding { port: format!("port{number:03}"), ..binding.clone() }
}
