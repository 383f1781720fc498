// SPDX-License-Identifier: GPL-2.0-or-later
//
// For tests: events of every kind with random fields, many of them extreme, and events as text, to compare.
// The same seed gives the same events.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <string>

#include "trace/event.h"
#include "x86/paging_entry.h"

namespace mmuscope::trace {

class RandomEvents {
 public:
  explicit RandomEvents(uint32_t seed) : random_(seed) {}

  // An event of the kind with this index of Payload.
  Event of_kind(size_t kind) {
    Event event;
    event.seq = ++seq_;
    event.moment = moment();
    if (kind == 0) event.payload = page_fault(event.moment);
    if (kind == 1) event.payload = interruption();
    if (kind == 2) event.payload = tlb_insert(event.moment);
    if (kind == 3) event.payload = TlbRemove{tlb_entry(), cause()};
    if (kind == 4) event.payload = tlb_flush();
    if (kind == 5) event.payload = tracepoint();
    if (kind == 6)
      event.payload = WatchReport{static_cast<uint32_t>(number()), {number(), number(), number()}};
    return event;
  }
  Event next() { return of_kind(below(std::variant_size_v<Payload>)); }
  // Time goes on by no more than `most` instructions.
  Event next_soon(uint64_t most) {
    Event event = next();
    event.moment.icount = icount_ += below(most + 1);
    return event;
  }

  uint64_t below(uint64_t bound) { return random_() % bound; }
  // Of every length, and the ends.
  uint64_t number() {
    switch (below(5)) {
      case 0:
        return 0;
      case 1:
        return ~uint64_t{0};
      case 2:
        return uint64_t{1} << 63;
      default:
        return random_() >> below(64);
    }
  }

 private:
  bool flag() { return below(2) != 0; }

  Moment moment() {
    return {.icount = number(),
            .cpu_instructions = number(),
            .rip = number(),
            .cr3 = number(),
            .pid = static_cast<uint32_t>(number()),
            .cpu = static_cast<uint8_t>(flag() ? below(3) : 255),
            .cpl = static_cast<uint8_t>(below(4)),
            .la57 = flag()};
  }
  x86::Access access() {
    return {.linear = number(),
            .type = static_cast<x86::AccessType>(below(3)),
            .user = flag(),
            .implicit = flag()};
  }

  // As hardware walks, or anything.
  x86::WalkTrace walk(const Moment& at, uint64_t linear) {
    x86::WalkTrace walk;
    const bool regular = flag();
    unsigned level = at.la57 ? 5 : 4;
    uint64_t table = at.cr3;
    for (uint64_t count = below(level + 1); count > 0; --count, --level) {
      x86::WalkStep step{.entry_address = number(),
                         .entry_before = number(),
                         .entry_after = number(),
                         .level = static_cast<uint8_t>(1 + below(5))};
      if (regular) {
        step.level = static_cast<uint8_t>(level);
        step.entry_address = (table & x86::pte::kAddressMask52) + 8 * x86::pte::index_of(linear, level);
        step.entry_after = step.entry_before | (number() & (x86::pte::kAccessed | x86::pte::kDirty));
        table = step.entry_before;
      }
      walk.push(step);
    }
    return walk;
  }

  PageFault page_fault(const Moment& at) {
    PageFault event;
    event.fault = {.access = access(),
                   .reason = static_cast<x86::FaultReason>(1 + below(9)),
                   .level = static_cast<uint8_t>(1 + below(5)),
                   .entry_address = number(),
                   .entry_value = number(),
                   .fetch_reported = flag()};
    event.walk = walk(at, event.fault.access.linear);
    if (event.walk.count > 0 && flag()) {
      event.fault.level = event.walk.last().level;
      event.fault.entry_address = event.walk.last().entry_address;
      event.fault.entry_value = event.walk.last().entry_before;
    }
    return event;
  }
  Interruption interruption() {
    Interruption event{.kind = static_cast<x86::EventKind>(below(4)),
                       .vector = static_cast<uint8_t>(number()),
                       .error_code = {}};
    if (flag()) event.error_code = static_cast<uint32_t>(number());
    return event;
  }
  x86::TlbEntry tlb_entry() {
    return {.page = {.linear_base = number() & x86::kPageMask,
                     .physical_base = number() & x86::kPageMask,
                     .size = static_cast<x86::PageSize>(below(3)),
                     .writable = flag(),
                     .user = flag(),
                     .executable = flag(),
                     .global = flag(),
                     .dirty = flag(),
                     .key = static_cast<uint8_t>(below(16))},
            .pcid = static_cast<uint16_t>(flag() ? 4095 : below(4096)),
            .serial = number()};
  }
  TlbInsert tlb_insert(const Moment& at) {
    const x86::Access asked = access();
    return {tlb_entry(), asked, walk(at, asked.linear)};
  }
  x86::TlbCause cause() { return static_cast<x86::TlbCause>(1 + below(14)); }
  TlbFlush tlb_flush() {
    TlbFlush event{.cause = cause(), .linear = number(), .pcid = {}};
    if (flag()) event.pcid = static_cast<uint16_t>(number());
    return event;
  }
  Tracepoint tracepoint() {
    Tracepoint event;
    event.record.abi_version = trace_abi::kTraceAbiVersion;
    event.record.type = static_cast<uint16_t>(flag() ? 1 + below(8) : number());
    for (uint64_t& argument : event.record.args) argument = number();
    const uint64_t length = flag() ? sizeof event.record.text : below(sizeof event.record.text);
    for (uint64_t i = 0; i < length; ++i) event.record.text[i] = static_cast<char>(number());
    return event;
  }

  std::mt19937_64 random_;
  uint64_t seq_ = 0;
  uint64_t icount_ = 0;
};

inline std::string text_of(const x86::WalkTrace& walk) {
  std::string text;
  for (const x86::WalkStep& step : walk)
    text += fmt::format(" [{} {:x}: {:x} {:x}]", step.level, step.entry_address, step.entry_before,
                        step.entry_after);
  return text;
}
inline std::string text_of(const x86::Access& access) {
  return fmt::format("{:x} {}{}{}", access.linear, static_cast<int>(access.type), access.user,
                     access.implicit);
}
inline std::string text_of(const x86::TlbEntry& entry) {
  const x86::Translation& page = entry.page;
  return fmt::format("{:x} {:x} size {} {}{}{}{}{} key {} pcid {} serial {:x}", page.linear_base,
                     page.physical_base, static_cast<int>(page.size), page.writable, page.user,
                     page.executable, page.global, page.dirty, page.key, entry.pcid, entry.serial);
}
inline std::string text_of(const PageFault& event) {
  const x86::PageFault& fault = event.fault;
  return fmt::format("fault {} reason {} {} level {} {:x}: {:x}{}", text_of(fault.access),
                     static_cast<int>(fault.reason), fault.fetch_reported, fault.level, fault.entry_address,
                     fault.entry_value, text_of(event.walk));
}
inline std::string text_of(const Interruption& event) {
  return fmt::format("interruption {} {} {:x}", static_cast<int>(event.kind), event.vector,
                     event.error_code ? int64_t{*event.error_code} : -1);
}
inline std::string text_of(const TlbInsert& event) {
  return "insert " + text_of(event.entry) + " " + text_of(event.access) + text_of(event.walk);
}
inline std::string text_of(const TlbRemove& event) {
  return fmt::format("remove {} {}", static_cast<int>(event.cause), text_of(event.entry));
}
inline std::string text_of(const TlbFlush& event) {
  return fmt::format("flush {} {:x} {}", static_cast<int>(event.cause), event.linear,
                     event.pcid ? int{*event.pcid} : -1);
}
inline std::string text_of(const Tracepoint& event) {
  std::string text = fmt::format("tracepoint {} {}", event.record.abi_version, event.record.type);
  for (const uint64_t argument : event.record.args) text += fmt::format(" {:x}", argument);
  return text + ' ' + std::string(event.record.text, sizeof event.record.text);
}
inline std::string text_of(const WatchReport& event) {
  return fmt::format("watch {} {:x} {:x} {:x}", event.range, event.counts.reads, event.counts.writes,
                     event.counts.lines);
}
// Everything but the number.
inline std::string text_of(const Event& event) {
  const Moment& at = event.moment;
  return fmt::format("{:x} {:x} {:x} {:x} pid {} cpu {} cpl {} {}: ", at.icount, at.cpu_instructions, at.rip,
                     at.cr3, at.pid, at.cpu, at.cpl, at.la57) +
         std::visit([](const auto& payload) { return text_of(payload); }, event.payload);
}

}  // namespace mmuscope::trace
