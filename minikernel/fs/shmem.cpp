// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/shmem.h"

#include <linux/fcntl.h>

#include "fs/memory_file.h"
#include "lib/log.h"
#include "lib/string.h"

namespace mk {
namespace {

// `name` as /proc shows it behind a slash.
Ref<File> nameless_file(const char* name, uint32_t mode, uint64_t bytes, uint32_t seals) {
  Ref<MemoryFile> inode = make<MemoryFile>(S_IFREG | mode);
  if (!inode) return nullptr;
  inode->set_nameless(bytes, seals);
  inode->links = 0;
  Ref<Dentry> dentry =
      Dentry::named(nullptr, name, strlen(name), Ref<Inode>(inode.raw()), Dentry::Kind::kAbsolute);
  if (!dentry) return nullptr;
  return make<File>(dentry, static_cast<unsigned>(O_RDWR), false);
}

}  // namespace

Ref<File> shmem_zero_setup(uint64_t bytes) {
  return nameless_file("dev/zero (deleted)", 0777, bytes, F_SEAL_SEAL);
}

Result<Ref<File>> memfd_open(const char* name, uint32_t mode, uint32_t seals) {
  char text[300];
  format_text(text, sizeof(text), "memfd:%s (deleted)", name);
  Ref<File> file = nameless_file(text, mode, 0, seals);
  if (!file) return Errno{ENOMEM};
  file->flags |= O_LARGEFILE;
  return file;
}

}  // namespace mk
