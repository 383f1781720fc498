// SPDX-License-Identifier: GPL-2.0-or-later
//
// hvm_start_info: xen/include/public/arch-x86/hvm/start_info.h.
#include "boot/boot_info.h"

#include "arch/x86_64/memory_layout.h"
#include "lib/assert.h"
#include "lib/string.h"

namespace mk {
namespace {

constexpr uint32_t kStartInfoMagic = 0x336ec578;
constexpr uint32_t kMemoryUsable = 1;  // E820's numbers

struct StartInfo {
  uint32_t magic;
  uint32_t version;
  uint32_t flags;
  uint32_t module_count;
  uint64_t modules;
  uint64_t command_line;
  uint64_t rsdp;
  uint64_t memory_map;  // from version 1 on
  uint32_t memory_map_entries;
  uint32_t reserved;
};

struct Module {
  uint64_t start;
  uint64_t bytes;
  uint64_t command_line;
  uint64_t reserved;
};

struct MemoryMapEntry {
  uint64_t start;
  uint64_t bytes;
  uint32_t type;
  uint32_t reserved;
};

BootInfo info;

template <typename T>
const T* physical(uint64_t address) {
  return static_cast<const T*>(phys_to_virt(address));
}

}  // namespace

const BootInfo& boot_info() { return info; }

uint64_t BootInfo::ram_end() const {
  uint64_t end = 0;
  for (size_t i = 0; i < range_count; ++i)
    if (ranges[i].usable && ranges[i].end > end) end = ranges[i].end;
  return end;
}

bool BootInfo::in_direct_map(uint64_t physical) const {
  constexpr uint64_t kFirmwareTables = 16ul << 20;
  if (physical >= ram_end() + kFirmwareTables) return false;
  for (size_t i = 0; i < range_count; ++i)
    if (physical >= ranges[i].start && physical < ranges[i].end) return true;
  return false;
}

void read_boot_info(uint64_t start_info_physical) {
  const auto* start = physical<StartInfo>(start_info_physical);
  if (start->magic != kStartInfoMagic || start->version < 1 || start->memory_map_entries == 0)
    panic("the boot loader gave no PVH start information with a memory map");
  if (start->memory_map_entries > BootInfo::kMaxRanges) panic("the memory map has too many entries");
  const auto* map = physical<MemoryMapEntry>(start->memory_map);
  for (uint32_t i = 0; i < start->memory_map_entries; ++i)
    info.ranges[info.range_count++] = {map[i].start, map[i].start + map[i].bytes,
                                       map[i].type == kMemoryUsable};
  if (start->module_count > 0) {
    const auto* module = physical<Module>(start->modules);
    info.initramfs_start = module->start;
    info.initramfs_bytes = module->bytes;
  }
  info.rsdp = start->rsdp;
  if (start->command_line != 0) {
    const char* text = physical<char>(start->command_line);
    size_t length = strnlen(text, BootInfo::kCommandLineSize - 1);
    memcpy(info.command_line, text, length);
  }
}

}  // namespace mk
