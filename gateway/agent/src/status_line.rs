//! Status line: the state of the gateway in one line.

use std::fmt;

/// Characters of a problem that are shown.
const SHOWN: usize = 120;

/// Contents of the status line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StatusLine {
    /// Virtual routers and their roles; none for a standalone gateway.
    pub(super) roles: Vec<(String, &'static str)>,
    /// Logical switches.
    pub(super) switches: usize,
    /// VLANs bound to them.
    pub(super) bindings: usize,
    /// Remote VTEPs.
    pub(super) tunnels: usize,
    /// Static MACs of the database.
    pub(super) static_macs: usize,
    /// MACs that were learned behind access ports.
    pub(super) learned: usize,
    /// True if the database is reached; `None` if there is no database.
    pub(super) database: Option<bool>,
    /// Standing problems.
    pub(super) problems: Vec<String>,
}

impl fmt::Display for StatusLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.roles.is_empty() {
            f.write_str("forwarding")?;
        }
        for (place, (name, role)) in self.roles.iter().enumerate() {
            write!(f, "{}{name} {role}", if place == 0 { "" } else { ", " })?;
        }
        let counted = |count: usize, one: &str, more: &str| match count {
            1 => format!("1 {one}"),
            count => format!("{count} {more}"),
        };
        write!(
            f,
            "; {}, {}, {}, {} static MACs, {} learned",
            counted(self.switches, "switch", "switches"),
            counted(self.bindings, "binding", "bindings"),
            counted(self.tunnels, "tunnel", "tunnels"),
            self.static_macs,
            self.learned
        )?;
        match self.database {
            Some(true) => f.write_str("; database reached")?,
            Some(false) => f.write_str("; database NOT reached")?,
            None => {}
        }
        let Some(first) = self.problems.first() else { return Ok(()) };
        // Control characters are replaced, so that the text stays one line.
        let first: String = first.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
        write!(f, "; {}: {first}", counted(self.problems.len(), "problem", "problems"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_stands_alone() {
        let status_line =
            StatusLine { switches: 1, bindings: 2, tunnels: 1, static_macs: 1200, learned: 3, ..StatusLine::default() };
        let line = "forwarding; 1 switch, 2 bindings, 1 tunnel, 1200 static MACs, 3 learned";
        assert_eq!(status_line.to_string(), line);
    }

    #[test]
    fn one_of_a_pair_in_trouble() {
        let status_line = StatusLine {
            roles: vec![("a".to_owned(), "active"), ("b".to_owned(), "fault")],
            database: Some(false),
            problems: vec!["eth1 is\ndown".to_owned(), "another".to_owned()],
            ..StatusLine::default()
        };
        let line = "a active, b fault; 0 switches, 0 bindings, 0 tunnels, 0 static MACs, 0 learned; database NOT reached; \
                    2 problems: eth1 is down";
        assert_eq!(status_line.to_string(), line);
    }
}
