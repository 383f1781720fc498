// SPDX-License-Identifier: GPL-2.0-or-later
//
// Memory that is a file without a name in the tree: what MAP_SHARED|MAP_ANONYMOUS and shared mappings of
// /dev/zero map (Linux's shmem_zero_setup), and memfd_create(2). Its pages stay in its cache until nothing
// maps it or has it open any more, whatever a mapping drops.
#pragma once

#include "fs/file.h"
#include "lib/ref.h"
#include "lib/result.h"

namespace mk {

inline constexpr uint32_t kSealExec = 0x20;  // F_SEAL_EXEC (6.3), newer than the headers

// A readable and writable file of `bytes` zeroes; an empty Ref when memory is out.
Ref<File> shmem_zero_setup(uint64_t bytes);

// The file of memfd_create; `name` is what /proc shows, `seals` those it starts with.
Result<Ref<File>> memfd_open(const char* name, uint32_t mode, uint32_t seals);

}  // namespace mk
