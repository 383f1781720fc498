// SPDX-License-Identifier: GPL-2.0-or-later
//
// An open file: where it is in the tree, how it was opened, the position. Shared by the descriptors that
// dup() makes and by the areas that map it; the last reference closes it.
#pragma once

#include <asm/fcntl.h>
#include <stdint.h>

#include "fs/dentry.h"
#include "fs/inode.h"
#include "lib/ref.h"
#include "lib/result.h"

namespace mk {

class File : public RefCounted {
 public:
  File(Ref<Dentry> dentry, unsigned open_flags) : flags(open_flags), dentry_(dentry) { inode().opened(); }
  ~File() { inode().closed(); }

  Inode& inode() const { return dentry_->inode(); }
  Dentry& dentry() const { return *dentry_; }
  const Ref<Dentry>& dentry_ref() const { return dentry_; }

  bool path_only() const { return (flags & O_PATH) != 0; }
  bool readable() const { return !path_only() && (flags & O_ACCMODE) != O_WRONLY; }
  bool writable() const { return !path_only() && (flags & O_ACCMODE) != O_RDONLY; }

  unsigned flags;  // O_* as F_GETFL shows them
  uint64_t position = 0;

 private:
  Ref<Dentry> dentry_;
};

// A file that no name leads to. ENOMEM.
Result<Ref<File>> open_nameless(Ref<Inode> inode, unsigned flags);

}  // namespace mk
