// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/x86_64/selectors.h"

#include "arch/x86_64/gdt.h"

namespace mk {
namespace {

uint16_t loadable(uint16_t selector) {
  bool is_segment = selector == kUserDataSelector || selector == kUserCodeSelector;
  bool is_null = selector <= 3;
  return is_segment || is_null ? selector : 0;
}

}  // namespace

UserSelectors read_selectors() {
  UserSelectors now;
  asm volatile(
      "mov %%ds, %0\n\t"
      "mov %%es, %1\n\t"
      "mov %%fs, %2\n\t"
      "mov %%gs, %3"
      : "=r"(now.ds), "=r"(now.es), "=r"(now.fs), "=r"(now.gs));
  return now;
}

void load_selectors(const UserSelectors& selectors) {
  if (selectors == read_selectors()) return;
  // GS takes its base along: not the kernel's (Linux's native_load_gs_index).
  asm volatile(
      "mov %0, %%ds\n\t"
      "mov %1, %%es\n\t"
      "mov %2, %%fs\n\t"
      "swapgs\n\t"
      "mov %3, %%gs\n\t"
      "swapgs"
      :
      : "r"(loadable(selectors.ds)), "r"(loadable(selectors.es)), "r"(loadable(selectors.fs)),
        "r"(loadable(selectors.gs))
      : "memory");
}

}  // namespace mk
