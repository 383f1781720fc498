// SPDX-License-Identifier: GPL-2.0-or-later
//
// The two ends of a byte string: LEB128 numbers (7 bits a byte, least first, the top bit says that more
// follow) and zigzag differences (0, -1, 1, -2, ... become 0, 1, 2, 3, ...). Both classes have the same
// functions, so that one function template describes a layout for both directions (codec.cpp). The writer
// never fails; the reader gives zeros after the first thing that cannot be and remembers it (ok()).
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace mmuscope::trace {

constexpr uint64_t zigzag(uint64_t difference) {
  return (difference << 1) ^ static_cast<uint64_t>(static_cast<int64_t>(difference) >> 63);
}
constexpr uint64_t unzigzag(uint64_t value) { return (value >> 1) ^ (0 - (value & 1)); }

inline constexpr size_t kLongestNumber = 10;

// Returns how many bytes it took.
inline size_t put_number(uint8_t* bytes, uint64_t value) {
  size_t size = 0;
  for (; value >= 0x80; value >>= 7) bytes[size++] = static_cast<uint8_t>(value | 0x80);
  bytes[size++] = static_cast<uint8_t>(value);
  return size;
}

class ByteWriter {
 public:
  static constexpr bool kReads = false;
  explicit ByteWriter(std::vector<uint8_t>& bytes) : bytes_(bytes) {}

  void byte(uint8_t value) { bytes_.push_back(value); }
  void number(uint64_t value) {
    uint8_t encoded[kLongestNumber];
    bytes_.insert(bytes_.end(), encoded, encoded + put_number(encoded, value));
  }
  void difference(uint64_t value, uint64_t base) { number(zigzag(value - base)); }
  void text(const char* characters, size_t size) {
    bytes_.insert(bytes_.end(), characters, characters + size);
  }

  bool ok() const { return true; }
  void fail() {}

 private:
  std::vector<uint8_t>& bytes_;
};

class ByteReader {
 public:
  static constexpr bool kReads = true;
  explicit ByteReader(std::span<const uint8_t> bytes) : rest_(bytes) {}

  template <typename T>
  void byte(T& value) {
    value = rest_.empty() ? (fail(), T{}) : static_cast<T>(rest_[0]);
    if (ok_) rest_ = rest_.subspan(1);
  }
  template <typename T>
  void number(T& value) {
    const uint64_t full = number();
    value = static_cast<T>(full);
    if (static_cast<uint64_t>(value) != full) fail();
  }
  void difference(uint64_t& value, uint64_t base) { value = base + unzigzag(number()); }
  void text(char* characters, size_t size) {
    if (size > rest_.size()) return fail();
    if (size == 0) return;  // there may be no bytes to point at
    std::memcpy(characters, rest_.data(), size);
    rest_ = rest_.subspan(size);
  }

  bool ok() const { return ok_; }
  void fail() {
    ok_ = false;
    rest_ = {};
  }
  bool at_end() const { return rest_.empty(); }
  size_t left() const { return rest_.size(); }

 private:
  uint64_t number() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      uint8_t next = 0;
      byte(next);
      if (shift == 63 && next > 1) fail();
      value |= uint64_t{next & 0x7fu} << shift;
      if (next < 0x80) break;
    }
    return ok_ ? value : 0;
  }

  std::span<const uint8_t> rest_;
  bool ok_ = true;
};

}  // namespace mmuscope::trace
