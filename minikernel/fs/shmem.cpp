// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/shmem.h"

#include "mm/page_cache.h"

namespace mk {
namespace {

class Shmem final : public Inode {
 public:
  explicit Shmem(uint64_t bytes) : Inode(S_IFREG | 0777) { size = bytes; }
  bool mappable() const override { return true; }
  bool page_cached(uint64_t index) const override { return pages_.find(index) != 0; }
  Pfn page(uint64_t index) override {
    Pfn pfn = pages_.find_or_add(index);
    return pfn != 0 && frame_get(pfn) ? pfn : 0;
  }
  void opened() override { ++openers_; }
  void closed() override {
    if (--openers_ == 0) pages_.clear();
  }

 private:
  PageCache pages_;
  uint32_t openers_ = 0;
};

}  // namespace

Ref<File> shmem_zero_setup(uint64_t bytes) {
  Ref<Inode> inode = make<Shmem>(bytes);
  if (!inode) return nullptr;
  Ref<Dentry> dentry = make<Dentry>(nullptr, inode);
  if (!dentry) return nullptr;
  return make<File>(dentry, static_cast<unsigned>(O_RDWR));
}

}  // namespace mk
