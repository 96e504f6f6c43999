//! QEMU Machine Protocol: cables, the power button, a processor that stands still.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::wait::SOON;

/// Executes one command over the socket at `path` and returns its result.
///
/// # Errors
/// If QEMU does not answer, or refuses; the error is its own.
pub(super) fn execute(path: &Path, command: &str, arguments: &Value) -> Result<Value> {
    let stream = UnixStream::connect(path).with_context(|| format!("connecting to {}", path.display()))?;
    stream.set_read_timeout(Some(SOON))?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).context("reading QEMU's greeting")?;
    for (command, arguments) in [("qmp_capabilities", &json!({})), (command, arguments)] {
        let request = json!({ "execute": command, "arguments": arguments });
        reader.get_mut().write_all(format!("{request}\n").as_bytes())?;
        let answer = answer(&mut reader).with_context(|| format!("QEMU's answer to {command}"))?;
        if let Some(error) = answer.get("error") {
            bail!("QEMU refuses {request}: {error}");
        }
        line = answer["return"].to_string();
    }
    Ok(serde_json::from_str(&line)?)
}

/// Reads the next answer; skips events.
fn answer(reader: &mut impl BufRead) -> Result<Value> {
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            bail!("QEMU has closed the connection");
        }
        let message: Value = serde_json::from_str(&line)?;
        if message.get("event").is_none() {
            return Ok(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_no_answers() {
        let text = "{\"event\": \"STOP\"}\n{\"return\": {\"status\": \"paused\"}}\n";
        assert_eq!(answer(&mut text.as_bytes()).unwrap()["return"]["status"], "paused");
        assert!(answer(&mut "{\"event\": \"STOP\"}\n".as_bytes()).is_err());
    }
}
