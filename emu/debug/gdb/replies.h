// SPDX-License-Identifier: GPL-2.0-or-later
//
// Replies that several packets share (private to session*.cpp). gdb shows the number of an `ENN`, which is
// Linux's errno in hexadecimal, and the text of an `E.TEXT`.
#pragma once

#include <string>

#include "base/error.h"

namespace mmuscope::debug::gdb {

inline const std::string kOk = "OK";
inline const std::string kUnsupported;           // empty: gdb does without
inline const std::string kNoSuchThread = "E03";  // ESRCH
inline const std::string kBadAddress = "E0e";    // EFAULT
inline const std::string kMalformed = "E16";     // EINVAL

inline std::string error_text(const Error& error) { return "E." + error.message; }

}  // namespace mmuscope::debug::gdb
