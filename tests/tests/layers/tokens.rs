//! Splits Rust source into the tokens that imports are made of. Comments go, and so does code for tests.

/// Token, as far as imports need it. Numbers count as names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Name(String),
    Text(String),
    Mark(char),
}

/// Token and its line.
pub(crate) type Placed = (Token, usize);

/// Keywords of items that end with a semicolon, whatever braces they have.
const WITH_SEMICOLON: [&str; 5] = ["use", "const", "static", "type", "let"];

/// Keywords of items that end with a block or with a semicolon.
const WITH_BLOCK: [&str; 11] =
    ["mod", "fn", "impl", "struct", "enum", "union", "trait", "unsafe", "async", "extern", "macro_rules"];

/// Returns the tokens of a file.
pub(crate) fn read(text: &str) -> Vec<Placed> {
    let (mut found, mut rest, mut line) = (Vec::new(), text, 1);
    while let Some(first) = rest.chars().next() {
        let (token, length) = next(rest, first);
        found.extend(token.map(|token| (token, line)));
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

/// Returns the token at the start of `rest`, if there is one, and the bytes to go on by.
fn next(rest: &str, first: char) -> (Option<Token>, usize) {
    if rest.starts_with("//") {
        return (None, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (None, comment(rest));
    }
    let name = rest.find(|c: char| !is_part_of_name(c)).unwrap_or(rest.len());
    let after = &rest[name..];
    match &rest[..name] {
        "r" | "br" | "cr" if after.starts_with(['"', '#']) => raw(rest, name),
        "b" | "c" if after.starts_with('"') => quoted(rest, name),
        "b" if after.starts_with('\'') => (None, name + letter(after)),
        "" => match first {
            '"' => quoted(rest, 0),
            '\'' => (None, letter(rest)),
            _ => ((!first.is_whitespace()).then_some(Token::Mark(first)), first.len_utf8()),
        },
        found => (Some(Token::Name(found.to_owned())), name),
    }
}

fn is_part_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the length of a block comment, which may have others in it.
fn comment(rest: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (at, depth) = (at + 2, depth + 1);
        } else if rest[at..].starts_with("*/") {
            (at, depth) = (at + 2, depth - 1);
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

/// Returns a string whose quote is at `start`, and its length with the prefix.
fn quoted(rest: &str, start: usize) -> (Option<Token>, usize) {
    let mut escaped = false;
    let end = rest[start + 1..].find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    let end = end.map_or(rest.len(), |end| start + 1 + end);
    (Some(Token::Text(rest[start + 1..end].to_owned())), (end + 1).min(rest.len()))
}

/// Returns a raw string or a raw name, after a prefix of `prefix` bytes, and its length.
fn raw(rest: &str, prefix: usize) -> (Option<Token>, usize) {
    let hashes = rest[prefix..].bytes().take_while(|byte| *byte == b'#').count();
    let start = prefix + hashes;
    if !rest[start..].starts_with('"') {
        // A raw name, such as `r#type`: the name comes next.
        return (None, start);
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let end = rest[start + 1..].find(&close).map_or(rest.len(), |end| start + 1 + end);
    (Some(Token::Text(rest[start + 1..end].to_owned())), (end + close.len()).min(rest.len()))
}

/// Returns the length of a letter in quotes, or of a lifetime.
fn letter(rest: &str) -> usize {
    let mut letters = rest[1..].char_indices();
    match (letters.next(), letters.next()) {
        (Some((_, '\\')), Some((escaped, c))) => {
            let start = 1 + escaped + c.len_utf8();
            rest[start..].find('\'').map_or(rest.len(), |end| start + end + 1)
        }
        (Some(_), Some((end, '\''))) => end + 2,
        _ => 1 + rest[1..].find(|c: char| !is_part_of_name(c)).unwrap_or(rest.len() - 1),
    }
}

/// Removes the items that only tests and fuzzing have: those under an attribute such as `#[cfg(test)]`.
pub(crate) fn without_tests(tokens: &[Placed]) -> Vec<Placed> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        match attribute(tokens, at) {
            Some(end) if is_for_tests(&tokens[at..end]) => at = item(tokens, end),
            _ => {
                kept.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    kept
}

/// Returns the end of the attribute that starts at `at`, if one does.
fn attribute(tokens: &[Placed], at: usize) -> Option<usize> {
    (is(tokens, at, '#') && is(tokens, at + 1, '[')).then(|| end_of_group(tokens, at + 1))
}

fn is_for_tests(attribute: &[Placed]) -> bool {
    let has = |name: &str| attribute.iter().any(|(token, _)| *token == Token::Name(name.to_owned()));
    has("cfg") && !has("not") && (has("test") || has("fuzzing")) || attribute.len() == 4 && has("test")
}

/// Returns the end of the item, field or statement that starts at `at`.
fn item(tokens: &[Placed], mut at: usize) -> usize {
    while let Some(end) = attribute(tokens, at) {
        at = end;
    }
    if name(tokens, at) == Some("pub") {
        at += 1;
        if is(tokens, at, '(') {
            at = end_of_group(tokens, at);
        }
    }
    let keyword = name(tokens, at).unwrap_or_default();
    let function = keyword == "const" && matches!(name(tokens, at + 1), Some("fn" | "unsafe"));
    let with_block = WITH_BLOCK.contains(&keyword) || function;
    let with_semicolon = WITH_SEMICOLON.contains(&keyword) && !function;
    while at < tokens.len() {
        match tokens[at].0 {
            Token::Mark(';') => return at + 1,
            Token::Mark(',') if !with_block && !with_semicolon => return at + 1,
            Token::Mark('}' | ')' | ']') => return at,
            Token::Mark('{') if with_block => return end_of_group(tokens, at),
            Token::Mark('{' | '(' | '[') => at = end_of_group(tokens, at),
            _ => at += 1,
        }
    }
    at
}

/// Returns the end of the group whose bracket is at `at`.
pub(crate) fn end_of_group(tokens: &[Placed], mut at: usize) -> usize {
    let mut depth = 0;
    while at < tokens.len() {
        match tokens[at].0 {
            Token::Mark('{' | '(' | '[') => depth += 1,
            Token::Mark('}' | ')' | ']') => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Returns true if the token at `at` is this mark.
pub(crate) fn is(tokens: &[Placed], at: usize, mark: char) -> bool {
    tokens.get(at).is_some_and(|(token, _)| *token == Token::Mark(mark))
}

/// Returns the name at `at`, if there is one.
pub(crate) fn name(tokens: &[Placed], at: usize) -> Option<&str> {
    match tokens.get(at) {
        Some((Token::Name(name), _)) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the names and marks of code that is not for tests, with blanks between.
    fn kept(text: &str) -> String {
        let words = without_tests(&read(text)).into_iter().map(|(token, _)| match token {
            Token::Name(name) => name,
            Token::Text(text) => format!("{text:?}"),
            Token::Mark(mark) => mark.to_string(),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_strings_and_letters_hide_what_is_in_them() {
        assert_eq!(kept("a // use x;\n/* { /* } */ ' */ b"), "a b");
        assert_eq!(kept(r##"f("{ \" use", r#"}"#, '{', '\'', b'}', 'ü')"##), r##"f ( "{ \\\" use" , "}" , , , , )"##);
        assert_eq!(kept("fn f<'a>(x: &'a str, r#type: u8)"), "fn f < > ( x : & str , type : u8 )");
    }

    #[test]
    fn code_for_tests_goes() {
        assert_eq!(kept("#[cfg(test)] mod tests { use a::{b}; } x"), "x");
        assert_eq!(kept("#[cfg(test)]\n#[path = \"t.rs\"]\npub(crate) mod tests; x"), "x");
        assert_eq!(kept("#[cfg(any(test, fuzzing))] use a::{b, c}; x"), "x");
        assert_eq!(kept("#[cfg(test)] const fn f() -> [u8; 2] { [1, 2] } x"), "x");
        assert_eq!(kept("#[cfg(test)] const A: B = B { c: 1 }; x"), "x");
        assert_eq!(kept("S { #[cfg(test)] a: B, c: D }"), "S { c : D }");
        assert_eq!(kept("S { #[cfg(test)] a: B }"), "S { }");
        assert_eq!(kept("#[test] fn f() {} x"), "x");
    }

    #[test]
    fn other_attributes_stay_with_their_items() {
        assert_eq!(kept("#[cfg(not(test))] x"), "# [ cfg ( not ( test ) ) ] x");
        assert_eq!(kept("#[derive(A)] struct S;"), "# [ derive ( A ) ] struct S ;");
    }

    #[test]
    fn tokens_know_their_lines() {
        let lines = read("a /*\n*/ b \"\n\n\" c").into_iter().map(|(_, line)| line);
        assert_eq!(lines.collect::<Vec<_>>(), [1, 2, 2, 4]);
    }
}
