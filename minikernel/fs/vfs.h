// SPDX-License-Identifier: GPL-2.0-or-later
//
// Paths to files: the walk over names and symbolic links (path_resolution(7), Linux fs/namei.c), opening, and
// the building of the tree at boot. One tree, one root, no mounts yet. Everything a system call can get wrong
// comes back as the errno Linux gives.
#pragma once

#include <stdint.h>

#include "fs/dentry.h"
#include "fs/file.h"
#include "lib/result.h"

namespace mk {

inline constexpr size_t kPathMax = 4096;  // with the final NUL
inline constexpr size_t kNameMax = 255;
inline constexpr int kMaxSymlinks = 40;

inline constexpr unsigned kNoFollow = 1;   // a symbolic link at the end is the result
inline constexpr unsigned kDirectory = 2;  // the result has to be a directory

// The root directory; exists after vfs_init.
const Ref<Dentry>& vfs_root();
void vfs_init();

Result<Ref<Dentry>> resolve(const Ref<Dentry>& base, const char* path, unsigned flags);

// Opens an existing file for O_* `flags`. O_CREAT of a missing name, and writing to a file of the initramfs,
// are EROFS.
Result<Ref<File>> vfs_open(const Ref<Dentry>& base, const char* path, unsigned flags);

// For boot: the child `name` of `parent`, made as a plain directory when missing.
Result<Dentry*> make_directory(Dentry& parent, const char* name, size_t length);
// Puts `inode` at an absolute path, making the directories above it; replaces what was there.
long place(const char* path, Ref<Inode> inode);

}  // namespace mk
