// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/machine_core.h"

#include <utility>

#include "machine/vcpu.h"

namespace mmuscope {

GuestTime MachineCore::now() const {
  uint64_t running = 0;
  for (const Vcpu* vcpu : vcpus) running += vcpu->unaccounted();
  return icount + running + idle;
}

uint32_t MachineCore::port_read(unsigned cpu, uint16_t port, unsigned size) {
  for (PortDevice* device : ports)
    if (device->claims(port)) return device->port_read(cpu, port, size);
  return size == 1 ? 0xff : size == 2 ? 0xffff : 0xffffffff;
}

void MachineCore::port_write(unsigned cpu, uint16_t port, unsigned size, uint32_t value) {
  for (PortDevice* device : ports)
    if (device->claims(port)) return device->port_write(cpu, port, size, value);
}

void MachineCore::wrote(x86::PhysicalAddress address) {
  if (!bus.is_ram(address)) return;
  ram.mark_dirty(address);
  if (code_pages.is_code(address & x86::kPageMask)) make_data(address & x86::kPageMask);
}

void MachineCore::make_code(x86::PhysicalAddress page) {
  code_pages.set_code(page, true);
  if (!code_pages.was_writable(page)) return;
  for (Vcpu* vcpu : vcpus) vcpu->engine().forget_all();
}

void MachineCore::make_data(x86::PhysicalAddress page) {
  code_pages.set_code(page, false);
  for (Vcpu* vcpu : vcpus) {
    vcpu->engine().forget_code(page);
    vcpu->engine().forget_all();
  }
}

void MachineCore::watch(WatchedRange range) {
  if (!config.count_watched_ranges) return;
  ranges_.push_back(std::move(range));
  for (Window& window : windows_) window.handles.push_back(ranges_.back().open_window(window.owner));
  for (Vcpu* vcpu : vcpus) vcpu->engine().forget_all();
}

bool MachineCore::watched(x86::PhysicalAddress page) const {
  for (const WatchedRange& range : ranges_)
    if (page + x86::kPageSize > range.start() && page < range.start() + range.bytes()) return true;
  return false;
}

void MachineCore::count_access(x86::PhysicalAddress address, unsigned size, bool write, WindowOwner owner) {
  for (WatchedRange& range : ranges_) range.count(address, size, write, owner);
}

void MachineCore::open_window(WindowOwner owner, WindowKind kind, bool from_user) {
  if (ranges_.empty()) return;
  if (from_user) drop_windows(owner);
  Window window{.owner = owner, .kind = kind, .handles = {}};
  for (WatchedRange& range : ranges_) window.handles.push_back(range.open_window(owner));
  windows_.push_back(std::move(window));
}

std::vector<WatchCounts> MachineCore::take_window(size_t index) {
  std::vector<WatchCounts> counts;
  counts.reserve(ranges_.size());
  for (size_t range = 0; range < windows_[index].handles.size(); ++range)
    counts.push_back(ranges_[range].close_window(windows_[index].handles[range]));
  windows_.erase(windows_.begin() + static_cast<ptrdiff_t>(index));
  return counts;
}

void MachineCore::drop_windows(WindowOwner owner) {
  for (size_t i = windows_.size(); i-- > 0;)
    if (windows_[i].owner == owner) take_window(i);
}

void MachineCore::tell_counts(const Moment& moment, const std::vector<WatchCounts>& counts) {
  for (unsigned range = 0; range < counts.size(); ++range)
    tell([&](MachineObserver& o) { o.on_watch_counts(moment, range, counts[range]); });
}

void MachineCore::close_window(const Moment& moment, WindowKind kind) {
  const WindowOwner closing = owner(moment.pid, moment.cpu);
  for (size_t i = windows_.size(); i-- > 0;) {
    if (windows_[i].owner != closing || windows_[i].kind != kind) continue;
    return tell_counts(moment, take_window(i));
  }
}

void MachineCore::close_windows_of_ended(const Moment& moment, WindowOwner owner) {
  std::optional<std::vector<WatchCounts>> call;
  for (size_t i = windows_.size(); i-- > 0;) {
    if (windows_[i].owner != owner) continue;
    const bool is_call = windows_[i].kind == WindowKind::kCall;
    auto counts = take_window(i);
    if (is_call) call = std::move(counts);  // the outermost comes last
  }
  if (call) tell_counts(moment, *call);
}

void MachineCore::change_owner(WindowOwner from, WindowOwner to) {
  drop_windows(to);
  for (Window& window : windows_)
    if (window.owner == from) window.owner = to;
  for (WatchedRange& range : ranges_) range.change_owner(from, to);
}

void MachineCore::tell_totals(const Moment& moment) {
  if (std::exchange(told_totals_, true)) return;
  std::vector<WatchCounts> totals;
  totals.reserve(ranges_.size());
  for (const WatchedRange& range : ranges_) totals.push_back(range.total());
  tell_counts(moment, totals);
}

void MachineCore::end(EndReason reason, std::string report, uint32_t value) {
  if (is_ended()) return;
  ended = {.reason = reason, .exit_value = value, .report = std::move(report)};
}

bool MachineCore::debug_watched(std::optional<x86::LinearAddress> linear, x86::PhysicalAddress page) const {
  if (!debug.armed) return false;
  for (const WatchSpec& watch : debug.watches) {
    if (!watch.physical && !linear) continue;
    const uint64_t first = watch.address & x86::kPageMask;
    const uint64_t last = (watch.address + watch.bytes - 1) & x86::kPageMask;
    const uint64_t at = (watch.physical ? page : *linear) & x86::kPageMask;
    if (at >= first && at <= last) return true;
  }
  return false;
}

// A linear watch is compared where its page lies now: the instruction has just used that translation.
void MachineCore::watch_access(const Vcpu& vcpu, std::optional<x86::LinearAddress> linear,
                               x86::PhysicalAddress address, unsigned size, bool write, Position before) {
  for (const WatchSpec& watch : debug.watches) {
    if (!(write ? watch.writes : watch.reads)) continue;
    for (uint64_t done = 0; done < watch.bytes;) {
      const uint64_t at = watch.address + done;
      const uint64_t part = std::min(watch.bytes - done, x86::kPageSize - (at & ~x86::kPageMask));
      done += part;
      const uint64_t seen = watch.physical || !linear ? address : *linear;
      const auto wanted = watch.physical || linear ? std::optional(at) : vcpu.translated(at);
      if (!wanted || seen + size <= *wanted || seen >= *wanted + part) continue;
      debug.request({.kind = DebugHit::Kind::kWatch,
                     .cpu = vcpu.index(),
                     .before = before,
                     .watch = watch,
                     .address = at + (std::max(seen, *wanted) - *wanted),
                     .write = write});
    }
  }
}

void MachineCore::forget_code_of(x86::PhysicalAddress page) {
  if (code_pages.is_code(page)) make_data(page);
}

void MachineCore::save(StateWriter& writer, WithRam with_ram) const {
  writer.tag("core");
  writer.put(events_);
  writer.put(events_at_);
  writer.put(icount);
  writer.put(idle);
  writer.put(ended.reason);
  writer.put(ended.exit_value);
  writer.put_bytes({reinterpret_cast<const uint8_t*>(ended.report.data()), ended.report.size()});
  if (with_ram == WithRam::kYes) ram.save(writer);
  writer.put(static_cast<uint64_t>(ranges_.size()));
  for (const WatchedRange& range : ranges_) range.save(writer);
  writer.put(static_cast<uint64_t>(windows_.size()));
  for (const Window& window : windows_) {
    writer.put(window.owner);
    writer.put(window.kind);
    writer.put(static_cast<uint64_t>(window.handles.size()));
    for (const uint32_t handle : window.handles) writer.put(handle);
  }
  writer.put(static_cast<uint8_t>(told_totals_));
}

bool MachineCore::state_is_possible() const {
  if (ended.reason > EndReason::kInternal) return false;
  for (const Window& window : windows_) {
    if (window.kind > WindowKind::kFault || window.handles.size() > ranges_.size()) return false;
    for (size_t range = 0; range < window.handles.size(); ++range)
      if (!ranges_[range].is_open(window.handles[range])) return false;
  }
  return true;
}

void MachineCore::restore(StateReader& reader, WithRam with_ram) {
  reader.expect_tag("core");
  reader.get(events_);
  reader.get(events_at_);
  reader.get(icount);
  reader.get(idle);
  reader.get(ended.reason);
  reader.get(ended.exit_value);
  const std::vector<uint8_t> report = reader.get_bytes();
  ended.report.assign(report.begin(), report.end());
  if (with_ram == WithRam::kYes) {
    for (uint64_t page = 0; page < ram.page_count(); ++page) forget_code_of(ram.page_address(page));
    ram.restore(reader);
    code_pages.forget();
  }
  ranges_.clear();
  for (uint64_t left = reader.get<uint64_t>(); left > 0 && reader.ok(); --left) {
    ranges_.emplace_back("", 0, 0);
    ranges_.back().restore(reader);
  }
  windows_.clear();
  for (uint64_t left = reader.get<uint64_t>(); left > 0 && reader.ok(); --left) {
    Window window;
    reader.get(window.owner);
    reader.get(window.kind);
    for (uint64_t handles = reader.get<uint64_t>(); handles > 0 && reader.ok(); --handles)
      window.handles.push_back(reader.get<uint32_t>());
    windows_.push_back(std::move(window));
  }
  told_totals_ = reader.get<uint8_t>() != 0;
  if (reader.ok() && !state_is_possible()) reader.fail("impossible windows or end");
}

}  // namespace mmuscope
