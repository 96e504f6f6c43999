//! Asks of each line whether there were too many like it.

use std::{
    fmt::{self, Write},
    hash::{DefaultHasher, Hasher},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tracing::{
    Event, Level, Subscriber,
    callsite::Identifier,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

use super::duplicates::Duplicates;
use crate::clock;

/// What says that lines were left out: never left out itself, as it comes once in a while only.
const OWN: &str = "gateway_base::log::left_out";

/// Leaves lines out. Traces it lets be: they are for whoever has started the agent to see each packet.
#[derive(Clone, Debug, Default)]
pub(super) struct Limit(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    off: AtomicBool,
    duplicates: Mutex<Duplicates<Identifier>>,
}

impl Limit {
    /// Has lines left out, or none.
    pub(super) fn set(&self, on: bool) {
        self.0.off.store(!on, Ordering::Relaxed);
    }

    /// How many lines were left out so far.
    pub(super) fn left_out(&self) -> u64 {
        self.duplicates(|duplicates| duplicates.left_out())
    }

    /// How many different lines are remembered.
    pub(super) fn remembered(&self) -> usize {
        self.duplicates(|duplicates| duplicates.remembered())
    }

    /// Says what was left out, if it is time or `at_once`.
    pub(super) fn tell(&self, at_once: bool) {
        for left_out in self.duplicates(|duplicates| duplicates.due(at_once, clock::monotonic())) {
            let (count, seconds) = (left_out.count, left_out.time.as_secs());
            tracing::warn!(target: OWN, count, seconds, "{count} more like this left out in {seconds} s: {}", left_out.last);
        }
    }

    fn duplicates<T>(&self, with: impl FnOnce(&mut Duplicates<Identifier>) -> T) -> T {
        with(&mut self.0.duplicates.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for Limit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() == Level::TRACE || metadata.target() == OWN || self.0.off.load(Ordering::Relaxed) {
            return true;
        }
        let mut line = Line::default();
        event.record(&mut line);
        let (place, closely, hash) = (metadata.callsite(), *metadata.level() == Level::DEBUG, line.0.finish());
        self.duplicates(|duplicates| duplicates.admit(place, closely, hash, || message(event), clock::monotonic()))
    }
}

/// A hash of all that a line says.
#[derive(Default)]
struct Line(DefaultHasher);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.write(field.name().as_bytes());
        let _ = write!(self, "{value:?}");
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// What a line says in words.
fn message(event: &Event<'_>) -> String {
    #[derive(Default)]
    struct Message(String);
    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == "message" {
                self.0 = format!("{value:?}");
            }
        }
    }
    let mut message = Message::default();
    event.record(&mut message);
    message.0
}
