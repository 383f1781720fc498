// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/log.h"

#include "arch/x86_64/percpu.h"
#include "arch/x86_64/uart.h"
#include "lib/spinlock.h"

namespace mk {
namespace {

constexpr size_t kLineSize = 512;
Spinlock lock;  // a line at a time

void put_text(const char* text) {
  for (; *text != 0; ++text) debug_put(static_cast<uint8_t>(*text));
}

}  // namespace

void vlog(const char* format, va_list arguments) {
  char prefix[16];
  char line[kLineSize];
  format_text(prefix, sizeof(prefix), "[cpu%u] ", this_cpu().index);
  vformat_text(line, sizeof(line), format, arguments);
  SpinlockGuard guard(lock);
  put_text(prefix);
  put_text(line);
  debug_put('\n');
}

void log(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vlog(format, arguments);
  va_end(arguments);
}

}  // namespace mk
