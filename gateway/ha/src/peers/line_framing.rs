//! Line framing: splits received bytes into lines of bounded length.

/// Memory that is kept for the next line. Memory beyond that is released.
const KEPT: usize = 64 << 10;

/// Error: a line is longer than permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Bytes that were received and not yet taken as lines.
#[derive(Debug)]
pub(super) struct LineFramer {
    buffer: Vec<u8>,
    /// Start of the incomplete line.
    start: usize,
    /// Position up to which there is no end of a line.
    scanned: usize,
    limit: usize,
}

impl LineFramer {
    /// Creates the framing for lines of at most `limit` bytes, without the newline.
    pub(super) fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, scanned: 0, limit }
    }

    /// Adds received bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next complete line.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, TooLong> {
        let rest = &self.buffer[self.scanned..];
        let Some(at) = rest.iter().position(|byte| *byte == b'\n') else {
            self.scanned = self.buffer.len();
            return if self.scanned - self.start > self.limit { Err(TooLong) } else { Ok(None) };
        };
        let line = self.start..self.scanned + at;
        self.start = line.end + 1;
        self.scanned = self.start;
        if line.len() > self.limit { Err(TooLong) } else { Ok(Some(&self.buffer[line])) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(lines: &mut LineFramer) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| lines.next().unwrap().map(<[u8]>::to_vec)).collect()
    }

    #[test]
    fn half_a_line_waits_for_the_other_half() {
        let mut lines = LineFramer::new(10);
        lines.push(b"one\ntw");
        assert_eq!(all(&mut lines), [b"one"]);
        lines.push(b"o\n");
        assert_eq!(all(&mut lines), [b"two"]);
    }

    #[test]
    fn a_line_of_the_limit_is_taken_and_one_byte_more_is_not() {
        let mut lines = LineFramer::new(3);
        lines.push(b"abc\nabcd\n");
        assert_eq!(lines.next(), Ok(Some(&b"abc"[..])));
        assert_eq!(lines.next(), Err(TooLong));
    }

    #[test]
    fn a_line_that_never_ends_is_refused_before_it_does() {
        let mut lines = LineFramer::new(3);
        lines.push(b"abcd");
        assert_eq!(lines.next(), Err(TooLong));
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_they_arrive(text in "[a-c\n]{0,60}", cut in 0..60usize) {
            let bytes = text.as_bytes();
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            let mut lines = LineFramer::new(100);
            let mut found = Vec::new();
            for part in [head, tail] {
                lines.push(part);
                found.extend(all(&mut lines));
            }
            let mut expected: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            expected.pop();
            prop_assert_eq!(found, expected);
        }
    }
}
