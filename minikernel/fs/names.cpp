// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/names.h"

#include <linux/fs.h>

#include "arch/x86_64/clock.h"
#include "fs/path_walk.h"
#include "fs/symlink.h"
#include "fs/vfs.h"
#include "lib/string.h"

namespace mk {
namespace {

void touch(Inode& inode) { inode.modified_ns = inode.changed_ns = wall_clock_ns(); }

bool is_fixed(const Inode& directory) {
  return directory.file_system == FileSystem::kProc || directory.file_system == FileSystem::kSys;
}

// Nothing in /proc and /sys can be removed or renamed: -EPERM for a name that is there.
long refuse_fixed(PathWalk& walk) {
  Result<Ref<Dentry>> found = walk.look_at_last();
  return found.ok() ? -EPERM : found.error();
}

// Linux's filename_create: walks to where a new name goes. The name may be followed by a slash only when it
// is to be a directory.
long walk_to_new(PathWalk& walk, const char* path, bool directory) {
  if (long error = walk.start(path); error < 0) return error;
  if (!walk.last_is_name()) return -EEXIST;
  if (!walk.directory()->inode().is_directory()) return -ENOTDIR;
  bool slash = walk.wants_directory() && !directory;
  if (slash || is_fixed(walk.directory()->inode())) {
    Result<Ref<Dentry>> found = walk.look_at_last();
    if (found.ok()) return -EEXIST;
    if (slash) return found.error();
  }
  return may_create(walk.directory()->inode(), false);
}

long add(PathWalk& walk, const Ref<Inode>& inode) {
  Dentry& directory = *walk.directory();
  Result<Ref<Dentry>> child = directory.add_child(walk.last(), walk.last_length(), inode);
  if (child.ok()) touch(directory.inode());
  return child.error();
}

// The name is gone; under tree_lock.
void drop_link(Dentry& dentry) {
  Inode& inode = dentry.inode();
  inode.links = inode.is_directory() ? 0 : inode.links - 1;
  inode.changed_ns = wall_clock_ns();
}

}  // namespace

long vfs_mkdir(const Ref<Dentry>& base, const char* path, uint32_t mode) {
  PathWalk walk(base, kNoFollow);
  if (long error = walk_to_new(walk, path, true); error < 0) return error;
  Ref<Inode> inode = new_directory(mode);
  return inode ? add(walk, inode) : -ENOMEM;
}

long vfs_make_node(const Ref<Dentry>& base, const char* path, const Ref<Inode>& inode) {
  PathWalk walk(base, kNoFollow);
  if (long error = walk_to_new(walk, path, false); error < 0) return error;
  return add(walk, inode);
}

long vfs_symlink(const char* target, const Ref<Dentry>& base, const char* path) {
  size_t length = strlen(target);
  if (length == 0) return -ENOENT;
  if (length >= kPathMax) return -ENAMETOOLONG;
  Ref<Inode> inode = make_symlink(target, length);
  return inode ? vfs_make_node(base, path, inode) : -ENOMEM;
}

long vfs_link(const Ref<Dentry>& source, const Ref<Dentry>& base, const char* path) {
  PathWalk walk(base, kNoFollow);
  if (long error = walk_to_new(walk, path, false); error < 0) return error;
  Dentry& directory = *walk.directory();
  Inode& inode = source->inode();
  Ref<Dentry> child = Dentry::named(walk.directory(), walk.last(), walk.last_length(), source->inode_ref(),
                                    Dentry::Kind::kInTree);
  if (!child) return -ENOMEM;
  SpinlockGuard guard(tree_lock);
  if (directory.is_removed()) return -ENOENT;
  if (directory.find_child_locked(walk.last(), walk.last_length()) != nullptr) return -EEXIST;
  if (inode.file_system != directory.inode().file_system) return -EXDEV;
  if (inode.is_directory()) return -EPERM;
  if (inode.links == 0 && !inode.linkable) return -ENOENT;
  ++inode.links;
  inode.linkable = false;
  inode.changed_ns = wall_clock_ns();
  child->link_locked();
  touch(directory.inode());
  return 0;
}

long vfs_unlink(const Ref<Dentry>& base, const char* path) {
  PathWalk walk(base, kNoFollow);
  if (long error = walk.start(path); error < 0) return error;
  if (!walk.last_is_name()) return -EISDIR;
  Dentry& directory = *walk.directory();
  if (is_fixed(directory.inode())) return refuse_fixed(walk);
  Ref<Dentry> gone;  // dropped without the lock
  SpinlockGuard guard(tree_lock);
  Dentry* child = directory.find_child_locked(walk.last(), walk.last_length());
  if (child == nullptr) return -ENOENT;
  if (child->inode().is_directory()) return -EISDIR;
  if (walk.wants_directory()) return -ENOTDIR;
  gone = child->unlink_locked();
  drop_link(*gone);
  touch(directory.inode());
  return 0;
}

long vfs_rmdir(const Ref<Dentry>& base, const char* path) {
  PathWalk walk(base, kNoFollow);
  if (long error = walk.start(path); error < 0) return error;
  if (walk.is_dot_dot()) return -ENOTEMPTY;
  if (walk.is_dot()) return -EINVAL;
  if (walk.last_length() == 0) return -EBUSY;
  Dentry& directory = *walk.directory();
  if (is_fixed(directory.inode())) return refuse_fixed(walk);
  Ref<Dentry> gone;  // dropped without the lock
  SpinlockGuard guard(tree_lock);
  Dentry* child = directory.find_child_locked(walk.last(), walk.last_length());
  if (child == nullptr) return -ENOENT;
  if (!child->inode().is_directory()) return -ENOTDIR;
  if (is_fixed(child->inode())) return -EBUSY;  // a mount point
  if (child->first_child_locked() != nullptr) return -ENOTEMPTY;
  gone = child->unlink_locked();
  drop_link(*gone);
  touch(directory.inode());
  return 0;
}

namespace {

// What a rename is about, between the walks and the change.
struct Rename {
  PathWalk& from;
  PathWalk& to;
  unsigned flags;
  Dentry* source = nullptr;
  Dentry* target = nullptr;  // null: a new name

  // 1: there is nothing to do.
  long check_locked() {
    Dentry& from_directory = *from.directory();
    Dentry& to_directory = *to.directory();
    source = from_directory.find_child_locked(from.last(), from.last_length());
    if (source == nullptr) return -ENOENT;
    target = to_directory.find_child_locked(to.last(), to.last_length());
    bool exchange = flags & RENAME_EXCHANGE;
    if (target != nullptr && (flags & RENAME_NOREPLACE)) return -EEXIST;
    if (target == nullptr && exchange) return -ENOENT;
    bool source_is_directory = source->inode().is_directory();
    bool target_is_directory = target != nullptr && target->inode().is_directory();
    if (!source_is_directory && (from.wants_directory() || (!exchange && to.wants_directory())))
      return -ENOTDIR;
    if (exchange && !target_is_directory && to.wants_directory()) return -ENOTDIR;
    if (to_directory.is_below_locked(*source)) return -EINVAL;
    if (target != nullptr && from_directory.is_below_locked(*target)) return exchange ? -EINVAL : -ENOTEMPTY;
    if (is_fixed(source->inode()) || (target != nullptr && is_fixed(target->inode()))) return -EBUSY;
    if (target == nullptr) return to_directory.is_removed() ? -ENOENT : 0;
    if (&source->inode() == &target->inode()) return 1;
    if (exchange) return 0;
    if (source_is_directory && !target_is_directory) return -ENOTDIR;
    if (!source_is_directory && target_is_directory) return -EISDIR;
    return target->first_child_locked() != nullptr ? -ENOTEMPTY : 0;
  }
};

char* copy_of(const char* name, size_t length) {
  char* copy = static_cast<char*>(kmalloc(length + 1));
  if (copy == nullptr) return nullptr;
  memcpy(copy, name, length);
  copy[length] = 0;
  return copy;
}

// Gives memory back at the end of a function, when no lock is held any more.
struct Freed {
  char* memory;
  ~Freed() { kfree(memory); }
};

}  // namespace

long vfs_rename(const Ref<Dentry>& from_base, const char* from_path, const Ref<Dentry>& to_base,
                const char* to_path, unsigned flags) {
  bool exchange = flags & RENAME_EXCHANGE;
  if (flags & ~static_cast<unsigned>(RENAME_NOREPLACE | RENAME_EXCHANGE)) return -EINVAL;
  if (exchange && (flags & RENAME_NOREPLACE)) return -EINVAL;
  PathWalk from(from_base, kNoFollow), to(to_base, kNoFollow);
  if (long error = from.start(from_path); error < 0) return error;
  if (long error = to.start(to_path); error < 0) return error;
  Inode& from_inode = from.directory()->inode();
  Inode& to_inode = to.directory()->inode();
  if (from_inode.file_system != to_inode.file_system) return -EXDEV;
  if (!from.last_is_name()) return -EBUSY;
  if (!to.last_is_name()) return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
  if (is_fixed(from_inode)) return refuse_fixed(from);

  // Everything that can fail or that has to be dropped without the lock comes before it.
  Ref<Dentry> replaced, to_directory = to.directory(), from_directory = from.directory();
  Freed to_name{copy_of(to.last(), to.last_length())};
  Freed from_name{copy_of(from.last(), from.last_length())};
  if (to_name.memory == nullptr || from_name.memory == nullptr) return -ENOMEM;
  SpinlockGuard guard(tree_lock);
  Rename rename{from, to, flags};
  if (long done = rename.check_locked(); done != 0) return done > 0 ? 0 : done;
  if (rename.target != nullptr && !exchange) {
    replaced = rename.target->unlink_locked();
    drop_link(*replaced);
  }
  to_name.memory = rename.source->move_locked(to_directory, to_name.memory, to.last_length());
  if (exchange)
    from_name.memory = rename.target->move_locked(from_directory, from_name.memory, from.last_length());
  rename.source->inode().changed_ns = wall_clock_ns();
  touch(from_inode);
  touch(to_inode);
  return 0;
}

}  // namespace mk
