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

// Reads `fd` (not owned) when asked, blocking. End of input and errors are end of input for good. Where
// nothing was read yet, seek() says at which position the stream begins: what follows is the rest of an input
// whose first part another process has read. Positions are 2 * bytes read, + 1 between a byte's ^V and the
// byte.
class FdConsoleSource final : public ConsoleSource {
 public:
  explicit FdConsoleSource(int fd) : fd_(fd) {}
  std::optional<uint8_t> get() override;
  uint64_t position() const override { return 2 * consumed() + (quoted_ ? 1 : 0); }
  void seek(uint64_t position) override;

  // Bytes of the stream that get() has given out, counted from where the guest was booted.
  uint64_t consumed() const { return start_ + next_; }

 private:
  int fd_;
  std::string read_;
  uint64_t start_ = 0;   // of read_ in the stream
  uint64_t next_ = 0;    // in read_
  bool quoted_ = false;  // the ^V of read_[next_] was given out
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
  void flush() override;
  int error() const { return error_; }  // errno of the first write that failed, or 0

 private:
  int fd_;
  std::string buffer_;
  int error_ = 0;
};

}  // namespace mmuscope
