// SPDX-License-Identifier: GPL-2.0-or-later
//
// The PAGEMAP_SCAN ioctl of /proc/PID/pagemap: Linux's do_pagemap_scan(), the part about arguments and
// results. Ranges of pages in wanted categories go to the program through a buffer of the kernel's, filled
// with mmap_lock held (mm/pagemap_scan.cpp).
#include "mm/pagemap_scan.h"

#include "arch/x86_64/memory_layout.h"
#include "fs/proc/proc.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

// struct pm_scan_arg.
struct ScanArguments {
  uint64_t size, flags, start, end, walk_end, vector, vector_length, max_pages;
  uint64_t inverted, mask, any_mask, return_mask;
};
static_assert(sizeof(ScanArguments) == 96);

bool is_user_range(uint64_t start, uint64_t bytes) { return start <= kUserEnd && bytes <= kUserEnd - start; }

long check(const ScanArguments& arguments) {
  constexpr uint64_t kFlags = PagemapScan::kWpMatching | PagemapScan::kCheckWpAsync;
  if (arguments.size != sizeof(arguments) || (arguments.flags & ~kFlags)) return -EINVAL;
  uint64_t categories = arguments.inverted | arguments.mask | arguments.any_mask | arguments.return_mask;
  if (categories & ~PagemapScan::kCategories) return -EINVAL;
  if (!page_aligned(arguments.start)) return -EINVAL;
  if (!is_user_range(arguments.start, arguments.end - arguments.start)) return -EFAULT;
  if (arguments.vector == 0 && arguments.vector_length != 0) return -EINVAL;
  if (arguments.vector == 0) return 0;
  if (arguments.vector_length > kUserEnd / sizeof(PageRegion) ||
      !is_user_range(arguments.vector, arguments.vector_length * sizeof(PageRegion)))
    return -EFAULT;
  return 0;
}

// Until the end, an error, or the program's vector is full. The regions written.
long scan_all(AddressSpace& mm, PagemapScan& scan, const ScanArguments& arguments) {
  uint64_t written = 0;
  while (true) {
    scan.set_room(arguments.vector_length - written);
    long result = mm.scan_pagemap(scan);
    uint64_t count = scan.take_regions();
    if (count > 0 && !copy_to_user(arguments.vector + written * sizeof(PageRegion), scan.regions(),
                                   count * sizeof(PageRegion)))
      return -EFAULT;
    written += count;
    if (result != -ENOSPC) return result < 0 ? result : static_cast<long>(written);
    if (written == arguments.vector_length || scan.found_all()) return static_cast<long>(written);
    if (kill_pending(current())) return -EINTR;
  }
}

}  // namespace

long pagemap_scan(AddressSpace& mm, uint64_t address) {
  ScanArguments arguments;
  if (!get_user(arguments, address)) return -EFAULT;
  if (long error = check(arguments); error < 0) return error;
  PagemapScan scan;
  scan.flags = arguments.flags;
  scan.at = arguments.start;
  scan.end = page_align_up(arguments.end);
  scan.inverted = arguments.inverted;
  scan.mask = arguments.mask;
  scan.any_mask = arguments.any_mask;
  scan.return_mask = arguments.return_mask;
  if (arguments.max_pages != 0) scan.max_pages = arguments.max_pages;
  scan.wants_regions = arguments.vector != 0;
  if (scan.wants_regions && !scan.allocate()) return -ENOMEM;
  long result = scan_all(mm, scan, arguments);
  uint64_t walk_end = result < 0 ? scan.end : scan.at;
  if (!put_user(address + offsetof(ScanArguments, walk_end), walk_end)) return -EFAULT;
  return result;
}

}  // namespace mk
