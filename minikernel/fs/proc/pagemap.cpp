// SPDX-License-Identifier: GPL-2.0-or-later
//
// /proc/PID/pagemap: a 64-bit word for each page of the address space
// (Documentation/admin-guide/mm/pagemap.rst). Offset and size of a read must be multiples of 8.
#include "arch/x86_64/memory_layout.h"
#include "fs/proc/proc.h"
#include "lib/string.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

constexpr size_t kWords = 128;  // at once
constexpr uint64_t kPages = kUserEnd / kPageSize;

class PageMap final : public Inode {
 public:
  explicit PageMap(ProcessId id) : Inode(S_IFREG | 0400), id_(id) { file_system = FileSystem::kProc; }
  long read(File&, uint64_t offset, UserBuffer buffer) override {
    ProcessInfo info;
    if (!process_info(id_.pid, id_.tid, info)) return -ESRCH;
    if (!info.mm) return 0;
    if (offset % 8 != 0 || buffer.size % 8 != 0) return -EINVAL;
    uint64_t first = offset / 8;
    uint64_t wanted = first < kPages ? min(buffer.size / 8, kPages - first) : 0;
    uint64_t words[kWords];
    for (uint64_t done = 0; done < wanted;) {
      uint64_t count = min(wanted - done, kWords);
      info.mm->pagemap_entries((first + done) * kPageSize, words, count);
      if (!copy_to_user(buffer.address + done * 8, words, count * 8)) return -EFAULT;
      done += count;
    }
    return static_cast<long>(wanted * 8);
  }

 private:
  ProcessId id_;
};

}  // namespace

Ref<Inode> make_pagemap(ProcessId id) { return make<PageMap>(id); }

}  // namespace mk
