# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes ${CMAKE_CURRENT_BINARY_DIR}/system_call_names.inc: a `{number, "name"},` line for each system call of the
# installed <asm/unistd_64.h>. Made again when that header changes.
find_file(MMUSCOPE_UNISTD_64 asm/unistd_64.h
  PATHS /usr/include/${CMAKE_LIBRARY_ARCHITECTURE} /usr/include/x86_64-linux-gnu /usr/include REQUIRED)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${MMUSCOPE_UNISTD_64})
file(STRINGS ${MMUSCOPE_UNISTD_64} system_call_lines REGEX "^#define __NR_[a-z0-9_]+ [0-9]+$")
list(TRANSFORM system_call_lines REPLACE "^#define __NR_([a-z0-9_]+) ([0-9]+)$" "{\\2, \"\\1\"},")
list(JOIN system_call_lines "\n" system_call_lines)
file(CONFIGURE OUTPUT system_call_names.inc CONTENT "${system_call_lines}\n" @ONLY)
