//! A trace as text for people.

use std::fmt::Write;

use super::walk::{Verdict, Way};
use crate::packet::decode;

/// Formats the trace of packet number `number`, a step on a line.
pub fn text(number: usize, way: &Way) -> String {
    let mut text = format!("{number}. {} bytes in by {}: {}\n", way.bytes, way.entrance, decode::line(&way.layers));
    for passage in &way.hooks {
        let _ = writeln!(text, "   {} on {}", passage.hook.name(), way.entrance);
        for step in &passage.steps {
            let _ = writeln!(text, "      {}", step.text);
        }
    }
    let _ = writeln!(text, "   => {}", verdict(way));
    for sent in &way.sent {
        let _ = writeln!(text, "      out by {}, {} bytes: {}", sent.interface, sent.bytes, decode::line(&sent.layers));
    }
    if !way.counted.is_empty() {
        let _ = writeln!(text, "      would be counted as {}", way.counted.join(", "));
    }
    text
}

/// Describes the verdict, for people.
pub fn verdict(way: &Way) -> String {
    match (way.verdict, way.reason, way.complete) {
        (_, _, false) => "not known: it takes more steps than can be shown".to_owned(),
        (Verdict::Dropped, Some(reason), _) => format!("dropped, {reason}"),
        (Verdict::Dropped, None, _) => "dropped".to_owned(),
        (Verdict::Passed, ..) => "passed up the stack".to_owned(),
        (Verdict::Forwarded, ..) => "forwarded".to_owned(),
        (Verdict::Flooded, ..) if way.sent.len() == 1 => "flooded, 1 copy".to_owned(),
        (Verdict::Flooded, ..) => format!("flooded, {} copies", way.sent.len()),
    }
}
