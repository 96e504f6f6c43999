//! Converts the Markdown of `docs/` to man(7): headings, paragraphs, lists, indented code and tables, and within a line
//! `code`, **bold**, *italic* and links, of which only the text is kept. A row of a table becomes an entry of a list.
//! An empty first cell, as in a table's head, is left out.

use std::mem;

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// Returns the manual page `name` with the contents of `markdown`, without its first heading.
pub(super) fn page(name: &str, section: &str, about: &str, markdown: &str, see_also: &[&str]) -> String {
    let mut roff = Roff::new();
    let source = concat!("vtep-gateway ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", [name, section, "", source, "File Formats"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{name} - {about}"))]);
    roff.control("SH", ["DESCRIPTION"]);
    Writer { roff: &mut roff, paragraph: String::new(), head: Vec::new(), code: false }.write(markdown);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(see_also.join(", "))]);
    roff.render()
}

struct Writer<'r> {
    roff: &'r mut Roff,
    /// Lines of the current paragraph that are not written yet.
    paragraph: String,
    /// Column names of the current table.
    head: Vec<String>,
    /// True inside indented code.
    code: bool,
}

impl Writer<'_> {
    fn write(mut self, markdown: &str) {
        for line in markdown.lines() {
            if let Some(code) = line.strip_prefix("    ").filter(|_| self.paragraph.is_empty()) {
                self.code_line(code);
                continue;
            }
            if mem::take(&mut self.code) {
                self.roff.control("fi", []).control("RE", []);
            }
            if !line.starts_with('|') {
                self.head.clear();
            }
            match line.split_once(' ') {
                Some(("##", title)) => self.heading("SH", &title.to_uppercase()),
                Some(("###", title)) => self.heading("SS", title),
                Some(("#", _)) => {}
                Some(("|", cells)) => self.row(cells),
                Some(("-", item)) => {
                    self.flush();
                    self.roff.control("IP", ["\u{b7}", "2"]);
                    self.paragraph.push_str(item);
                }
                _ if line.starts_with("|-") => {}
                _ if line.is_empty() => {
                    self.flush();
                    self.roff.control("PP", []);
                }
                _ => {
                    self.paragraph.push_str(if self.paragraph.is_empty() { "" } else { " " });
                    self.paragraph.push_str(line.trim());
                }
            }
        }
        self.flush();
    }

    fn heading(&mut self, macro_name: &str, title: &str) {
        self.flush();
        self.roff.control(macro_name, [title.replace('`', "").as_str()]);
    }

    fn code_line(&mut self, line: &str) {
        if !mem::replace(&mut self.code, true) {
            self.roff.control("RS", ["4"]).control("nf", []);
        }
        self.roff.text([roman(line)]);
    }

    fn row(&mut self, cells: &str) {
        self.flush();
        let cells: Vec<String> = cells.trim_end_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        if self.head.is_empty() {
            self.head = cells;
            return;
        }
        let Some((first, rest)) = cells.split_first() else { return };
        self.roff.control("TP", []).text(inlines(first));
        let cells: Vec<String> = rest
            .iter()
            .zip(&self.head[1..])
            .filter(|(cell, _)| !cell.is_empty())
            .map(|(cell, head)| if head == "default" { format!("(default: {cell})") } else { cell.clone() })
            .collect();
        self.roff.text(inlines(&cells.join(". ").replace(". (", " (")));
    }

    fn flush(&mut self) {
        if !self.paragraph.is_empty() {
            self.roff.text(inlines(&mem::take(&mut self.paragraph)));
        }
    }
}

/// Parses a line with `code`, emphasis and links.
fn inlines(mut text: &str) -> Vec<Inline> {
    let mut parts = Vec::new();
    while let Some(start) = text.find(['`', '*', '[']) {
        let (before, rest) = text.split_at(start);
        let found =
            [("`", "`", true), ("**", "**", true), ("*", "*", false)].into_iter().find_map(|(open, end, strong)| {
                let (inner, rest) = rest.strip_prefix(open)?.split_once(end).filter(|(inner, _)| !inner.is_empty())?;
                Some((if strong { bold(inner) } else { italic(inner) }, rest))
            });
        if !before.is_empty() {
            parts.push(roman(before));
        }
        match found.or_else(|| link(rest)) {
            Some((part, rest)) => {
                parts.push(part);
                text = rest;
            }
            None => {
                parts.push(roman(&rest[..1]));
                text = &rest[1..];
            }
        }
    }
    if !text.is_empty() {
        parts.push(roman(text));
    }
    parts
}

/// Parses `[text](target)` at the start of `text`; returns the rest as well.
fn link(text: &str) -> Option<(Inline, &str)> {
    let (shown, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (_, rest) = rest.split_once(')')?;
    (!shown.contains(['[', ']'])).then(|| (roman(shown), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(markdown: &str) -> String {
        let page = page("x", "5", "y", markdown, &[]);
        let (_, rest) = page.split_once(".SH DESCRIPTION\n").unwrap();
        rest.split(".SH \"SEE ALSO\"").next().unwrap().to_owned()
    }

    #[test]
    fn rows_of_a_table_are_entries_with_their_default() {
        let table = "| key | value | default | |\n|---|---|---|---|\n| `ttl` | 1 to 255 | 64 | TTL of packets. |\n";
        assert_eq!(body(table), ".TP\n\\fBttl\\fR\n1 to 255 (default: 64). TTL of packets.\n");
    }

    #[test]
    fn code_keeps_its_lines() {
        assert_eq!(
            body("See\n\n    a = 1\n    .b\n\nend\n"),
            "See\n.PP\n.RS 4\n.nf\na = 1\n\\&.b\n.fi\n.RE\n.PP\nend\n"
        );
    }

    #[test]
    fn links_leave_their_text_and_code_is_bold() {
        assert_eq!(
            body("the [whole picture](HA.md) of `[[vrrp]]` and *one* [x]\n"),
            "the whole picture of \\fB[[vrrp]]\\fR and \\fIone\\fR [x]\n"
        );
    }

    #[test]
    fn a_list_s_items_may_have_several_lines() {
        assert_eq!(body("- one\n  two\n- three\n"), ".IP \u{b7} 2\none two\n.IP \u{b7} 2\nthree\n");
    }

    #[test]
    fn marks_that_mark_nothing_stay() {
        assert_eq!(body("2 * 3 `x\n"), "2 * 3 `x\n");
    }
}
