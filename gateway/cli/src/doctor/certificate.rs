//! Expiry date of a certificate: the only part of X.509 (RFC 5280) that the doctor needs.

/// Tags of DER (X.690).
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Returns the end of validity of a certificate in DER, in seconds since 1970; `None` if it cannot be parsed.
pub(super) fn not_after(der: &[u8]) -> Option<i64> {
    let (_, certificate, _) = element(der).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut rest, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    // Version, where there is one; serial number, algorithm, issuer; then validity (section 4.1).
    for wanted in [VERSION, INTEGER, SEQUENCE, SEQUENCE] {
        let (tag, _, after) = element(rest)?;
        if tag == wanted {
            rest = after;
        } else if wanted != VERSION {
            return None;
        }
    }
    let (_, validity, _) = element(rest).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, _, rest) = element(validity)?;
    let (tag, time, _) = element(rest)?;
    seconds(tag, time)
}

/// Splits off the first element: returns its tag, its contents, and the bytes after it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) =
            rest.split_at_checked(usize::from(first & 0x7f)).filter(|(digits, _)| digits.len() <= 4)?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// Parses `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (section 4.1.2.5).
fn seconds(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z').filter(|text| text.is_ascii())?;
    let (year, rest) = match tag {
        UTC_TIME => (text.get(..2)?.parse::<i64>().ok()?, text.get(2..)?),
        GENERALIZED_TIME => (text.get(..4)?.parse::<i64>().ok()?, text.get(4..)?),
        _ => return None,
    };
    let year = if tag == UTC_TIME { year + if year < 50 { 2000 } else { 1900 } } else { year };
    let number = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day, hour, minute, second) = (number(0)?, number(2)?, number(4)?, number(6)?, number(8)?);
    Some(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Returns the days from 1970-01-01 to a day of the Gregorian calendar. Years start in March here, so that the leap day
/// is the last day of its year.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let since_march = (month + 9) % 12;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (since_march * 306 + 5) / 10 + day
        - 1
        - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, 0x81, content.len() as u8], content].concat()
    }

    fn certificate(tag: u8, time: &[u8]) -> Vec<u8> {
        let validity = der(SEQUENCE, &[der(UTC_TIME, b"200101000000Z"), der(tag, time)].concat());
        let body =
            [der(VERSION, &der(INTEGER, &[2])), der(INTEGER, &[7]), der(SEQUENCE, &[]), der(SEQUENCE, &[]), validity];
        der(SEQUENCE, &der(SEQUENCE, &body.concat()))
    }

    #[test]
    fn both_kinds_of_time_are_read() {
        // date -u -d '2031-03-01 12:34:56' +%s
        assert_eq!(not_after(&certificate(UTC_TIME, b"310301123456Z")), Some(1_930_134_896));
        assert_eq!(not_after(&certificate(GENERALIZED_TIME, b"20310301123456Z")), Some(1_930_134_896));
        assert_eq!(not_after(&certificate(UTC_TIME, b"700101000000Z")), Some(0));
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(
            (days(1970, 1, 1), days(2000, 2, 29), days(2000, 3, 1), days(2026, 11, 29)),
            (0, 11_016, 11_017, 20_786)
        );
    }

    #[test]
    fn a_truncated_certificate_has_no_end() {
        let whole = certificate(UTC_TIME, b"310301123456Z");
        for length in 0..whole.len() {
            assert_eq!(not_after(&whole[..length]), None, "{length}");
        }
    }
}
