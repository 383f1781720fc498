// SPDX-License-Identifier: GPL-2.0-or-later
//
// Directories: their entries, and the working directory.
#include "fs/vfs.h"
#include "lib/string.h"
#include "sys/syscall.h"

namespace mk {
namespace {

struct DirectoryEntry {  // struct linux_dirent64 without its name
  uint64_t inode;
  int64_t next;
  uint16_t length;
  uint8_t type;
} __attribute__((packed));

class DirectoryWriter {
 public:
  DirectoryWriter(UserAddress buffer, unsigned size) : buffer_(buffer), size_(size) {}

  // False when it does not fit or cannot be written; error() tells which.
  bool add(const DirEntry& entry) {
    size_t length = (sizeof(DirectoryEntry) + entry.length + 1 + 7) & ~7ul;
    if (length > size_ - done_) {
      error_ = -EINVAL;
      return false;
    }
    alignas(8) char record[sizeof(DirectoryEntry) + 256 + 8] = {};
    DirectoryEntry header = {entry.inode, static_cast<int64_t>(entry.position + 1),
                             static_cast<uint16_t>(length), entry.type};
    memcpy(record, &header, sizeof(header));
    memcpy(record + sizeof(header), entry.name, entry.length);
    if (!copy_to_user(buffer_ + done_, record, length)) {
      error_ = -EFAULT;
      return false;
    }
    done_ += length;
    return true;
  }
  long result() const { return done_ > 0 ? static_cast<long>(done_) : error_; }

 private:
  UserAddress buffer_;
  size_t size_;
  size_t done_ = 0;
  long error_ = 0;
};

}  // namespace

namespace {

constexpr uint8_t kDirectoryType = S_IFDIR >> 12;

// The next entry at `entry.position` or above, whoever makes it (fs/dir_entry.h).
bool next_entry(Dentry& directory, DirEntry& entry, Ref<Dentry>& hint) {
  if (entry.position < DirEntry::kFirstName) {
    Ref<Dentry> parent = directory.parent();
    entry.type = kDirectoryType;
    entry.length = static_cast<uint8_t>(entry.position + 1);
    entry.inode = entry.position == 0 ? directory.inode().number : parent->inode().number;
    memcpy(entry.name, "..", 3);
    return true;
  }
  if (entry.position < DirEntry::kFirstVirtual) {
    if (directory.next_entry(entry, hint)) return true;
    entry.position = DirEntry::kFirstVirtual;
  }
  return directory.inode().next_entry(entry);
}

}  // namespace

long sys_getdents64(int fd, UserAddress buffer, unsigned size) {
  Ref<File> file = current().files->get(fd);
  if (!file || file->path_only()) return -EBADF;
  if (!file->inode().is_directory()) return -ENOTDIR;
  if (file->dentry().is_removed()) return -ENOENT;
  PositionGuard guard(*file);
  DirectoryWriter writer(buffer, size);
  DirEntry entry;
  entry.position = file->position;
  Ref<Dentry> hint;
  while (next_entry(file->dentry(), entry, hint) && writer.add(entry)) ++entry.position;
  if (writer.result() > 0) file->position = entry.position;
  return writer.result();
}

long sys_getcwd(UserAddress buffer, uint64_t size) {
  Ref<Dentry> directory = current().fs->working_directory();
  if (directory->is_removed()) return -ENOENT;
  char* text = static_cast<char*>(kmalloc(kPathMax));
  if (text == nullptr) return -ENOMEM;
  const char* path = path_of(*directory, text, kPathMax);
  long result = -ENAMETOOLONG;
  if (path != nullptr) {
    uint64_t length = strlen(path) + 1;
    result = length > size                        ? -ERANGE
             : copy_to_user(buffer, path, length) ? static_cast<long>(length)
                                                  : -EFAULT;
  }
  kfree(text);
  return result;
}

long sys_chdir(UserAddress path_address) {
  UserPath path(path_address);
  if (!path.ok()) return path.error();
  Result<Ref<Dentry>> found = resolve(current().fs->working_directory(), path.text(), kDirectory);
  if (!found.ok()) return found.error();
  current().fs->set_working_directory(*found);
  return 0;
}

long sys_fchdir(int fd) {
  Ref<File> file = current().files->get(fd);
  if (!file) return -EBADF;
  if (!file->inode().is_directory()) return -ENOTDIR;
  current().fs->set_working_directory(file->dentry_ref());
  return 0;
}

}  // namespace mk
