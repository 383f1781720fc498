// SPDX-License-Identifier: GPL-2.0-or-later
//
// EMU_CHECK: an invariant of the emulator itself that must hold, on in release builds too. When it does not
// hold the process prints where and why, then the context that the command line registered (instruction count
// and a command that replays), and aborts. Never used for what a guest or a user can cause: guest faults are
// values, user errors are Expected.
#pragma once

#include <functional>
#include <string>

namespace mmuscope {

// Called by a failing check for the text printed after it; replaced by the next call. May be empty.
void set_check_context(std::function<std::string()> describe);

[[noreturn]] void check_failed(const char* condition, const char* file, int line, const std::string& message);

}  // namespace mmuscope

#define EMU_CHECK(condition, message)                                      \
  do {                                                                     \
    if (!(condition)) [[unlikely]]                                         \
      ::mmuscope::check_failed(#condition, __FILE__, __LINE__, (message)); \
  } while (false)
