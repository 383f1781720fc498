// SPDX-License-Identifier: GPL-2.0-or-later
//
// The initial file system: a cpio archive in "newc" format that the boot loader left in memory
// (Documentation/driver-api/early-userspace/buffer-format.rst). Directories, regular files with hard links,
// and symbolic links become part of the tree; other kinds are skipped with a log line. Contents stay where
// they are in the archive, read-only. An archive that is damaged or cut short gives the files before the
// damage and a log line saying where it is; nothing in it can make the kernel read outside [data, data +
// size).
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace mk {

// Returns how many entries were taken.
size_t unpack_initramfs(const uint8_t* data, size_t size);

}  // namespace mk
