//! Queue of events between the driver and their receiver.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::{Change, Event, Uuid};

/// Limit of events that are queued one by one. A slow receiver must not cost more memory than the tables do: beyond the
/// limit, changes are merged and repeated reports of a lost connection are dropped.
const ONE_BY_ONE: usize = 64;

/// Events of the client, in order.
#[derive(Debug)]
pub struct Events<R> {
    shared: Arc<Shared<R>>,
}

/// Sender of the queue: the driver adds events here.
#[derive(Debug)]
pub(crate) struct EventSender<R> {
    shared: Arc<Shared<R>>,
}

#[derive(Debug)]
struct Shared<R> {
    queue: Mutex<Queue<R>>,
    /// Notified when there is an event, or when no more will come.
    news: Notify,
    /// Notified when the receiver was dropped.
    left: Notify,
}

#[derive(Debug)]
struct Queue<R> {
    waiting: VecDeque<Event<R>>,
    /// Index of the change of each row in the last event, if that is a `Changes` into which others were merged.
    merged: HashMap<(Arc<str>, Uuid), usize>,
    ended: bool,
}

/// Creates a queue. Returns both ends.
pub(crate) fn queue<R>() -> (EventSender<R>, Events<R>) {
    let queue = Mutex::new(Queue { waiting: VecDeque::new(), merged: HashMap::new(), ended: false });
    let shared = Arc::new(Shared { queue, news: Notify::new(), left: Notify::new() });
    (EventSender { shared: shared.clone() }, Events { shared })
}

impl<R> Shared<R> {
    fn queue(&self) -> MutexGuard<'_, Queue<R>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R> Events<R> {
    /// Receives the next event. `None`: the driver has ended. A call that is dropped loses no event.
    pub async fn recv(&mut self) -> Option<Event<R>> {
        loop {
            {
                let mut queue = self.shared.queue();
                if let Some(event) = queue.pop() {
                    return Some(event);
                }
                if queue.ended {
                    return None;
                }
            }
            self.shared.news.notified().await;
        }
    }

    /// Returns the next event, if one is queued.
    pub fn try_recv(&mut self) -> Option<Event<R>> {
        self.shared.queue().pop()
    }
}

impl<R> Drop for Events<R> {
    fn drop(&mut self) {
        self.shared.left.notify_one();
    }
}

impl<R> EventSender<R> {
    pub(crate) fn send(&self, event: Event<R>) {
        self.shared.queue().push(event);
        self.shared.news.notify_one();
    }

    /// Returns when the [`Events`] were dropped.
    pub(crate) async fn left(&self) {
        self.shared.left.notified().await;
        // Keeps the notification for the next caller.
        self.shared.left.notify_one();
    }
}

impl<R> Drop for EventSender<R> {
    fn drop(&mut self) {
        self.shared.queue().ended = true;
        self.shared.news.notify_one();
    }
}

impl<R> Queue<R> {
    fn pop(&mut self) -> Option<Event<R>> {
        let event = self.waiting.pop_front();
        if self.waiting.is_empty() {
            self.merged = HashMap::new();
        }
        event
    }

    fn push(&mut self, event: Event<R>) {
        if self.waiting.len() >= ONE_BY_ONE {
            match (self.waiting.back_mut(), event) {
                (Some(Event::Changes(known)), Event::Changes(more)) => return merge(known, more, &mut self.merged),
                (Some(last @ Event::Down { .. }), event @ Event::Down { .. }) => *last = event,
                (_, event) => self.waiting.push_back(event),
            }
        } else {
            self.waiting.push_back(event);
        }
        self.merged.clear();
    }
}

/// Merges `more` into `known`. `places` holds the index of the change of each row in `known`; it is empty if nothing
/// was merged yet.
fn merge<R>(known: &mut Vec<Change<R>>, more: Vec<Change<R>>, places: &mut HashMap<(Arc<str>, Uuid), usize>) {
    let key = |change: &Change<R>| (change.table.clone(), change.uuid);
    if places.is_empty() {
        places.extend(known.iter().enumerate().map(|(at, change)| (key(change), at)));
    }
    for change in more {
        match places.entry(key(&change)) {
            Entry::Occupied(place) => known[*place.get()].row = change.row,
            Entry::Vacant(place) => {
                place.insert(known.len());
                known.push(change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cause;

    fn change(row: u8, content: Option<u32>) -> Change<u32> {
        Change { table: "T".into(), uuid: Uuid::from_bytes([row; 16]), row: content }
    }

    fn down(reason: u32) -> Event<u32> {
        Event::Down { remote: String::new(), reason: reason.to_string(), cause: Cause::Closed }
    }

    fn drain(events: &mut Events<u32>) -> Vec<Event<u32>> {
        std::iter::from_fn(|| events.try_recv()).collect()
    }

    #[test]
    fn few_events_are_reported_one_by_one() {
        let (sender, mut events) = queue();
        let reported: Vec<_> = (0..3).map(|n| Event::Changes(vec![change(1, Some(n))])).collect();
        reported.iter().for_each(|event| sender.send(event.clone()));
        assert_eq!(drain(&mut events), reported);
    }

    #[test]
    fn a_slow_follower_gets_changes_together_the_last_of_each_row() {
        let (sender, mut events) = queue();
        for n in 0..1000 {
            sender.send(Event::Changes(vec![change(1, Some(n)), change((n % 5) as u8 + 2, Some(n))]));
        }
        sender.send(Event::Changes(vec![change(2, None)]));
        let reported = drain(&mut events);
        assert_eq!(reported.len(), ONE_BY_ONE);
        let Event::Changes(last) = reported.last().unwrap() else { panic!("{reported:?}") };
        assert_eq!(last.len(), 6);
        assert!(last.contains(&change(1, Some(999))) && last.contains(&change(2, None)), "{last:?}");
    }

    #[test]
    fn order_among_kinds_is_kept_for_a_slow_follower() {
        let (sender, mut events) = queue();
        for n in 0..100 {
            sender.send(Event::Changes(vec![change(1, Some(n))]));
        }
        sender.send(down(0));
        sender.send(Event::Changes(vec![change(1, Some(7))]));
        sender.send(Event::Changes(vec![change(1, Some(8))]));
        let reported = drain(&mut events);
        let end = [Event::Changes(vec![change(1, Some(99))]), down(0), Event::Changes(vec![change(1, Some(8))])];
        assert_eq!(reported[reported.len() - 3..], end);
    }

    #[test]
    fn repeated_downs_do_not_pile_up() {
        let (sender, mut events) = queue();
        (0..1000).for_each(|n| sender.send(down(n)));
        let reported = drain(&mut events);
        assert_eq!((reported.len(), reported.last()), (ONE_BY_ONE, Some(&down(999))));
    }

    #[tokio::test]
    async fn the_end_is_reported_after_what_was_before_it() {
        let (sender, mut events) = queue();
        sender.send(down(1));
        drop(sender);
        assert_eq!((events.recv().await, events.recv().await), (Some(down(1)), None));
    }

    #[tokio::test]
    async fn leaving_is_seen_as_often_as_asked() {
        let (sender, events) = queue::<u32>();
        drop(events);
        sender.left().await;
        sender.left().await;
    }
}
