// SPDX-License-Identifier: GPL-2.0-or-later
//
// One entry of a directory as getdents64 tells it. Positions order the entries of a directory and stay with
// them while others come and go: 0 is ".", 1 is "..", then the names in the tree (kFirstName and above), then
// those that the directory makes up itself (kFirstVirtual and above).
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace mk {

struct DirEntry {
  static constexpr uint64_t kFirstName = 2;
  static constexpr uint64_t kFirstVirtual = 1ul << 48;

  uint64_t position = 0;
  uint64_t inode = 0;
  uint8_t type = 0;  // DT_*: the file type bits of the mode, shifted down by 12
  uint8_t length = 0;
  char name[256];
};

}  // namespace mk
