//! Entry points for the fuzz target of `gateway/fuzz`.

use gateway_base::json_framing::Framer;

use super::{
    Command,
    commands::{Decision, decide},
    message::{Call, LONGEST, reply},
};

/// Simulates a client that sends these bytes. The first byte sets the size of reads, and if the client is root. `take`
/// receives each request that would be passed to the agent.
pub fn client(bytes: &[u8], commands: &'static [Command], take: impl Fn(&str, &[String])) {
    let Some((&first, bytes)) = bytes.split_first() else { return };
    let (root, size) = (first & 1 == 1, usize::from(first >> 1) + 1);
    let mut framer = Framer::new(LONGEST);
    for bytes in bytes.chunks(size) {
        framer.push(bytes);
        loop {
            let call = match framer.next_text() {
                Ok(None) => break,
                Ok(Some(text)) => Call::parse(text),
                Err(_) => return,
            };
            // The server would close the connection.
            let Ok(call) = call else { return };
            let id = call.id.clone();
            let answer = match decide(commands, root, call) {
                Decision::Reply(answer) => answer,
                Decision::Ask { command, params } => {
                    take(command, &params);
                    Ok(String::new())
                }
            };
            assert!(serde_json::from_slice::<serde_json::Value>(&reply(&id, &answer)).is_ok(), "a reply is no JSON");
        }
    }
}
