//! Requests to the agent, parsed from a command of [`COMMANDS`](super::COMMANDS) and its parameters.

use crate::{events::Cursor, view::MacFilter};

/// Operation on a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureControl {
    /// Puts the pinned programs of the capture in force.
    Start,
    /// Renews the capture: its client still runs.
    Renew,
    /// Ends the capture.
    Stop,
}

/// Request to the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Hands over the role of active node.
    Handover {
        /// Virtual router, by name or VRID; `None` means all of them.
        router: Option<String>,
        /// Also if no other node is known to take the role.
        force: bool,
    },
    /// Ends the agent.
    Exit {
        /// Keeps the roles: the agent is started again before the leases end.
        keep: bool,
    },
    /// Shows a part of the state.
    Show(Show),
    /// Reads the configuration again.
    Reload,
    /// Queries or changes the log.
    Log(LogControl),
    /// Shows the memory use.
    Memory,
    /// Shows the event counters.
    Coverage,
    /// Returns events from the cursor on. Waits for an event if there is none yet.
    Monitor(Cursor),
    /// Controls the capture with this number.
    Capture(CaptureControl, u32),
    /// Unknown request. The text is the reason and the answer.
    Unknown(String),
}

/// Part of the state that can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Show {
    /// Overall status.
    Status {
        /// As a JSON object, instead of text for people.
        json: bool,
    },
    /// [`Everything`](crate::view::Everything).
    Everything,
    /// Logical switches.
    Switches,
    /// Bindings.
    Bindings,
    /// A page of the forwarding database.
    Macs {
        /// Start of the page; `None` means the first one.
        from: Option<u32>,
        /// Filter of the MACs.
        filter: MacFilter,
    },
    /// Tunnels.
    Tunnels,
    /// Next hops.
    Neighbours,
    /// Virtual routers.
    Vrrp,
    /// Path counters.
    Counters,
    /// Drop counters.
    Drops,
    /// The forwarding database as a text, of all logical switches or of one.
    FdbShow(Option<String>),
    /// Statistics of the forwarding database, as a text.
    FdbStats,
}

/// Operation on the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogControl {
    /// Lists the levels.
    List,
    /// Sets levels.
    Set(Vec<String>),
    /// Turns duplicate suppression on or off.
    Limit(bool),
    /// Reopens the log file. There is none.
    Reopen,
}

impl Control {
    /// Parses a request.
    pub fn new(command: &str, params: &[String]) -> Self {
        let words: Vec<&str> = params.iter().map(String::as_str).collect();
        match (command, words.as_slice()) {
            ("exit", []) => Self::Exit { keep: false },
            ("exit", ["keep-role"]) => Self::Exit { keep: true },
            ("reload", []) => Self::Reload,
            ("memory/show", []) => Self::Memory,
            ("coverage/show", []) => Self::Coverage,
            ("vlog/list", []) => Self::Log(LogControl::List),
            ("vlog/reopen", []) => Self::Log(LogControl::Reopen),
            ("vlog/set", _) => Self::Log(LogControl::Set(params.to_vec())),
            ("vlog/disable-rate-limit", []) => Self::Log(LogControl::Limit(false)),
            ("vlog/enable-rate-limit", []) => Self::Log(LogControl::Limit(true)),
            ("status", []) => Self::Show(Show::Status { json: false }),
            ("status", ["json"]) => Self::Show(Show::Status { json: true }),
            ("show/everything", []) => Self::Show(Show::Everything),
            ("show/switches", []) => Self::Show(Show::Switches),
            ("show/bindings", []) => Self::Show(Show::Bindings),
            ("show/macs", words) => macs(words),
            ("show/tunnels", []) => Self::Show(Show::Tunnels),
            ("show/neighbours", []) => Self::Show(Show::Neighbours),
            ("show/vrrp", []) => Self::Show(Show::Vrrp),
            ("show/counters", []) => Self::Show(Show::Counters),
            ("show/drops", []) => Self::Show(Show::Drops),
            ("fdb/show", []) => Self::Show(Show::FdbShow(None)),
            ("fdb/show", [switch]) => Self::Show(Show::FdbShow(Some((*switch).to_owned()))),
            ("fdb/stats", []) => Self::Show(Show::FdbStats),
            ("vrrp/handover", words) => handover(words),
            ("monitor/next", words) => match Cursor::parse(words) {
                Some(cursor) => Self::Monitor(cursor),
                None => Self::Unknown(format!("monitor/next takes the number of an event, not {:?}", words.join(" "))),
            },
            ("capture", [what, number]) => capture(what, number),
            (command, words) => Self::Unknown(format!("{command} does not take {:?}", words.join(" "))),
        }
    }
}

fn macs(words: &[&str]) -> Control {
    let (from, rest) = match words.split_first().map(|(first, rest)| (first.parse(), rest)) {
        Some((Ok(from), rest)) => (Some(from), rest),
        _ => (None, words),
    };
    let mut filter = MacFilter::default();
    match rest.iter().try_for_each(|word| filter.take(word)) {
        Ok(()) => Control::Show(Show::Macs { from, filter }),
        Err(why) => Control::Unknown(format!("show/macs: {why}")),
    }
}

fn handover(words: &[&str]) -> Control {
    let force = words.contains(&"--force");
    match words.iter().filter(|word| **word != "--force").collect::<Vec<_>>().as_slice() {
        [] => Control::Handover { router: None, force },
        [name] if !name.starts_with('-') => Control::Handover { router: Some((**name).to_owned()), force },
        _ => Control::Unknown(format!("vrrp/handover does not take {:?}", words.join(" "))),
    }
}

fn capture(what: &str, number: &str) -> Control {
    let what = match what {
        "start" => Some(CaptureControl::Start),
        "renew" => Some(CaptureControl::Renew),
        "stop" => Some(CaptureControl::Stop),
        _ => None,
    };
    // The number becomes a part of a path.
    match (what, number.parse()) {
        (Some(what), Ok(number)) => Control::Capture(what, number),
        _ => Control::Unknown("capture takes start, renew or stop, and the number of a capture".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::{Access, COMMANDS};

    fn control(command: &str, params: &str) -> Control {
        Control::new(command, &params.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_handover_may_name_a_virtual_router_and_be_forced() {
        for (params, router, force) in
            [("", None, false), ("a", Some("a"), false), ("--force", None, true), ("7 --force", Some("7"), true)]
        {
            let router = router.map(str::to_owned);
            assert_eq!(control("vrrp/handover", params), Control::Handover { router, force }, "{params}");
        }
    }

    #[test]
    fn an_exit_keeps_roles_only_on_request() {
        assert_eq!(control("exit", ""), Control::Exit { keep: false });
        assert_eq!(control("exit", "keep-role"), Control::Exit { keep: true });
    }

    #[test]
    fn a_status_is_for_people_or_json() {
        assert_eq!(control("status", ""), Control::Show(Show::Status { json: false }));
        assert_eq!(control("status", "json"), Control::Show(Show::Status { json: true }));
    }

    #[test]
    fn a_page_of_macs_may_begin_somewhere_and_have_a_filter() {
        let filter = MacFilter { vni: Some(5), ..MacFilter::default() };
        for (params, from) in [("vni=5", None), ("4711 vni=5", Some(4711))] {
            let filter = filter.clone();
            assert_eq!(control("show/macs", params), Control::Show(Show::Macs { from, filter }), "{params}");
        }
        assert!(matches!(control("show/macs", "vni=5 4711"), Control::Unknown(_)));
    }

    /// Each command, with parameters that it accepts.
    #[test]
    fn every_command_is_parsed_and_documented() {
        let reference = include_str!("../../../../docs/CONTROL.md");
        for command in COMMANDS {
            let params = match command.name {
                "vlog/set" => "dbg",
                "capture" => "renew 7",
                _ => "",
            };
            assert!(!matches!(control(command.name, params), Control::Unknown(_)), "{}", command.name);
            let title = format!("{} {}", command.name, command.usage);
            let heading = format!("\n### `{}`\n", title.trim());
            let (_, section) =
                reference.split_once(&heading).unwrap_or_else(|| panic!("docs/CONTROL.md has no{heading}"));
            let who = if command.access == Access::Read { "*Group.*" } else { "*Root.*" };
            assert!(section.trim_start().starts_with(who), "docs/CONTROL.md does not say {who} of {}", command.name);
        }
    }

    #[test]
    fn a_monitor_begins_at_the_end_or_at_a_number_of_a_run() {
        assert_eq!(control("monitor/next", ""), Control::Monitor(Cursor::End));
        assert_eq!(control("monitor/next", "7"), Control::Monitor(Cursor::From { seq: 7, run: None }));
        let run = Some("2026-01-31T12:00:00.000Z".to_owned());
        assert_eq!(
            control("monitor/next", "7 2026-01-31T12:00:00.000Z"),
            Control::Monitor(Cursor::From { seq: 7, run })
        );
        assert!(matches!(control("monitor/next", "all"), Control::Unknown(why) if why.contains("\"all\"")));
        assert!(matches!(control("monitor/next", "-1"), Control::Unknown(_)));
    }

    #[test]
    fn a_capture_is_a_number_and_no_path() {
        assert_eq!(control("capture", "start 7"), Control::Capture(CaptureControl::Start, 7));
        for params in ["start ../maps", "start -1", "begin 7", "stop 4294967296"] {
            assert!(matches!(control("capture", params), Control::Unknown(_)), "{params}");
        }
    }

    #[test]
    fn a_misspelt_request_is_unknown() {
        for (command, params) in [("exit", "keep"), ("vrrp/handover", "--forced"), ("vrrp/handover", "a b")] {
            assert!(matches!(control(command, params), Control::Unknown(_)), "{command} {params}");
        }
    }
}
