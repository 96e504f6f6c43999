//! Send buffer of a connection.

/// Limit of sent bytes that stay in the buffer. Beyond it they are dropped, once they are no fewer than the unsent
/// bytes.
const SENT: usize = 64 << 10;

/// Bytes that were written and are not yet sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// Returns the bytes to send.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Returns the buffer to write to.
    pub(crate) fn writer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Records that the first `count` bytes were sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.bytes.len() {
            *self = Self::default();
        } else if self.sent >= SENT && self.sent * 2 >= self.bytes.len() {
            // For a server that reads slowly the buffer never becomes empty.
            self.bytes.drain(..self.sent);
            self.bytes.shrink_to(self.bytes.len() * 2);
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_not_sent_again() {
        let mut outbox = Outbox::default();
        outbox.writer().extend(b"abc");
        outbox.sent(2);
        outbox.writer().extend(b"d");
        assert_eq!(outbox.unsent(), b"cd");
        outbox.sent(2);
        assert_eq!(outbox.unsent(), b"");
    }

    #[test]
    fn sent_memory_is_freed_even_if_there_is_always_more() {
        let mut outbox = Outbox::default();
        outbox.writer().extend([0; 2 * SENT]);
        for _ in 0..100 {
            outbox.writer().extend([0; SENT]);
            outbox.sent(SENT);
        }
        assert_eq!(outbox.unsent().len(), 2 * SENT);
        assert!(outbox.bytes.capacity() <= 16 * SENT, "{}", outbox.bytes.capacity());
    }
}
