//! Instructions of BPF (RFC 9669 section 3).

pub(crate) use gateway_datapath::sys::Instruction;

/// Ends the program. The result is in register 0.
pub(crate) const EXIT: Instruction = instruction(0x95, 0, 0, 0, 0);

/// Makes an instruction of its parts.
pub(crate) const fn instruction(code: u8, dst: u8, src: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: dst | src << 4, offset, immediate }
}

/// Sets a register to a value.
pub(crate) const fn set(dst: u8, value: i32) -> Instruction {
    instruction(0xb7, dst, 0, 0, value)
}

/// Copies a register.
pub(super) const fn copy(dst: u8, src: u8) -> Instruction {
    instruction(0xbf, dst, src, 0, 0)
}

/// Calls a helper of the kernel.
pub(super) const fn call(helper: i32) -> Instruction {
    instruction(0x85, 0, 0, 0, helper)
}
