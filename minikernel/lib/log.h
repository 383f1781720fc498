// SPDX-License-Identifier: GPL-2.0-or-later
//
// The kernel's log: lines on the debug console (port 0xe9), each behind "[cpuN] ". The serial console belongs
// to the program. Formats: %d %i %u %x %c %s %p %%, with l or z, field width, `-` and `0`, and a precision
// for %s.
#pragma once

#include <stdarg.h>
#include <stddef.h>

namespace mk {

// Writes a line; the line end is added.
[[gnu::format(printf, 1, 2)]] void log(const char* format, ...);
void vlog(const char* format, va_list arguments);

// As snprintf: the length the whole text has; what does not fit is cut, the result is terminated when size >
// 0.
[[gnu::format(printf, 3, 4)]] size_t format_text(char* buffer, size_t size, const char* format, ...);
size_t vformat_text(char* buffer, size_t size, const char* format, va_list arguments);

}  // namespace mk
