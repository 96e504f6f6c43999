//! Clients that wait for events.

use std::time::Duration;

use gateway_api::events::{Cursor, Page};
use gateway_vrrp::Time;

use super::journal::Journal;
use crate::ctl::Request;

/// Time that a reader waits for an event before it receives an empty page. Less than the timeout of the control socket.
const PATIENCE: Duration = Duration::from_secs(20);

/// Time that an event waits for others, so that a reader receives a burst in one page and polls seldom.
const GATHER: Duration = Duration::from_millis(20);

/// Client that waits for an event.
struct Reader {
    cursor: Cursor,
    request: Request,
    /// Time at which it is answered at the latest.
    until: Time,
}

impl Reader {
    fn has_news(&self, journal: &Journal) -> bool {
        matches!(self.cursor, Cursor::From { seq, .. } if seq < journal.next())
    }
}

/// All clients that wait for events.
#[derive(Default)]
pub(crate) struct Readers {
    waiting: Vec<Reader>,
    /// Time at which those with an event are answered.
    answer_at: Option<Time>,
}

impl Readers {
    /// Answers a reader: at once if there are events, else when there are.
    pub(crate) fn add(&mut self, journal: &Journal, cursor: Cursor, request: Request, now: Time) {
        let page = journal.page(&cursor);
        if cursor == Cursor::End || !page.records.is_empty() || page.missed > 0 {
            return answer(request, &page);
        }
        self.waiting.push(Reader { cursor, request, until: now + PATIENCE });
    }

    /// Returns the time at which [`Readers::answer`] is due.
    pub(crate) fn due(&self) -> Option<Time> {
        self.answer_at.into_iter().chain(self.waiting.iter().map(|reader| reader.until)).min()
    }

    /// Answers readers if their event happened a moment ago, or if they have waited for too long.
    pub(crate) fn answer(&mut self, journal: &Journal, now: Time) {
        let is_due = self.answer_at.is_some_and(|due| due <= now);
        for reader in std::mem::take(&mut self.waiting) {
            if reader.request.is_abandoned() {
                continue;
            }
            if is_due && reader.has_news(journal) || reader.until <= now {
                answer(reader.request, &journal.page(&reader.cursor));
            } else {
                self.waiting.push(reader);
            }
        }
        let news = self.waiting.iter().any(|reader| reader.has_news(journal));
        self.answer_at = news.then(|| self.answer_at.filter(|due| *due > now).unwrap_or(now + GATHER));
    }
}

fn answer(request: Request, page: &Page) {
    let answer = serde_json::to_string(page).map_err(|error| error.to_string());
    // The log does not wait until the client has read the answer.
    drop(request.answer(answer));
}

#[cfg(test)]
mod tests {
    use gateway_api::events::Event;

    use super::*;
    use crate::{ctl::Reply, events::journal::Moment};

    const START: Time = Time::from_secs(100);

    fn at(after: Duration) -> Moment {
        Moment { steady: START + after, ..Moment::default() }
    }

    /// Makes a journal with a reader at its end.
    fn waiting() -> (Journal, Readers, Reply) {
        let (journal, mut readers) = (Journal::new(at(Duration::ZERO)), Readers::default());
        let (request, reply) = Request::new("monitor/next", Vec::new());
        readers.add(&journal, Cursor::From { seq: journal.next(), run: None }, request, START);
        (journal, readers, reply)
    }

    fn note(journal: &mut Journal, after: Duration) {
        journal.note(Event::Reloaded { file: "x".to_owned() }, at(after));
    }

    /// Returns the number of records of an answer, if there is one.
    fn records(reply: &mut Reply) -> Option<usize> {
        let page: Page = serde_json::from_str(&reply.try_recv().ok()?.0.unwrap()).unwrap();
        Some(page.records.len())
    }

    #[test]
    fn a_burst_of_events_is_one_page() {
        let (mut journal, mut readers, mut reply) = waiting();
        readers.answer(&journal, START);
        assert_eq!(readers.due(), Some(START + PATIENCE));
        note(&mut journal, Duration::ZERO);
        readers.answer(&journal, START);
        assert_eq!((readers.due(), records(&mut reply)), (Some(START + GATHER), None));
        note(&mut journal, GATHER / 2);
        readers.answer(&journal, START + GATHER / 2);
        assert_eq!((readers.due(), records(&mut reply)), (Some(START + GATHER), None), "it does not wait for longer");
        readers.answer(&journal, START + GATHER);
        assert_eq!((readers.due(), records(&mut reply)), (None, Some(2)));
    }

    #[test]
    fn a_reader_without_events_gets_an_empty_page_in_time() {
        let (journal, mut readers, mut reply) = waiting();
        readers.answer(&journal, START + PATIENCE - GATHER);
        assert_eq!(records(&mut reply), None);
        readers.answer(&journal, START + PATIENCE);
        assert_eq!((readers.due(), records(&mut reply)), (None, Some(0)));
    }

    #[test]
    fn a_reader_that_has_gone_is_forgotten() {
        let (journal, mut readers, reply) = waiting();
        drop(reply);
        readers.answer(&journal, START);
        assert_eq!(readers.due(), None);
    }
}
