//! Wrapping of text.

/// Appends `text` to `out`, broken at spaces into lines of at most `width`, where spaces permit it. The first line
/// begins with `first`, the others with `rest`.
pub(super) fn wrap(out: &mut String, text: &str, first: &str, rest: &str, width: usize) {
    let mut line = first.to_owned();
    let mut used = line.chars().count();
    let mut fresh = true;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if !fresh && used + 1 + length > width {
            out.push_str(line.trim_end());
            out.push('\n');
            rest.clone_into(&mut line);
            (used, fresh) = (rest.chars().count(), true);
        }
        if !fresh {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        (used, fresh) = (used + length, false);
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_filled_and_not_overfilled() {
        let mut out = String::new();
        wrap(&mut out, "aa bb  cc\ndd", "- ", "  ", 8);
        assert_eq!(out, "- aa bb\n  cc dd\n");
    }

    #[test]
    fn a_word_that_is_too_long_has_a_line_of_its_own() {
        let mut out = String::new();
        wrap(&mut out, "a /a/very/long/path b", "", "", 6);
        assert_eq!(out, "a\n/a/very/long/path\nb\n");
    }
}
