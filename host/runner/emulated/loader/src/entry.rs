//! The few instructions that no compiler writes: program start, signal entry, the gate.

use core::arch::global_asm;

unsafe extern "C" {
    /// The SIGSYS handler's entry point.
    pub safe fn signal_entry();
    /// Where the kernel starts this program.
    #[link_name = "_start"]
    pub safe fn program_start();
    /// What the kernel returns to after a handler.
    pub safe fn signal_return();
    /// Where a call after the handler is made; rbx points to a `Pending`.
    pub safe fn later_gate();
    /// Where a call of the wait kind waits until there is something; as above, then the guest's own
    /// `syscall`, whose number is in the record.
    pub safe fn again_gate();
    /// Where vfork(2) and its like are made, [`GATES`] of them, [`GATE`] bytes apart: the parent, which
    /// has waited, counts its child off.
    pub safe fn vfork_gates();
    /// The same for children that it does not wait for: only one that was not made is counted off.
    pub safe fn clone_gates();
    /// Where stubs jump to; rcx is where the guest goes on.
    pub safe fn shortcut_entry();
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
    "jmp 2f",
    ".globl again_gate",
    "again_gate:",
    "syscall",
    "test rax, rax",
    "js 2f",
    "mov rax, [rbx + 64]",
    "sub qword ptr [rbx + 56], 2",
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

/// Places from which one program makes children that share its memory.
pub const GATES: usize = 64;
/// The length of one gate.
pub const GATE: usize = 32;

// All registers are the guest's, and so is the stack, which parent and child share: what is kept is
// where the guest goes on. rcx and r11, and the flags, are the system call's to change.
global_asm!(
    ".balign 32",
    ".globl vfork_gates",
    "vfork_gates:",
    ".set gate, 0",
    ".rept {gates}",
    "syscall",
    "testl %eax, %eax",
    "jz 1f",
    "lock decl {owners} + {children}(%rip)",
    "1:",
    "jmpq *({vforks} + 8 * gate)(%rip)",
    ".balign 32",
    ".set gate, gate + 1",
    ".endr",
    ".globl clone_gates",
    "clone_gates:",
    ".set gate, 0",
    ".rept {gates}",
    "syscall",
    "testl %eax, %eax",
    "jns 1f",
    "lock decl {owners} + {children}(%rip)",
    "1:",
    "jmpq *({clones} + 8 * gate)(%rip)",
    ".balign 32",
    ".set gate, gate + 1",
    ".endr",
    gates = const GATES,
    owners = sym crate::slots::OWNERS,
    children = const 4 * crate::slots::CHILDREN,
    vforks = sym crate::sharing::VFORK_TARGETS,
    clones = sym crate::sharing::CLONE_TARGETS,
    options(att_syntax),
);

// The handler without a trap. The guest's stack is used below its red zone, and only for a `Frame`
// and the address to return to. rax, rcx and r11 are a system call's to change; everything else
// comes back, vector registers too. Without a slot, and when the answer cannot be given here, the
// guest's own `syscall`, two bytes before where it goes on, does it.
global_asm!(
    ".globl shortcut_entry",
    "shortcut_entry:",
    "lea rsp, [rsp - 128]",
    "push rcx",
    "push rdi",
    "push rsi",
    "push rdx",
    "push r10",
    "push r8",
    "push r9",
    "push rbx",
    "push rax",
    "push 0",
    // No mask of the guest's: SIGSYS is never blocked.
    "push -1",
    "cmp dword ptr [rip + {handlers}], 0",
    "je 2f",
    "mov rdx, rsp",
    "lea rsi, [rip + 9f]",
    "call 8f",
    "2:",
    "lea r11, [rip + {owners}]",
    "xor ecx, ecx",
    "3:",
    "cmp dword ptr [r11], 0",
    "jne 4f",
    "mov eax, 1",
    "xchg eax, [r11]",
    "test eax, eax",
    "je 5f",
    "4:",
    "add r11, 4",
    "inc ecx",
    "cmp ecx, {slots}",
    "jb 3b",
    "xor eax, eax",
    "jmp 6f",
    "5:",
    "imul rcx, rcx, {size}",
    "lea rsi, [rip + {area}]",
    "add rsi, rcx",
    "mov [rsi + {owner}], r11",
    "movups [rsi + {vectors}], xmm0",
    "movups [rsi + {vectors} + 16], xmm1",
    "movups [rsi + {vectors} + 32], xmm2",
    "movups [rsi + {vectors} + 48], xmm3",
    "movups [rsi + {vectors} + 64], xmm4",
    "movups [rsi + {vectors} + 80], xmm5",
    "movups [rsi + {vectors} + 96], xmm6",
    "movups [rsi + {vectors} + 112], xmm7",
    "movups [rsi + {vectors} + 128], xmm8",
    "movups [rsi + {vectors} + 144], xmm9",
    "movups [rsi + {vectors} + 160], xmm10",
    "movups [rsi + {vectors} + 176], xmm11",
    "movups [rsi + {vectors} + 192], xmm12",
    "movups [rsi + {vectors} + 208], xmm13",
    "movups [rsi + {vectors} + 224], xmm14",
    "movups [rsi + {vectors} + 240], xmm15",
    "mov rdi, rsp",
    "lea rsp, [rsi + {size}]",
    "push rsi",
    "push rdi",
    "cld",
    "call {answer}",
    "pop rbx",
    "pop rsi",
    "movups xmm0, [rsi + {vectors}]",
    "movups xmm1, [rsi + {vectors} + 16]",
    "movups xmm2, [rsi + {vectors} + 32]",
    "movups xmm3, [rsi + {vectors} + 48]",
    "movups xmm4, [rsi + {vectors} + 64]",
    "movups xmm5, [rsi + {vectors} + 80]",
    "movups xmm6, [rsi + {vectors} + 96]",
    "movups xmm7, [rsi + {vectors} + 112]",
    "movups xmm8, [rsi + {vectors} + 128]",
    "movups xmm9, [rsi + {vectors} + 144]",
    "movups xmm10, [rsi + {vectors} + 160]",
    "movups xmm11, [rsi + {vectors} + 176]",
    "movups xmm12, [rsi + {vectors} + 192]",
    "movups xmm13, [rsi + {vectors} + 208]",
    "movups xmm14, [rsi + {vectors} + 224]",
    "movups xmm15, [rsi + {vectors} + 240]",
    "mov rsp, rbx",
    "mov r11, [rsi + {owner}]",
    "mov dword ptr [r11], 0",
    "6:",
    "movzx ebx, al",
    "cmp qword ptr [rsp], -1",
    "je 7f",
    "mov rsi, rsp",
    "xor edx, edx",
    "call 8f",
    "7:",
    "test ebx, ebx",
    "pop r11",
    "pop rax",
    "pop rcx",
    "pop rbx",
    "pop r9",
    "pop r8",
    "pop r10",
    "pop rdx",
    "pop rsi",
    "pop rdi",
    "jnz 2f",
    "mov eax, ecx",
    "pop rcx",
    "sub rcx, 2",
    "lea rsp, [rsp + 128]",
    "jmp rcx",
    "2:",
    "pop rcx",
    "lea rsp, [rsp + 128]",
    "jmp rcx",
    // rt_sigprocmask(SIG_SETMASK, rsi, rdx, 8)
    "8:",
    "mov eax, 14",
    "mov edi, 2",
    "mov r10d, 8",
    "syscall",
    "ret",
    ".balign 8",
    "9:",
    ".quad -1",
    handlers = sym crate::shortcut::HAS_HANDLERS,
    owners = sym crate::slots::OWNERS,
    area = sym crate::slots::AREA,
    answer = sym crate::shortcut::answer,
    slots = const crate::slots::SLOTS,
    size = const crate::slots::SLOT_SIZE,
    owner = const core::mem::offset_of!(crate::slots::Slot, owner),
    vectors = const core::mem::offset_of!(crate::slots::Slot, vectors),
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
