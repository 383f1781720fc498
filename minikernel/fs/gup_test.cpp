// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/gup_test.h"

#include <asm/ioctl.h>

#include "arch/x86_64/clock.h"
#include "arch/x86_64/memory_layout.h"
#include "fs/file.h"
#include "fs/pinned_pages.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {
namespace {

// Interface of Linux's mm/gup_test.h, which is not among the headers for programs.
struct GupTest {
  uint64_t get_delta_usec;
  uint64_t put_delta_usec;
  uint64_t addr;
  uint64_t size;
  uint32_t nr_pages_per_call;
  uint32_t gup_flags;
  uint32_t test_flags;
  uint32_t which_pages[8];
};
struct PinLongtermTest {
  uint64_t addr;
  uint64_t size;
  uint32_t flags;
};
constexpr unsigned kGupFastBenchmark = _IOWR('g', 1, GupTest);
constexpr unsigned kPinFastBenchmark = _IOWR('g', 2, GupTest);
constexpr unsigned kPinLongtermBenchmark = _IOWR('g', 3, GupTest);
constexpr unsigned kGupBasicTest = _IOWR('g', 4, GupTest);
constexpr unsigned kPinBasicTest = _IOWR('g', 5, GupTest);
constexpr unsigned kPinLongtermStart = _IOW('g', 7, PinLongtermTest);
constexpr unsigned kPinLongtermStop = _IO('g', 8);
constexpr unsigned kPinLongtermRead = _IOW('g', 9, uint64_t);
constexpr uint32_t kUseWrite = 1;  // PIN_LONGTERM_TEST_FLAG_USE_WRITE
constexpr uint32_t kUseFast = 2;   // _USE_FAST: the fast way is always tried first here
constexpr uint32_t kFollWriteOfLinux = 1;

Spinlock pins_lock;
Ref<PinnedPages> pins;

Ref<PinnedPages> exchange_pins(Ref<PinnedPages> wanted) {
  SpinlockGuard guard(pins_lock);
  pins.swap(wanted);
  return wanted;
}

Ref<PinnedPages> current_pins() {
  SpinlockGuard guard(pins_lock);
  return pins;
}

unsigned flags_of(unsigned command) {
  if (command == kGupFastBenchmark || command == kGupBasicTest) return kFollGet;
  return kFollPin | (command == kPinLongtermBenchmark ? kFollLongterm : 0);
}

// Takes references, up to the first page that cannot be had, and says how far that went.
long take_and_put(unsigned command, uint64_t address) {
  GupTest test;
  if (!get_user(test, address)) return -EFAULT;
  if (test.gup_flags & ~kFollWriteOfLinux) return -EINVAL;
  unsigned flags = flags_of(command) | (test.gup_flags & kFollWriteOfLinux ? kFollWrite : 0);
  uint64_t start = now_ns();
  uint64_t middle = start;
  size_t taken = 0;
  if (test.size >= kPageSize && test.nr_pages_per_call > 0) {
    Result<Ref<PinnedPages>> pages =
        PinnedPages::take_some(*current().mm, page_align_down(test.addr), page_align_down(test.size), flags);
    if (!pages.ok() && pages.error() == -ENOMEM) return -ENOMEM;
    if (pages.ok()) taken = (*pages)->taken();
    middle = now_ns();
  }
  test.get_delta_usec = (middle - start) / 1000;
  test.put_delta_usec = (now_ns() - middle) / 1000;
  test.size = taken * kPageSize;
  return put_user(address, test) ? 0 : -EFAULT;
}

long start_pins(uint64_t address) {
  PinLongtermTest test;
  if (current_pins()) return -EINVAL;
  if (!get_user(test, address)) return -EFAULT;
  if (test.flags & ~(kUseWrite | kUseFast)) return -EINVAL;
  if (!page_aligned(test.addr | test.size) || static_cast<int64_t>(test.size) <= 0) return -EINVAL;
  unsigned flags = kFollPin | kFollLongterm | (test.flags & kUseWrite ? kFollWrite : 0);
  Result<Ref<PinnedPages>> pages = PinnedPages::take(*current().mm, test.addr, test.size, flags);
  if (!pages.ok()) return pages.error();
  exchange_pins(*pages);
  return 0;
}

long read_pins(uint64_t address) {
  Ref<PinnedPages> pages = current_pins();
  uint64_t to;
  if (!pages) return -EINVAL;
  if (!get_user(to, address)) return -EFAULT;
  for (size_t i = 0; i < pages->taken(); ++i)
    if (!copy_to_user(to + i * kPageSize, page_bytes(pages->at(i)), kPageSize)) return -EFAULT;
  return 0;
}

class GupTestFile final : public Inode {
 public:
  GupTestFile() : Inode(S_IFREG | 0600) { file_system = FileSystem::kSys; }
  void closed(File&) override { exchange_pins(nullptr); }
  long ioctl(File&, unsigned command, uint64_t argument) override {
    switch (command) {
      case kGupFastBenchmark:
      case kPinFastBenchmark:
      case kPinLongtermBenchmark:
      case kGupBasicTest:
      case kPinBasicTest:
        return take_and_put(command, argument);
      case kPinLongtermStart:
        return start_pins(argument);
      case kPinLongtermStop:
        exchange_pins(nullptr);
        return 0;
      case kPinLongtermRead:
        return read_pins(argument);
    }
    return -EINVAL;
  }
};

}  // namespace

Ref<Inode> make_gup_test() { return Ref<Inode>(make<GupTestFile>()); }

}  // namespace mk
