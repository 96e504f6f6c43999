//! Cleaning and wrapping of text.

/// Returns `text` without characters that control a terminal, such as escape sequences in the name of a logical switch.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Breaks `text` at blanks into lines of at most `columns`; the first begins with `first`, the others with `rest`. A
/// word longer than a line gets a line of its own.
pub(super) fn wrap(text: &str, columns: usize, first: &str, rest: &str) -> String {
    let mut lines = String::new();
    let (mut line, mut length, mut empty) = (first.to_owned(), first.chars().count(), true);
    for word in clean(text).split_whitespace() {
        let word_length = word.chars().count();
        if !empty && length + 1 + word_length > columns {
            lines.push_str(line.trim_end());
            lines.push('\n');
            (line, length, empty) = (rest.to_owned(), rest.chars().count(), true);
        }
        if !empty {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        (length, empty) = (length + word_length, false);
    }
    lines.push_str(line.trim_end());
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_blanks() {
        assert_eq!(wrap("one two three", 9, "- ", "  "), "- one two\n  three\n");
        assert_eq!(wrap("unbreakable", 5, "- ", "  "), "- unbreakable\n");
        assert_eq!(wrap("", 5, "- ", "  "), "-\n");
    }

    #[test]
    fn control_characters_are_removed() {
        assert_eq!(clean("a\x1b[2Jb\nc"), "a\u{fffd}[2Jb\u{fffd}c");
    }
}
