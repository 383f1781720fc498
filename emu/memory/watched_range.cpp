// SPDX-License-Identifier: GPL-2.0-or-later
#include "memory/watched_range.h"

#include <algorithm>

#include "base/check.h"

namespace mmuscope {

WatchedRange::WatchedRange(std::string name, x86::PhysicalAddress start, uint64_t bytes)
    : name_(std::move(name)), start_(start), bytes_(bytes) {}

void WatchedRange::count(x86::PhysicalAddress address, unsigned size, bool write, WindowOwner owner) {
  if (address + size <= start_ || address >= start_ + bytes_) return;
  const uint64_t first = std::max(address, start_) / 64;
  const uint64_t last = (std::min(address + size, start_ + bytes_) - 1) / 64;
  const auto add = [&](WatchCounts& counts, std::set<uint64_t>& lines) {
    ++(write ? counts.writes : counts.reads);
    for (uint64_t line = first; line <= last; ++line) lines.insert(line);
    counts.lines = lines.size();
  };
  add(total_, total_lines_);
  for (Window& window : windows_)
    if (window.owner == owner) add(window.counts, window.lines);
}

uint32_t WatchedRange::open_window(WindowOwner owner) {
  windows_.push_back({.handle = next_handle_++, .owner = owner, .counts = {}, .lines = {}});
  return windows_.back().handle;
}

WatchCounts WatchedRange::close_window(uint32_t handle) {
  const auto window =
      std::find_if(windows_.begin(), windows_.end(), [&](const Window& w) { return w.handle == handle; });
  EMU_CHECK(window != windows_.end(), "a window is closed once");
  const WatchCounts counts = window->counts;
  windows_.erase(window);
  return counts;
}

bool WatchedRange::is_open(uint32_t handle) const {
  return std::any_of(windows_.begin(), windows_.end(), [&](const Window& w) { return w.handle == handle; });
}

void WatchedRange::change_owner(WindowOwner from, WindowOwner to) {
  for (Window& window : windows_)
    if (window.owner == from) window.owner = to;
}

namespace {

void put_lines(StateWriter& writer, const std::set<uint64_t>& lines) {
  writer.put(static_cast<uint64_t>(lines.size()));
  for (const uint64_t line : lines) writer.put(line);
}

std::set<uint64_t> get_lines(StateReader& reader) {
  std::set<uint64_t> lines;
  for (uint64_t left = reader.get<uint64_t>(); left > 0 && reader.ok(); --left)
    lines.insert(reader.get<uint64_t>());
  return lines;
}

}  // namespace

void WatchedRange::save(StateWriter& writer) const {
  writer.tag("watc");
  writer.put_bytes({reinterpret_cast<const uint8_t*>(name_.data()), name_.size()});
  writer.put(start_);
  writer.put(bytes_);
  writer.put(total_);
  put_lines(writer, total_lines_);
  writer.put(next_handle_);
  writer.put(static_cast<uint64_t>(windows_.size()));
  for (const Window& window : windows_) {
    writer.put(window.handle);
    writer.put(window.owner);
    writer.put(window.counts);
    put_lines(writer, window.lines);
  }
}

void WatchedRange::restore(StateReader& reader) {
  reader.expect_tag("watc");
  const std::vector<uint8_t> name = reader.get_bytes();
  name_.assign(name.begin(), name.end());
  reader.get(start_);
  reader.get(bytes_);
  reader.get(total_);
  total_lines_ = get_lines(reader);
  reader.get(next_handle_);
  windows_.clear();
  for (uint64_t left = reader.get<uint64_t>(); left > 0 && reader.ok(); --left) {
    Window window;
    reader.get(window.handle);
    reader.get(window.owner);
    reader.get(window.counts);
    window.lines = get_lines(reader);
    windows_.push_back(std::move(window));
  }
}

}  // namespace mmuscope
