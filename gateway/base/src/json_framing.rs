//! Splits a stream of bytes from a server into JSON texts.
//!
//! JSON-RPC has no separator between two messages (RFC 7047, section 4): each message ends where its brackets close.
//! The scan continues where the last read ended, so that a text of many reads costs as much as a text of a single read.

/// Nesting depth of arrays and objects at most. Data needs about 10.
const DEPTH: usize = 64;

/// Bytes of memory that are kept for the next text; more is freed.
const KEPT: usize = 1 << 20;

/// Bytes that were received and not yet taken as texts.
#[derive(Debug)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Start of the incomplete text in the buffer.
    start: usize,
    /// End of the scanned part of the buffer.
    scanned: usize,
    depth: usize,
    in_string: bool,
    after_backslash: bool,
    limit: usize,
}

/// Error of framing: the received bytes are not JSON-RPC, or too long.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// A TLS record.
    #[error("it speaks TLS: is ssl: meant in place of tcp:?")]
    Tls,
    /// Something other than an object; holds its beginning.
    #[error("it does not speak JSON-RPC, but sent {0:?}: is this the address of a database server?")]
    NotAnObject(String),
    /// More bytes than this limit without an end.
    #[error("it sent a message of more than {0} bytes")]
    TooLong(usize),
    /// Nested too deeply.
    #[error("it sent a message with more than {DEPTH} arrays and objects within one another")]
    TooDeep,
}

impl Framer {
    /// Makes a framer for texts of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, scanned: 0, depth: 0, in_string: false, after_backslash: false, limit }
    }

    /// Limits texts to `limit` bytes from now on.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Returns true while a text has begun and not ended.
    pub fn is_within(&self) -> bool {
        self.depth > 0
    }

    /// Appends bytes that were received.
    pub fn push(&mut self, bytes: &[u8]) {
        // The rest moves to the front once, when the texts before it have been taken.
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.give_back();
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next complete text.
    pub fn next_text(&mut self) -> Result<Option<&[u8]>, FramingError> {
        while let Some(&byte) = self.buffer.get(self.scanned) {
            if self.in_string && !self.after_backslash {
                // Most bytes are within strings, where only these two mean something.
                let rest = &self.buffer[self.scanned..];
                let skipped = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                if skipped > 0 {
                    self.scanned += skipped;
                    continue;
                }
            }
            if self.depth == 0 {
                match byte {
                    b'{' => self.start = self.scanned,
                    b' ' | b'\t' | b'\r' | b'\n' => {
                        self.scanned += 1;
                        self.start = self.scanned;
                        continue;
                    }
                    _ => return Err(wrong_start(&self.buffer[self.scanned..])),
                }
            }
            self.scanned += 1;
            if self.ends_with(byte)? {
                return self.take();
            }
        }
        if self.start == self.buffer.len() {
            self.buffer.clear();
            (self.start, self.scanned) = (0, 0);
            self.give_back();
        }
        if self.scanned - self.start > self.limit { Err(FramingError::TooLong(self.limit)) } else { Ok(None) }
    }

    fn give_back(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
    }

    /// Scans one byte of a text. Returns true if it is the last one.
    fn ends_with(&mut self, byte: u8) -> Result<bool, FramingError> {
        if self.after_backslash {
            self.after_backslash = false;
        } else if self.in_string {
            self.in_string = byte != b'"';
            self.after_backslash = byte == b'\\';
        } else {
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' if self.depth == DEPTH => return Err(FramingError::TooDeep),
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    return Ok(self.depth == 0);
                }
                _ => {}
            }
        }
        Ok(false)
    }

    fn take(&mut self) -> Result<Option<&[u8]>, FramingError> {
        let text = self.start..self.scanned;
        self.start = self.scanned;
        if text.len() > self.limit { Err(FramingError::TooLong(self.limit)) } else { Ok(Some(&self.buffer[text])) }
    }
}

fn wrong_start(bytes: &[u8]) -> FramingError {
    match bytes {
        // Types of a TLS record: alert, handshake (RFC 8446, section 5.1); then a version 3.x.
        [0x15 | 0x16, 3, ..] => FramingError::Tls,
        _ => FramingError::NotAnObject(String::from_utf8_lossy(&bytes[..bytes.len().min(32)]).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(framer: &mut Framer) -> Vec<String> {
        std::iter::from_fn(|| framer.next_text().unwrap().map(|text| String::from_utf8(text.to_vec()).unwrap()))
            .collect()
    }

    fn error(bytes: &[u8]) -> FramingError {
        let mut framer = Framer::new(1000);
        framer.push(bytes);
        framer.next_text().unwrap_err()
    }

    #[test]
    fn several_in_one_read_come_apart() {
        let mut framer = Framer::new(1000);
        framer.push(b"{\"a\":[1,{}]}{} \r\n\t{\"b\":2}{");
        assert_eq!(texts(&mut framer), ["{\"a\":[1,{}]}", "{}", "{\"b\":2}"]);
    }

    #[test]
    fn brackets_and_quotes_in_strings_count_for_nothing() {
        let text = r#"{"a}]\"":"\\","b":"{[\\\""}"#;
        let mut framer = Framer::new(1000);
        framer.push(text.as_bytes());
        assert_eq!(texts(&mut framer), [text]);
    }

    #[test]
    fn what_is_scanned_is_not_scanned_again() {
        let mut framer = Framer::new(1000);
        framer.push(b"{} {\"a\":");
        assert_eq!(texts(&mut framer), ["{}"]);
        assert_eq!(framer.scanned, framer.buffer.len());
        framer.push(b"1}");
        assert_eq!(framer.scanned, framer.buffer.len() - 2);
        assert_eq!(texts(&mut framer), ["{\"a\":1}"]);
    }

    #[test]
    fn a_text_that_never_ends_is_refused() {
        let mut framer = Framer::new(100);
        framer.push(&[b"{\"".as_slice(), &[b'x'; 98]].concat());
        assert_eq!(framer.next_text(), Ok(None));
        framer.push(b"x");
        assert_eq!(framer.next_text(), Err(FramingError::TooLong(100)));
    }

    #[test]
    fn a_complete_text_over_the_limit_is_refused() {
        assert_eq!(error(&[b"{\"".as_slice(), &[b'x'; 1000], b"\":1}"].concat()), FramingError::TooLong(1000));
    }

    #[test]
    fn depth_has_a_limit() {
        assert_eq!(error(&[b"{\"a\":".as_slice(), &[b'['; 64]].concat()), FramingError::TooDeep);
    }

    #[test]
    fn other_protocols_are_named() {
        assert_eq!(error(b"\x15\x03\x03\x00\x02"), FramingError::Tls);
        assert_eq!(error(b"SSH-2.0-OpenSSH"), FramingError::NotAnObject("SSH-2.0-OpenSSH".into()));
        assert_eq!(error(b"[1]"), FramingError::NotAnObject("[1]".into()));
    }

    #[test]
    fn memory_of_a_long_text_is_given_back() {
        let mut framer = Framer::new(4 * KEPT);
        framer.push(&[b"{\"".as_slice(), &vec![b'x'; 2 * KEPT], b"\":1}"].concat());
        assert_eq!(texts(&mut framer).len(), 1);
        framer.push(b"{");
        assert!(framer.buffer.capacity() < KEPT);
    }

    proptest! {
        #[test]
        fn cuts_fall_the_same_wherever_reads_end(cuts in prop::collection::vec(1..8_usize, 0..40)) {
            let stream = r#"{"a":"}"}{"b":["\"",{}]} {"c":[[["\\"]]]}{"#.as_bytes();
            let mut framer = Framer::new(1000);
            let (mut all, mut rest) = (Vec::new(), stream);
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                framer.push(now);
                all.extend(texts(&mut framer));
                rest = later;
            }
            framer.push(rest);
            all.extend(texts(&mut framer));
            prop_assert_eq!(all, [r#"{"a":"}"}"#, r#"{"b":["\"",{}]}"#, r#"{"c":[[["\\"]]]}"#]);
        }

        #[test]
        fn any_bytes_do_no_harm(reads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..5)) {
            let mut framer = Framer::new(100);
            'stream: for read in reads {
                framer.push(&read);
                loop {
                    match framer.next_text() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => break 'stream,
                    }
                }
            }
        }
    }
}
