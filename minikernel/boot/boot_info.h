// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the boot loader told, by the PVH protocol, copied out of its memory before that is used for anything
// else.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace mk {

struct MemoryRange {
  uint64_t start;
  uint64_t end;
  bool usable;  // RAM; else firmware's or a device's
};

struct BootInfo {
  static constexpr size_t kMaxRanges = 32;
  static constexpr size_t kCommandLineSize = 4096;

  MemoryRange ranges[kMaxRanges];
  size_t range_count;
  uint64_t initramfs_start;  // physical
  uint64_t initramfs_bytes;  // 0: none
  uint64_t rsdp;             // physical; 0: none
  char command_line[kCommandLineSize];

  uint64_t ram_end() const;  // of the highest usable range
  // Whether the direct map has it: what a range names, up to a little above the RAM, where firmware keeps its
  // tables.
  bool in_direct_map(uint64_t physical) const;
};

const BootInfo& boot_info();

// For boot: reads hvm_start_info; its memory must be mapped by the direct map.
void read_boot_info(uint64_t start_info_physical);

}  // namespace mk
