// SPDX-License-Identifier: GPL-2.0-or-later
//
// /proc/kpagecount and /proc/kpageflags: a 64-bit word for each frame, how many entries map it and what it is
// (Linux fs/proc/page.c; Documentation/admin-guide/mm/pagemap.rst). Offset and size of a read must be
// multiples of 8.
#include "fs/proc/proc.h"
#include "lib/kmalloc.h"
#include "mm/mappings.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

enum class FrameWord { kMappings, kFlags };

class FrameWords final : public Inode {
 public:
  explicit FrameWords(FrameWord what) : Inode(S_IFREG | 0400), what_(what) {
    file_system = FileSystem::kProc;
  }
  long read(File&, uint64_t offset, UserBuffer buffer) override {
    if (offset % 8 != 0 || buffer.size % 8 != 0) return -EINVAL;
    Pfn first = offset / 8, end = frames_end();
    if (first >= end) return 0;
    uint64_t wanted = min(buffer.size / 8, end - first);
    auto* uses = static_cast<FrameUse*>(kmalloc(kAtOnce * sizeof(FrameUse)));
    if (uses == nullptr) return -ENOMEM;
    long result = static_cast<long>(wanted * 8);
    for (uint64_t done = 0; done < wanted && result > 0; done += kAtOnce)
      if (!copy_some(first + done, min(wanted - done, kAtOnce), uses, buffer.address + done * 8))
        result = -EFAULT;
    kfree(uses);
    return result;
  }

 private:
  static constexpr uint64_t kAtOnce = 256;

  bool copy_some(Pfn first, uint64_t count, FrameUse* uses, uint64_t to) const {
    look_up_frame_uses(first, count, uses);
    uint64_t words[kAtOnce / 4];
    for (uint64_t done = 0; done < count;) {
      uint64_t part = min(count - done, sizeof(words) / 8);
      for (uint64_t i = 0; i < part; ++i)
        words[i] = what_ == FrameWord::kMappings ? uses[done + i].mappings : uses[done + i].flags;
      if (!copy_to_user(to + done * 8, words, part * 8)) return false;
      done += part;
    }
    return true;
  }

  FrameWord what_;
};

}  // namespace

Ref<Inode> make_kpagecount() { return make<FrameWords>(FrameWord::kMappings); }
Ref<Inode> make_kpageflags() { return make<FrameWords>(FrameWord::kFlags); }

}  // namespace mk
