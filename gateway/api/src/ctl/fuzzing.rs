//! Entry point for the fuzz target in `gateway/fuzz`.

use gateway_base::json_framing::Framer;

use super::{
    COMMANDS, Control,
    dispatch::{Decision, decide},
    message::{Call, LONGEST, reply},
};

/// Simulates a client that sends these bytes, up to the parsed requests of the agent. The first byte sets the size of
/// reads, and if the client is root.
pub fn client(bytes: &[u8]) {
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
            let answer = match decide(COMMANDS, root, call) {
                Decision::Reply(answer) => answer,
                Decision::Ask { command, params } => {
                    let _request = Control::new(command, &params);
                    Ok(String::new())
                }
            };
            assert!(serde_json::from_slice::<serde_json::Value>(&reply(&id, &answer)).is_ok(), "a reply is no JSON");
        }
    }
}
