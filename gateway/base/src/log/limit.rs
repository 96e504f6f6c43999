//! Log filter that leaves out lines of which there were too many.

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

/// Target of the reports of left-out lines. They are never left out themselves, because they are rare.
const OWN: &str = "gateway_base::log::left_out";

/// Filter that leaves lines out. Traces always pass, because an operator turned them on to see each packet.
#[derive(Clone, Debug, Default)]
pub(super) struct Limit(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    off: AtomicBool,
    duplicates: Mutex<Duplicates<Identifier>>,
}

impl Limit {
    /// Turns the filter on or off.
    pub(super) fn set(&self, on: bool) {
        self.0.off.store(!on, Ordering::Relaxed);
    }

    /// Returns the number of lines that were left out so far.
    pub(super) fn left_out(&self) -> u64 {
        self.duplicates(|duplicates| duplicates.left_out())
    }

    /// Returns the number of different lines that are remembered.
    pub(super) fn remembered(&self) -> usize {
        self.duplicates(|duplicates| duplicates.remembered())
    }

    /// Logs the reports of left-out lines that are due, or all of them if `at_once`.
    pub(super) fn report(&self, at_once: bool) {
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

/// Hash of all fields of a line.
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

/// Returns the message of a line.
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
