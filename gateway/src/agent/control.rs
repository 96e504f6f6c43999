//! What the control socket offers, and what a request on it means.

use crate::ctl::Command;

/// The commands of an agent.
pub const COMMANDS: &[Command] = &[
    Command { name: "capture", usage: "start|renew|stop NUMBER", params: 2..=2 },
    Command { name: "exit", usage: "[keep-role]", params: 0..=1 },
    Command { name: "status", usage: "[json]", params: 0..=1 },
    Command { name: "vrrp/handover", usage: "[NAME|VRID] [--force]", params: 0..=2 },
];

/// What is to be done about a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureControl {
    /// Its programs, which are pinned, are to forward.
    Start,
    /// Whoever captures is still there.
    Renew,
    /// It is over.
    Stop,
}

/// What the agent is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Give the role of active node away.
    Handover {
        /// Of which instance, by its name or VRID; of all if none is named.
        instance: Option<String>,
        /// Also if no other node is known to take it.
        force: bool,
    },
    /// End.
    Exit {
        /// Without giving roles away: the agent is started again before the leases end.
        keep: bool,
    },
    /// Tell how things stand.
    Status {
        /// As a JSON object, not for people.
        json: bool,
    },
    /// Something about capture number so-and-so.
    Capture(CaptureControl, u32),
    /// Nothing that is known; the text says why, and is the answer.
    Unknown(String),
}

impl Control {
    /// What a request is for.
    pub fn new(command: &str, params: &[String]) -> Self {
        let words: Vec<&str> = params.iter().map(String::as_str).collect();
        match (command, words.as_slice()) {
            ("exit", []) => Self::Exit { keep: false },
            ("exit", ["keep-role"]) => Self::Exit { keep: true },
            ("status", []) => Self::Status { json: false },
            ("status", ["json"]) => Self::Status { json: true },
            ("vrrp/handover", words) => handover(words),
            ("capture", [what, number]) => capture(what, number),
            (command, words) => Self::Unknown(format!("{command} does not take {:?}", words.join(" "))),
        }
    }
}

fn handover(words: &[&str]) -> Control {
    let force = words.contains(&"--force");
    match words.iter().filter(|word| **word != "--force").collect::<Vec<_>>().as_slice() {
        [] => Control::Handover { instance: None, force },
        [name] if !name.starts_with('-') => Control::Handover { instance: Some((**name).to_owned()), force },
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
    // It becomes a part of a path.
    match (what, number.parse()) {
        (Some(what), Ok(number)) => Control::Capture(what, number),
        _ => Control::Unknown("capture takes start, renew or stop, and the number of a capture".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(command: &str, params: &str) -> Control {
        Control::new(command, &params.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_handover_may_name_an_instance_and_be_forced() {
        for (params, instance, force) in
            [("", None, false), ("a", Some("a"), false), ("--force", None, true), ("7 --force", Some("7"), true)]
        {
            let instance = instance.map(str::to_owned);
            assert_eq!(control("vrrp/handover", params), Control::Handover { instance, force }, "{params}");
        }
    }

    #[test]
    fn an_exit_keeps_roles_only_if_told_to() {
        assert_eq!(control("exit", ""), Control::Exit { keep: false });
        assert_eq!(control("exit", "keep-role"), Control::Exit { keep: true });
    }

    #[test]
    fn a_status_is_for_people_or_json() {
        assert_eq!(control("status", ""), Control::Status { json: false });
        assert_eq!(control("status", "json"), Control::Status { json: true });
    }

    #[test]
    fn a_capture_is_a_number_and_no_path() {
        assert_eq!(control("capture", "start 7"), Control::Capture(CaptureControl::Start, 7));
        for params in ["start ../maps", "start -1", "begin 7", "stop 4294967296"] {
            assert!(matches!(control("capture", params), Control::Unknown(_)), "{params}");
        }
    }

    #[test]
    fn what_is_misspelt_is_not_guessed_at() {
        for (command, params) in [("exit", "keep"), ("vrrp/handover", "--forced"), ("vrrp/handover", "a b")] {
            assert!(matches!(control(command, params), Control::Unknown(_)), "{command} {params}");
        }
    }
}
