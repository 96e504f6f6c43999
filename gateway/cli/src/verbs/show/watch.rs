//! Repeated output of counters.

use std::{
    io::{IsTerminal, Write, stdout},
    process::ExitCode,
    thread::sleep,
    time::{Duration, Instant},
};

use gateway_api::{
    screen::{self, Look, Rates},
    view::Counter,
};

use super::options::{CountersOptions, Noun};
use crate::verbs::{agent::Agent, output::fail};

/// Escape sequences that clear the terminal and move to its top (ECMA-48, ED and CUP).
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Shows counters until the agent or the reader is gone.
#[expect(clippy::disallowed_methods, reason = "a command waits in real time")]
pub(super) fn carry_out(noun: &Noun, options: &CountersOptions, agent: Agent<'_>, look: Look) -> ExitCode {
    let pause = Duration::from_secs(options.watch.unwrap_or(1).into());
    let drops = matches!(noun, Noun::Drops(_));
    let command = if drops { "show/drops" } else { "show/counters" };
    let (mut rates, mut before) = (Rates::default(), None::<Instant>);
    let clear = if stdout().is_terminal() { CLEAR } else { "" };
    loop {
        let counters = match agent.ask::<Vec<Counter>>(command, &[]) {
            Ok(counters) => counters,
            Err(error) => return fail(error.exit_code(), &error),
        };
        let now = Instant::now();
        rates.note(&counters, before.map_or(Duration::ZERO, |before| now - before));
        before = Some(now);
        let show = if drops { screen::drops } else { screen::counters };
        let text = format!("{clear}{}", show(&counters, options.all, &rates, look));
        // The reader may stop reading.
        if writeln!(stdout(), "{text}").is_err() {
            return ExitCode::SUCCESS;
        }
        sleep(pause);
    }
}
