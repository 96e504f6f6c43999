//! `vtep-gateway monitor`: shows the events of the agent as they happen.
//!
//! It repeatedly requests the events after the last one it has received; the agent replies as soon as there is one.
//! Therefore it misses only events that have left the agent's journal, no matter which of the two is slow, and it
//! continues after a restart of the agent.

use std::{
    io::{self, Write},
    os::fd::AsFd,
    path::Path,
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use gateway_api::{
    ctl::{self, CallError},
    events::{Kind, Record, Timestamp},
};
use gateway_base::clock;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{output::fail, values::ValueError};
use crate::options::AgentOption;

/// Name of the control command.
const COMMAND: &str = "monitor/next";

/// Timeout of a reply: the agent waits for an event for twenty seconds.
const ANSWER: Duration = Duration::from_secs(30);

/// Time between two attempts to reach an agent that is gone, in milliseconds.
const AGAIN: u16 = 500;

/// `monitor`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(after_help = "\
The kinds of events, and the JSON of each, are described in docs/MONITOR.md. If the agent ends, the command waits for the \
next one.

Exit codes: 0 ended, 1 failed, 2 wrong arguments, 3 no agent was running at the start.")]
pub struct MonitorOptions {
    /// As JSON, an object on each line.
    #[arg(long)]
    pub json: bool,
    /// Events of these kinds alone.
    #[arg(long, value_name = "KIND,...", value_enum, value_delimiter = ',', hide_possible_values = false)]
    pub only: Vec<Kind>,
    /// First the latest events, from the agent's journal.
    #[arg(long)]
    pub history: bool,
    /// The same, from there on: a number of an event, a time such as 2026-01-31T12:00:00Z, or a time span before now:
    /// 90s, 10m, 2h, 1d.
    #[arg(long, value_name = "WHEN", value_parser = Since::parse, conflicts_with = "history")]
    pub since: Option<Since>,
    /// End after the events in the journal.
    #[arg(long)]
    pub(crate) no_follow: bool,
    /// Of which agent.
    #[command(flatten)]
    pub agent: AgentOption,
}

/// Start of the events to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// The event with this number.
    Number(u64),
    /// A time.
    Time(Timestamp),
    /// A time span before now.
    Ago(Duration),
}

impl Since {
    fn parse(text: &str) -> Result<Self, ValueError> {
        if let Ok(number) = text.parse() {
            return Ok(Self::Number(number));
        }
        if let Ok(time) = text.parse() {
            return Ok(Self::Time(time));
        }
        let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)];
        let ago = units.iter().find_map(|(unit, seconds)| {
            let count: u64 = text.strip_suffix(*unit)?.parse().ok()?;
            count.checked_mul(*seconds)
        });
        ago.map(|seconds| Self::Ago(Duration::from_secs(seconds))).ok_or(ValueError::Since)
    }
}

/// Reasons for which the command ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MonitorError {
    /// The first request to the agent failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The reply cannot be parsed.
    #[error("the agent answers what this version does not understand: {0}")]
    Answer(#[from] serde_json::Error),
    /// Standard output cannot be written.
    #[error("writing what happens: {0}")]
    Write(io::Error),
}

impl MonitorError {
    /// Returns the exit code of the command.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Call(error) => error.exit_code(),
            Self::Answer(_) | Self::Write(_) => 1,
        }
    }
}

/// Page of the journal, parsed only as far as needed: an agent of another version may send kinds of events that this
/// one does not know.
#[derive(Debug, Deserialize)]
struct Page {
    run: String,
    oldest: u64,
    next: u64,
    missed: u64,
    records: Vec<Value>,
}

/// Filter of events.
struct Filter<'a> {
    options: &'a MonitorOptions,
    /// As text, since this is the format of the events; the texts sort in the order of time.
    not_before: Option<String>,
}

impl Filter<'_> {
    fn wants(&self, record: &Value) -> bool {
        let text = |key: &str| record[key].as_str().unwrap_or_default();
        let only = &self.options.only;
        // A filter for some kinds also selects the event that some of these were left out.
        let wanted = |kind: &Kind| text("event") == kind.name() || !record["counts"][kind.name()].is_null();
        (only.is_empty() || only.iter().any(wanted))
            && self.not_before.as_ref().is_none_or(|time| text("time") >= time.as_str())
    }

    fn line(&self, record: Value) -> String {
        let known = if self.options.json { None } else { serde_json::from_value::<Record>(record.clone()).ok() };
        known.map_or_else(|| record.to_string(), |record| record.to_string())
    }
}

/// Shows events until standard output is closed, or without end. A closed standard output is not an error.
pub(crate) fn carry_out(options: &MonitorOptions, socket: &Path) -> ExitCode {
    match show(socket, options) {
        Err(MonitorError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(error.exit_code(), &error),
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn show(socket: &Path, options: &MonitorOptions) -> Result<(), MonitorError> {
    let now = Timestamp::new(clock::realtime());
    let not_before = match options.since {
        Some(Since::Time(time)) => Some(time.to_string()),
        Some(Since::Ago(ago)) => Some(now.before(ago).to_string()),
        Some(Since::Number(_)) | None => None,
    };
    let filter = Filter { options, not_before };
    let first = match options.since {
        Some(Since::Number(number)) => Some(number),
        Some(Since::Time(_) | Since::Ago(_)) => Some(0),
        None => options.history.then_some(0),
    };
    let first = first.map(|number| number.to_string());
    let mut page = ask(socket, first.as_deref().into_iter().collect())?;
    if first.as_deref() == Some("0") && page.oldest > 1 {
        eprintln!("vtep-gateway: the journal begins with event {}; older ones are gone", page.oldest);
    }
    // Number of the end of the journal if the command ends there, since a further request would wait for more events.
    let end = if options.no_follow { ask(socket, Vec::new())?.next } else { u64::MAX };
    let mut gone = false;
    loop {
        write(&page, &filter)?;
        if page.next >= end {
            return Ok(());
        }
        let (run, next) = (page.run.clone(), page.next.to_string());
        page = loop {
            match ask(socket, vec![&next, &run]) {
                Ok(page) => break page,
                Err(error) if options.no_follow => return Err(error),
                Err(MonitorError::Call(error)) => {
                    if !std::mem::replace(&mut gone, true) {
                        eprintln!("vtep-gateway: {error}; waiting for it");
                    }
                    rest()?;
                }
                Err(other) => return Err(other),
            }
        };
        if std::mem::take(&mut gone) {
            let same = page.run == run;
            eprintln!("vtep-gateway: the agent is {}", if same { "back" } else { "back, started again" });
        }
    }
}

fn ask(socket: &Path, params: Vec<&str>) -> Result<Page, MonitorError> {
    Ok(serde_json::from_str(&ctl::call(socket, COMMAND, &params, ANSWER)?)?)
}

/// Writes each event as a line of its own, in whole lines.
fn write(page: &Page, filter: &Filter<'_>) -> Result<(), MonitorError> {
    let mut lines = String::new();
    if page.missed > 0 {
        let missed = json!({ "event": Kind::Missed, "count": page.missed });
        let text = format!("{} events have gone before they were read\n", page.missed);
        lines.push_str(&if filter.options.json { format!("{missed}\n") } else { text });
    }
    for record in page.records.iter().filter(|record| filter.wants(record)) {
        lines.push_str(&filter.line(record.clone()));
        lines.push('\n');
    }
    let mut out = io::stdout().lock();
    out.write_all(lines.as_bytes()).and_then(|()| out.flush()).map_err(MonitorError::Write)?;
    is_read(0)
}

/// Waits for a short time before the next attempt.
fn rest() -> Result<(), MonitorError> {
    is_read(AGAIN)
}

/// Returns an error if the reader of standard output is gone; polls for this time.
fn is_read(milliseconds: u16) -> Result<(), MonitorError> {
    let stdout = io::stdout();
    // A pipe whose reader is gone always reports POLLERR, even if not requested (poll(2)).
    let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::from(milliseconds)).map_err(|errno| MonitorError::Write(errno.into()))?;
    match fds[0].revents() {
        Some(events) if events.contains(PollFlags::POLLERR) => {
            Err(MonitorError::Write(io::ErrorKind::BrokenPipe.into()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: MonitorOptions,
    }

    fn options(args: &str) -> Result<MonitorOptions, clap::Error> {
        Line::try_parse_from(["monitor"].into_iter().chain(args.split_whitespace())).map(|line| line.options)
    }

    #[test]
    fn a_beginning_is_a_number_a_time_or_so_long_ago() {
        assert_eq!(Since::parse("17"), Ok(Since::Number(17)));
        assert_eq!(Since::parse("10m"), Ok(Since::Ago(Duration::from_secs(600))));
        assert!(matches!(Since::parse("2026-01-31T12:00:00Z"), Ok(Since::Time(_))));
        for text in ["", "m", "10x", "-5s", "yesterday", "99999999999999999999d"] {
            assert!(Since::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn kinds_come_with_commas_between_and_have_to_be_kinds() {
        assert_eq!(options("--only learned,role_changed").unwrap().only, [Kind::Learned, Kind::RoleChanged]);
        assert_eq!(options("--only learnt").unwrap_err().exit_code(), 2);
        assert!(options("--history --since 5").is_err());
    }

    #[test]
    fn events_outside_the_filter_are_left_out() {
        let options = options("--only moved").unwrap();
        let filter = Filter { options: &options, not_before: Some("2026-01-31T12:00:00.000Z".to_owned()) };
        let record = |event: &str, time: &str| json!({ "seq": 1, "event": event, "time": time });
        assert!(filter.wants(&record("moved", "2026-01-31T12:00:00.000Z")));
        assert!(!filter.wants(&record("moved", "2026-01-31T11:59:59.999Z")));
        assert!(!filter.wants(&record("learned", "2026-01-31T12:00:00.000Z")));
        let left_out = |kind: &str| {
            let mut record = record("left_out", "2026-01-31T12:00:01.000Z");
            record["counts"][kind] = 5.into();
            record
        };
        assert!(filter.wants(&left_out("moved")) && !filter.wants(&left_out("learned")));
    }

    #[test]
    fn a_kind_that_is_not_known_here_is_shown_as_it_came() {
        let options = options("").unwrap();
        let filter = Filter { options: &options, not_before: None };
        let record = json!({ "seq": 1, "event": "invented", "time": "2026-01-31T12:00:00.000Z" });
        assert_eq!(filter.line(record.clone()), record.to_string());
        let known = json!({ "seq": 1, "event": "reloaded", "time": "2026-01-31T12:00:00.000Z", "file": "/x.toml" });
        assert_eq!(filter.line(known), "2026-01-31T12:00:00.000Z reloaded          /x.toml");
    }
}
