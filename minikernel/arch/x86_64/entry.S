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

        # The call-frame information leads debuggers over the frame, into the interrupted code. It describes a TrapFrame
        # from its end, where CFA is: RIP 5 words below, RSP 2 words below.
        .cfi_sections .debug_frame
        .macro  begin_frame cfa_offset
        .cfi_startproc
        .cfi_signal_frame
        .cfi_def_cfa %rsp, \cfa_offset
        .cfi_offset %rip, -40
        .cfi_offset %rsp, -16
        .endm

        .macro  push_one register
        push    %\register
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %\register, 0
        .endm

        .macro  pop_one register
        pop     %\register
        .cfi_adjust_cfa_offset -8
        .cfi_same_value %\register
        .endm

        .macro  push_registers
        .irp    register, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
        push_one \register
        .endr
        .endm

        .macro  pop_registers
        .irp    register, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
        pop_one \register
        .endr
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
        begin_frame 40                          # what the processor pushes, without an error code
        .set    vector, 0
        .rept   256
        .balign 16
        .if     vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21 && vector != 29 && vector != 30
        .cfi_def_cfa_offset 40
        push    $0
        .endif
        .cfi_def_cfa_offset 48
        push    $vector
        .cfi_def_cfa_offset 56
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
        .cfi_adjust_cfa_offset -16
        iretq
        .cfi_endproc

        # NMI, double fault, machine check: they may come where GS is not yet exchanged, and none of them returns.
fatal_entry:
        begin_frame 56
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
        .cfi_endproc

        .globl  syscall_entry
syscall_entry:
        .cfi_startproc
        .cfi_signal_frame
        .cfi_def_cfa %rsp, 0
        .cfi_register %rip, %rcx
        swapgs
        mov     %rsp, %gs:PERCPU_SCRATCH
        mov     %gs:PERCPU_STACK, %rsp
        .cfi_undefined %rip                     # the user's RSP is where no rule can say
        push    $USER_DATA
        push    %gs:PERCPU_SCRATCH
        .cfi_def_cfa_offset 16
        .cfi_offset %rsp, -16
        .cfi_register %rip, %rcx
        push    %r11                            # RFLAGS
        .cfi_adjust_cfa_offset 8
        push    $USER_CODE
        .cfi_adjust_cfa_offset 8
        push    %rcx                            # RIP
        .cfi_adjust_cfa_offset 8
        .cfi_offset %rip, -40
        push    %rax                            # as error code: the number, which RAX will not keep
        .cfi_adjust_cfa_offset 8
        push    $VECTOR_SYSCALL
        .cfi_adjust_cfa_offset 8
        push_registers
        mov     %rsp, %rdi
        call    handle_syscall_trap
        test    %al, %al
        jz      return_from_trap
        pop_registers                           # RCX and R11 hold RIP and RFLAGS
        mov     FRAME_RSP - FRAME_VECTOR(%rsp), %rsp
        .cfi_def_cfa_offset 0
        .cfi_val_offset %rsp, 0
        .cfi_register %rip, %rcx
        swapgs
        sysretq
        .cfi_endproc

        .section .note.GNU-stack, "", @progbits
