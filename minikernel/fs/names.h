// SPDX-License-Identifier: GPL-2.0-or-later
//
// Making, removing and changing names: what mkdir(2), mknod(2), symlink(2), link(2), unlink(2), rmdir(2) and
// rename(2) do, with paths in kernel memory that start at `base` when they are relative. Each changes the
// tree in one step under tree_lock. 0 or -errno; the order of the checks is that of Linux's fs/namei.c.
#pragma once

#include <stdint.h>

#include "fs/dentry.h"

namespace mk {

long vfs_mkdir(const Ref<Dentry>& base, const char* path, uint32_t mode);
// Gives a file that has none yet its name.
long vfs_make_node(const Ref<Dentry>& base, const char* path, const Ref<Inode>& inode);
long vfs_symlink(const char* target, const Ref<Dentry>& base, const char* path);
// One more name for the file behind `source`.
long vfs_link(const Ref<Dentry>& source, const Ref<Dentry>& base, const char* path);
long vfs_unlink(const Ref<Dentry>& base, const char* path);
long vfs_rmdir(const Ref<Dentry>& base, const char* path);
// `flags`: RENAME_NOREPLACE, RENAME_EXCHANGE.
long vfs_rename(const Ref<Dentry>& from_base, const char* from, const Ref<Dentry>& to_base, const char* to,
                unsigned flags);

}  // namespace mk
