// SPDX-License-Identifier: GPL-2.0-or-later
//
// Where everything lies in linear memory.
//
//   4-level               5-level
//   0x0000000000000000    the same           user space, 47 bits in both; ends at kUserEnd
//   0xffff888000000000    0xff11000000000000 direct map of physical memory (Linux's page_offset_base)
//   0xffffffff80200000    the same           the kernel's image, loaded at 2 MiB
//   0xffffffffc0000000    the same           fixed mappings: local APIC, stacks of CPUs and tasks between
//   guard pages
//
// The upper half is the same in all page tables: boot fills its top-level entries once and they never change.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace mk {

inline constexpr uint64_t kPageSize = 4096;
inline constexpr uint64_t page_align_down(uint64_t x) { return x & ~(kPageSize - 1); }
inline constexpr uint64_t page_align_up(uint64_t x) { return (x + kPageSize - 1) & ~(kPageSize - 1); }
inline constexpr bool page_aligned(uint64_t x) { return (x & (kPageSize - 1)) == 0; }

// Linux's TASK_SIZE_MAX: the last page of the lower half stays unused, because SYSCALL in its last bytes
// would leave a non-canonical return address.
inline constexpr uint64_t kUserEnd = 0x00007ffffffff000;

inline constexpr uint64_t kKernelImageBase = 0xffffffff80000000;
inline constexpr uint64_t kFixedBase = 0xffffffffc0000000;
// Kernel stacks of tasks, kTaskStackStride apart.
inline constexpr uint64_t kTaskStacksStart = kFixedBase + (64ul << 20);
inline constexpr uint64_t kTaskStackBytes = 4 * kPageSize;
inline constexpr uint64_t kTaskStackStride = 8 * kPageSize;
inline constexpr unsigned kMaxTasks = 4096;
inline constexpr uint64_t kTaskStacksEnd = kTaskStacksStart + kMaxTasks * kTaskStackStride;

inline constexpr uint64_t kDirectMap4Level = 0xffff888000000000;
inline constexpr uint64_t kDirectMap5Level = 0xff11000000000000;

extern uint64_t direct_map_base;  // one of the two above; set by boot/pvh.S
extern bool five_level_paging;

inline void* phys_to_virt(uint64_t physical) { return reinterpret_cast<void*>(direct_map_base + physical); }

inline uint64_t virt_to_phys(const void* pointer) {
  auto linear = reinterpret_cast<uint64_t>(pointer);
  return linear >= kKernelImageBase ? linear - kKernelImageBase : linear - direct_map_base;
}

}  // namespace mk
