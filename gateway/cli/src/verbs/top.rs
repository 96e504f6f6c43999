//! `vtep-gateway top`: shows the current rates of the gateway.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use gateway_api::{
    ctl::{self, CallError},
    events::Timestamp,
};
use gateway_base::clock;

use super::{output::fail, values::interval};
use crate::{
    options::AgentOption,
    top::{Rates, Sample, text},
};

/// Name of the control command.
const COMMAND: &str = "show/everything";

/// Timeout of a reply.
const ANSWER: Duration = Duration::from_secs(10);

/// `top`.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(after_help = "\
RX is traffic from the VLAN or tunnel to the gateway, TX traffic from the gateway. Bits are those of the inner Ethernet \
frames, without VLAN tag and frame check sequence.

Keys: q quit, Tab table, s sort, r reverse, p pause, + - interval, / filter, ? help.

Exit codes: 0 ended, 1 failed, 2 wrong arguments, 3 no agent is running.")]
pub struct TopOptions {
    /// Seconds between samples, 0.1 to 3600.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub interval: Duration,
    /// Print the rates of one interval as tables, and end.
    #[arg(long)]
    pub once: bool,
    /// The same as a JSON object.
    #[arg(long)]
    pub json: bool,
    /// Of which agent.
    #[command(flatten)]
    pub agent: AgentOption,
}

impl Eq for TopOptions {}

/// Reasons for which the command ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TopError {
    /// The request to the agent failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The rates cannot be written as JSON.
    #[error("writing the rates: {0}")]
    Json(#[from] serde_json::Error),
    /// The full screen cannot be shown.
    #[error("{0}")]
    Screen(String),
    /// Standard output cannot be written.
    #[error("writing the rates: {0}")]
    Write(#[from] io::Error),
}

impl TopError {
    /// Returns the exit code of the command.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Call(error) => error.exit_code(),
            Self::Json(_) | Self::Screen(_) | Self::Write(_) => 1,
        }
    }
}

/// Shows rates.
pub(crate) fn carry_out(options: &TopOptions, socket: &Path) -> ExitCode {
    match show(socket, options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.exit_code(), &error),
    }
}

fn show(socket: &Path, options: &TopOptions) -> Result<(), TopError> {
    // First request before the terminal changes, so that an error is printed on the ordinary terminal.
    let first = take(socket)?;
    if !options.once && !options.json {
        return full_screen(socket, options.interval);
    }
    rest(options.interval);
    let second = take(socket)?;
    // The second sample was taken later; a clock is not expected to stand still for so long.
    let rates = Rates::between(&first, &second).ok_or_else(|| TopError::Screen("the clock stands still".to_owned()))?;
    let text = if options.json { format!("{}\n", serde_json::to_string_pretty(&rates)?) } else { text::tables(&rates) };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader may stop reading.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[expect(clippy::disallowed_methods, reason = "rates are over real time")]
fn rest(interval: Duration) {
    std::thread::sleep(interval);
}

/// Requests a sample from the agent.
fn take(socket: &Path) -> Result<Sample, CallError> {
    let text = ctl::call(socket, COMMAND, &[], ANSWER)?;
    let everything = serde_json::from_str(&text)
        .map_err(|error| CallError::Refused(format!("the agent is of another version: {error}")))?;
    Ok(Sample { time: Timestamp::new(clock::realtime()), at: clock::monotonic(), everything })
}

#[cfg(feature = "top")]
fn full_screen(socket: &Path, interval: Duration) -> Result<(), TopError> {
    crate::top::terminal::show(socket, interval, take).map_err(|error| TopError::Screen(error.to_string()))
}

#[cfg(not(feature = "top"))]
fn full_screen(_: &Path, _: Duration) -> Result<(), TopError> {
    Err(TopError::Screen("this program is built without the full screen; use --once or --json".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_a_number_of_seconds_within_reason() {
        assert_eq!(interval("0.5"), Ok(Duration::from_millis(500)));
        for text in ["", "0", "-1", "NaN", "inf", "1e9", "1s"] {
            assert!(interval(text).is_err(), "{text:?}");
        }
    }
}
