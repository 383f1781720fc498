// SPDX-License-Identifier: GPL-2.0-or-later
//
// A symbolic link with its target as text: those of the initramfs, of symlink(2), and the fixed ones in /dev.
#pragma once

#include <stddef.h>

#include "fs/inode.h"

namespace mk {

// `target` has 1 to PATH_MAX - 1 bytes and is copied. Empty when memory is out.
Ref<Inode> make_symlink(const char* target, size_t length);

}  // namespace mk
