// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/vfs.h"

#include "fs/memory_file.h"
#include "lib/assert.h"
#include "lib/log.h"
#include "lib/string.h"

namespace mk {
namespace {

Ref<Dentry> root;

class Directory final : public Inode {
 public:
  explicit Directory(uint32_t permissions) : Inode(S_IFDIR | permissions) { links = 2; }
};

constexpr unsigned kTemporary = O_TMPFILE & ~O_DIRECTORY;  // __O_TMPFILE

// The file that open(O_CREAT) makes where `walk` found no name.
Result<Ref<Dentry>> create_file(const PathWalk& walk, unsigned mode) {
  Dentry& directory = *walk.directory();
  if (long error = may_create(directory.inode(), true); error < 0) return Errno{static_cast<int>(-error)};
  Ref<Inode> inode(make<MemoryFile>(S_IFREG | (mode & 07777)));
  if (!inode) return Errno{ENOMEM};
  return directory.add_child(walk.last(), walk.last_length(), inode);
}

// A regular file that has no name, in the directory `at` (open(2), O_TMPFILE).
Result<Ref<File>> open_temporary(const Ref<Dentry>& at, unsigned flags, unsigned mode) {
  if (long error = may_create(at->inode(), true); error < 0) return Errno{EOPNOTSUPP};
  Ref<Inode> inode(make<MemoryFile>(S_IFREG | (mode & 07777)));
  if (!inode) return Errno{ENOMEM};
  inode->links = 0;
  inode->linkable = !(flags & O_EXCL);
  char name[24];
  format_text(name, sizeof(name), "#%lu", inode->number);
  Ref<Dentry> dentry = Dentry::named(at, name, strlen(name), inode, Dentry::Kind::kRemoved);
  if (!dentry) return Errno{ENOMEM};
  return open_dentry(dentry, flags & ~kTemporary & ~O_DIRECTORY);
}

}  // namespace

const Ref<Dentry>& vfs_root() { return root; }

void vfs_init() {
  root = make<Dentry>(Ref<Dentry>(), new_directory(0755), Dentry::Kind::kRoot);
  KASSERT(root);
}

void vfs_boot_finished() { Dentry::keep_all(*root); }
void vfs_forget_all_since_boot() { Dentry::forget_others(*root); }

Result<Ref<Dentry>> resolve(const Ref<Dentry>& base, const char* path, unsigned flags) {
  PathWalk walk(base, flags);
  if (long error = walk.start(path); error < 0) return Errno{static_cast<int>(-error)};
  return walk.take_last();
}

Result<Ref<File>> vfs_open(const Ref<Dentry>& base, const char* path, unsigned flags, unsigned mode,
                           unsigned walk_flags) {
  // O_PATH keeps only the flags that choose the name (fs/open.c, build_open_flags).
  if (flags & O_PATH) flags &= O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
  bool temporary = flags & kTemporary;
  if (temporary && (!(flags & O_DIRECTORY) || (flags & O_ACCMODE) == O_RDONLY)) return Errno{EINVAL};
  if (!temporary && (flags & (O_DIRECTORY | O_CREAT)) == (O_DIRECTORY | O_CREAT)) return Errno{EINVAL};
  bool exclusive = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
  if ((flags & O_NOFOLLOW) || exclusive) walk_flags |= kNoFollow;
  if (flags & O_DIRECTORY) walk_flags |= kDirectory;
  if (flags & O_CREAT) walk_flags |= kCreate;

  PathWalk walk(base, walk_flags);
  if (long error = walk.start(path); error < 0) return Errno{static_cast<int>(-error)};
  while (true) {
    Result<Ref<Dentry>> found = walk.take_last();
    if (found.ok()) {
      if (temporary) return open_temporary(*found, flags, mode);
      if (exclusive) return Errno{EEXIST};
      return open_dentry(*found, flags);
    }
    if (!(flags & O_CREAT) || !walk.only_last_is_missing()) return found.failure();
    Result<Ref<Dentry>> made = create_file(walk, mode);
    if (made.ok()) return open_dentry(*made, flags & ~(O_CREAT | O_TRUNC));
    if (made.error() != -EEXIST) return made.failure();  // else somebody was faster: open that
  }
}

Result<Ref<File>> open_dentry(const Ref<Dentry>& dentry, unsigned flags) {
  Inode& inode = dentry->inode();
  bool writes = (flags & O_ACCMODE) != O_RDONLY;
  bool counted = false;
  if (!(flags & O_PATH)) {
    if (inode.is_symlink()) return Errno{ELOOP};
    if (inode.is_directory() && (writes || (flags & (O_CREAT | O_TRUNC)))) return Errno{EISDIR};
    counted = inode.is_regular() && (writes || (flags & O_TRUNC));
  }
  if (counted && inode.get_write_access() < 0) return Errno{ETXTBSY};
  // These act at open time only and do not show in F_GETFL. O_LARGEFILE is 0 in 64-bit programs and added by
  // the kernel.
  unsigned kept = flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
  Ref<File> file = make<File>(dentry, kept | (flags & O_PATH ? 0 : O_LARGEFILE));
  long error = file ? 0 : -ENOMEM;
  if (error == 0 && !(flags & O_PATH)) error = inode.open(*file);
  if (error == 0 && (flags & O_DIRECT) && !(flags & O_PATH) && !inode.can_direct()) error = -EINVAL;
  if (error == 0 && counted && (flags & O_TRUNC)) error = inode.truncate(0);
  if (counted) inode.put_write_access();  // a file open for writing has its own
  if (error < 0) return Errno{static_cast<int>(-error)};
  return file;
}

Result<Ref<File>> open_nameless(Ref<Inode> inode, const char* name, unsigned flags) {
  inode->file_system = FileSystem::kAnonymous;
  Ref<Dentry> dentry = Dentry::named(nullptr, name, strlen(name), inode, Dentry::Kind::kText);
  Ref<File> file = dentry ? make<File>(dentry, flags) : nullptr;
  if (!file) return Errno{ENOMEM};
  return file;
}

Ref<Inode> new_directory(uint32_t mode) { return make<Directory>(mode & 07777); }

long may_create(const Inode& directory, bool file) {
  if (!directory.is_directory()) return -ENOTDIR;
  switch (directory.file_system) {
    case FileSystem::kProc:
      return -ENOENT;
    case FileSystem::kSys:
      return file ? -EACCES : -EPERM;
    default:
      return 0;
  }
}

Result<Ref<Dentry>> make_directory(Dentry& parent, const char* name, size_t length) {
  if (Ref<Dentry> existing = parent.find_child(name, length)) {
    if (!existing->inode().is_directory()) return Errno{ENOTDIR};
    return existing;
  }
  Ref<Inode> inode = new_directory(0755);
  if (!inode) return Errno{ENOMEM};
  inode->file_system = parent.inode().file_system;
  return parent.add_child(name, length, inode);
}

namespace {

// Walks an absolute path, making directories, up to its last name.
Result<Ref<Dentry>> make_parents(const char* path, const char*& name, size_t& length) {
  Ref<Dentry> directory = root;
  name = path;
  while (true) {
    while (*name == '/') ++name;
    length = 0;
    while (name[length] != 0 && name[length] != '/') ++length;
    if (length == 0 || length > kNameMax) return Errno{EINVAL};
    if (name[length] == 0) return directory;
    Result<Ref<Dentry>> next = make_directory(*directory, name, length);
    if (!next.ok()) return next;
    directory = *next;
    name += length;
  }
}

}  // namespace

long place(const char* path, Ref<Inode> inode) {
  if (!inode) return -ENOMEM;
  const char* name = nullptr;
  size_t length = 0;
  Result<Ref<Dentry>> directory = make_parents(path, name, length);
  if (!directory.ok()) return directory.error();
  if (Ref<Dentry> existing = (*directory)->find_child(name, length)) {
    existing->replace_inode(inode);
    return 0;
  }
  return (*directory)->add_child(name, length, inode).error();
}

long place_directory(const char* path, uint32_t mode) {
  const char* name = nullptr;
  size_t length = 0;
  Result<Ref<Dentry>> directory = make_parents(path, name, length);
  if (directory.ok()) directory = make_directory(**directory, name, length);
  if (!directory.ok()) return directory.error();
  (*directory)->inode().mode = S_IFDIR | mode;
  return 0;
}

}  // namespace mk
