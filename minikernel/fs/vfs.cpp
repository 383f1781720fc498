// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/vfs.h"

#include <linux/poll.h>

#include "lib/assert.h"
#include "lib/string.h"

namespace mk {
namespace {

Ref<Dentry> root;

class Directory final : public Inode {
 public:
  Directory() : Inode(S_IFDIR | 0755) { links = 2; }
};

// The text that is still to be walked. Following a link puts its target in front of the rest, as fs/namei.c
// does with its stack of names; two buffers take turns.
class PathText {
 public:
  bool set(const char* path) {
    size_t length = strlen(path);
    if (length >= kPathMax) return false;
    buffers_[0] = static_cast<char*>(kmalloc(kPathMax));
    buffers_[1] = static_cast<char*>(kmalloc(kPathMax));
    if (!allocated()) return true;
    memcpy(buffers_[0], path, length + 1);
    rest_ = buffers_[0];
    return true;
  }
  bool allocated() const { return buffers_[0] != nullptr && buffers_[1] != nullptr; }
  ~PathText() {
    kfree(buffers_[0]);
    kfree(buffers_[1]);
  }

  const char* rest() const { return rest_; }
  void skip_slashes() {
    while (*rest_ == '/') ++rest_;
  }
  size_t component_length() const {
    size_t length = 0;
    while (rest_[length] != 0 && rest_[length] != '/') ++length;
    return length;
  }
  void advance(size_t length) { rest_ += length; }

  long push_link(Inode& link) {
    current_ ^= 1;
    char* buffer = buffers_[current_];
    long length = link.readlink(buffer, kPathMax);
    if (length < 0) return length;
    if (length == 0) return -ENOENT;
    size_t rest_length = strlen(rest_);
    if (static_cast<size_t>(length) + rest_length >= kPathMax) return -ENAMETOOLONG;
    memcpy(buffer + length, rest_, rest_length + 1);
    rest_ = buffer;
    return 0;
  }

 private:
  char* buffers_[2] = {};
  int current_ = 0;
  const char* rest_ = nullptr;
};

long walk(Ref<Dentry>& at, PathText& text, unsigned flags) {
  int links_followed = 0;
  if (*text.rest() == '/') at = root;
  while (true) {
    bool slash = *text.rest() == '/';
    text.skip_slashes();
    size_t length = text.component_length();
    if (length == 0) return (slash || (flags & kDirectory)) && !at->inode().is_directory() ? -ENOTDIR : 0;
    if (!at->inode().is_directory()) return -ENOTDIR;
    if (length > kNameMax) return -ENAMETOOLONG;

    const char* name = text.rest();
    text.advance(length);
    if (length == 1 && name[0] == '.') continue;
    if (length == 2 && name[0] == '.' && name[1] == '.') {
      at = Ref<Dentry>(&at->parent());
      continue;
    }
    Ref<Dentry> child(at->find_child(name, length));
    if (!child) return -ENOENT;
    bool last = *text.rest() == 0;
    if (child->inode().is_symlink() && !(last && (flags & kNoFollow))) {
      if (++links_followed > kMaxSymlinks) return -ELOOP;
      long error = text.push_link(child->inode());
      if (error < 0) return error;
      if (*text.rest() == '/') at = root;
      continue;
    }
    at = child;
  }
}

}  // namespace

short Inode::poll(File&) { return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM; }

Pfn Inode::page(uint64_t) { panic("page of a file that cannot be mapped"); }

const Ref<Dentry>& vfs_root() { return root; }

void vfs_init() {
  root = make<Dentry>(Ref<Dentry>(), Ref<Inode>(make<Directory>()));
  KASSERT(root);
}

Result<Ref<Dentry>> resolve(const Ref<Dentry>& base, const char* path, unsigned flags) {
  if (*path == 0) return Errno{ENOENT};
  PathText text;
  if (!text.set(path)) return Errno{ENAMETOOLONG};
  if (!text.allocated()) return Errno{ENOMEM};
  Ref<Dentry> at = base;
  long error = walk(at, text, flags);
  if (error < 0) return Errno{static_cast<int>(-error)};
  return at;
}

Result<Ref<File>> vfs_open(const Ref<Dentry>& base, const char* path, unsigned flags) {
  // O_PATH keeps only the flags that choose the name (fs/open.c, build_open_flags).
  if (flags & O_PATH) flags &= O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
  bool exclusive = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
  bool no_follow = (flags & O_NOFOLLOW) || exclusive;
  Result<Ref<Dentry>> found =
      resolve(base, path, (no_follow ? kNoFollow : 0) | (flags & O_DIRECTORY ? kDirectory : 0));
  if (!found.ok()) {
    if (found.error() == -ENOENT && (flags & O_CREAT) && *path != 0) return Errno{EROFS};
    return found.failure();
  }
  Inode& inode = (*found)->inode();
  if (exclusive) return Errno{EEXIST};
  if (!(flags & O_PATH)) {
    if (inode.is_symlink()) return Errno{ELOOP};
    bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
    if (inode.is_directory() && (writes || (flags & O_CREAT))) return Errno{EISDIR};
    if (inode.is_regular() && writes) return Errno{EROFS};
  }
  // These act at open time only and do not show in F_GETFL. O_LARGEFILE is 0 in 64-bit programs and added by
  // the kernel.
  flags &= ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
  Ref<File> file = make<File>(*found, flags | O_LARGEFILE);
  if (!file) return Errno{ENOMEM};
  return file;
}

Result<Ref<File>> open_nameless(Ref<Inode> inode, unsigned flags) {
  Ref<Dentry> dentry = make<Dentry>(nullptr, inode);
  Ref<File> file = dentry ? make<File>(dentry, flags) : nullptr;
  if (!file) return Errno{ENOMEM};
  return file;
}

Result<Dentry*> make_directory(Dentry& parent, const char* name, size_t length) {
  Dentry* existing = parent.find_child(name, length);
  if (existing != nullptr) {
    if (!existing->inode().is_directory()) return Errno{ENOTDIR};
    return existing;
  }
  Ref<Inode> inode(make<Directory>());
  if (!inode) return Errno{ENOMEM};
  Result<Dentry*> child = parent.add_child(name, length, inode);
  if (child.ok()) ++parent.inode().links;
  return child;
}

long place(const char* path, Ref<Inode> inode) {
  if (!inode) return -ENOMEM;
  Dentry* directory = root.raw();
  const char* name = path;
  while (true) {
    while (*name == '/') ++name;
    size_t length = 0;
    while (name[length] != 0 && name[length] != '/') ++length;
    if (length == 0 || length > kNameMax) return -EINVAL;
    if (name[length] == 0) {
      if (Dentry* existing = directory->find_child(name, length)) {
        existing->replace_inode(inode);
        return 0;
      }
      return directory->add_child(name, length, inode).error();
    }
    Result<Dentry*> next = make_directory(*directory, name, length);
    if (!next.ok()) return next.error();
    directory = *next;
    name += length;
  }
}

}  // namespace mk
