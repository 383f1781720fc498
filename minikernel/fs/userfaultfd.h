// SPDX-License-Identifier: GPL-2.0-or-later
//
// The files of userfaultfd(2): what a monitor reads, polls and commands (Linux fs/userfaultfd.c). What they
// do to memory is in mm/userfaultfd*.cpp.
#pragma once

#include <linux/fcntl.h>

#include "fs/inode.h"
#include "lib/ref.h"

namespace mk {

class Userfaultfd;

// userfaultfd(2), by the call or by /dev/userfaultfd: a descriptor for the running task. -EINVAL for unknown
// flags, -ENOMEM, -EMFILE.
long new_userfaultfd(unsigned flags);
// A descriptor for one that there is already: the child's of a fork, for its monitor.
long install_userfaultfd(const Ref<Userfaultfd>& context, unsigned access);
// /dev/userfaultfd.
inline constexpr uint64_t kUserfaultfdDevice = make_device(10, 126);
Ref<Inode> make_userfaultfd_device();

}  // namespace mk
