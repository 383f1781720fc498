// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/memory.h"

#include "arch/x86_64/cpu.h"
#include "arch/x86_64/memory_layout.h"
#include "arch/x86_64/page_table.h"
#include "arch/x86_64/percpu.h"
#include "arch/x86_64/trace.h"
#include "boot/boot_info.h"
#include "lib/assert.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/aperture.h"
#include "mm/cow/cow_policy.h"
#include "mm/frame_table.h"
#include "mm/user_memory.h"

extern "C" char image_start[], text_end[], rodata_end[], image_end[];
extern "C" uint64_t kernel_cr3;
uint64_t kernel_cr3;

namespace mk {
namespace {

constexpr uint64_t kLargePage = 2ul << 20;
constexpr uint64_t kLowMemoryEnd = 1ul << 20;  // firmware's, and where other CPUs start
constexpr uint64_t kLeastMemory = 8ul << 20;   // of the kernel's own, beside an aperture
constexpr uint64_t kLocalApicPhysical = 0xfee00000;
constexpr uint64_t kLocalApicLinear = kFixedBase;
constexpr uint64_t kStacks = kFixedBase + (1ul << 20);
// Guard page, kernel stack, guard page, double-fault stack, guard page, NMI stack.
constexpr uint64_t kStackStride = 4 * kKernelStackBytes;
static_assert(kKernelStackBytes + 5 * kPageSize <= kStackStride);
static_assert(kStacks + kMaxCpus * kStackStride <= kTaskStacksStart);

uint64_t boot_next;  // physical; everything from the image's end to here is taken

bool overlaps_initramfs(uint64_t start, uint64_t end) {
  const BootInfo& info = boot_info();
  return start < info.initramfs_start + info.initramfs_bytes && info.initramfs_start < end;
}

// Zeroed pages, physically contiguous.
uint64_t boot_alloc(uint64_t bytes) {
  const BootInfo& info = boot_info();
  bytes = page_align_up(bytes);
  if (overlaps_initramfs(boot_next, boot_next + bytes))
    boot_next = page_align_up(info.initramfs_start + info.initramfs_bytes);
  for (size_t i = 0; i < info.range_count; ++i) {
    const MemoryRange& range = info.ranges[i];
    if (!range.usable || boot_next < range.start || boot_next + bytes > range.end) continue;
    uint64_t start = boot_next;
    boot_next += bytes;
    memset(phys_to_virt(start), 0, bytes);
    return start;
  }
  panic("not enough memory to boot: %lu KiB more are needed", bytes >> 10);
}

uint64_t boot_alloc_table() { return boot_alloc(kPageSize); }

void map_range(uint64_t linear, uint64_t physical, uint64_t bytes, uint64_t bits) {
  uint64_t step = bits & Pte::kPageSize ? kLargePage : kPageSize;
  for (uint64_t done = 0; done < bytes; done += step)
    kernel_page_table().map_kernel(linear + done, physical + done, bits, boot_alloc_table);
}

void map_image(const char* start, const char* end, uint64_t bits) {
  map_range(reinterpret_cast<uint64_t>(start), virt_to_phys(start), static_cast<uint64_t>(end - start), bits);
}

// What the memory map names, in large pages; each page once, whichever range brings it.
void map_direct() {
  uint64_t mapped = 0;
  uint64_t next = 0;  // ranges come in order of addresses
  for (size_t i = 0; i < boot_info().range_count; ++i) {
    const MemoryRange& range = boot_info().ranges[i];
    if (!boot_info().in_direct_map(range.start)) continue;
    uint64_t start = range.start & ~(kLargePage - 1);
    if (start < next) start = next;
    next = (range.end + kLargePage - 1) & ~(kLargePage - 1);
    if (next <= start) continue;
    map_range(direct_map_base + start, start, next - start,
              Pte::kWrite | Pte::kExecuteDisable | Pte::kPageSize);
    mapped += next - start;
  }
  log("memory: %lu MiB mapped", mapped >> 20);
}

uint64_t map_stack(uint64_t linear, uint64_t bytes) {
  map_range(linear, boot_alloc(bytes), bytes, Pte::kWrite | Pte::kExecuteDisable);
  return linear + bytes;
}

// Gives the allocator what is free of [start, end).
void give_free(uint64_t start, uint64_t end) {
  const BootInfo& info = boot_info();
  uint64_t image = virt_to_phys(image_start);
  const struct {
    uint64_t start, end;
  } taken[] = {
      {0, kLowMemoryEnd},
      {image, boot_next},
      {page_align_down(info.initramfs_start), page_align_up(info.initramfs_start + info.initramfs_bytes)}};
  for (const auto& range : taken) {
    if (range.start >= range.end || range.end <= start || end <= range.start) continue;
    if (start < range.start) give_free(start, range.start);
    if (range.end < end) give_free(range.end, end);
    return;
  }
  give_frames(start / kPageSize, end / kPageSize);
  for (Pfn pfn = start / kPageSize; pfn < end / kPageSize; ++pfn) frame_descriptor(pfn).flags = 0;
}

}  // namespace

volatile uint32_t* local_apic_registers;

void map_kernel_memory() {
  boot_next = virt_to_phys(image_end);
  kernel_cr3 = boot_alloc_table();
  kernel_page_table() = PageTable::kernel_table(kernel_cr3);
  map_direct();
  map_image(image_start, text_end, 0);
  map_image(text_end, rodata_end, Pte::kExecuteDisable);
  map_image(rodata_end, image_end, Pte::kWrite | Pte::kExecuteDisable);
  map_range(kLocalApicLinear, kLocalApicPhysical, kPageSize,
            Pte::kWrite | Pte::kExecuteDisable | Pte::kCacheDisable | Pte::kWriteThrough);
  write_cr3(kernel_cr3);
  kernel_page_table().reserve_kernel(kTaskStacksStart, kTaskStacksEnd, boot_alloc_table);
  local_apic_registers = reinterpret_cast<volatile uint32_t*>(kLocalApicLinear);
}

BootStacks make_boot_stacks(unsigned cpu) {
  uint64_t base = kStacks + cpu * kStackStride + kPageSize;
  uint64_t kernel = map_stack(base, kKernelStackBytes);
  uint64_t double_fault = map_stack(kernel + kPageSize, kPageSize);
  return {kernel, double_fault, map_stack(double_fault + kPageSize, kPageSize)};
}

namespace {

// Takes the aperture from the top of RAM, below the initramfs if that is there. What is above is lost, and
// nothing of it is in the frame table: returns the end of what is.
Pfn reserve_aperture() {
  const BootInfo& info = boot_info();
  uint64_t end = page_align_down(info.ram_end());
  uint64_t start = end - kApertureBytes;
  if (overlaps_initramfs(start, end)) start = page_align_down(info.initramfs_start) - kApertureBytes;
  for (size_t i = 0; i < info.range_count; ++i) {
    const MemoryRange& range = info.ranges[i];
    if (!range.usable || start < range.start || start + kApertureBytes > range.end) continue;
    if (start < max(boot_next, kLowMemoryEnd) + kLeastMemory) break;
    set_aperture_start(start / kPageSize);
    return start / kPageSize;
  }
  log("no aperture: too little memory");
  return end / kPageSize;
}

}  // namespace

void init_frames() {
  Pfn end = reserve_aperture();
  uint64_t table_bytes = end * sizeof(FrameDescriptor);
  uint64_t count_bytes = end * sizeof(uint16_t);
  uint64_t table = boot_alloc(table_bytes);
  uint64_t counts = boot_alloc(count_bytes);
  uint64_t pool = boot_alloc(end * sizeof(uint32_t));
  init_pte_locks(static_cast<Spinlock*>(phys_to_virt(boot_alloc(end * sizeof(Spinlock)))));

  auto* descriptors = static_cast<FrameDescriptor*>(phys_to_virt(table));
  for (Pfn pfn = 0; pfn < end; ++pfn) descriptors[pfn].flags = FrameDescriptor::kReserved;
  init_frame_table(descriptors, end);
  init_frame_allocator(static_cast<uint16_t*>(phys_to_virt(counts)),
                       static_cast<uint32_t*>(phys_to_virt(pool)), end);
  if (cow().counts_in_descriptors()) count_frames_in_descriptors();
  // The highest first: low frames are handed out first.
  for (size_t i = boot_info().range_count; i > 0; --i) {
    const MemoryRange& range = boot_info().ranges[i - 1];
    uint64_t range_start = page_align_up(range.start);
    uint64_t range_end = min(page_align_down(range.end), end * kPageSize);
    if (range.usable && range_start < range_end) give_free(range_start, range_end);
  }
  trace_text(TraceType::kWatchRange, "frame table", trace_abi::WatchKind::kFrameTable, table, table_bytes,
             sizeof(FrameDescriptor));
  trace_text(TraceType::kWatchRange, "frame counts", trace_abi::WatchKind::kFrameCount, counts, count_bytes,
             sizeof(uint16_t));
  log("frames: %lu free of %lu", free_frame_count(), end);
}

}  // namespace mk
