// SPDX-License-Identifier: GPL-2.0-or-later
//
// Where the gdb server listens, as the user writes it: `:PORT` (on 127.0.0.1: nobody else's machine shall
// debug this one unless it is asked for), `ADDRESS:PORT`, `[ADDRESS]:PORT` for IPv6, `unix:PATH`. PORT 0 lets
// the host choose one.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace mmuscope::debug::gdb {

// A file descriptor that closes itself.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct Listener {
  Fd fd;                  // nonblocking
  std::string address;    // as gdb's `target remote` takes it
  std::string unix_path;  // to be removed at the end; empty: TCP
};

// kUsage where `where` cannot be read, is in use, or is not for this user.
Expected<Listener> listen_at(std::string_view where);

}  // namespace mmuscope::debug::gdb
