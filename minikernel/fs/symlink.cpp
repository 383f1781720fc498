// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/symlink.h"

#include "lib/string.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

class Symlink final : public Inode {
 public:
  Symlink(char* target, size_t length) : Inode(S_IFLNK | 0777), target_(target) { size = length; }
  ~Symlink() override { kfree(target_); }
  long readlink(char* buffer, size_t capacity) override {
    size_t bytes = min(capacity, size);
    memcpy(buffer, target_, bytes);
    return static_cast<long>(bytes);
  }

 private:
  char* target_;
};

}  // namespace

Ref<Inode> make_symlink(const char* target, size_t length) {
  char* copy = static_cast<char*>(kmalloc(length));
  if (copy == nullptr) return nullptr;
  memcpy(copy, target, length);
  Ref<Inode> link(make<Symlink>(copy, length));
  if (!link) kfree(copy);
  return link;
}

}  // namespace mk
