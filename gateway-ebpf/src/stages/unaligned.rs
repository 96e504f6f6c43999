//! Unaligned loads and stores of whole words.
//!
//! The compiler assumes that BPF can't access unaligned addresses, and turns one load into eight loads, shifts and ors.
//! The compiler option that lifts this also merges stores to unaligned stack addresses, which the verifier refuses. The
//! machines that BPF is compiled for can access unaligned addresses, and the verifier allows it outside of the stack
//! (`check_ptr_alignment`).

use core::{arch::asm, mem::transmute};

macro_rules! words {
    ($($load:ident $store:ident $type:ty, $width:literal;)+) => {
        $(
            /// Loads the word at offset `AT`, in memory order.
            ///
            /// # Safety
            ///
            /// Its bytes must be readable, and not on the stack.
            #[inline(always)]
            pub(crate) unsafe fn $load<const AT: usize>(base: *const u8) -> $type {
                let word: u64;
                // SAFETY: the caller vouches for the address.
                unsafe {
                    asm!(
                        concat!("{word} = *(", $width, " *)({base} + {at})"),
                        word = lateout(reg) word,
                        base = in(reg) base,
                        at = const AT,
                        options(pure, readonly, nostack, preserves_flags),
                    );
                }
                word as $type
            }

            /// Stores a word in memory order.
            ///
            /// # Safety
            ///
            /// Its bytes must be writable, and not on the stack.
            #[inline(always)]
            pub(crate) unsafe fn $store(at: *mut u8, word: $type) {
                // SAFETY: the caller vouches for the address.
                unsafe {
                    asm!(
                        concat!("*(", $width, " *)({at} + 0) = {word}"),
                        at = in(reg) at,
                        word = in(reg) u64::from(word),
                        options(nostack, preserves_flags),
                    );
                }
            }
        )+
    };
}

words! {
    load16 store16 u16, "u16";
    load32 store32 u32, "u32";
    load64 store64 u64, "u64";
}

/// Loads the packet address at `OFFSET` of a context, where the kernel's header declares a number of 32 bits. A
/// compiler that widens the number shifts it up and down, and the verifier then no longer knows it as an address.
///
/// # Safety
///
/// `context` must be the one that the kernel called with, and have an address there.
#[inline(always)]
pub(crate) unsafe fn address<const OFFSET: usize>(context: *const u8) -> usize {
    let address: u64;
    // SAFETY: the caller vouches for the context.
    unsafe {
        asm!(
            "{address} = *(u32 *)({context} + {offset})",
            address = lateout(reg) address,
            context = in(reg) context,
            offset = const OFFSET,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    address as usize
}

/// Number of bytes from `start` to `end`, both addresses in one packet. Where only the lower half of the difference is
/// used, the compiler would subtract the lower halves of the addresses, which the verifier does not allow.
#[inline(always)]
pub(crate) fn distance(start: usize, end: usize) -> usize {
    let mut distance = end;
    // SAFETY: a subtraction.
    unsafe {
        asm!(
            "{distance} -= {start}",
            distance = inout(reg) distance,
            start = in(reg) start,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    distance
}

/// Returns `number` unchanged and hides its value from the compiler, whose conclusions the verifier might not share.
#[inline(always)]
pub(crate) fn hidden(mut number: u64) -> u64 {
    // SAFETY: an instruction that changes nothing. (An empty template would give the next instruction two source
    // lines.)
    unsafe { asm!("{number} = {number}", number = inout(reg) number, options(nomem, nostack, preserves_flags)) };
    number
}

/// Types that can be loaded from a packet: any bytes are a valid value.
pub(crate) trait Raw: Sized {
    /// Loads a value in memory order.
    ///
    /// # Safety
    ///
    /// Its bytes must be readable, and not on the stack.
    unsafe fn load(at: *const u8) -> Self;
}

macro_rules! raw {
    ($($type:ty: $at:ident => $value:expr;)+) => {
        $(
            impl Raw for $type {
                #[inline(always)]
                unsafe fn load($at: *const u8) -> Self {
                    // SAFETY: the caller vouches for the bytes.
                    unsafe { $value }
                }
            }
        )+
    };
}

raw! {
    u8: at => at.read();
    u16: at => load16::<0>(at);
    u32: at => load32::<0>(at);
    u64: at => load64::<0>(at);
    [u8; 2]: at => load16::<0>(at).to_ne_bytes();
    [u8; 4]: at => load32::<0>(at).to_ne_bytes();
    [u8; 6]: at => mac(load32::<0>(at), load16::<4>(at));
    [u8; 16]: at => transmute([load64::<0>(at), load64::<8>(at)]);
    [u64; 4]: at => [load64::<0>(at), load64::<8>(at), load64::<16>(at), load64::<24>(at)];
}

#[inline(always)]
const fn mac(first: u32, last: u16) -> [u8; 6] {
    let [a, b, c, d] = first.to_ne_bytes();
    let [e, f] = last.to_ne_bytes();
    [a, b, c, d, e, f]
}

/// Copies `N` bytes, word by word.
///
/// # Safety
///
/// `N` bytes must be readable at `from` and writable at `to`, and neither be on the stack.
#[inline(always)]
pub(crate) unsafe fn copy<const N: usize>(from: *const u8, to: *mut u8) {
    let mut at = 0;
    // SAFETY: the caller vouches for the bytes, and no word goes past N.
    unsafe {
        while at + 8 <= N {
            store64(to.add(at), load64::<0>(from.add(at)));
            at += 8;
        }
        if at + 4 <= N {
            store32(to.add(at), load32::<0>(from.add(at)));
            at += 4;
        }
        if at + 2 <= N {
            store16(to.add(at), load16::<0>(from.add(at)));
        }
    }
}
