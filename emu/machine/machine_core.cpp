// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/machine_core.h"

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
  for (Window& window : windows_) window.handles.push_back(ranges_.back().open_window());
  for (Vcpu* vcpu : vcpus) vcpu->engine().forget_all();
}

bool MachineCore::watched(x86::PhysicalAddress page) const {
  for (const WatchedRange& range : ranges_)
    if (page + x86::kPageSize > range.start() && page < range.start() + range.bytes()) return true;
  return false;
}

void MachineCore::count_access(x86::PhysicalAddress address, unsigned size, bool write) {
  for (WatchedRange& range : ranges_) range.count(address, size, write);
}

void MachineCore::open_window(uint32_t pid, bool fault) {
  if (ranges_.empty()) return;
  Window window{.pid = pid, .fault = fault, .handles = {}};
  for (WatchedRange& range : ranges_) window.handles.push_back(range.open_window());
  windows_.push_back(std::move(window));
}

void MachineCore::close_window(const Moment& moment, bool fault) {
  for (size_t i = windows_.size(); i-- > 0;) {
    if (windows_[i].pid != moment.pid || windows_[i].fault != fault) continue;
    const Window window = windows_[i];
    windows_.erase(windows_.begin() + static_cast<ptrdiff_t>(i));
    for (unsigned range = 0; range < window.handles.size(); ++range) {
      const WatchCounts counts = ranges_[range].close_window(window.handles[range]);
      tell([&](MachineObserver& o) { o.on_watch_counts(moment, range, counts); });
    }
    return;
  }
}

void MachineCore::end(EndReason reason, std::string report, uint32_t value) {
  if (is_ended()) return;
  ended = {.reason = reason, .exit_value = value, .report = std::move(report)};
}

void MachineCore::save(StateWriter& writer) const {
  writer.tag("core");
  writer.put(icount);
  writer.put(idle);
  writer.put(ended.reason);
  writer.put(ended.exit_value);
  writer.put_bytes({reinterpret_cast<const uint8_t*>(ended.report.data()), ended.report.size()});
  ram.save(writer);
  writer.put(static_cast<uint64_t>(ranges_.size()));
  for (const WatchedRange& range : ranges_) range.save(writer);
  writer.put(static_cast<uint64_t>(windows_.size()));
  for (const Window& window : windows_) {
    writer.put(window.pid);
    writer.put(static_cast<uint8_t>(window.fault));
    writer.put(static_cast<uint64_t>(window.handles.size()));
    for (const uint32_t handle : window.handles) writer.put(handle);
  }
}

void MachineCore::restore(StateReader& reader) {
  reader.expect_tag("core");
  reader.get(icount);
  reader.get(idle);
  reader.get(ended.reason);
  reader.get(ended.exit_value);
  const std::vector<uint8_t> report = reader.get_bytes();
  ended.report.assign(report.begin(), report.end());
  ram.restore(reader);
  code_pages.forget();
  ranges_.clear();
  for (uint64_t left = reader.get<uint64_t>(); left > 0 && reader.ok(); --left) {
    ranges_.emplace_back("", 0, 0);
    ranges_.back().restore(reader);
  }
  windows_.clear();
  for (uint64_t left = reader.get<uint64_t>(); left > 0 && reader.ok(); --left) {
    Window window;
    reader.get(window.pid);
    window.fault = reader.get<uint8_t>() != 0;
    for (uint64_t handles = reader.get<uint64_t>(); handles > 0 && reader.ok(); --handles)
      window.handles.push_back(reader.get<uint32_t>());
    windows_.push_back(std::move(window));
  }
}

}  // namespace mmuscope
