// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a recorded event costs while a machine runs: `build/trace_bench`. Not a test.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string_view>

#include "trace/reader.h"
#include "trace/recorder.h"
#include "x86/paging_entry.h"

namespace mmuscope::trace {
namespace {

constexpr uint64_t kPages = 4096;

// Page after page of one task, as a program does that fills memory; 900 instructions apart.
class Run {
 public:
  Event& next() {
    event_.seq++;
    Moment& at = event_.moment;
    at.icount = at.cpu_instructions += 900;
    at.rip = 0x401234 + (event_.seq & 7) * 5;
    at.cr3 = 0x1234000;
    at.pid = 7;
    at.cpl = 3;
    page_ = (page_ + 1) % kPages;
    return event_;
  }
  uint64_t linear() const { return 0x7f00'0000'0000 + page_ * x86::kPageSize; }
  x86::WalkTrace walk(uint64_t leaf) const {
    x86::WalkTrace walk;
    uint64_t table = event_.moment.cr3;
    for (unsigned level = 4; level > 0; --level) {
      const uint64_t entry =
          level == 1 ? leaf : (0x5000'0000 + (uint64_t{level} << 12) + (page_ >> 9 << 12)) | 0x27;
      walk.push({.entry_address = table + 8 * x86::pte::index_of(linear(), level),
                 .entry_before = entry,
                 .entry_after = level == 1 && entry != 0 ? entry | x86::pte::kAccessed : entry,
                 .level = static_cast<uint8_t>(level)});
      table = entry & x86::pte::kAddressMask52;
    }
    return walk;
  }
  x86::Access access() const { return {.linear = linear(), .type = x86::AccessType::kWrite, .user = true}; }

 private:
  Event event_;
  uint64_t page_ = 0;
};

Event& page_fault(Run& run) {
  Event& event = run.next();
  PageFault fault;
  fault.walk = run.walk(0);
  const x86::WalkStep& last = fault.walk.last();
  fault.fault = {.access = run.access(),
                 .reason = x86::FaultReason::kNotPresent,
                 .level = 1,
                 .entry_address = last.entry_address,
                 .entry_value = 0};
  event.payload = fault;
  return event;
}

Event& tlb_insert(Run& run) {
  Event& event = run.next();
  TlbInsert insert;
  const uint64_t frame = 0x8000'0000 + (run.linear() & 0xfff000);
  insert.walk = run.walk(frame | 0x8010'0000'0000'0047);
  insert.access = run.access();
  insert.entry = {.page = {.linear_base = run.linear(),
                           .physical_base = frame,
                           .writable = true,
                           .user = true,
                           .dirty = true},
                  .pcid = 3,
                  .serial = event.seq};
  event.payload = insert;
  return event;
}

Event& tracepoint(Run& run) {
  Event& event = run.next();
  Tracepoint point;
  point.record.abi_version = trace_abi::kTraceAbiVersion;
  point.record.type = static_cast<uint16_t>(trace_abi::TraceType::kFaultOutcome);
  point.record.args[0] = 7;
  point.record.args[1] = run.linear();
  point.record.args[2] = static_cast<uint64_t>(trace_abi::FaultOutcome::kAnonZero);
  point.record.args[3] = 6;
  event.payload = point;
  return event;
}

// The events are made beforehand; to /dev/null, so that no disk is measured.
template <Event& (*make)(Run&)>
void record(benchmark::State& state) {
  Run run;
  std::vector<Event> events;
  for (uint64_t i = 0; i < kPages; ++i) events.push_back(make(run));
  auto recorder = Recorder::create("/dev/null", {}, {}, {});
  uint64_t seq = 0, rounds = 0;
  size_t next = 0;
  for (auto _ : state) {
    Event& given = events[next];
    given.seq = ++seq;
    given.moment.icount += rounds;  // time goes on
    (*recorder)->put(given);
    if (++next == events.size()) {
      next = 0;
      rounds = 900 * kPages;
    }
  }
}
BENCHMARK(record<page_fault>);
BENCHMARK(record<tlb_insert>);
BENCHMARK(record<tracepoint>);

template <Event& (*make)(Run&)>
void encode(benchmark::State& state) {
  Run run;
  std::vector<Event> events;
  for (uint64_t i = 0; i < kPages; ++i) events.push_back(make(run));
  EventEncoder encoder;
  std::vector<uint8_t> bytes;
  size_t next = 0, written = 0;
  for (auto _ : state) {
    encoder.encode(events[next], bytes);
    if (++next == events.size()) {
      next = 0;
      written += bytes.size();
      bytes.clear();
      encoder.reset();
    }
  }
  written += bytes.size();
  state.counters["bytes"] = static_cast<double>(written) / static_cast<double>(state.iterations());
}
BENCHMARK(encode<page_fault>);
BENCHMARK(encode<tlb_insert>);
BENCHMARK(encode<tracepoint>);

template <Event& (*make)(Run&)>
void decode(benchmark::State& state) {
  Run run;
  EventEncoder encoder;
  std::vector<uint8_t> bytes;
  for (uint64_t i = 0; i < kPages; ++i) encoder.encode(make(run), bytes);
  EventDecoder decoder(bytes);
  Event event;
  for (auto _ : state) {
    if (decoder.at_end()) decoder = EventDecoder(bytes);
    benchmark::DoNotOptimize(decoder.decode(event));
  }
}
BENCHMARK(decode<page_fault>);
BENCHMARK(decode<tlb_insert>);
BENCHMARK(decode<tracepoint>);

}  // namespace
}  // namespace mmuscope::trace

BENCHMARK_MAIN();
