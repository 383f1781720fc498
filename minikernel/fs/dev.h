// SPDX-License-Identifier: GPL-2.0-or-later
//
// The device files under /dev: null, zero, full, random and urandom (both the deterministic generator that
// `seed=` starts), tty and console (see fs/console.h). Device numbers are Linux's
// (Documentation/admin-guide/devices.txt).
#pragma once

#include "fs/inode.h"

namespace mk {

// Random bytes into user memory; bytes done or -EFAULT.
long random_to_user(UserBuffer buffer);
// Puts the device files into the tree, over whatever the initramfs has there.
void dev_init();

// The device files that there are, by st_rdev; another name for one can be made (mknod).
bool is_known_device(uint64_t device);
Ref<Inode> make_device_file(uint64_t device);

}  // namespace mk
