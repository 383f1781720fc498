// SPDX-License-Identifier: GPL-2.0-or-later
//
// The host's ends of the console: file descriptors for a person or a pipe, strings for tests. Sources keep
// the bytes they gave, so that a restored machine reads the same input again.
#pragma once

#include <string>

#include "devices/uart16550.h"

namespace mmuscope {

class StringConsoleSource final : public ConsoleSource {
 public:
  explicit StringConsoleSource(std::string text = {}) : text_(std::move(text)) {}
  std::optional<uint8_t> get() override;
  uint64_t position() const override { return position_; }
  void seek(uint64_t position) override { position_ = position; }

 private:
  std::string text_;
  uint64_t position_ = 0;
};

// Reads `fd` (not owned) when asked, blocking. End of input and errors are end of input for good.
class FdConsoleSource final : public ConsoleSource {
 public:
  explicit FdConsoleSource(int fd) : fd_(fd) {}
  std::optional<uint8_t> get() override;
  uint64_t position() const override { return position_; }
  void seek(uint64_t position) override { position_ = position; }

 private:
  int fd_;
  std::string read_;
  uint64_t position_ = 0;
  bool ended_ = false;
};

class StringConsoleSink final : public ConsoleSink {
 public:
  void put(uint8_t byte) override { text_ += static_cast<char>(byte); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// Writes to `fd` (not owned): at newlines, when the buffer is full, and at flush().
class FdConsoleSink final : public ConsoleSink {
 public:
  explicit FdConsoleSink(int fd) : fd_(fd) {}
  ~FdConsoleSink() override { flush(); }
  void put(uint8_t byte) override;
  void flush();
  int error() const { return error_; }  // errno of the first write that failed, or 0

 private:
  int fd_;
  std::string buffer_;
  int error_ = 0;
};

}  // namespace mmuscope
