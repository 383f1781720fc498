// SPDX-License-Identifier: GPL-2.0-or-later
//
// /proc/PID/pagemap: a 64-bit word for each page of the address space
// (Documentation/admin-guide/mm/pagemap.rst). Offset and size of a read must be multiples of 8. And
// /proc/PID/clear_refs, which resets what it shows.
#include "arch/x86_64/memory_layout.h"
#include "fs/proc/proc.h"
#include "lib/string.h"
#include "mm/mappings.h"
#include "mm/user_memory.h"
#include "proc/scheduler.h"

namespace mk {
namespace {

constexpr uint64_t kPages = kUserEnd / kPageSize;

class PageMap final : public Inode {
 public:
  explicit PageMap(ProcessId id) : Inode(S_IFREG | 0400), id_(id) { file_system = FileSystem::kProc; }
  long open(File& file) override { return remember_memory(file, id_); }
  bool has_end() const override { return false; }
  long read(File& file, uint64_t offset, UserBuffer buffer) override {
    Ref<AddressSpace> mm = remembered_memory(file, id_);
    if (!mm) return 0;
    if (offset % 8 != 0 || buffer.size % 8 != 0) return -EINVAL;
    uint64_t first = offset / 8;
    uint64_t wanted = first < kPages ? min(buffer.size / 8, kPages - first) : 0;
    uint64_t at_once = min(wanted, MappingCounter::kMost);
    MappingCounter counter(at_once);
    FrameArray<uint64_t> words(at_once);
    if (!counter.ok() || !words.ok()) return -ENOMEM;
    for (uint64_t done = 0; done < wanted;) {
      uint64_t count = min(wanted - done, at_once);
      mm->pagemap_entries((first + done) * kPageSize, count, words, counter);
      if (!copy_words(words, count, buffer.address + done * 8)) return -EFAULT;
      done += count;
    }
    return static_cast<long>(wanted * 8);
  }
  long ioctl(File& file, unsigned command, uint64_t argument) override {
    constexpr unsigned kPagemapScan = 0xc0606610;  // _IOWR('f', 16, struct pm_scan_arg)
    if (command != kPagemapScan) return -EINVAL;
    Ref<AddressSpace> mm = remembered_memory(file, id_);
    return mm ? pagemap_scan(*mm, argument) : -EINVAL;
  }

 private:
  ProcessId id_;
};

// What is written is a number: 1 to 3 clear accessed bits of all pages, of anonymous and of files' ones, 4
// begins to look for writes, 5 takes the RSS for its peak.
class ClearRefs final : public Inode {
 public:
  explicit ClearRefs(ProcessId id) : Inode(S_IFREG | 0200), id_(id) { file_system = FileSystem::kProc; }
  long write(File&, uint64_t, UserBuffer buffer) override {
    char text[13] = {};
    if (!copy_from_user(text, buffer.address, min(buffer.size, sizeof(text) - 1))) return -EFAULT;
    const char* digits = text;
    while (*digits == ' ' || *digits == '\t' || *digits == '\n') ++digits;
    size_t length = strlen(digits);
    while (length > 0 && (digits[length - 1] == ' ' || digits[length - 1] == '\n')) --length;
    if (length > 1 && *digits == '+') ++digits, --length;
    int type = 0;
    for (size_t i = 0; i < length; ++i) {
      if (digits[i] < '0' || digits[i] > '9') return -EINVAL;
      if (type < 1000) type = type * 10 + (digits[i] - '0');
    }
    if (type < 1 || type > 5) return -EINVAL;
    ProcessInfo info;
    if (!process_info(id_.pid, id_.tid, info)) return -ESRCH;
    if (info.mm) clear(*info.mm, type);
    return static_cast<long>(buffer.size);
  }

 private:
  static void clear(AddressSpace& mm, int type) {
    if (type == 4) return mm.clear_soft_dirty_bits();
    if (type == 5) return mm.reset_max_rss();
    mm.clear_accessed_bits(type != 3, type != 2);
  }

  ProcessId id_;
};

}  // namespace

bool copy_words(const FrameArray<uint64_t>& words, size_t count, uint64_t user) {
  constexpr size_t kPart = FrameArray<uint64_t>::kPerFrame;
  for (size_t done = 0; done < count; done += kPart)
    if (!copy_to_user(user + done * 8, &words[done], min(count - done, kPart) * 8)) return false;
  let_others_run();
  return true;
}

Ref<Inode> make_clear_refs(ProcessId id) { return make<ClearRefs>(id); }
Ref<Inode> make_pagemap(ProcessId id) { return make<PageMap>(id); }

}  // namespace mk
