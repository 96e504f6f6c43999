//! Format of text for its output: width and colours.

use std::{
    env,
    io::{IsTerminal, stdout},
};

/// Default number of columns.
const COLUMNS: usize = 80;
/// Smallest number of columns; a smaller one is ignored.
const FEWEST: usize = 40;

/// Width and colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns. None: lines are not broken, for programs that read them one by one.
    pub width: Option<usize>,
    /// Colours may be used.
    pub colours: bool,
}

/// Emphasis for a part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// A headline.
    Bold,
    /// Good state.
    Good,
    /// Degraded state.
    Poor,
    /// Bad state.
    Bad,
}

impl Look {
    /// Format for a terminal of 80 columns, without colours.
    pub const PLAIN: Self = Self { width: Some(COLUMNS), colours: false };

    /// Returns the format for standard output. Colours are used only on a terminal, and not if `NO_COLOR` is set
    /// (<https://no-color.org>) or `TERM` is `dumb` or empty. If standard output is not a terminal, lines are not
    /// broken.
    pub fn of_stdout() -> Self {
        if !stdout().is_terminal() {
            return Self { width: None, colours: false };
        }
        let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Self { width: Some(columns()), colours: !set("NO_COLOR") && !dumb }
    }

    /// Returns `text`, with colour where colours may be used.
    pub(super) fn paint(self, paint: Paint, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Bold => "1",
            Paint::Good => "1;32",
            Paint::Poor => "33",
            Paint::Bad => "1;31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Returns the number of columns for sentences, limited since lines of 200 columns are hard to read.
    pub(super) fn columns(self) -> usize {
        self.width.unwrap_or(COLUMNS)
    }
}

fn columns() -> usize {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the call writes one winsize to where the pointer leads.
    let result = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    match usize::from(size.ws_col) {
        columns if result == 0 && columns >= FEWEST => columns,
        _ => COLUMNS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_a_text_stays_as_it_is() {
        assert_eq!(Look::PLAIN.paint(Paint::Bad, "x"), "x");
        assert_eq!(Look { colours: true, ..Look::PLAIN }.paint(Paint::Bad, "x"), "\x1b[1;31mx\x1b[0m");
    }
}
