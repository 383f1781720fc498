// SPDX-License-Identifier: GPL-2.0-or-later
//
// How a component's state goes into a snapshot and comes back: fixed-width little-endian fields in a fixed
// order, with a tag in front of every component so that a mismatch is found where it happens. Writers never
// fail; readers remember the first problem, return zeros from then on, and are asked once at the end (ok()).
// The byte string is a pure function of the state: two equal machines give equal strings.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace mmuscope {

class StateWriter {
 public:
  template <typename T>
    requires std::is_integral_v<T> || std::is_enum_v<T>
  void put(T value) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof value);
  }
  void put_bytes(std::span<const uint8_t> bytes) {
    put(static_cast<uint64_t>(bytes.size()));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  // A trivially copyable struct without padding bytes (checked), so that equal values have equal bytes.
  template <typename T>
    requires std::is_class_v<T> && std::has_unique_object_representations_v<T>
  void put(const T& value) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof value);
  }
  // Four letters that name the component which follows.
  void tag(const char (&name)[5]) { bytes_.insert(bytes_.end(), name, name + 4); }

  std::vector<uint8_t> take() { return std::move(bytes_); }
  std::span<const uint8_t> bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

class StateReader {
 public:
  explicit StateReader(std::span<const uint8_t> bytes) : rest_(bytes) {}

  template <typename T>
    requires std::is_trivially_copyable_v<T>
  T get() {
    T value{};
    if (take(sizeof value)) {
      std::memcpy(&value, taken_.data(), sizeof value);
    }
    return value;
  }
  template <typename T>
  void get(T& value) {
    value = get<T>();
  }
  std::vector<uint8_t> get_bytes() {
    const auto size = get<uint64_t>();
    if (!take(size)) return {};
    return {taken_.begin(), taken_.end()};
  }
  void expect_tag(const char (&name)[5]) {
    if (take(4) && std::memcmp(taken_.data(), name, 4) != 0) fail(std::string("expected component ") + name);
  }
  void fail(const std::string& why) {
    if (problem_.empty()) problem_ = why;
  }

  bool ok() const { return problem_.empty(); }
  bool at_end() const { return rest_.empty(); }
  const std::string& problem() const { return problem_; }

 private:
  bool take(uint64_t size) {
    if (!ok()) return false;
    if (size > rest_.size()) {
      fail("snapshot is truncated");
      return false;
    }
    taken_ = rest_.first(size);
    rest_ = rest_.subspan(size);
    return true;
  }

  std::span<const uint8_t> rest_;
  std::span<const uint8_t> taken_;
  std::string problem_;
};

}  // namespace mmuscope
