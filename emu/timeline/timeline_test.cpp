// SPDX-License-Identifier: GPL-2.0-or-later
#include "timeline/timeline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

#include "machine/test_guest.h"

namespace mmuscope::timeline {
namespace {

using Reached = Timeline::Reached;

// Tells another observer what is new.
class GatedObserver final : public MachineObserver {
 public:
  GatedObserver(Gate& gate, MachineObserver& observer) : gate_(gate), observer_(observer) {}
  void on_page_fault(const Moment& moment, const x86::PageFault& fault, const x86::WalkTrace& walk) override {
    if (gate_.pass()) observer_.on_page_fault(moment, fault, walk);
  }
  void on_event(const Moment& moment, const x86::Event& event) override {
    if (gate_.pass()) observer_.on_event(moment, event);
  }
  void on_tlb_insert(const Moment& moment, const x86::TlbEntry& entry, const x86::Access& access,
                     const x86::WalkTrace& walk) override {
    if (gate_.pass()) observer_.on_tlb_insert(moment, entry, access, walk);
  }
  void on_tlb_remove(const Moment& moment, const x86::TlbEntry& entry, x86::TlbCause cause) override {
    if (gate_.pass()) observer_.on_tlb_remove(moment, entry, cause);
  }
  void on_tlb_flush(const Moment& moment, x86::TlbCause cause, uint64_t linear,
                    std::optional<uint16_t> pcid) override {
    if (gate_.pass()) observer_.on_tlb_flush(moment, cause, linear, pcid);
  }
  void on_tracepoint(const Moment& moment, const trace_abi::TraceRecord& record) override {
    if (gate_.pass()) observer_.on_tracepoint(moment, record);
  }
  void on_watch_counts(const Moment& moment, unsigned range, const WatchCounts& counts) override {
    if (gate_.pass()) observer_.on_watch_counts(moment, range, counts);
  }

 private:
  Gate& gate_;
  MachineObserver& observer_;
};

// The guest under a timeline, its output and its observers behind gates.
struct Travelled {
  explicit Travelled(const std::string& choice, MachineConfig config = {.memory_bytes = 32u << 20},
                     const Options& options = {.spacing = 2'000})
      : guest(choice, config, &console), timeline(*guest.machine, {&output, &events}, options) {
    guest.machine->add_observer(gated);
  }
  Gate output, events;
  StringConsoleSink sink;
  GatedConsole console{output, sink};
  Transcript transcript;
  GatedObserver gated{events, transcript};
  Guest guest;
  Timeline timeline;
};

// All that a guest could see.
std::vector<uint8_t> state_of(Machine& machine) {
  StateWriter writer;
  machine.save(writer);
  return writer.take();
}

constexpr MachineConfig kTwoCpus{.cpus = 2, .memory_bytes = 32u << 20, .quantum = 50};

TEST(Timeline, WhatComesOutOfATravelledMachineIsWhatComesOutOfAPlainOne) {
  for (const char* choice : {"p", "u", "t", "c"}) {
    Guest plain(choice, kTwoCpus);
    Transcript transcript;
    plain.machine->add_observer(transcript);
    plain.machine->run(20'000);

    Travelled other(choice, kTwoCpus);
    std::mt19937 random(7);
    for (uint64_t at = 0; at < 20'000; at += 1 + random() % 3'000) {
      if (other.timeline.go_to({at, 0}) == Reached::kEnded) break;
      other.timeline.go_to({random() % (at + 1), 0});
    }
    other.timeline.go_to({20'000, 0});
    EXPECT_EQ(other.transcript.text, transcript.text) << choice;
    EXPECT_EQ(other.sink.text(), plain.sink.text()) << choice;
    EXPECT_EQ(other.timeline.position(), plain.machine->position()) << choice;
  }
}

TEST(Timeline, APositionAlwaysHasTheSameState) {
  for (const char* choice : {"p", "c", "u"}) {
    Guest plain(choice, kTwoCpus);
    std::map<uint64_t, std::vector<uint8_t>> states;
    constexpr uint64_t kEvery = 13;
    for (uint64_t at = 0; at <= 4'000 && plain.machine->run(at).reason == EndReason::kRunning; at += kEvery)
      states[at] = state_of(*plain.machine);
    ASSERT_GT(states.size(), 3u) << choice;

    Travelled other(choice, kTwoCpus, {.spacing = 500});
    std::mt19937 random(11);
    for (int i = 0; i < 60; ++i) {
      const auto there = std::next(states.begin(), static_cast<ptrdiff_t>(random() % states.size()));
      ASSERT_EQ(other.timeline.go_to({there->first, 0}), Reached::kTarget);
      const std::vector<uint8_t> now = state_of(*other.guest.machine);
      const auto byte = std::ranges::mismatch(now, there->second).in1;
      ASSERT_TRUE(now == there->second) << choice << ' ' << there->first << ": differs at byte "
                                        << byte - now.begin() << " of " << now.size();
    }
  }
}

std::string plain_transcript(const Guest& like) {
  Guest plain(like.command_line, like.machine->config());
  Transcript transcript;
  plain.machine->add_observer(transcript);
  plain.machine->run(~uint64_t{0});
  return transcript.text;
}

// Each stop of a run forward is met by the run backward, in the opposite order and in front of its cause.
void check_stops_backward(Travelled& guest, const std::function<void(DebugControl&)>& set) {
  set(guest.guest.machine->debug_control());
  guest.guest.machine->watches_changed();
  std::vector<Position> forward, backward;
  while (guest.timeline.run_to(Timeline::kForever, true) == Reached::kHit)
    forward.push_back(guest.guest.machine->debug_control().hit->before);
  ASSERT_FALSE(forward.empty());
  EXPECT_EQ(guest.transcript.text, plain_transcript(guest.guest)) << "stops change nothing";
  Reached reached{};
  while (const auto hit = guest.timeline.run_back(&reached)) {
    ASSERT_EQ(guest.timeline.position(), hit->before);
    backward.push_back(hit->before);
  }
  EXPECT_EQ(reached, Reached::kTarget);
  EXPECT_EQ(guest.timeline.position(), guest.timeline.start());
  std::ranges::reverse(backward);
  EXPECT_EQ(forward, backward);
}

uint64_t fault_handler() {
  Guest guest("p");
  guest.machine->debug_control().stop_after_event = true;
  guest.machine->run(5'000'000);
  return guest.machine->cpu_state(0).rip;
}

TEST(Timeline, MeetsBreakpointsBackward) {
  Travelled guest("p");
  check_stops_backward(guest, [](DebugControl& debug) { debug.breakpoints = {fault_handler()}; });
}

TEST(Timeline, MeetsWatchesBackward) {
  constexpr uint64_t kDemand = 0x40000000;  // test_kernel.S: each page is written, then read
  Travelled guest("p");
  check_stops_backward(guest, [](DebugControl& debug) {
    for (const uint64_t page : {0, 3, 77, 511})
      debug.watches.push_back({.address = kDemand + page * 4096, .bytes = 8, .reads = true, .writes = true});
  });
}

TEST(Timeline, StepsOfOneCpuAreTheSameBackward) {
  Travelled guest("c", kTwoCpus);
  check_stops_backward(guest, [](DebugControl& debug) { debug.step_cpu = 1; });
}

TEST(Timeline, GivesUpCheckpointsWhenTheyNeedTooMuch) {
  Travelled roomy("p", {.memory_bytes = 32u << 20}, {.spacing = 100});
  roomy.timeline.go_to(Timeline::kForever);
  const Timeline::Usage most = roomy.timeline.usage();
  const uint64_t budget = most.bytes / 2;
  Travelled tight("p", {.memory_bytes = 32u << 20}, {.spacing = 100, .memory_bytes = budget});
  tight.timeline.go_to(Timeline::kForever);
  EXPECT_LE(tight.timeline.usage().bytes, budget);
  EXPECT_LT(tight.timeline.usage().checkpoints, most.checkpoints);
  EXPECT_GT(tight.timeline.usage().spacing, 100u);
  const Position end = tight.timeline.position();
  const std::vector<uint8_t> last = state_of(*tight.guest.machine);
  EXPECT_EQ(tight.timeline.go_to({end.icount / 2, 0}), Reached::kTarget);
  EXPECT_EQ(state_of(*tight.guest.machine), [&] {
    Guest plain("p");
    plain.machine->run(end.icount / 2);
    return state_of(*plain.machine);
  }());
  tight.timeline.go_to(Timeline::kForever);
  EXPECT_EQ(state_of(*tight.guest.machine), last);
}

TEST(Timeline, AChangeByHandStartsAnotherHistory) {
  Travelled guest("p");
  guest.timeline.go_to({9'000, 0});
  guest.timeline.go_to({3'000, 0});
  const size_t told = guest.transcript.text.size();
  guest.guest.machine->write_ram(0, std::array<uint8_t, 1>{0x5a});  // nobody looks at it
  guest.timeline.restart_history();
  EXPECT_EQ(guest.timeline.start(), (Position{3'000, 0}));
  guest.timeline.go_to({9'000, 0});
  EXPECT_GT(guest.transcript.text.size(), told) << "what comes now is new";
  guest.timeline.go_to({3'000, 0});
  EXPECT_EQ(*guest.guest.machine->ram().host(0), 0x5a);
}

TEST(Timeline, AnInterruptEndsARunEitherWay) {
  Travelled guest("p");
  guest.timeline.go_to({9'000, 0});
  guest.timeline.interrupt();
  EXPECT_EQ(guest.timeline.run_to(Timeline::kForever, true), Reached::kInterrupted);
  EXPECT_EQ(guest.timeline.position(), (Position{9'000, 0}));
  Reached reached{};
  EXPECT_FALSE(guest.timeline.run_back(&reached));
  EXPECT_EQ(reached, Reached::kInterrupted);
  EXPECT_EQ(guest.timeline.position(), (Position{9'000, 0}));
  guest.timeline.clear_interrupt();
  EXPECT_EQ(guest.timeline.run_to({9'500, 0}, true), Reached::kTarget);
}

TEST(Timeline, ReplaysWhatWasToldBefore) {
  Travelled guest("p");
  guest.timeline.go_to({9'000, 0});
  Transcript again;
  uint64_t seen_before = 0;
  EXPECT_TRUE(guest.timeline.replay({4'500, 0}, again, [&] { seen_before = guest.events.count(); }));
  EXPECT_GT(seen_before, 0u);
  EXPECT_TRUE(guest.transcript.text.ends_with(again.text));
  EXPECT_FALSE(again.text.empty());
  EXPECT_EQ(guest.timeline.position(), (Position{9'000, 0}));
}

}  // namespace
}  // namespace mmuscope::timeline
