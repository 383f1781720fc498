// SPDX-License-Identifier: GPL-2.0-or-later
//
// For tests: a run written down event by event. Each CPU counts its instructions; a task has the address
// space 0x10000 * PID, and the entry that maps a page lies at the page's address in a table of its own.
#pragma once

#include <initializer_list>
#include <map>
#include <string_view>
#include <vector>

#include "trace/test_events.h"

namespace mmuscope::trace {

class Script {
 public:
  const std::vector<Event>& events() const { return events_; }

  // What follows happens there.
  Script& on(uint8_t cpu, uint32_t pid) {
    at_.cpu = cpu;
    at_.pid = pid;
    at_.cr3 = uint64_t{0x10000} * pid;
    return *this;
  }
  // The same address space, another of its threads.
  Script& as(uint32_t pid) {
    at_.pid = pid;
    return *this;
  }
  Script& user() { return at(3, 0x401000); }
  Script& kernel() { return at(0, 0xffff'ffff'8000'0000); }
  Script& at(uint8_t cpl, uint64_t rip) {
    at_.cpl = cpl;
    at_.rip = rip;
    return *this;
  }
  Script& step(uint64_t instructions) {
    at_.icount += instructions;
    instructions_[at_.cpu] += instructions;
    return *this;
  }
  Script& add(const Payload& payload) {
    at_.cpu_instructions = instructions_[at_.cpu];
    Event& event = events_.emplace_back();
    event.seq = events_.size();
    event.moment = at_;
    event.payload = payload;
    return *this;
  }

  // A write to a page that is not present.
  Script& fault(uint64_t address) {
    PageFault event;
    event.fault = {.access = {.linear = address, .type = x86::AccessType::kWrite, .user = at_.cpl == 3},
                   .reason = x86::FaultReason::kNotPresent,
                   .level = 1,
                   .entry_address = entry_address(address),
                   .entry_value = 0};
    event.walk.push({entry_address(address), 0, 0, 1});
    return add(event);
  }
  // A walk through one entry of the page's level; `entry` is it afterwards.
  Script& insert(uint64_t address, uint64_t entry, x86::PageSize size = x86::PageSize::k4K) {
    TlbInsert event;
    event.entry.page = {.linear_base = address, .physical_base = 0x5000, .size = size};
    event.access = {.linear = address, .user = true};
    event.walk.push({size == x86::PageSize::k4K ? entry_address(address) : 0x200'0000'0000, entry, entry,
                     static_cast<uint8_t>(1 + static_cast<int>(size))});
    return add(event);
  }
  Script& point(trace_abi::TraceType type, std::initializer_list<uint64_t> args, std::string_view text = "") {
    Tracepoint event;
    event.record = {.abi_version = trace_abi::kTraceAbiVersion,
                    .type = static_cast<uint16_t>(type),
                    .reserved = 0,
                    .args = {},
                    .text = {}};
    std::copy(args.begin(), args.end(), event.record.args);
    text.copy(event.record.text, sizeof event.record.text);
    return add(event);
  }
  Script& outcome(uint64_t address, trace_abi::FaultOutcome outcome) {
    return point(trace_abi::TraceType::kFaultOutcome, {at_.pid, address, static_cast<uint64_t>(outcome), 2});
  }
  Script& task_switch(uint32_t pid) { return point(trace_abi::TraceType::kTaskSwitch, {pid, pid}); }

 private:
  static uint64_t entry_address(uint64_t address) { return 0x100'0000'0000 + (address >> 12) * 8; }

  Moment at_;
  std::map<uint8_t, uint64_t> instructions_;
  std::vector<Event> events_;
};

}  // namespace mmuscope::trace
