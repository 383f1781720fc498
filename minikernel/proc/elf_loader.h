// SPDX-License-Identifier: GPL-2.0-or-later
//
// The file part of exec: what an ELF file says, checked, and its segments mapped into a new address space.
#pragma once

#include <stdint.h>

#include "fs/file.h"
#include "lib/result.h"
#include "mm/address_space.h"

namespace mk {

struct LoadedProgram {
  uint64_t load_bias;        // added to all addresses in the file; 0 for ET_EXEC
  uint64_t entry;            // with the bias
  uint64_t program_headers;  // address in memory; 0 when no segment has them
  uint16_t program_header_count;
  uint64_t end;  // of the highest segment
  bool executable_stack;
};

// ENOEXEC: not a program for this kernel (the log says why); ENOMEM; EINVAL, EPERM for addresses that cannot
// be mapped.
Result<LoadedProgram> load_elf(AddressSpace& mm, const Ref<File>& file, const char* path);

}  // namespace mk
