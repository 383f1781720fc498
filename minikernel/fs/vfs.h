// SPDX-License-Identifier: GPL-2.0-or-later
//
// Paths to files: finding, opening and making them, and the building of the tree at boot. One tree, one root,
// no mounts: mount(2) of the file systems that are there anyway changes nothing. Everything a system call can
// get wrong comes back as the errno Linux gives. Names are removed and changed in fs/names.h.
#pragma once

#include <stdint.h>

#include "fs/dentry.h"
#include "fs/file.h"
#include "fs/path_walk.h"
#include "lib/result.h"

namespace mk {

// The root directory; exists after vfs_init.
const Ref<Dentry>& vfs_root();
void vfs_init();

// The end of boot, and of the machine: what came between is dropped, so that frames that are missing then are
// lost (Dentry::keep_all).
void vfs_boot_finished();
void vfs_forget_all_since_boot();

Result<Ref<Dentry>> resolve(const Ref<Dentry>& base, const char* path, unsigned flags);

// Opens for O_* `flags` as open(2); `mode`, with the umask applied already, is that of a new file. `walk`:
// flags of openat2.
Result<Ref<File>> vfs_open(const Ref<Dentry>& base, const char* path, unsigned flags, unsigned mode = 0,
                           unsigned walk = 0);
// A new open file of what has a name already (checks what may be opened how, and tells the inode).
Result<Ref<File>> open_dentry(const Ref<Dentry>& dentry, unsigned flags);

Ref<Inode> new_directory(uint32_t mode);
// Where new names can be made: a removed directory says so itself, /proc and /sys make their own.
long may_create(const Inode& directory, bool file);

// For boot: the child `name` of `parent`, made as a plain directory when missing.
Result<Ref<Dentry>> make_directory(Dentry& parent, const char* name, size_t length);
// Puts `inode` at an absolute path, making the directories above it; replaces what was there.
long place(const char* path, Ref<Inode> inode);
// A directory with all those above it; one that is there already gets the mode.
long place_directory(const char* path, uint32_t mode);

}  // namespace mk
