# SPDX-License-Identifier: GPL-2.0-or-later
#
# The instructions that touch user memory, each with where to go on when its page fault cannot be repaired.

        .macro  fixup at, target
        .pushsection .fixup_table, "a"
        .quad   \at, \target
        .popsection
        .endm

        .macro  allow_user_access
        cmpb    $0, smap_in_use(%rip)
        je      .Lno_smap\@
        stac
.Lno_smap\@:
        .endm

        .text
        # bool user_copy(void* destination, const void* source, size_t bytes)
        .globl  user_copy
user_copy:
        mov     %rdx, %rcx
        shr     $3, %rcx
        and     $7, %edx
        allow_user_access
1:      rep movsq
        mov     %edx, %ecx
2:      rep movsb
        mov     $1, %eax
        jmp     forbid_user_access
        fixup   1b, user_access_failed
        fixup   2b, user_access_failed

        # bool user_clear(void* destination, size_t bytes)
        .globl  user_clear
user_clear:
        mov     %rsi, %rcx
        shr     $3, %rcx
        and     $7, %esi
        xor     %eax, %eax
        allow_user_access
1:      rep stosq
        mov     %esi, %ecx
2:      rep stosb
        mov     $1, %eax
        jmp     forbid_user_access
        fixup   1b, user_access_failed
        fixup   2b, user_access_failed

        # bool user_compare_exchange(uint32_t* word, uint32_t* expected, uint32_t desired)
        .globl  user_compare_exchange
user_compare_exchange:
        mov     (%rsi), %eax
        allow_user_access
1:      lock cmpxchg %edx, (%rdi)
        mov     %eax, (%rsi)
        mov     $1, %eax
        jmp     forbid_user_access
        fixup   1b, user_access_failed

user_access_failed:
        xor     %eax, %eax
forbid_user_access:
        cmpb    $0, smap_in_use(%rip)
        je      1f
        clac
1:      ret

        .section .note.GNU-stack, "", @progbits
