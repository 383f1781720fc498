# SPDX-License-Identifier: GPL-2.0-or-later
#
# See context_switch.h. On the stack of a task that does not run, from its saved stack pointer up: r15 r14 r13 r12 rbx rbp,
# return address.
        .cfi_sections .debug_frame
        .text
        # Task* switch_context(Task& self, uint64_t& saved, uint64_t next)
        .globl  switch_context
switch_context:
        .cfi_startproc
        push    %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        push    %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        .irp    register, r12, r13, r14, r15
        push    %\register
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %\register, 0
        .endr
        mov     %rsp, (%rsi)
        mov     %rdx, %rsp
        .irp    register, r15, r14, r13, r12, rbx, rbp
        pop     %\register
        .cfi_adjust_cfa_offset -8
        .cfi_same_value %\register
        .endr
        mov     %rdi, %rax
        ret
        .cfi_endproc

        # Where a new stack begins: RAX is the task that ran before.
        .globl  first_context
first_context:
        .cfi_startproc
        .cfi_undefined %rip
        mov     %rax, %rdi
        xor     %ebp, %ebp                      # the end of every back trace
        call    begin_task
        ud2
        .cfi_endproc

        .section .note.GNU-stack, "", @progbits
