//! Log queue of the loop. Another thread writes the lines, because a write waits if the reader of the log stops
//! reading.

use std::{
    sync::mpsc::{SyncSender, sync_channel},
    thread,
};

use tracing::{info, warn};

/// The most lines that wait to be written. Further lines are dropped and counted.
const ROOM: usize = 256;

#[derive(Debug)]
enum Line {
    Info(String),
    Warning(String),
}

/// Logs without waiting.
#[derive(Debug)]
pub(crate) struct LogQueue {
    lines: SyncSender<Line>,
    lost: usize,
}

impl LogQueue {
    /// Starts the thread that writes. It ends when the queue is dropped.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (lines, receiver) = sync_channel(ROOM);
        thread::Builder::new().name("vrrp-log".to_owned()).spawn(move || {
            for line in receiver {
                match line {
                    Line::Info(text) => info!("{text}"),
                    Line::Warning(text) => warn!("{text}"),
                }
            }
        })?;
        Ok(Self { lines, lost: 0 })
    }

    /// Logs normal progress.
    pub(crate) fn info(&mut self, text: String) {
        self.say(Line::Info(text));
    }

    /// Logs a warning for the operator.
    pub(crate) fn warn(&mut self, text: String) {
        self.say(Line::Warning(text));
    }

    fn say(&mut self, line: Line) {
        if self.lost > 0 {
            let lost = Line::Warning(format!("{} log lines were lost: nobody reads the log", self.lost));
            if self.lines.try_send(lost).is_ok() {
                self.lost = 0;
            }
        }
        if self.lines.try_send(line).is_err() {
            self.lost += 1;
        }
    }
}
