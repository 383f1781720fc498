// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/codec.h"

#include <gtest/gtest.h>

#include "trace/test_events.h"

namespace mmuscope::trace {
namespace {

using Bytes = std::vector<uint8_t>;
constexpr size_t kKinds = std::variant_size_v<Payload>;

Bytes encoded(const std::vector<Event>& events) {
  EventEncoder encoder;
  Bytes bytes;
  for (const Event& event : events) encoder.encode(event, bytes);
  return bytes;
}

void expect_round_trip(const std::vector<Event>& events) {
  const Bytes bytes = encoded(events);
  EventDecoder decoder(bytes);
  Event event;
  for (const Event& expected : events) {
    ASSERT_TRUE(decoder.decode(event)) << text_of(expected);
    ASSERT_EQ(text_of(event), text_of(expected));
  }
  EXPECT_TRUE(decoder.at_end());
}

class EveryKind : public testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Codec, EveryKind, testing::Range(size_t{0}, kKinds));

TEST_P(EveryKind, ComesBackWithWhateverFields) {
  RandomEvents random(1);
  std::vector<Event> events;
  for (int i = 0; i < 2000; ++i) events.push_back(random.of_kind(GetParam()));
  expect_round_trip(events);
}

TEST_P(EveryKind, IsRefusedWhenItIsCut) {
  RandomEvents random(2);
  for (int i = 0; i < 50; ++i) {
    const Bytes bytes = encoded({random.of_kind(GetParam())});
    for (size_t size = 0; size < bytes.size(); ++size) {
      EventDecoder decoder({bytes.data(), size});
      Event event;
      EXPECT_FALSE(decoder.decode(event)) << size << " of " << bytes.size();
    }
  }
}

TEST(Codec, KindsMixOnManyCpus) {
  RandomEvents random(3);
  std::vector<Event> events;
  for (int i = 0; i < 10000; ++i) events.push_back(random.next());
  expect_round_trip(events);
}

TEST(Codec, ZerosComeBack) {
  std::vector<Event> events(1);
  events.emplace_back().payload = Interruption{};
  events.emplace_back().payload = TlbInsert{};
  events.emplace_back().payload = TlbRemove{};
  events.emplace_back().payload = TlbFlush{};
  Tracepoint point;
  point.record.abi_version = trace_abi::kTraceAbiVersion;
  events.emplace_back().payload = point;
  events.emplace_back().payload = WatchReport{};
  events.erase(events.begin());  // a page fault has at least a reason
  for (Event& event : events) {
    if (TlbRemove* remove = std::get_if<TlbRemove>(&event.payload)) remove->cause = x86::TlbCause::kInvlpg;
    if (TlbFlush* flush = std::get_if<TlbFlush>(&event.payload)) flush->cause = x86::TlbCause::kInvlpg;
  }
  expect_round_trip(events);
}

TEST(Codec, TextKeepsZerosInsideAndLosesNone) {
  Event event;
  Tracepoint point;
  point.record.abi_version = trace_abi::kTraceAbiVersion;
  point.record.text[0] = 'a';
  point.record.text[2] = 'b';
  point.record.text[63] = 'c';
  event.payload = point;
  expect_round_trip({event});
}

TEST(Codec, WhatTheEventBeforeHeldIsForgotten) {
  Event with_walk;
  PageFault fault;
  fault.walk.push({.entry_address = 8, .entry_before = 1, .entry_after = 1, .level = 4});
  fault.fault.level = 4;
  with_walk.payload = fault;
  Event without;
  without.payload = PageFault{};
  const Bytes bytes = encoded({with_walk, without});
  EventDecoder decoder(bytes);
  Event event;
  ASSERT_TRUE(decoder.decode(event));
  ASSERT_TRUE(decoder.decode(event));
  EXPECT_EQ(text_of(event), text_of(without));
}

TEST(Codec, AfterResetEventsAreReadableByThemselves) {
  RandomEvents random(4);
  EventEncoder encoder;
  Bytes ignored, bytes;
  encoder.encode(random.next(), ignored);
  encoder.reset();
  const Event expected = random.next();
  encoder.encode(expected, bytes);
  EventDecoder decoder(bytes);
  Event event;
  ASSERT_TRUE(decoder.decode(event));
  EXPECT_EQ(text_of(event), text_of(expected));
}

// What a copy-on-write fault of one task looks like, page after page: the point of the encoding.
TEST(Codec, FaultsOnNeighbouringPagesTakeLessThan32Bytes) {
  std::vector<Event> events;
  for (uint64_t i = 0; i < 100; ++i) {
    Event& event = events.emplace_back();
    event.moment = {.icount = 1000 + i * 900,
                    .cpu_instructions = 1000 + i * 900,
                    .rip = 0x401234,
                    .cr3 = 0x1234000,
                    .pid = 7,
                    .cpu = 0,
                    .cpl = 3,
                    .la57 = false};
    PageFault fault;
    fault.fault.access = {
        .linear = 0x7f00'0000'0000 + i * 4096, .type = x86::AccessType::kWrite, .user = true};
    fault.fault.reason = x86::FaultReason::kWriteProtected;
    uint64_t table = event.moment.cr3;
    for (unsigned level = 4; level > 0; --level) {
      const uint64_t entry = 0x5000'0000 + (level << 12) + (level == 1 ? i << 12 : 0) + 0x65;
      fault.walk.push({.entry_address = table + 8 * x86::pte::index_of(fault.fault.access.linear, level),
                       .entry_before = entry,
                       .entry_after = entry,
                       .level = static_cast<uint8_t>(level)});
      table = entry & x86::pte::kAddressMask52;
    }
    fault.fault.level = 1;
    fault.fault.entry_address = fault.walk.last().entry_address;
    fault.fault.entry_value = fault.walk.last().entry_before;
    event.payload = fault;
  }
  expect_round_trip(events);
  EXPECT_LT(encoded(events).size(), 100 * 32);
}

TEST(Codec, AnyBytesAreReadWithoutHarm) {
  std::mt19937 random(5);
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes(random() % 100);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() >> random() % 8);
    EventDecoder decoder(bytes);
    Event event;
    size_t events = 0;
    while (!decoder.at_end() && decoder.decode(event)) ++events;
    EXPECT_LE(events, bytes.size() / 4);
  }
}

}  // namespace
}  // namespace mmuscope::trace
