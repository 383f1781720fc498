// SPDX-License-Identifier: GPL-2.0-or-later
//
// For tests: a machine with the kernel of test_kernel.S inside, whose command line chooses what it does, and
// an observer that writes down all that it is told.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>

#include "devices/host_console.h"
#include "machine/machine.h"

namespace mmuscope {

inline std::vector<uint8_t> test_kernel() {
  std::ifstream file(TEST_KERNEL, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Everything an observer is told, as text.
class Transcript final : public MachineObserver {
 public:
  void on_page_fault(const Moment& at, const x86::PageFault& fault, const x86::WalkTrace& walk) override {
    last_fault_address = fault.access.linear;
    last_error_code = fault.error_code();
    add(at, "fault", last_fault_address, last_error_code, walk.count);
  }
  void on_event(const Moment& at, const x86::Event& event) override { add(at, "event", event.vector, 0, 0); }
  void on_tlb_insert(const Moment& at, const x86::TlbEntry& entry, const x86::Access&,
                     const x86::WalkTrace&) override {
    add(at, "insert", entry.page.linear_base, entry.page.physical_base, entry.page.writable);
  }
  void on_tlb_remove(const Moment& at, const x86::TlbEntry& entry, x86::TlbCause cause) override {
    add(at, "remove", entry.page.linear_base, static_cast<uint64_t>(cause), 0);
  }
  void on_tlb_flush(const Moment& at, x86::TlbCause cause, uint64_t linear,
                    std::optional<uint16_t>) override {
    add(at, "flush", linear, static_cast<uint64_t>(cause), 0);
  }
  void on_watch_counts(const Moment& at, unsigned range, const WatchCounts& counts) override {
    add(at, "watch", range, 0, 0);
    watched = counts;
  }

  std::string text;
  std::map<std::string, unsigned> seen;
  std::map<uint64_t, unsigned> vectors;
  WatchCounts watched;
  uint64_t last_fault_address = ~uint64_t{0};
  uint32_t last_error_code = 0;

 private:
  void add(const Moment& at, const std::string& what, uint64_t a, uint64_t b, uint64_t c) {
    ++seen[what];
    if (what == "event") ++vectors[a];
    text += std::to_string(at.icount) + ' ' + std::to_string(at.cpu) + ' ' + std::to_string(at.rip) + ' ' +
            what + ' ' + std::to_string(a) + ' ' + std::to_string(b) + ' ' + std::to_string(c) + '\n';
  }
};

struct Guest {
  // With another sink, `sink` stays empty.
  explicit Guest(const std::string& command_line, MachineConfig config = {.memory_bytes = 32u << 20},
                 ConsoleSink* other_sink = nullptr)
      : command_line(command_line) {
    auto made =
        Machine::create(config, {.kernel = test_kernel(), .command_line = command_line, .initramfs = {}},
                        other_sink != nullptr ? *other_sink : sink, source, [](const std::string&) {});
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().message);
    if (made) machine = std::move(*made);
  }
  std::string command_line;
  StringConsoleSink sink;
  StringConsoleSource source;
  std::unique_ptr<Machine> machine;
};

}  // namespace mmuscope
