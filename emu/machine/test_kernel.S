# SPDX-License-Identifier: GPL-2.0-or-later
#
# The smallest kernel that uses every part of the machine, for machine_test: PVH entry, 4-level paging, IDT, a page-fault
# handler that maps on demand, SYSCALL/SYSRET from user code, the local APIC timer and a second CPU. What it prints is
# the test's expectation. The first byte of the command line chooses: 'p' page faults, 'u' user code, 't' timer,
# 'n' a null pointer in user code, 'i' INVLPG, 'c' second CPU, '3' triple fault, 'h' halt for good, 'l' loop for good, 'w' watched range,
# 'k' what a kernel of several tasks tells, as the rest of the command line says ("script" below).

        .set    COM1, 0x3f8
        .set    EXIT, 0xf4
        .set    APIC, 0x7fe00000                # linear; physical 0xfee00000
        .set    DEMAND, 0x40000000              # 1 GiB: mapped by the page-fault handler, page by page

        .section .note.Xen, "a", @note
        .long   4, 4, 18
        .asciz  "Xen"
        .long   entry32

        .section .text
        .code32
        .globl  entry32
entry32:
        mov     24(%ebx), %esi                  # hvm_start_info.cmdline_paddr
        mov     (%esi), %al
        mov     %al, choice
        inc     %esi
        mov     %esi, script_at
to_long_mode:
        mov     $pml4, %eax
        mov     %eax, %cr3
        mov     $0x6a0, %eax                    # PAE, PGE, OSFXSR, OSXMMEXCPT
        mov     %eax, %cr4
        mov     $0xc0000080, %ecx
        mov     $0x901, %eax                    # NXE, LME, SCE
        xor     %edx, %edx
        wrmsr
        mov     $0x80010011, %eax               # PG, WP, ET, PE
        mov     %eax, %cr0
        lgdt    gdt_pointer
        ljmp    $8, $entry64

        .code64
entry64:
        mov     $16, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        lidt    idt_pointer
        cmpl    $0, second_cpu
        jne     second_entry
        mov     $0x28, %eax
        ltr     %ax
        mov     $stack_top, %rsp
        call    fill_idt
        mov     choice, %al
        cmp     $'p', %al
        je      page_faults
        cmp     $'u', %al
        je      user
        cmp     $'n', %al
        je      user
        cmp     $'i', %al
        je      large_page
        cmp     $'t', %al
        je      timer
        cmp     $'c', %al
        je      cpus
        cmp     $'3', %al
        je      triple
        cmp     $'h', %al
        je      halt
        cmp     $'w', %al
        je      watch
        cmp     $'k', %al
        je      script
loop:   jmp     loop

print:                                          # %al
        mov     $COM1, %edx
        out     %al, %dx
        ret
finish:                                         # %eax: status
        mov     $EXIT, %edx
        out     %eax, %dx
        hlt

# ---- page faults on demand: 512 pages written, then read; the handler counts
page_faults:
        mov     $3, %ebx                        # REP, the same one several times, behind code of its own block
0:      mov     $watched_page, %edi
        mov     $5, %ecx
        rep stosb
        xor     %ecx, %ecx
        rep stosb                               # and not at all
        dec     %ebx
        jnz     0b
        mov     $DEMAND, %rdi
        mov     $512, %ecx
1:      mov     %rdi, (%rdi)
        add     $4096, %rdi
        loop    1b
        mov     $DEMAND, %rdi
        mov     $512, %ecx
        xor     %ebx, %ebx
2:      cmp     %rdi, (%rdi)
        jne     3f
        inc     %ebx
3:      add     $4096, %rdi
        loop    2b
        mov     $'P', %al
        call    print
        mov     faults, %eax
        shr     $3, %eax                        # 512 faults: 64
        jmp     finish

page_fault:                                     # maps the page of CR2 to the next free frame
        push    %rax
        push    %rbx
        incl    faults
        mov     %cr2, %rax
        shr     $12, %rax
        and     $511, %eax
        mov     next_frame, %rbx
        addq    $4096, next_frame
        or      $3, %rbx
        mov     %rbx, demand_pt(,%rax,8)
        mov     %cr2, %rax
        invlpg  (%rax)
        cmpb    $'k', choice
        je      script_fault
        pop     %rbx
        pop     %rax
        add     $8, %rsp
        iretq

# ---- user code: 100 system calls, then the last one exits with their number
user:
        mov     $0xc0000081, %ecx               # STAR: kernel CS 8, user CS 0x1b+16
        xor     %eax, %eax
        mov     $0x00130008, %edx
        wrmsr
        inc     %ecx                            # LSTAR
        mov     $syscall_entry, %eax
        xor     %edx, %edx
        wrmsr
        mov     $0xc0000084, %ecx
        mov     $0x200, %eax
        wrmsr
        movl    $stack_top, tss_low+4           # RSP0
        orb     $4, pml4                        # U/S on the path of everything: this kernel trusts its user
        orb     $4, pdpt
        orb     $4, pd+8                        # 2 MiB .. 4 MiB: this code
        mov     %cr3, %rax
        mov     %rax, %cr3
        mov     $0x202, %r11d
        mov     $user_code, %ecx
        sysretq
user_code:
        cmpb    $'n', choice
        je      read_null
        mov     $100, %ebx
1:      syscall
        dec     %ebx
        jnz     1b
        mov     %cs, %eax
        and     $3, %eax
        cmp     $3, %eax
        jne     1b
        hlt                                     # #GP at CPL 3
read_null:                                      # a supervisor's page, and where an absent LDT has its base
        mov     0, %rax
        jmp     read_null
syscall_entry:
        incl    calls
        sysretq
general_protection:
        mov     $'U', %al
        call    print
        mov     calls, %eax
        jmp     finish

# ---- a 2 MiB page that is mapped elsewhere: INVLPG of its second 4 KiB, reads of the second and the third
large_page:
        movb    $2, 0x801000
        movb    $2, 0x802000
        movb    $1, 0x601000
        movb    $1, 0x602000
        movl    $0x800083, pd+24
        invlpg  0x601000
        xor     %eax, %eax
        cmpb    $2, 0x601000
        sete    %al
        cmpb    $2, 0x602000
        sete    %cl
        add     %cl, %al
        jmp     finish

# ---- timer: ten periodic interrupts while halted
timer:
        call    apic_on
        movl    $0xb, APIC+0x3e0
        movl    $0x20040, APIC+0x320            # periodic, vector 0x40
        movl    $10000, APIC+0x380
1:      sti
        hlt
        cmpl    $10, ticks
        jb      1b
        cli
        rdtsc
        cmp     $100000, %eax                   # ten periods are 100,000 counted instructions at least
        jb      triple
        mov     $'T', %al
        call    print
        mov     ticks, %eax
        jmp     finish
tick:
        incl    ticks
        movl    $0, APIC+0xb0
        iretq
apic_on:
        movl    $0x1ff, APIC+0xf0
        ret

# ---- a second CPU: INIT, SIPI; it answers an IPI by printing
cpus:
        call    start_second
        movl    $0x4041, APIC+0x300             # fixed, vector 0x41
2:      pause
        cmpl    $1, answered
        jne     2b
        mov     $'C', %al
        call    print
        mov     answered, %eax
        add     $40, %eax
        jmp     finish
start_second:
        call    apic_on
        mov     $trampoline, %esi
        mov     $0x8000, %edi
        mov     $trampoline_end - trampoline, %ecx
        rep movsb
        movl    $1, second_cpu
        movl    $1 << 24, APIC+0x310
        movl    $0x4500, APIC+0x300
        movl    $0x4608, APIC+0x300
1:      pause
        cmpl    $1, second_ready
        jne     1b
        ret
second_entry:
        mov     $second_stack_top, %rsp
        call    apic_on
        movl    $1, second_ready
        cmpb    $'k', choice
        je      second_script
        sti
3:      hlt
        jmp     3b
answer:
        mov     $'A', %al
        call    print
        movl    $0, APIC+0xb0
        movl    $1, answered
        iretq

        .code16
trampoline:
        cli
        lgdtl   %cs:trampoline_gdt - trampoline
        mov     %cr0, %eax
        or      $1, %eax
        mov     %eax, %cr0
        ljmpl   $24, $second32
trampoline_gdt:
        .word   gdt_end - gdt - 1
        .long   gdt
trampoline_end:
        .code32
second32:
        mov     $16, %eax
        mov     %eax, %ds
        mov     %eax, %ss
        jmp     to_long_mode
        .code64

# ---- watched range: eight reads, four writes on three lines inside one announced page, through the trace port
watch:
        mov     $record, %eax
        mov     $0xb00, %edx
        out     %eax, %dx                       # kWatchRange
        mov     $syscall_record, %eax
        out     %eax, %dx                       # kSyscallEnter
        mov     $8, %ecx
1:      mov     watched_page, %rax
        dec     %ecx
        jnz     1b
        movl    $1, watched_page+64
        addl    $1, watched_page+128            # a read and a write
        movb    $1, watched_page+64
        push    $0
        pop     watched_page+68
        movw    $5, syscall_record+2            # kSyscallExit
        mov     $syscall_record, %eax
        mov     $0xb00, %edx
        out     %eax, %dx
        mov     $'W', %al
        call    print
        xor     %eax, %eax
        jmp     finish

# ---- script: the rest of the command line is words of three letters: the CPU that does it, what, and N
#   s task switch to PID N     e, x enter and leave system call N      k PID N has ended      n PID N executes
#   v kernel counter N         r, w read, write line N of the watched page
#   f touch page N on demand; the handler reads line 9, then tells the outcome
#   i interrupt itself; the handler writes line 8       j interrupt CPU N the same way
#   t start the own timer, N * 10,000 ticks, for the same interrupt        h wait for it
script:
        call    start_second
        mov     $record, %eax
        mov     $0xb00, %edx
        out     %eax, %dx                       # kWatchRange
        xor     %r12d, %r12d                    # this CPU
        jmp     script_next
second_script:
        mov     $1, %r12d
script_next:
        mov     script_at, %esi
        movzbl  (%rsi), %eax
        test    %eax, %eax
        jz      script_end
        sub     $'0', %eax
        cmp     %r12d, %eax
        je      1f
        pause
        jmp     script_next
1:      movzbl  1(%rsi), %eax
        movzbl  2(%rsi), %ecx
        sub     $'0', %ecx
        mov     $script_types, %edi
2:      cmp     %al, (%rdi)
        je      script_record_of
        add     $2, %edi
        cmpb    $0, (%rdi)
        jne     2b
        cmp     $'f', %al
        je      script_touch
        cmp     $'i', %al
        je      script_self
        cmp     $'j', %al
        je      script_other
        cmp     $'t', %al
        je      script_timer
        cmp     $'h', %al
        je      script_wait
        shl     $6, %ecx
        cmp     $'w', %al
        je      3f
        mov     watched_page(%rcx), %rax
        jmp     script_done
3:      movl    $1, watched_page(%rcx)
script_done:
        addl    $3, script_at
        jmp     script_next
script_record_of:
        movzbl  1(%rdi), %eax
        call    script_tell
        jmp     script_done
script_touch:
        shl     $12, %ecx
        movl    $1, DEMAND(%rcx)
        jmp     script_done
script_self:
        movl    $0x44042, APIC+0x300            # fixed, self, vector 0x42
        sti
        nop
        cli
        jmp     script_done
script_other:
        shl     $24, %ecx
        mov     %ecx, APIC+0x310
        movl    $0x4042, APIC+0x300
        jmp     script_done
script_timer:
        movl    $0xb, APIC+0x3e0
        movl    $0x42, APIC+0x320               # once, vector 0x42
        imul    $10000, %ecx, %ecx
        mov     %ecx, APIC+0x380
        jmp     script_done
script_wait:
        addl    $3, script_at
        sti
        hlt
        cli
        jmp     script_next
script_end:
        test    %r12d, %r12d
        jnz     halt
        xor     %eax, %eax
        jmp     finish
script_fault:                                   # in page_fault, which has pushed RAX and RBX
        mov     watched_page + 9 * 64, %rax
        mov     $3, %eax                        # kFaultOutcome
        mov     %cr2, %r13
        call    script_tell
        pop     %rbx
        pop     %rax
        add     $8, %rsp
        iretq
script_interrupt:
        movl    $1, watched_page + 8 * 64
        movl    $0, APIC+0xb0
        iretq
script_tell:                                    # type %al, arguments %rcx, %r13, 4 (a copy)
        mov     %r12d, %edi
        shl     $7, %edi
        add     $script_records, %edi
        movw    $1, (%rdi)
        mov     %ax, 2(%rdi)
        mov     %rcx, 8(%rdi)
        mov     %r13, 16(%rdi)
        movq    $4, 24(%rdi)
        mov     %edi, %eax
        mov     $0xb00, %edx
        out     %eax, %dx
        ret
script_types:
        .byte   's', 1, 'n', 2, 'e', 4, 'x', 5, 'k', 7, 'v', 9, 0

halt:   cli
        hlt
        jmp     halt

triple: lidt    no_idt
        ud2

# ---- tables
fill_idt:
        mov     $general_protection, %eax
        mov     $13, %edi
        call    set_gate
        mov     $page_fault, %eax
        mov     $14, %edi
        call    set_gate
        mov     $tick, %eax
        mov     $0x40, %edi
        call    set_gate
        mov     $answer, %eax
        mov     $0x41, %edi
        call    set_gate
        mov     $script_interrupt, %eax
        mov     $0x42, %edi
set_gate:
        shl     $4, %edi
        mov     %ax, idt(%rdi)
        movw    $8, idt+2(%rdi)
        movw    $0x8e00, idt+4(%rdi)
        shr     $16, %eax
        mov     %ax, idt+6(%rdi)
        ret

        .section .data
        .balign 4096
pml4:   .quad   pdpt + 3
        .fill   511, 8, 0
pdpt:   .quad   pd + 3, demand_pd + 3
        .fill   510, 8, 0
pd:     .set    page, 0
        .rept   512
        .quad   page + 0x83
        .set    page, page + 0x200000
        .endr
demand_pd:
        .quad   demand_pt + 3
        .fill   510, 8, 0
        .quad   0xfee00000 + 0x93               # 2 MiB, PCD
demand_pt:
        .fill   512, 8, 0
watched_page:
        .fill   512, 8, 0
gdt:    .quad   0
        .quad   0x00af9b000000ffff              # 0x08 kernel code
        .quad   0x00cf93000000ffff              # 0x10 kernel data
        .quad   0x00cf9b000000ffff              # 0x18 kernel code, 32 bits
        .quad   0x00affb000000ffff              # 0x20 unused
        .quad   0x0000890000000000 + ((tss_low) << 16) + 103   # 0x28 TSS
        .quad   0
gdt_end:
gdt_pointer:
        .word   gdt_end - gdt - 1
        .quad   gdt
idt_pointer:
        .word   0xfff
        .quad   idt
no_idt: .word   0
        .quad   0
        .balign 8
next_frame:     .quad   0x800000
choice:         .long   0
faults:         .long   0
calls:          .long   0
ticks:          .long   0
second_cpu:     .long   0
second_ready:   .long   0
answered:       .long   0
script_at:      .long   0
record: .word   1, 6
        .long   0
        .quad   1, watched_page, 4096, 64, 0, 0, 0
        .asciz  "watched"
        .fill   56, 1, 0
syscall_record:
        .word   1, 4
        .long   0
        .quad   1, 0, 0, 0, 0, 0, 0
        .fill   64, 1, 0

        .set    tss_low, 0x300000
        .section .bss
        .balign 128
script_records: .skip   256
        .balign 4096
idt:    .skip   4096
        .skip   4096
stack_top:
        .skip   4096
second_stack_top:
