//! The few instructions that no compiler writes: program start, signal entry, the gate.

use core::arch::global_asm;

unsafe extern "C" {
    /// The SIGSYS handler's entry point.
    pub safe fn signal_entry();
    /// What the kernel returns to after a handler.
    pub safe fn signal_return();
    /// Where a call after the handler is made; rbx points to a `Pending`.
    pub safe fn later_gate();
}

// Program start: the kernel's stack pointer is the argument.
global_asm!(
    ".globl _start",
    "_start:",
    "mov rdi, rsp",
    "xor ebp, ebp",
    "and rsp, -16",
    "call {main}",
    "ud2",
    main = sym crate::main,
);

// Leaves the guest's stack for a slot's; on the way back the slot is given up only once the stack
// is no longer used. All registers come back from the signal frame.
global_asm!(
    ".globl signal_entry",
    "signal_entry:",
    "mov r12, rsp",
    "mov r13, rdx",
    "mov r14, rsi",
    "and rsp, -16",
    "call {claim}",
    "mov rbx, rax",
    "lea rsp, [rax + {size}]",
    "mov rdi, r14",
    "mov rsi, r13",
    "mov rdx, rbx",
    "call {handle}",
    "mov rsp, r12",
    "mov dword ptr [rax], 0",
    "ret",
    ".globl signal_return",
    "signal_return:",
    "mov eax, 15",
    "syscall",
    claim = sym crate::slots::claim_slot,
    handle = sym crate::handler::handle,
    size = const crate::slots::SLOT_SIZE,
);

// The call itself, so that the kernel's own restart comes back to it; then the guest's registers.
// rcx and r11 are the system call's to change.
global_asm!(
    ".globl later_gate",
    "later_gate:",
    "syscall",
    "cmp qword ptr [rbx + 72], 0",
    "jl 2f",
    "mov [rbx + 64], rax",
    "mov rdi, [rbx + 72]",
    "mov eax, 3",
    "syscall",
    "mov rax, [rbx + 64]",
    "2:",
    "mov rdi, [rbx]",
    "mov rsi, [rbx + 8]",
    "mov rdx, [rbx + 16]",
    "mov r10, [rbx + 24]",
    "mov r8, [rbx + 32]",
    "mov r9, [rbx + 40]",
    "mov r11, [rbx + 48]",
    "mov rcx, [rbx + 56]",
    "mov rbx, [rbx + 80]",
    "mov dword ptr [rbx], 0",
    "mov rbx, r11",
    "jmp rcx",
);

/// Hands the processor to the guest.
///
/// # Safety
/// `stack` must be laid out as at the start of a program, `entry` be its first instruction.
pub unsafe fn jump(stack: usize, entry: usize) -> ! {
    // SAFETY: the caller's contract; nothing of ours is needed any more.
    unsafe {
        core::arch::asm!(
            "mov rsp, rdi",
            "xor edx, edx",
            "xor ebp, ebp",
            "jmp rsi",
            in("rdi") stack,
            in("rsi") entry,
            options(noreturn),
        )
    }
}
