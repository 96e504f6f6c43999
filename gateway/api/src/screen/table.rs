//! Tables without borders.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, presets};

use super::{
    look::{Look, Paint},
    text::clean,
};

/// Layout of a column: if and where its contents may be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Word, never broken.
    Word,
    /// Number, never broken, aligned to the right.
    Number,
    /// Text that may take more than one line.
    Text,
    /// Name or list that is cut to the space available, unless the table has a [`Text`] column. It is never cut if
    /// lines are not broken.
    Name,
}

use Column::{Name, Number, Text, Word};

/// Rows under headings.
pub(super) struct Table {
    columns: Vec<Column>,
    table: comfy_table::Table,
    heading: String,
    rows: usize,
}

impl Table {
    /// Creates an empty table with these headings.
    pub(super) fn new(columns: &[(&str, Column)]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        table.set_truncation_indicator("\u{2026}");
        table.set_header(columns.iter().map(|(heading, _)| *heading));
        let heading = columns.first().map(|(heading, _)| (*heading).to_owned()).unwrap_or_default();
        Self { columns: columns.iter().map(|(_, column)| *column).collect(), table, heading, rows: 0 }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row = comfy_table::Row::from(cells.into_iter().map(|cell| clean(&cell)).collect::<Vec<_>>());
        if !self.columns.contains(&Text) {
            row.max_height(1);
        }
        self.table.add_row(row);
        self.rows += 1;
    }

    /// Writes the table, or `nothing` if it has no rows. Each word of `painted` gets its colour wherever it stands
    /// alone.
    pub(super) fn write(mut self, look: Look, painted: &[(&str, Paint)], nothing: &str) -> String {
        if self.rows == 0 {
            return format!("{nothing}\n");
        }
        self.arrange(look);
        let mut text = String::new();
        for (at, line) in self.table.trim_fmt().lines().enumerate() {
            if at == 0 && line.starts_with(&self.heading) {
                text.push_str(&look.paint(Paint::Bold, line));
            } else {
                text.push_str(&paint_words(line, look, painted));
            }
            text.push('\n');
        }
        text
    }

    fn arrange(&mut self, look: Look) {
        match look.width {
            Some(width) => {
                self.table.set_content_arrangement(ContentArrangement::Dynamic);
                self.table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
            }
            None => {
                self.table.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        let last = self.columns.len().saturating_sub(1);
        for (at, kind) in self.columns.iter().enumerate() {
            let Some(column) = self.table.column_mut(at) else { continue };
            column.set_padding((0, if at == last { 0 } else { 2 }));
            match kind {
                Word => drop(column.set_constraint(ColumnConstraint::ContentWidth)),
                Number => {
                    column.set_cell_alignment(CellAlignment::Right);
                    column.set_constraint(ColumnConstraint::ContentWidth);
                }
                Text | Name => {}
            }
        }
    }
}

fn paint_words(line: &str, look: Look, painted: &[(&str, Paint)]) -> String {
    if !look.colours {
        return line.to_owned();
    }
    let mut text = String::new();
    for part in line.split_inclusive(' ') {
        let word = part.trim_end();
        match painted.iter().find(|(painted, _)| *painted == word) {
            Some((_, paint)) => text.push_str(&format!("{}{}", look.paint(*paint, word), &part[word.len()..])),
            None => text.push_str(part),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[("PORT", Word), ("COUNT", Number), ("WHY", Text)]);
        table.row(["eth1".into(), "7".into(), "down and out".into()]);
        table.row(["longer0".into(), "12345".into(), "up\x1b[2J".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_control_characters_are_gone() {
        let text = table().write(Look::PLAIN, &[], "nothing");
        assert_eq!(text, "PORT     COUNT  WHY\neth1         7  down and out\nlonger0  12345  up\u{fffd}[2J\n");
    }

    #[test]
    fn only_text_is_broken_where_it_is_narrow() {
        let text = table().write(Look { width: Some(24), colours: false }, &[], "nothing");
        assert!(text.contains("longer0  12345") && text.lines().all(|line| line.chars().count() <= 24), "{text}");
    }

    #[test]
    fn names_are_cut_where_it_is_narrow() {
        let table = || {
            let mut table = Table::new(&[("VNI", Number), ("SWITCH", Name), ("PORT", Word)]);
            table.row(["5001".into(), "a-network-with-a-long-name".into(), "eth1".into()]);
            table
        };
        let text = table().write(Look { width: Some(26), colours: false }, &[], "nothing");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains('\u{2026}') && text.ends_with("  eth1\n"), "{text}");
        let text = table().write(Look { width: None, colours: false }, &[], "nothing");
        assert!(text.contains("a-network-with-a-long-name"), "{text}");
    }

    #[test]
    fn words_are_painted_where_they_stand_by_themselves() {
        let text = table().write(Look { width: Some(80), colours: true }, &[("down", Paint::Bad)], "nothing");
        assert!(text.contains("\x1b[1;31mdown\x1b[0m and out"), "{text:?}");
    }

    #[test]
    fn an_empty_table_is_a_sentence() {
        assert_eq!(Table::new(&[("PORT", Word)]).write(Look::PLAIN, &[], "no ports"), "no ports\n");
    }
}
