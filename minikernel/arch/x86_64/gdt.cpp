// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/x86_64/gdt.h"

#include "lib/string.h"

namespace mk {

void fill_descriptor_tables(DescriptorTables& tables, uint64_t kernel_stack, uint64_t double_fault_stack,
                            uint64_t nmi_stack) {
  memset(&tables, 0, sizeof(tables));
  TaskStateSegment& tss = tables.tss;
  tss.rsp[0] = kernel_stack;
  tss.ist[kIstDoubleFault - 1] = double_fault_stack;
  tss.ist[kIstNmi - 1] = nmi_stack;
  tss.io_map_base = sizeof(tss);  // beyond the limit: no port is user code's

  tables.gdt[kKernelCodeSelector / 8] = 0x00af9b000000ffff;  // 64-bit code, accessed
  tables.gdt[kKernelDataSelector / 8] = 0x00cf93000000ffff;
  tables.gdt[kUserDataSelector / 8] = 0x00cff3000000ffff;
  tables.gdt[kUserCodeSelector / 8] = 0x00affb000000ffff;
  auto base = reinterpret_cast<uint64_t>(&tss);
  tables.gdt[kTssSelector / 8] =
      (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ul << 40 | (base >> 24 & 0xff) << 56;
  tables.gdt[kTssSelector / 8 + 1] = base >> 32;
}

void load_descriptor_tables(DescriptorTables& tables) {
  struct [[gnu::packed]] {
    uint16_t limit;
    const void* base;
  } pointer = {sizeof(tables.gdt) - 1, tables.gdt};
  asm volatile(
      "lgdt %0\n\t"
      "pushq %1\n\t"
      "lea 1f(%%rip), %%rax\n\t"
      "pushq %%rax\n\t"
      "lretq\n"
      "1:\tmov %w2, %%ss\n\t"
      "mov %w3, %%ds\n\t"
      "mov %w3, %%es\n\t"
      "mov %w3, %%fs\n\t"
      "mov %w3, %%gs\n\t"
      "lldt %w3\n\t"  // none: at reset LDTR covers the first 64 KiB
      "ltr %w4"
      :
      : "m"(pointer), "i"(kKernelCodeSelector), "r"(kKernelDataSelector), "r"(0), "r"(kTssSelector)
      : "rax", "memory");
}

}  // namespace mk
