// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a function returns that can fail for a reason outside the emulator: a user's or the host's. The
// message is one sentence for the person at the terminal: what was wrong, where, and what to do. cli/ prints
// it and exits with the status of its kind.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace mmuscope {

enum class ErrorKind {
  kUsage = 2,  // what was asked for cannot be done: unknown option, no such file, an unwritable path
  kData = 65,  // EX_DATAERR: a file is there but is not what it should be
  kHost = 71,  // EX_OSERR: the host refuses: out of memory, a library that is too old
  kInterrupted = 130,
};

struct Error {
  ErrorKind kind = ErrorKind::kData;
  std::string message;
};

template <typename T>
using Expected = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorKind kind, std::string message) {
  return std::unexpected<Error>(Error{kind, std::move(message)});
}

}  // namespace mmuscope
