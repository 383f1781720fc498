# SPDX-License-Identifier: GPL-2.0-or-later
#
# From the boot protocol to C++. The boot CPU comes in 32-bit protected mode with EBX pointing at hvm_start_info (PVH);
# the others in real mode, at a copy of secondary_start below 1 MiB. Both meet in enter_long_mode, which takes five-level
# paging where the processor has it (SDM Vol. 3, 4.5; 10.8.5 for the order of the steps), on early tables that map the
# first GiB three times: where it is, in the direct map, and as the kernel's image.

        .set    BASE, 0xffffffff80000000
        .set    CODE32, 0x08
        .set    CODE64, 0x10                    # = kKernelCodeSelector
        .set    DATA, 0x18                      # = kKernelDataSelector
        .set    CR4_BITS, 0x6a0                 # PAE, PGE, OSFXSR, OSXMMEXCPT
        .set    CR4_LA57, 0x1000
        .set    EFER_BITS, 0x901                # NXE, LME, SCE
        .set    CR0_BITS, 0x80010033            # PG, WP, NE, ET, MP, PE
        .set    TABLE, 3                        # present, writable

        .section .note.Xen, "a", @note
        .balign 4
        .long   4, 8, 18                        # XEN_ELFNOTE_PHYS32_ENTRY
        .asciz  "Xen"
        .quad   pvh_entry - BASE

        .globl  pvh_entry_physical
        .set    pvh_entry_physical, pvh_entry - BASE

        .section .text
        .code32
pvh_entry:
        cld
        mov     $(bss_start - BASE), %edi
        mov     $(bss_end - BASE), %ecx
        sub     %edi, %ecx
        shr     $2, %ecx
        xor     %eax, %eax
        rep stosl

        # 512 entries of 2 MiB each
        mov     $(early_pd - BASE), %edi
        mov     $0x83, %eax                     # present, writable, 2 MiB
        mov     $512, %ecx
1:      mov     %eax, (%edi)
        add     $0x200000, %eax
        add     $8, %edi
        loop    1b
        movl    $(early_pd - BASE + TABLE), early_pdpt - BASE
        movl    $(early_pd - BASE + TABLE), early_pdpt_image - BASE + 510*8
        movl    $(early_pdpt - BASE + TABLE), early_pml4 - BASE
        movl    $(early_pdpt - BASE + TABLE), early_pml4 - BASE + 273*8
        movl    $(early_pdpt_image - BASE + TABLE), early_pml4 - BASE + 511*8
        movl    $(early_pml4 - BASE + TABLE), early_pml5 - BASE
        movl    $(early_pml4 - BASE + TABLE), early_pml5 - BASE + 273*8
        movl    $(early_pml4 - BASE + TABLE), early_pml5 - BASE + 511*8

        mov     %ebx, %esi
        xor     %eax, %eax
        cpuid
        cmp     $7, %eax
        jb      2f
        mov     $7, %eax
        xor     %ecx, %ecx
        cpuid
        bt      $16, %ecx                       # LA57
        jnc     2f
        movb    $1, five_level_paging - BASE
        movl    $0xff110000, direct_map_base - BASE + 4
2:      mov     %esi, %ebx

enter_long_mode:                                # EBX: hvm_start_info, 0 for the other CPUs
        mov     $CR4_BITS, %eax
        mov     $(early_pml4 - BASE), %ecx
        cmpb    $0, five_level_paging - BASE
        je      1f
        or      $CR4_LA57, %eax
        mov     $(early_pml5 - BASE), %ecx
1:      mov     %eax, %cr4
        mov     %ecx, %cr3
        mov     $0xc0000080, %ecx
        mov     $EFER_BITS, %eax
        xor     %edx, %edx
        wrmsr
        mov     $CR0_BITS, %eax
        mov     %eax, %cr0
        lgdt    early_gdt_pointer - BASE
        ljmp    $CODE64, $(1f - BASE)
        .code64
1:      movabs  $1f, %rax
        jmp     *%rax
1:      xor     %eax, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %fs
        mov     %eax, %gs
        mov     $DATA, %eax
        mov     %eax, %ss
        xor     %ebp, %ebp                      # the end of every back trace
        mov     %ebx, %edi
        test    %ebx, %ebx
        jz      1f
        mov     $early_stack_top, %rsp
        call    start_boot_cpu
1:      mov     kernel_cr3, %rax                # the stack is mapped there only
        mov     %rax, %cr3
        mov     secondary_stack, %rsp
        mov     secondary_index, %edi
        call    start_secondary_cpu

# Copied to a page below 1 MiB, kSecondaryStartPage of boot/cpus.cpp; CS is that page's, IP 0.
        .globl  secondary_start, secondary_start_end
        .code16
secondary_start:
        cli
        cld
        mov     %cs, %ax
        mov     %ax, %ds
        lgdtl   secondary_gdt_pointer - secondary_start
        mov     $0x11, %eax                     # PE, ET
        mov     %eax, %cr0
        ljmpl   $CODE32, $(secondary_32 - BASE)
        .balign 4
secondary_gdt_pointer:
        .word   4*8 - 1
        .long   early_gdt - BASE
secondary_start_end:

        .code32
secondary_32:
        mov     $DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        xor     %ebx, %ebx
        jmp     enter_long_mode

        .section .data
        .balign 8
early_gdt:
        .quad   0
        .quad   0x00cf9b000000ffff              # 32-bit code
        .quad   0x00af9b000000ffff              # 64-bit code
        .quad   0x00cf93000000ffff              # data
early_gdt_pointer:
        .word   4*8 - 1
        .quad   early_gdt - BASE

        .globl  _ZN2mk15direct_map_baseE, _ZN2mk17five_level_pagingE
_ZN2mk15direct_map_baseE:
direct_map_base:
        .quad   0xffff888000000000
_ZN2mk17five_level_pagingE:
five_level_paging:
        .byte   0

        .section .bss
        .balign 4096
early_pml5:             .skip 4096
early_pml4:             .skip 4096
early_pdpt:             .skip 4096
early_pdpt_image:       .skip 4096
early_pd:               .skip 4096
early_stack:            .skip 16384
early_stack_top:

        .section .note.GNU-stack, "", @progbits
