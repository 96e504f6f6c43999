//! Formats findings as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    check::Group,
    finding::{Finding, Mark},
    wrap::wrap,
};

/// Version of the JSON; it changes if a field is removed or changes its meaning. New fields and new checks may be
/// added.
pub const SCHEMA: u32 = 1;

/// Columns of a terminal by default.
const WIDTH: usize = 80;
/// Indent of the text of a finding.
const INDENT: &str = "          ";

/// Returns the overall result: bad if a finding is bad or, with `strict`, a warning.
pub fn verdict(findings: &[Finding], strict: bool) -> bool {
    let limit = if strict { Mark::Warn } else { Mark::Bad };
    findings.iter().all(|finding| finding.mark < limit)
}

/// Formats findings as JSON.
pub fn json(findings: &[Finding], config: &str) -> Value {
    json!({
        "schema": SCHEMA,
        "version": env!("CARGO_PKG_VERSION"),
        "config": config,
        "worst": findings.iter().map(|finding| finding.mark).max().unwrap_or(Mark::Ok),
        "counts": {
            "ok": count(findings, Mark::Ok),
            "unknown": count(findings, Mark::Unknown),
            "warn": count(findings, Mark::Warn),
            "bad": count(findings, Mark::Bad),
        },
        "findings": findings,
    })
}

/// Formats findings as text, 80 columns wide, with colours if `colour` is set.
pub fn text(findings: &[Finding], colour: bool) -> String {
    let mut out = String::new();
    for group in Group::ALL {
        let of_group: Vec<&Finding> = findings.iter().filter(|finding| finding.check.group() == *group).collect();
        if of_group.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        let title = group.title();
        let _ = if colour { writeln!(out, "\x1b[1m{title}\x1b[0m") } else { writeln!(out, "{title}") };
        let mut explained = None;
        for finding in of_group {
            // The reason is that of the check: shown once for several findings of one check.
            let again = explained == Some(finding.check);
            print(&mut out, finding, colour, again);
            if finding.mark > Mark::Unknown {
                explained = Some(finding.check);
            }
        }
    }
    out.push('\n');
    let bad = findings.iter().filter(|finding| finding.mark == Mark::Bad);
    let bad: Vec<String> = bad
        .map(|finding| match &finding.subject {
            Some(subject) => format!("{} {}", finding.check.name(), printable(subject)),
            None => finding.check.name().to_owned(),
        })
        .collect();
    let list = if bad.is_empty() { String::new() } else { format!(" ({})", bad.join(", ")) };
    let (warn, unknown, ok) = (count(findings, Mark::Warn), count(findings, Mark::Unknown), count(findings, Mark::Ok));
    wrap(&mut out, &format!("{} bad{list}, {warn} warnings, {unknown} unknown, {ok} fine.", bad.len()), "", "", WIDTH);
    out
}

fn print(out: &mut String, finding: &Finding, colour: bool, again: bool) {
    let what = match &finding.subject {
        Some(subject) => format!("{}: {}", printable(subject), printable(&finding.what)),
        None => printable(&finding.what),
    };
    let start = out.len();
    let first = format!("  {:<8}", finding.mark);
    wrap(out, &format!("{what} [{}]", finding.check.name()), &first, INDENT, WIDTH);
    if colour {
        let painted = format!("  \x1b[{}m{:<8}\x1b[0m", paint(finding.mark), finding.mark);
        out.replace_range(start..start + first.len(), &painted);
    }
    if finding.mark > Mark::Unknown && !again {
        wrap(out, finding.check.why(), INDENT, INDENT, WIDTH);
    }
    if let Some(remedy) = &finding.remedy {
        let indent = format!("{INDENT}   ");
        wrap(out, &printable(remedy), &format!("{INDENT}-> "), &indent, WIDTH);
    }
}

/// Replaces control characters, since text from elsewhere (such as names in a database) must not control the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

const fn paint(mark: Mark) -> &'static str {
    match mark {
        Mark::Ok => "32",
        Mark::Unknown => "36",
        Mark::Warn => "33",
        Mark::Bad => "1;31",
    }
}

fn count(findings: &[Finding], mark: Mark) -> usize {
    findings.iter().filter(|finding| finding.mark == mark).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Check;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok(Check::BpfJit, "compiled"),
            Finding::bad(Check::PathMtu, "1550 bytes do not pass", "set an MTU of 1550 on the way there")
                .about("192.0.2.1"),
            Finding::bad(Check::PathMtu, "1550 bytes do not pass", "set an MTU of 1550 on the way there")
                .about("192.0.2.2"),
        ]
    }

    #[test]
    fn only_what_is_bad_fails_unless_strict() {
        let warned = [Finding::warn(Check::BpfJit, "", "")];
        assert!(verdict(&warned, false) && !verdict(&warned, true));
        assert!(!verdict(&findings(), false));
        assert!(verdict(&[Finding::unknown(Check::BpfJit, "", "")], true));
    }

    #[test]
    fn no_line_is_longer_than_a_terminal() {
        let all: Vec<Finding> =
            Check::ALL.iter().map(|check| Finding::warn(*check, check.why(), check.why())).collect();
        assert!(text(&all, false).lines().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn a_reason_is_printed_once() {
        let report = text(&findings(), false);
        assert_eq!(report.matches("transfers hang").count(), 1, "{report}");
        assert_eq!(report.matches("-> set an MTU").count(), 2, "{report}");
    }

    #[test]
    fn colours_are_all_that_differs_on_a_terminal() {
        let mut plain = text(&findings(), true);
        while let Some(at) = plain.find('\x1b') {
            let end = at + plain[at..].find('m').unwrap();
            plain.replace_range(at..=end, "");
        }
        assert_eq!(plain, text(&findings(), false));
    }

    #[test]
    fn names_of_others_cannot_drive_the_terminal() {
        let report = text(&[Finding::ok(Check::DatabaseClash, "\x1b[2J\nx")], false);
        assert!(!report.contains('\x1b'), "{report:?}");
    }

    #[test]
    fn json_has_what_scripts_go_by() {
        let json = json(&findings(), "/x");
        assert_eq!((&json["schema"], &json["worst"], &json["counts"]["bad"]), (&json!(1), &json!("bad"), &json!(2)));
        assert_eq!(json["findings"][1]["check"], "path-mtu");
        assert_eq!(json["findings"][1]["group"], "tunnels");
        assert_eq!(json["findings"][0]["remedy"], Value::Null);
    }
}
