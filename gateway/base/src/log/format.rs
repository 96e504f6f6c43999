//! Formats lines of text and JSON. Both are those of `tracing_subscriber`, with the names of targets that operators know
//! ([`target::shown`]).

use std::{borrow::Cow, fmt};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{self, Format, Writer},
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

use super::target;

/// Formatter of text lines.
#[derive(Debug)]
pub(super) struct Text(pub(super) Format<format::Full>);

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Cow::Owned(target) = target::shown(event.metadata().target()) else {
            return self.0.format_event(context, line, event);
        };
        let level = event.metadata().level();
        let colours = line.has_ansi_escapes();
        let code = |code| if colours { code } else { "" };
        let (dimmed, colour, plain) = (code("\x1b[2m"), code(colour(level)), code("\x1b[0m"));
        line.write_str(dimmed)?;
        SystemTime.format_time(&mut line)?;
        write!(line, "{plain} {colour}{level:>5}{plain} {dimmed}{target}{plain}{dimmed}:{plain} ")?;
        context.format_fields(line.by_ref(), event)?;
        writeln!(line)
    }
}

/// Returns the escape sequence of a level's colour, the one that `tracing_subscriber` has for it.
fn colour(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

/// Formatter of JSON lines.
#[derive(Debug)]
pub(super) struct Json(pub(super) Format<format::Json>);

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    Format<format::Json>: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let target = event.metadata().target();
        let Cow::Owned(shown) = target::shown(target) else {
            return self.0.format_event(context, line, event);
        };
        let mut text = String::new();
        self.0.format_event(context, Writer::new(&mut text), event)?;
        // No value can contain this member, because quotes in a value are escaped.
        line.write_str(&text.replacen(&member(target), &member(&shown), 1))
    }
}

/// Returns the member of a JSON object that names the target. Nothing in the name of a module needs an escape.
fn member(target: &str) -> String {
    format!("\"target\":\"{target}\"")
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{Layer, fmt::layer, layer::SubscriberExt, registry};

    use super::{super::bytes::Bytes, *};

    /// Returns the lines of one event at each level, without their times.
    macro_rules! lines {
        ($colours:expr, $target:literal) => {{
            let bytes = Bytes::default();
            let writer = bytes.clone();
            let output = layer().with_ansi($colours).map_event_format(Text).with_writer(move || writer.clone());
            tracing::subscriber::with_default(registry().with(output.boxed()), || {
                tracing::error!(target: $target, mac = %"02:00:00:00:00:01", "line");
                tracing::warn!(target: $target, name = "a b", "line");
                tracing::info!(target: $target, "line");
                tracing::debug!(target: $target, count = 2);
                tracing::trace!(target: $target, "line\x1b[0m");
            });
            let text = bytes.text();
            let lines = text.lines().map(|line| line.split_once('Z').unwrap().1.to_owned());
            lines.collect::<Vec<_>>()
        }};
    }

    #[test]
    fn lines_of_the_gateway_look_like_those_of_libraries() {
        for colours in [false, true] {
            // The second target is shown as it is, by the formatter of the library.
            let own = lines!(colours, "gateway_agent::run");
            assert_eq!(own, lines!(colours, "vtep_gateway::agent::run"));
            assert_eq!(own.len(), 5);
            assert!(own.iter().all(|line| line.contains('\x1b') == colours), "{own:?}");
        }
    }
}
