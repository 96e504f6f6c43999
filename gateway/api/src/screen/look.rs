//! How text may look where it goes.

use std::{
    env,
    io::{IsTerminal, stdout},
};

/// Columns where nobody says how many there are.
const COLUMNS: usize = 80;
/// Fewer are not taken seriously.
const FEWEST: usize = 40;

/// Width and colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns. None: lines may be as long as they are, for whoever reads them line by line.
    pub width: Option<usize>,
    /// Colours may be used.
    pub colours: bool,
}

/// What a part of a text is to stand out as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// A headline.
    Bold,
    /// All is well.
    Good,
    /// Worth a look.
    Poor,
    /// Something is wrong.
    Bad,
}

impl Look {
    /// For a terminal of 80 columns, without colours.
    pub const PLAIN: Self = Self { width: Some(COLUMNS), colours: false };

    /// As standard output is: colours only on a terminal, and neither where `NO_COLOR` is set (<https://no-color.org>) nor on
    /// one that calls itself dumb. Where it is no terminal, lines are not broken.
    pub fn of_stdout() -> Self {
        if !stdout().is_terminal() {
            return Self { width: None, colours: false };
        }
        let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Self { width: Some(columns()), colours: !set("NO_COLOR") && !dumb }
    }

    /// `text`, painted where colours may be used.
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

    /// Columns to write sentences in, which nobody wants to read in lines of 200.
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
