// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/pipe_slot.h"

#include "arch/x86_64/memory_layout.h"
#include "mm/zero_page.h"

namespace mk {

char* PipeSlot::bytes() const {
  switch (kind) {
    case Kind::kUserPage:
      return static_cast<char*>(page_bytes(page->page())) + offset;
    case Kind::kZeros:
      return static_cast<char*>(phys_to_virt(zero_page_pfn() * kPageSize)) + offset;
    case Kind::kFrame:
      break;
  }
  return static_cast<char*>(phys_to_virt(frame * kPageSize)) + offset;
}

bool PipeSlot::share(PipeSlot& other) const {
  if (kind == Kind::kFrame && !frame_get(frame)) return false;
  if (kind == Kind::kUserPage) page->get();
  other = *this;
  other.may_merge = false;
  return true;
}

void PipeSlot::drop() {
  if (kind == Kind::kFrame) frame_put(frame);
  if (kind == Kind::kUserPage) Ref<UserPage>::adopt(page).reset();
}

}  // namespace mk
