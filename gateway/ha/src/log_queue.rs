//! Log lines of the loop, written by another thread: whoever reads the log may stop reading, and a write then waits.

use std::{
    sync::mpsc::{SyncSender, sync_channel},
    thread,
};

use tracing::{info, warn};

/// LineFramer that may wait to be written; those beyond are lost, and counted.
const ROOM: usize = 256;

#[derive(Debug)]
enum Line {
    Info(String),
    Warning(String),
}

/// Says things without waiting.
#[derive(Debug)]
pub(crate) struct LogQueue {
    lines: SyncSender<Line>,
    lost: usize,
}

impl LogQueue {
    /// Starts the thread that writes. It ends when the voice is dropped.
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

    /// Something that goes as it should.
    pub(crate) fn info(&mut self, text: String) {
        self.say(Line::Info(text));
    }

    /// Something the operator should know.
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
