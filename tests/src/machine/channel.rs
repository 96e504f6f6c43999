//! Channel to a server: runs scripts in it over a virtio port, without a network.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::wait::{SOON, wait_some};

/// Result of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its exit code.
    pub code: i32,
    /// Output and errors, as they were written.
    pub text: String,
}

impl Answer {
    /// Returns true if it succeeded.
    pub fn is_ok(&self) -> bool {
        self.code == 0
    }
}

/// Channel to the script `control.sh`, which runs in the server.
#[derive(Debug)]
pub(super) struct Channel {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Channel {
    /// Connects to the socket at `path`, which QEMU is about to make.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let what = format!("QEMU listening on {}", path.display());
        let stream = wait_some(&what, SOON, || UnixStream::connect(path).ok())?;
        Ok(Self { path: path.into(), stream: BufReader::new(stream) })
    }

    /// Runs a script. The server may still be booting: its answer comes within `limit`.
    ///
    /// # Errors
    /// If no complete answer comes in time. The connection is made again then, so that a late answer is not taken for that
    /// of the next script.
    pub(super) fn run(&mut self, script: &str, limit: Duration) -> Result<Answer> {
        let answer = self.exchange(script, limit);
        if answer.is_err() {
            self.stream = BufReader::new(
                UnixStream::connect(&self.path).with_context(|| format!("connecting to {}", self.path.display()))?,
            );
        }
        answer
    }

    fn exchange(&mut self, script: &str, limit: Duration) -> Result<Answer> {
        let stream = self.stream.get_mut();
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        stream.write_all(format!("{}\n{script}", script.len()).as_bytes()).context("sending a script")?;
        let mut line = String::new();
        self.stream.read_line(&mut line).with_context(|| format!("no answer within {} s", limit.as_secs()))?;
        let Some((code, length)) = parse(&line) else { bail!("not an answer of the server: {line:?}") };
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).context("reading the output of a script")?;
        Ok(Answer { code, text: String::from_utf8_lossy(&bytes).into_owned() })
    }
}

/// Reads the first line of an answer: exit code and length.
fn parse(line: &str) -> Option<(i32, usize)> {
    let (code, length) = line.trim_end_matches('\n').split_once(' ')?;
    Some((code.parse().ok()?, length.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_begins_with_its_code_and_length() {
        assert_eq!(parse("0 17\n"), Some((0, 17)));
        assert_eq!(parse("127 0\n"), Some((127, 0)));
        assert_eq!(parse(""), None);
        assert_eq!(parse("login:\n"), None);
    }
}
