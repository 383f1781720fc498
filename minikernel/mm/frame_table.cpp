// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/frame_table.h"

#include "lib/assert.h"

namespace mk {
namespace {

FrameDescriptor* descriptors;
Pfn descriptors_end;

}  // namespace

FrameDescriptor& frame_descriptor(Pfn pfn) {
  KASSERT(pfn < descriptors_end);
  return descriptors[pfn];
}

void init_frame_table(FrameDescriptor* table, Pfn end) {
  descriptors = table;
  descriptors_end = end;
}

}  // namespace mk
