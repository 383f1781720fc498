// SPDX-License-Identifier: GPL-2.0-or-later
//
// Memory that is a file without a name: what MAP_SHARED|MAP_ANONYMOUS and shared mappings of /dev/zero map
// (Linux's shmem_zero_setup). Its pages stay in its cache until nothing maps it any more, whatever a mapping
// drops.
#pragma once

#include "fs/file.h"
#include "lib/ref.h"

namespace mk {

// A readable and writable file of `bytes` zeroes; an empty Ref when memory is out.
Ref<File> shmem_zero_setup(uint64_t bytes);

}  // namespace mk
