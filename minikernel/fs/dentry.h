// SPDX-License-Identifier: GPL-2.0-or-later
//
// The tree of names. A Dentry is one name in one directory and refers to the file (Inode) behind it; several
// names may refer to one file. A name keeps its parent alive; the tree keeps all names alive that are in it.
// Children are listed in the order in which they were added, which is the order getdents64 shows, and found
// by a hash over parent and name. Names are at most NAME_MAX bytes and never contain '/'.
//
// Not in the tree: names that were removed while somebody still uses them, names that a directory makes up
// (/proc/PID), and names that only say what a nameless file is ("memfd:x").
//
// Locks: tree_lock, a spinlock, guards parents, names, children and hash chains; the functions called
// *_locked need it. The Inode of a name never changes after boot. A Ref<Dentry> must not be dropped under the
// lock.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fs/inode.h"
#include "lib/ref.h"
#include "lib/result.h"
#include "lib/spinlock.h"

namespace mk {

extern Spinlock tree_lock;

class Dentry : public RefCounted {
 public:
  // kAbsolute and kText have no parent: their name is shown behind '/', or as it is ("pipe:[7]").
  enum class Kind : uint8_t { kRoot, kInTree, kRemoved, kMadeUp, kAbsolute, kText };

  Dentry(Ref<Dentry> parent, Ref<Inode> inode, Kind kind) : parent_(parent), inode_(inode), kind_(kind) {}
  ~Dentry();
  // Outside the tree, or not in it yet; empty when memory is out.
  static Ref<Dentry> named(Ref<Dentry> parent, const char* name, size_t length, Ref<Inode> inode, Kind kind);

  Inode& inode() const { return *inode_; }
  const Ref<Inode>& inode_ref() const { return inode_; }
  bool is_root() const { return kind_ == Kind::kRoot; }
  bool is_removed() const { return __atomic_load_n(&kind_, __ATOMIC_RELAXED) == Kind::kRemoved; }
  bool is_text() const { return kind_ == Kind::kText; }
  // The directory it is in; the root is in itself.
  Ref<Dentry> parent();
  // The child of that name in the tree, empty when there is none.
  Ref<Dentry> find_child(const char* name, size_t length);
  // A new child. EEXIST; ENOENT when this directory has been removed; ENOMEM.
  Result<Ref<Dentry>> add_child(const char* name, size_t length, Ref<Inode> inode);
  // The first child at `entry.position` or above: fills `entry`. `hint` is the child of the call before.
  // False: no more.
  bool next_entry(DirEntry& entry, Ref<Dentry>& hint);
  // For boot.
  void replace_inode(Ref<Inode> inode) { inode_ = inode; }

  Dentry* parent_locked() { return parent_ ? parent_.raw() : this; }
  Dentry* find_child_locked(const char* name, size_t length) const;
  Dentry* first_child_locked() const { return first_child_; }
  bool is_below_locked(const Dentry& directory) const;  // or that directory itself
  const char* name_locked() const { return name_; }
  size_t name_length_locked() const { return name_length_; }
  void link_locked();  // into its parent's directory, under its name
  // The tree's reference to the child passes to the caller.
  Ref<Dentry> unlink_locked();
  // Renames: out of the tree and back into it. Takes over `name`, which kmalloc gave. What is left over, to
  // be dropped without the lock: the old name, and in `parent` the old parent.
  char* move_locked(Ref<Dentry>& parent, char* name, size_t length);

  // What was there when the first program started stays in memory for good, so that the frames that are free
  // at the end can be compared with those of then. After that, drops the rest.
  static void keep_all(Dentry& root);
  static void forget_others(Dentry& root);

 private:
  Ref<Dentry> parent_;
  Ref<Inode> inode_;
  char* name_ = nullptr;
  size_t name_length_ = 0;
  Kind kind_;
  uint64_t position_ = 0;                          // in its directory
  uint64_t next_position_ = DirEntry::kFirstName;  // of the next child
  Dentry* first_child_ = nullptr;
  Dentry* last_child_ = nullptr;
  Dentry* next_sibling_ = nullptr;
  Dentry* previous_sibling_ = nullptr;
  Dentry* next_in_bucket_ = nullptr;
  Dentry* next_kept_ = nullptr;
  bool kept_ = false;          // since boot
  char* boot_name_ = nullptr;  // of a kept one that has another name now
};

// The absolute path of `dentry`, terminated, at the end of `buffer`; null when it does not fit. A name that
// was removed gets " (deleted)" behind it, as in /proc.
char* path_of(Dentry& dentry, char* buffer, size_t size);

}  // namespace mk
