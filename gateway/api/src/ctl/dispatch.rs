//! Dispatch of requests: checks the command, its parameters and the caller's rights.

use super::{Access, Command, message::Call};

/// Result of a command: a text or an error message, both as they go over the wire.
pub type Answer = Result<String, String>;

/// Commands that the server handles itself.
pub const OWN: [Command; 2] = [
    Command { name: "list-commands", usage: "", params: 0..=0, access: Access::Read },
    Command { name: "version", usage: "", params: 0..=0, access: Access::Read },
];

/// Decision on a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// The server replies at once.
    Reply(Answer),
    /// The request is passed to the agent.
    Ask {
        /// Name of the command in the table.
        command: &'static str,
        /// Parameters, as many as the table allows.
        params: Vec<String>,
    },
}

/// Decides on a request; `root` is true if the client runs as root.
pub fn decide(commands: &'static [Command], root: bool, call: Call) -> Decision {
    let Call { method, params, .. } = call;
    let refuse = |text: String| Decision::Reply(Err(text));
    let Some(command) = commands.iter().chain(&OWN).find(|command| command.name == method) else {
        return refuse(format!(
            "{method:?} is not a valid command (use \"list-commands\" to see a list of valid commands)"
        ));
    };
    if command.access == Access::Change && !root {
        return refuse(format!("{method:?} is for root alone: members of gateway.control_group may look, not change"));
    }
    let count = params.len();
    let params: Vec<String> = params.iter().filter_map(|param| param.as_str().map(str::to_owned)).collect();
    if params.len() < count {
        return refuse(format!("{method:?} command has a parameter that is not a string"));
    }
    if count < *command.params.start() {
        return refuse(format!("{method:?} command requires at least {} parameters", command.params.start()));
    }
    if count > *command.params.end() {
        return refuse(format!("{method:?} command takes at most {} parameters", command.params.end()));
    }
    match command.name {
        "list-commands" => Decision::Reply(Ok(list(commands))),
        "version" => Decision::Reply(Ok(format!("vtep-gateway {}", env!("CARGO_PKG_VERSION")))),
        name => Decision::Ask { command: name, params },
    }
}

fn list(commands: &[Command]) -> String {
    let mut lines: Vec<String> =
        commands.iter().chain(&OWN).map(|command| format!("  {:<23} {}", command.name, command.usage)).collect();
    lines.sort();
    let lines: String = lines.iter().map(|line| format!("{}\n", line.trim_end())).collect();
    format!("The available commands are:\n{lines}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const COMMANDS: &[Command] = &[
        Command { name: "exit", usage: "", params: 0..=0, access: Access::Change },
        Command { name: "status", usage: "[json]", params: 0..=1, access: Access::Read },
    ];

    fn decided(method: &str, params: Value) -> Decision {
        let params = params.as_array().unwrap().clone();
        decide(COMMANDS, true, Call { method: method.into(), params, id: 0.into() })
    }

    fn refused(method: &str, params: Value) -> String {
        match decided(method, params) {
            Decision::Reply(Err(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn commands_of_the_agent_are_passed_to_it() {
        assert_eq!(
            decided("status", json!(["json"])),
            Decision::Ask { command: "status", params: vec!["json".into()] }
        );
    }

    #[test]
    fn the_list_has_all_commands_in_order_as_open_vswitch_lists_them() {
        let text =
            "The available commands are:\n  exit\n  list-commands\n  status                  [json]\n  version\n";
        assert_eq!(decided("list-commands", json!([])), Decision::Reply(Ok(text.into())));
    }

    #[test]
    fn an_unknown_command_is_refused_with_a_hint() {
        assert!(refused("statu", json!([])).contains("list-commands"));
    }

    #[test]
    fn parameters_are_counted_and_have_to_be_strings() {
        assert!(refused("status", json!(["json", "more"])).contains("at most 1"));
        assert!(refused("status", json!([1])).contains("not a string"));
        assert!(refused("version", json!(["x"])).contains("at most 0"));
    }

    #[test]
    fn others_than_root_may_look_and_not_change() {
        let others =
            |method: &str| decide(COMMANDS, false, Call { method: method.into(), params: vec![], id: 0.into() });
        assert!(matches!(others("status"), Decision::Ask { command: "status", .. }));
        assert!(matches!(others("version"), Decision::Reply(Ok(_))));
        let Decision::Reply(Err(text)) = others("exit") else { panic!() };
        assert!(text.contains("root") && text.contains("control_group"), "{text}");
    }
}
