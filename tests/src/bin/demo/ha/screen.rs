//! The live part of the terminal: a block of lines that is redrawn in its place. Without a terminal, a line each time
//! instead.

use std::{
    io::{IsTerminal, Write, stdout},
    sync::{Mutex, PoisonError},
};

/// The terminal, for all threads.
pub(super) struct Screen {
    terminal: bool,
    /// Number of lines of the current block.
    drawn: Mutex<usize>,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { terminal: stdout().is_terminal(), drawn: Mutex::new(0) }
    }

    /// Draws the block, or writes the line.
    pub(super) fn draw(&self, block: &[String], line: &str) {
        if self.terminal {
            self.write(block.iter().map(String::as_str), block.len());
        } else {
            self.write([line], 0);
        }
    }

    /// Forgets the current block.
    pub(super) fn clear(&self) {
        self.write([], 0);
    }

    /// Prints a header line with the columns, if lines are printed one below the other.
    pub(super) fn head(&self, line: &str) {
        if !self.terminal {
            self.say(line);
        }
    }

    /// Prints a line for good, in the place of the current block.
    pub(super) fn say(&self, line: &str) {
        self.write([line], 0);
    }

    fn write<'a>(&self, lines: impl IntoIterator<Item = &'a str>, block: usize) {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        // Without wrapping (DECAWM), so that a block has as many lines on a narrow terminal; then up, and erase.
        let mut text = String::new();
        if *drawn > 0 {
            text.push_str(&format!("\x1b[{drawn}A\x1b[J"));
        }
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        if block > 0 {
            text = format!("\x1b[?7l{text}\x1b[?7h");
        }
        *drawn = block;
        // In one piece. A closed pipe is no reason to leave the lab up.
        let mut out = stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}
