// SPDX-License-Identifier: GPL-2.0-or-later
//
// The tree of names. A Dentry is one name in one directory and refers to the file (Inode) behind it; several
// names may refer to one file. A name keeps its parent alive; the tree keeps all names alive that were added
// to it. Children are listed in the order in which they were added, which is the order getdents64 shows, and
// found by a hash over parent and name. Names are at most NAME_MAX bytes and never contain '/'.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fs/inode.h"
#include "lib/ref.h"
#include "lib/result.h"

namespace mk {

class Dentry : public RefCounted {
 public:
  Dentry(Ref<Dentry> parent, Ref<Inode> inode) : parent_(parent), inode_(inode) {}
  ~Dentry();

  Inode& inode() const { return *inode_; }
  const Ref<Inode>& inode_ref() const { return inode_; }
  const char* name() const { return name_; }
  size_t name_length() const { return name_length_; }
  // The directory it is in; the root is in itself.
  Dentry& parent() { return parent_ ? *parent_ : *this; }
  bool is_root() const { return !parent_; }
  Dentry* first_child() const { return first_child_; }
  Dentry* next_sibling() const { return next_sibling_; }

  // The child of that name, null when there is none.
  Dentry* find_child(const char* name, size_t length);
  // A new child; EEXIST when the name is taken, ENOMEM.
  Result<Dentry*> add_child(const char* name, size_t length, Ref<Inode> inode);
  void replace_inode(Ref<Inode> inode) { inode_ = inode; }

 private:
  Ref<Dentry> parent_;
  Ref<Inode> inode_;
  char* name_ = nullptr;
  size_t name_length_ = 0;
  Dentry* first_child_ = nullptr;
  Dentry* last_child_ = nullptr;
  Dentry* next_sibling_ = nullptr;
  Dentry* next_in_bucket_ = nullptr;
};

// The absolute path of `dentry`, terminated, at the end of `buffer`; null when it does not fit.
char* path_of(Dentry& dentry, char* buffer, size_t size);

}  // namespace mk
