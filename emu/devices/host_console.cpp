// SPDX-License-Identifier: GPL-2.0-or-later
#include "devices/host_console.h"

#include <unistd.h>

#include <cerrno>

namespace mmuscope {

std::optional<uint8_t> StringConsoleSource::get() {
  if (position_ >= text_.size()) return std::nullopt;
  return static_cast<uint8_t>(text_[position_++]);
}

namespace {
constexpr char kEndOfInput = 0x04, kLiteralNext = 0x16;
}

std::optional<uint8_t> FdConsoleSource::get() {
  while (next_ >= read_.size()) {
    if (ended_) return std::nullopt;
    char bytes[4096];
    const ssize_t count = ::read(fd_, bytes, sizeof bytes);
    if (count > 0)
      read_.append(bytes, static_cast<size_t>(count));
    else
      ended_ = true;  // EINTR too: somebody wants to leave
  }
  const char byte = read_[next_];
  // Data, not keys: the guest's terminal must not take them for the end of input (VEOF) or for quoting
  // (VLNEXT).
  if (!quoted_ && (byte == kEndOfInput || byte == kLiteralNext)) {
    quoted_ = true;
    return kLiteralNext;
  }
  quoted_ = false;
  ++next_;
  return static_cast<uint8_t>(byte);
}

void FdConsoleSource::seek(uint64_t position) {
  if (read_.empty()) start_ = position / 2;
  next_ = position / 2 - start_;
  quoted_ = (position & 1) != 0;
}

void FdConsoleSink::put(uint8_t byte) {
  buffer_ += static_cast<char>(byte);
  if (byte == '\n' || buffer_.size() >= 4096) flush();
}

void FdConsoleSink::flush() {
  size_t done = 0;
  while (done < buffer_.size() && error_ == 0) {
    const ssize_t count = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (count >= 0)
      done += static_cast<size_t>(count);
    else if (errno != EINTR)
      error_ = errno;
  }
  buffer_.clear();
}

}  // namespace mmuscope
