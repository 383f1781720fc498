# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every way into the kernel builds a TrapFrame (trap_frame.h) on the kernel stack and calls C++; every way out restores
# it. From user code GS is exchanged at the border, so that the kernel's points at its PerCpu. AC is cleared on the way
# in (SMAP), also from a user copy of the kernel's own: IRETQ brings it back.

        .set    VECTOR_SYSCALL, 256
        .set    USER_CODE, 0x33                 # gdt.h
        .set    USER_DATA, 0x2b
        .set    PERCPU_STACK, 8                 # percpu.h
        .set    PERCPU_SCRATCH, 16
        .set    FRAME_VECTOR, 15*8
        .set    FRAME_CS, 18*8
        .set    FRAME_RSP, 20*8
        .set    MSR_GS_BASE, 0xc0000101

        .macro  push_registers
        push    %rdi
        push    %rsi
        push    %rdx
        push    %rcx
        push    %rax
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        .endm

        .macro  pop_registers
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rax
        pop     %rcx
        pop     %rdx
        pop     %rsi
        pop     %rdi
        .endm

        .macro  clear_ac
        cmpb    $0, smap_in_use(%rip)
        je      .Lno_smap\@
        clac
.Lno_smap\@:
        .endm

        .text
        # One entry for each vector, 16 bytes apart. Vectors with an error code: SDM Vol. 3, table 6-1.
        .globl  trap_entries
        .balign 16
trap_entries:
        .set    vector, 0
        .rept   256
        .balign 16
        .if     vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21 && vector != 29 && vector != 30
        push    $0
        .endif
        push    $vector
        .if     vector == 2 || vector == 8 || vector == 18
        jmp     fatal_entry
        .else
        jmp     trap_entry
        .endif
        .set    vector, vector + 1
        .endr

trap_entry:
        testb   $3, 24(%rsp)                    # the CS that was pushed
        jz      1f
        swapgs
1:      push_registers
        cld
        clear_ac
        mov     %rsp, %rdi
        call    handle_trap
        .globl  return_from_trap
return_from_trap:                               # RSP: TrapFrame
        testb   $3, FRAME_CS(%rsp)
        jz      1f
        swapgs
1:      pop_registers
        add     $16, %rsp                       # vector, error code
        iretq

        # NMI, double fault, machine check: they may come where GS is not yet exchanged, and none of them returns.
fatal_entry:
        push_registers
        cld
        mov     $MSR_GS_BASE, %ecx
        rdmsr
        test    %edx, %edx
        js      1f                              # the kernel's, in the upper half
        swapgs
1:      clear_ac
        mov     %rsp, %rdi
        call    handle_fatal_trap

        .globl  syscall_entry
syscall_entry:
        swapgs
        mov     %rsp, %gs:PERCPU_SCRATCH
        mov     %gs:PERCPU_STACK, %rsp
        push    $USER_DATA
        push    %gs:PERCPU_SCRATCH
        push    %r11                            # RFLAGS
        push    $USER_CODE
        push    %rcx                            # RIP
        push    %rax                            # as error code: the number, which RAX will not keep
        push    $VECTOR_SYSCALL
        push_registers
        mov     %rsp, %rdi
        call    handle_syscall_trap
        test    %al, %al
        jz      return_from_trap
        pop_registers                           # RCX and R11 hold RIP and RFLAGS
        mov     FRAME_RSP - FRAME_VECTOR(%rsp), %rsp
        swapgs
        sysretq

        .section .note.GNU-stack, "", @progbits
