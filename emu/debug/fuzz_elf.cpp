// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/elf_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)mmuscope::check_guest_program({data, size}, "fuzz");
  (void)mmuscope::read_symbols({data, size});
  return 0;
}
