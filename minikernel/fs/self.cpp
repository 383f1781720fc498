// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/self.h"

#include "fs/vfs.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {
namespace {

class SelfExe final : public Inode {
 public:
  SelfExe() : Inode(S_IFLNK | 0777) {}
  long readlink(char* buffer, size_t size) override {
    Ref<File> file = current().mm->executable;
    if (!file) return -ENOENT;
    char* text = static_cast<char*>(kmalloc(kPathMax));
    if (text == nullptr) return -ENOMEM;
    const char* path = path_of(file->dentry(), text, kPathMax);
    long length = path == nullptr ? -ENAMETOOLONG : static_cast<long>(min(strlen(path), size));
    if (length > 0) memcpy(buffer, path, static_cast<size_t>(length));
    kfree(text);
    return length;
  }
};

}  // namespace

void self_init() {
  if (place("/proc/self/exe", Ref<Inode>(make<SelfExe>())) != 0)
    panic("cannot make /proc/self: is /proc of the initramfs a folder?");
}

}  // namespace mk
