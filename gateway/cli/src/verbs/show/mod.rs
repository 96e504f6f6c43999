//! `show NOUN`: shows the state of a running gateway, as tables or as JSON.
//!
//! The agent returns all entries of a noun, page by page if there may be many; filters are applied here. [`options`]
//! has the arguments, [`watch`] the repeated output.

mod names;
mod options;
mod watch;

use std::{io, path::Path, process::ExitCode};

use gateway_api::{
    ctl::CallError,
    screen::{self, Look},
    view::{Binding, Counter, Mac, MacFilter, Macs, Neighbour, Router, Switch, Tunnel},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    agent::Agent,
    output::{self, BAD_INPUT, fail},
};

use options::Noun;
pub use options::ShowOptions;

/// Shows the state that `options` select, from the agent behind `socket`.
pub(crate) fn carry_out(options: &ShowOptions, socket: &Path) -> ExitCode {
    let agent = Agent::new(socket);
    let json = options.noun.output().json;
    let look = Look::of_stdout();
    let text = match &options.noun {
        Noun::Counters(counted) | Noun::Drops(counted) if counted.watch.is_some() => {
            return watch::carry_out(&options.noun, counted, agent, look);
        }
        Noun::Switches(wanted) => all(agent, "show/switches", |one: &Switch| {
            fits(&wanted.switch, one.name.as_ref()) && fits(&wanted.vni, one.vni.as_ref())
        })
        .map(|all| (all.is_empty(), written(json, &all, || screen::switches(&all, look)))),
        Noun::Bindings(wanted) => all(agent, "show/bindings", |one: &Binding| {
            fits(&wanted.switch, one.switch.as_ref())
                && fits(&wanted.vni, one.vni.as_ref())
                && fits(&wanted.port, Some(&one.port))
        })
        .map(|all| (all.is_empty(), written(json, &all, || screen::bindings(&all, look)))),
        Noun::Macs(wanted) => {
            macs(agent, &wanted.filter()).map(|all| (all.is_empty(), written(json, &all, || screen::macs(&all, look))))
        }
        Noun::Tunnels(wanted) => all(agent, "show/tunnels", |one: &Tunnel| {
            fits(&wanted.remote, Some(&one.remote)) && wanted.vni.is_none_or(|vni| one.vnis.contains(&vni))
        })
        .map(|all| (all.is_empty(), written(json, &all, || screen::tunnels(&all, look)))),
        Noun::Neighbours(wanted) => all(agent, "show/neighbours", |one: &Neighbour| {
            wanted.remote.is_none_or(|remote| one.remotes.contains(&remote) || one.address == remote)
        })
        .map(|all| (all.is_empty(), written(json, &all, || screen::neighbours(&all, look)))),
        Noun::Vrrp(wanted) => all(agent, "show/vrrp", |one: &Router| {
            wanted.router.as_ref().is_none_or(|which| *which == one.name || *which == one.vrid.to_string())
        })
        .map(|all| (all.is_empty(), written(json, &all, || screen::vrrp(&all, look)))),
        Noun::Counters(wanted) => agent.ask::<Vec<Counter>>("show/counters", &[]).map(|all| {
            (
                all.is_empty(),
                written(json, &all, || screen::counters(&all, wanted.all, &screen::Rates::default(), look)),
            )
        }),
        Noun::Drops(wanted) => agent.ask::<Vec<Counter>>("show/drops", &[]).map(|all| {
            (all.is_empty(), written(json, &all, || screen::drops(&all, wanted.all, &screen::Rates::default(), look)))
        }),
    };
    // Only an empty result can be due to a wrong name.
    let unknown = match &text {
        Ok((true, _)) => names::unknown(&options.noun, agent),
        _ => Ok(None),
    };
    match (text, unknown) {
        (Ok(_), Ok(Some(unknown))) => fail(BAD_INPUT, &io::Error::other(unknown)),
        (Ok((_, text)), Ok(None)) => output::write(&text, ExitCode::SUCCESS),
        (Err(error), _) | (_, Err(error)) => fail(error.exit_code(), &error),
    }
}

/// Returns true if `is` matches the filter, if there is one.
fn fits<T: PartialEq>(wanted: &Option<T>, is: Option<&T>) -> bool {
    wanted.is_none() || wanted.as_ref() == is
}

/// Formats as JSON, or with `table`.
fn written<T: Serialize>(json: bool, all: &[T], table: impl FnOnce() -> String) -> String {
    if json { json_lines(all) } else { table() }
}

/// Formats a JSON array with a line for each element, for people and `grep`.
fn json_lines<T: Serialize>(all: &[T]) -> String {
    let mut text = String::from("[");
    for (at, one) in all.iter().enumerate() {
        text.push_str(if at == 0 { "\n" } else { ",\n" });
        text.push_str(&serde_json::to_string(one).unwrap_or_default());
    }
    text.push_str(if all.is_empty() { "]\n" } else { "\n]\n" });
    text
}

/// Returns the elements of a noun that are wanted.
fn all<T: DeserializeOwned>(agent: Agent<'_>, command: &str, wanted: impl Fn(&T) -> bool) -> Result<Vec<T>, CallError> {
    let mut all: Vec<T> = agent.ask(command, &[])?;
    all.retain(wanted);
    Ok(all)
}

/// Returns the MACs of all pages, sorted.
fn macs(agent: Agent<'_>, filter: &MacFilter) -> Result<Vec<Mac>, CallError> {
    let words = filter.words();
    let (mut all, mut from) = (Vec::new(), None::<u32>);
    loop {
        let from_word = from.map(|from| from.to_string());
        let params: Vec<&str> = from_word.iter().chain(&words).map(String::as_str).collect();
        let page: Macs = agent.ask("show/macs", &params)?;
        all.extend(page.macs);
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    all.sort_by_key(|mac: &Mac| (mac.vni, mac.mac));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use gateway_api::view::samples;

    use super::*;

    #[test]
    fn json_is_a_list_with_a_line_for_each_element() {
        let text = json_lines(&[samples::switch(), samples::switch()]);
        assert_eq!(text.lines().count(), 4);
        assert_eq!(serde_json::from_str::<Vec<Switch>>(&text).unwrap(), [samples::switch(), samples::switch()]);
        assert_eq!(json_lines::<Switch>(&[]), "[]\n");
    }
}
