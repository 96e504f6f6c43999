//! UUID of a row.

use std::{fmt, str::FromStr};

/// UUID, as text `01234567-89ab-cdef-0123-456789abcdef` (RFC 7047, section 3.1). Has the order of its text.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

/// Error: a text is not a UUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a UUID: it should look like 01234567-89ab-cdef-0123-456789abcdef")]
pub struct UuidError(String);

impl Uuid {
    /// All zero: the default of a column of type UUID.
    pub const ZERO: Self = Self([0; 16]);

    /// Returns the UUID with these bytes, in the order of the text.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, in the order of the text.
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl FromStr for Uuid {
    type Err = UuidError;

    fn from_str(text: &str) -> Result<Self, UuidError> {
        parse(text.as_bytes()).map(Self).ok_or_else(|| UuidError(text.to_owned()))
    }
}

fn parse(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 36 || [8, 13, 18, 23].iter().any(|&dash| text[dash] != b'-') {
        return None;
    }
    let digit = |at: usize| char::from(text[at]).to_digit(16);
    let mut bytes = [0; 16];
    for (byte, at) in bytes.iter_mut().zip([0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34]) {
        *byte = (digit(at)? << 4 | digit(at + 1)?) as u8;
    }
    Some(bytes)
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if [4, 6, 8, 10].contains(&at) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "01234567-89ab-cdef-0123-456789abcdef";

    #[test]
    fn text_goes_through_unchanged() {
        assert_eq!(TEXT.parse::<Uuid>().unwrap().to_string(), TEXT);
    }

    #[test]
    fn upper_case_is_read() {
        assert_eq!(TEXT.to_uppercase().parse::<Uuid>().unwrap().to_string(), TEXT);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "x", &TEXT[1..], &TEXT.replace('-', "0"), &TEXT.replace('f', "g"), &TEXT.replace('f', "é")] {
            assert!(text.parse::<Uuid>().is_err(), "{text}");
        }
    }

    #[test]
    fn order_is_that_of_the_text() {
        let later = TEXT.replacen('0', "f", 1);
        assert!(TEXT.parse::<Uuid>().unwrap() < later.parse().unwrap());
    }
}
