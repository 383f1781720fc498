// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/script.h"

#include "lib/string.h"

namespace mk {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t'; }

}  // namespace

long read_script(File& file, Script& script) {
  long bytes = file.inode().read_kernel(0, script.line, sizeof(script.line) - 1);
  if (bytes < 2 || script.line[0] != '#' || script.line[1] != '!') return 0;
  script.line[bytes] = 0;
  char* end = strchr(script.line, '\n');
  if (end == nullptr) {
    if (bytes == static_cast<long>(sizeof(script.line)) - 1) return -ENOEXEC;
    end = script.line + bytes;
  }
  while (end > script.line && is_space(end[-1])) --end;
  *end = 0;
  char* at = script.line + 2;
  while (is_space(*at)) ++at;
  if (*at == 0) return -ENOEXEC;
  script.interpreter = at;
  while (*at != 0 && !is_space(*at)) ++at;
  if (*at != 0) {
    *at++ = 0;
    while (is_space(*at)) ++at;
    script.argument = at;
  }
  return 1;
}

long script_arguments(const Script& script, const char* path, const ArgumentBuffer& arguments,
                      ArgumentBuffer& out) {
  long error = out.append_string(script.interpreter);
  if (error == 0 && script.argument != nullptr) error = out.append_string(script.argument);
  if (error == 0) error = out.append_string(path);
  return error < 0 ? error : out.append_from(arguments, arguments.first_string_end());
}

}  // namespace mk
