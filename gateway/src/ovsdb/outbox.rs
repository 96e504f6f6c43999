//! Bytes on their way to the server.

/// Bytes that were written and not yet sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// What is to be sent.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Where to write to.
    pub(crate) fn writer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The first `count` bytes were sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.bytes.len() {
            *self = Self::default();
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
}
