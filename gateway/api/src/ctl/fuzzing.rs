//! A way in for the fuzz target of `gateway/fuzz`.

use gateway_base::json_framing::Framer;

use super::{
    Command,
    commands::{Decision, decide},
    message::{Call, LONGEST, reply},
};

/// A client that says this; the first byte is the size of reads, and whether it is root. `take` gets each request that the agent
/// would be asked.
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
            // It is hung up on.
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
