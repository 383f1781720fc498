// SPDX-License-Identifier: GPL-2.0-or-later
//
// Scripts: files that begin with #! name the program that reads them (Linux fs/binfmt_script.c).
#pragma once

#include <stddef.h>

#include "fs/file.h"
#include "proc/argument_buffer.h"

namespace mk {

struct Script {
  static constexpr size_t kLineMax = 256;  // BINPRM_BUF_SIZE
  char line[kLineMax];
  const char* interpreter = nullptr;
  const char* argument = nullptr;  // null: none
};

// 1: a script, `script` says how it is read. 0: none. -ENOEXEC: a line that names nothing, or does not fit.
long read_script(File& file, Script& script);

// What the interpreter gets as arguments: itself, its argument, the script's path, and the script's arguments
// without the first. -E2BIG, -ENOMEM.
long script_arguments(const Script& script, const char* path, const ArgumentBuffer& arguments,
                      ArgumentBuffer& out);

}  // namespace mk
