// SPDX-License-Identifier: GPL-2.0-or-later
//
// /proc/kpagecount and /proc/kpageflags: a 64-bit word for each frame, how many entries map it and what it is
// (Linux fs/proc/page.c; Documentation/admin-guide/mm/pagemap.rst). Offset and size of a read must be
// multiples of 8.
#include "fs/proc/proc.h"
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
  bool has_end() const override { return false; }
  long read(File&, uint64_t offset, UserBuffer buffer) override {
    if (offset % 8 != 0 || buffer.size % 8 != 0) return -EINVAL;
    Pfn first = offset / 8, end = frames_end();
    if (first >= end) return 0;
    uint64_t wanted = min(buffer.size / 8, end - first);
    uint64_t at_once = min(wanted, kAtOnce);
    FrameArray<FrameUse> uses(at_once);
    FrameArray<uint64_t> words(at_once);
    if (!uses.ok() || !words.ok()) return -ENOMEM;
    for (uint64_t done = 0; done < wanted;) {
      uint64_t count = min(wanted - done, at_once);
      look_up_frame_uses(first + done, count, uses);
      for (uint64_t i = 0; i < count; ++i)
        words[i] = what_ == FrameWord::kMappings ? uses[i].mappings : uses[i].flags;
      if (!copy_words(words, count, buffer.address + done * 8)) return -EFAULT;
      done += count;
    }
    return static_cast<long>(wanted * 8);
  }

 private:
  static constexpr uint64_t kAtOnce = 2048;  // all page tables are looked at for so many

  FrameWord what_;
};

}  // namespace

Ref<Inode> make_kpagecount() { return make<FrameWords>(FrameWord::kMappings); }
Ref<Inode> make_kpageflags() { return make<FrameWords>(FrameWord::kFlags); }

}  // namespace mk
