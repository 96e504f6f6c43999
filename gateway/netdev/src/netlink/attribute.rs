//! Attributes of messages that are written and read by hand.

use std::io;

/// Messages and attributes start at multiples of this.
pub(super) const ALIGN: usize = 4;

/// Appends an attribute to a message body.
pub fn push_attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend(((4 + value.len()) as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(ALIGN), 0);
}

/// Returns an attribute among those that fill `bytes`.
pub fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(bytes, 0).ok()?);
        let kind = u16_at(bytes, 2).ok()?;
        let value = bytes.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(ALIGN)..)?;
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> io::Result<u32> {
    match bytes.get(at..at + 4) {
        Some(&[a, b, c, d]) => Ok(u32::from_ne_bytes([a, b, c, d])),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> io::Result<u16> {
    match bytes.get(at..at + 2) {
        Some(&[a, b]) => Ok(u16::from_ne_bytes([a, b])),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_is_found_behind_an_unaligned_one() {
        let mut body = Vec::new();
        push_attribute(&mut body, 1, b"abc");
        push_attribute(&mut body, 2, b"de");
        assert_eq!(attribute(&body, 2), Some(b"de".as_slice()));
        assert_eq!(attribute(&body, 3), None);
    }

    #[test]
    fn attribute_that_claims_no_length_ends_the_search() {
        assert_eq!(attribute(&[0; 8], 1), None);
    }
}
