//! Parser of the kernel's type information (BTF, Documentation/bpf/btf.rst), limited to one member of one structure.

use std::fs;

/// Path of the type information of the kernel.
pub(super) const KERNEL: &str = "/sys/kernel/btf/vmlinux";

/// Returns the offset of the index in `struct net_device` of the running kernel.
pub(super) fn ifindex_offset() -> Option<u32> {
    offset(&fs::read(KERNEL).ok()?, "net_device", "ifindex")
}

/// Returns the size of the data behind a type of `kind`: a fixed number of bytes, and a number for each of its parts.
const fn behind(kind: u32) -> Option<(usize, usize)> {
    Some(match kind {
        // Integer, variable, declaration tag.
        1 | 14 | 17 => (4, 0),
        // Pointer, forward, typedef, volatile, const, restrict, function, float, type tag.
        2 | 7..=12 | 16 | 18 => (0, 0),
        // Array.
        3 => (12, 0),
        // Structure, union, section, enumeration of 64 bits.
        STRUCT | 5 | 15 | 19 => (0, MEMBER),
        // Enumeration, function prototype.
        6 | 13 => (0, 8),
        _ => return None,
    })
}

const STRUCT: u32 = 4;
const MEMBER: usize = 12;
const MAGIC: u16 = 0xeb9f;
/// Name, kind and count of parts, size or type.
const TYPE: usize = 12;

/// Returns the offset in bytes of a direct member of a structure. Returns `None` if there is none, or if the
/// information can't be read.
pub(super) fn offset(btf: &[u8], structure: &str, member: &str) -> Option<u32> {
    let word = |bytes: &[u8], at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    if u16::from_ne_bytes(btf.get(..2)?.try_into().ok()?) != MAGIC {
        return None;
    }
    let part = |at: usize| {
        let start = word(btf, 4)? as usize + word(btf, at)? as usize;
        btf.get(start..start.checked_add(word(btf, at + 4)? as usize)?)
    };
    let (types, strings) = (part(8)?, part(16)?);
    let is = |name: u32, wanted: &str| {
        let text = strings.get(name as usize..).and_then(|rest| rest.get(..=wanted.len()));
        text.is_some_and(|text| text[..wanted.len()] == *wanted.as_bytes() && text[wanted.len()] == 0)
    };
    let mut at = 0;
    while at < types.len() {
        let (name, info) = (word(types, at)?, word(types, at + 4)?);
        let (kind, parts) = (info >> 24 & 0x1f, info as usize & 0xffff);
        let (fixed, each) = behind(kind)?;
        at += TYPE;
        if kind == STRUCT && is(name, structure) {
            let members = types.get(at..at + parts * MEMBER)?;
            let found = members.chunks_exact(MEMBER).find(|one| word(one, 0).is_some_and(|name| is(name, member)))?;
            // In a structure with bit fields the upper byte is the width of one.
            let bits = if info >> 31 == 0 { word(found, 8)? } else { word(found, 8)? & 0xff_ffff };
            return Some(bits / 8);
        }
        at += fixed + parts * each;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An integer, then a structure with two members.
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0device\0name\0ifindex\0";
        let types: Vec<u32> = vec![1, 1 << 24, 4, 32, 5, STRUCT << 24 | 2, 8, 12, 1, 0, 17, 1, 32];
        let types: Vec<u8> = types.into_iter().flat_map(u32::to_ne_bytes).collect();
        let mut bytes = [MAGIC.to_ne_bytes(), [1, 0]].concat();
        for word in [24, 0, types.len() as u32, types.len() as u32, strings.len() as u32] {
            bytes.extend(word.to_ne_bytes());
        }
        [bytes, types, strings.to_vec()].concat()
    }

    #[test]
    fn a_member_is_found_where_it_is() {
        assert_eq!(offset(&sample(), "device", "ifindex"), Some(4));
        assert_eq!(offset(&sample(), "device", "name"), Some(0));
        assert_eq!(offset(&sample(), "device", "ifinde"), None);
        assert_eq!(offset(&sample(), "devic", "ifindex"), None);
    }

    #[test]
    fn what_is_cut_short_is_nothing() {
        let whole = sample();
        for len in 0..whole.len() - "ifindex\0".len() {
            assert_eq!(offset(&whole[..len], "device", "ifindex"), None, "{len}");
        }
    }
}
