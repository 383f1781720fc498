// SPDX-License-Identifier: GPL-2.0-or-later
//
// The whole machine, with the small kernel of test_kernel.S inside.
#include "machine/machine.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "machine/test_guest.h"

namespace mmuscope {
namespace {

constexpr uint64_t kLimit = 5'000'000;

TEST(Machine, MapsPagesOnDemand) {
  Guest guest("p");
  Transcript transcript;
  guest.machine->add_observer(transcript);
  const RunResult result = guest.machine->run(kLimit);
  EXPECT_EQ(result.reason, EndReason::kExit) << result.report << guest.machine->describe();
  EXPECT_EQ(result.exit_value, 64u);
  EXPECT_EQ(guest.sink.text(), "P");
  EXPECT_EQ(transcript.seen["fault"], 512u);
}

TEST(Machine, UserCodeCallsTheKernelAndMayNotHalt) {
  Guest guest("u");
  const RunResult result = guest.machine->run(kLimit);
  EXPECT_EQ(result.reason, EndReason::kExit) << result.report << guest.machine->describe();
  EXPECT_EQ(result.exit_value, 100u);
  EXPECT_EQ(guest.sink.text(), "U");
}

// An LDTR that holds nothing has base 0: what a program reads there is no descriptor.
TEST(Machine, ANullPointerInUserCodeIsAUserFault) {
  Guest guest("n");
  Transcript transcript;
  guest.machine->add_observer(transcript);
  guest.machine->run(20'000);
  ASSERT_GT(transcript.seen["fault"], 0u) << guest.machine->describe();
  EXPECT_EQ(transcript.last_fault_address, 0u);
  EXPECT_EQ(transcript.last_error_code, 5u);  // U/S, P
}

// The engine keeps a 2 MiB page in pieces of 4 KiB; INVLPG of one of them removes the whole entry.
TEST(Machine, InvlpgInsideALargePageDropsAllOfIt) {
  Guest guest("i");
  const RunResult result = guest.machine->run(kLimit);
  EXPECT_EQ(result.reason, EndReason::kExit) << result.report << guest.machine->describe();
  EXPECT_EQ(result.exit_value, 2u);  // both pieces read what is mapped now
}

TEST(Machine, TimerWakesAHaltedCpuInCountedTime) {
  Guest guest("t");
  Transcript transcript;
  guest.machine->add_observer(transcript);
  const RunResult result = guest.machine->run(kLimit);
  EXPECT_EQ(result.reason, EndReason::kExit) << result.report << guest.machine->describe();
  EXPECT_EQ(result.exit_value, 10u);
  EXPECT_EQ(transcript.vectors[0x40], 10u);
  EXPECT_LT(guest.machine->icount(), 5000u);  // idle time is not executed
}

TEST(Machine, SecondCpuStartsAndAnswersAnIpi) {
  for (const uint64_t quantum : {1u, 7u, 100u, 10'000u}) {
    Guest guest("c", {.cpus = 2, .memory_bytes = 32u << 20, .quantum = quantum});
    const RunResult result = guest.machine->run(kLimit);
    EXPECT_EQ(result.reason, EndReason::kExit) << result.report << guest.machine->describe();
    EXPECT_EQ(result.exit_value, 41u);
    EXPECT_EQ(guest.sink.text(), "AC") << quantum;
  }
}

TEST(Machine, TripleFaultStopsWithTheChain) {
  Guest guest("3");
  const RunResult result = guest.machine->run(kLimit);
  EXPECT_EQ(result.reason, EndReason::kTripleFault);
  EXPECT_NE(result.report.find("#UD"), std::string::npos) << result.report;
  EXPECT_EQ(guest.machine->run(kLimit).reason, EndReason::kTripleFault);
}

TEST(Machine, AllHaltedForGoodIsADeadlock) {
  Guest guest("h");
  EXPECT_EQ(guest.machine->run(kLimit).reason, EndReason::kDeadlock);
}

TEST(Machine, StopsExactlyAtTheLimit) {
  Guest guest("l");
  for (const uint64_t limit : {1u, 2u, 17u, 1000u, 123'457u}) {
    EXPECT_EQ(guest.machine->run(limit).reason, EndReason::kRunning);
    EXPECT_EQ(guest.machine->icount(), limit);
  }
}

TEST(Machine, WhereARunIsCutChangesNothing) {
  for (const char* choice : {"p", "u", "t", "c"}) {
    const MachineConfig config{.cpus = 2, .memory_bytes = 32u << 20, .quantum = 50};
    Guest whole(choice, config), cut(choice, config), unobserved(choice, config);
    Transcript of_whole, of_cut;
    whole.machine->add_observer(of_whole);
    cut.machine->add_observer(of_cut);
    whole.machine->run(kLimit);
    unobserved.machine->run(kLimit);
    uint64_t limit = 0;
    for (unsigned i = 0; cut.machine->run(limit).reason == EndReason::kRunning && limit < kLimit; ++i)
      limit += 1 + i * i % 31;
    EXPECT_EQ(of_whole.text, of_cut.text) << choice;
    EXPECT_EQ(whole.machine->icount(), cut.machine->icount()) << choice;
    EXPECT_EQ(whole.machine->icount(), unobserved.machine->icount()) << choice;
  }
}

void check_goes_on_from_a_saved_state(const char* choice, uint64_t at) {
  const MachineConfig config{.cpus = 2, .memory_bytes = 32u << 20, .quantum = 50};
  Guest first(choice, config);
  first.machine->run(at);
  StateWriter saved;
  first.machine->save(saved);
  Transcript of_first, of_second;
  first.machine->add_observer(of_first);
  first.machine->run(kLimit);

  Guest second(choice, config);
  ASSERT_TRUE(second.machine->restore(saved.bytes()).has_value());
  StateWriter saved_again;
  second.machine->save(saved_again);
  const auto [one, other] = std::ranges::mismatch(saved.bytes(), saved_again.bytes());
  EXPECT_EQ(one - saved.bytes().begin(), std::ssize(saved.bytes())) << choice << at;

  second.machine->add_observer(of_second);
  second.machine->run(kLimit);
  EXPECT_EQ(of_first.text, of_second.text) << choice << at;
  EXPECT_EQ(first.machine->icount(), second.machine->icount()) << choice << at;

  StateWriter end_of_first, end_of_second;
  first.machine->save(end_of_first);
  second.machine->save(end_of_second);
  const auto [here, there] = std::ranges::mismatch(end_of_first.bytes(), end_of_second.bytes());
  EXPECT_TRUE(std::ranges::equal(end_of_first.bytes(), end_of_second.bytes()))
      << choice << at << ": differs at byte " << here - end_of_first.bytes().begin() << " of "
      << end_of_first.bytes().size();
}

// The last one is where two of the four have ended: an ended machine stays ended.
TEST(Machine, GoesOnFromASavedState) {
  for (const uint64_t at : {100, 150, 400})
    for (const char* choice : {"p", "u", "t", "c"}) check_goes_on_from_a_saved_state(choice, at);
}

// A debugger's stops change where run() comes back and nothing else.
TEST(Machine, BreakpointsStopInFrontOfTheInstructionEachTime) {
  Guest plain("p"), stopped("p");
  Transcript of_plain, of_stopped;
  plain.machine->add_observer(of_plain);
  stopped.machine->add_observer(of_stopped);
  plain.machine->run(kLimit);

  DebugControl& debug = stopped.machine->debug_control();
  debug.stop_after_event = true;
  stopped.machine->run(kLimit);  // to the page-fault handler's first instruction
  debug.stop_after_event = false;
  const uint64_t handler = stopped.machine->cpu_state(0).rip;
  EXPECT_EQ(stopped.machine->position().events, 1u);
  debug.breakpoints.insert(handler);
  unsigned stops = 1;
  while (true) {
    debug.leaving = true;
    if (stopped.machine->run(kLimit).reason != EndReason::kRunning || !debug.hit) break;
    EXPECT_EQ(debug.hit->kind, DebugHit::Kind::kBreakpoint);
    EXPECT_EQ(stopped.machine->cpu_state(0).rip, handler);
    ++stops;
  }
  EXPECT_EQ(stops, 512u);
  EXPECT_EQ(of_plain.text, of_stopped.text);
}

TEST(Machine, AWatchStopsAfterEachAccess) {
  constexpr uint64_t kDemand = 0x40000000;  // written once, then read once: test_kernel.S
  Guest guest("p");
  DebugControl& debug = guest.machine->debug_control();
  debug.watches.push_back({.address = kDemand + 4096, .bytes = 8, .reads = true, .writes = true});
  guest.machine->watches_changed();
  std::vector<bool> writes;
  while (guest.machine->run(kLimit).reason == EndReason::kRunning && debug.hit) {
    EXPECT_EQ(debug.hit->kind, DebugHit::Kind::kWatch);
    EXPECT_EQ(debug.hit->address, kDemand + 4096);
    writes.push_back(debug.hit->write);
  }
  EXPECT_EQ(writes, (std::vector<bool>{true, false}));
}

// A debugger steps over its own breakpoints: what else that step meets must not be lost.
TEST(Machine, AStepThatMeetsAWatchTellsTheWatch) {
  Guest guest("p");
  DebugControl& debug = guest.machine->debug_control();
  debug.step_cpu = 0;
  debug.watches.push_back({.address = 0x40000000, .bytes = 8, .reads = true, .writes = true});
  unsigned watches = 0, steps = 0;
  while (steps < 20'000 && guest.machine->run(kLimit).reason == EndReason::kRunning && debug.hit) {
    watches += debug.hit->kind == DebugHit::Kind::kWatch;
    ++steps;
  }
  EXPECT_EQ(watches, 2u);  // written, then read
}

// Back in time in one machine: RAM by the pages that changed, everything else by its state.
TEST(Machine, GoesBackToACheckpointInPlace) {
  Guest guest("p");
  guest.machine->run(1000);
  std::map<uint64_t, std::vector<uint8_t>> pages;
  const auto page_of = [&](uint64_t index) {
    const uint8_t* bytes = guest.machine->ram().host(guest.machine->ram().page_address(index));
    return std::vector<uint8_t>(bytes, bytes + 4096);
  };
  for (uint64_t index = 0; index < guest.machine->ram().page_count(); ++index) pages[index] = page_of(index);
  guest.machine->take_dirty_pages();
  StateWriter state;
  guest.machine->save_without_ram(state);
  std::string first;
  for (int round = 0; round < 3; ++round) {
    Transcript transcript;
    guest.machine->add_observer(transcript);
    EXPECT_EQ(guest.machine->run(kLimit).reason, EndReason::kExit);
    guest.machine->remove_observer(transcript);
    if (round == 0) first = transcript.text;
    EXPECT_FALSE(first.empty());
    EXPECT_EQ(transcript.text, first) << round;
    for (const uint64_t index : guest.machine->take_dirty_pages())
      guest.machine->set_ram_page(index, pages[index]);
    ASSERT_TRUE(guest.machine->restore_without_ram(state.bytes()).has_value());
    EXPECT_EQ(guest.machine->icount(), 1000u);
  }
}

TEST(Machine, RefusesADamagedState) {
  Guest guest("l");
  StateWriter saved;
  guest.machine->save(saved);
  EXPECT_FALSE(guest.machine->restore(saved.bytes().first(100)).has_value());
  EXPECT_EQ(guest.machine->run(kLimit).reason, EndReason::kInternal);
}

TEST(Machine, CountsWatchedAccessesExactly) {
  Guest guest("w", {.memory_bytes = 32u << 20, .count_watched_ranges = true});
  Transcript transcript;
  guest.machine->add_observer(transcript);
  const RunResult result = guest.machine->run(kLimit);
  EXPECT_EQ(result.reason, EndReason::kExit) << result.report;
  EXPECT_EQ(transcript.watched, (WatchCounts{.reads = 9, .writes = 4, .lines = 3}));
}

TEST(Machine, CountingDoesNotChangeTheInstructionCount) {
  Guest plain("w"), counted("w", {.memory_bytes = 32u << 20, .count_watched_ranges = true});
  plain.machine->run(kLimit);
  counted.machine->run(kLimit);
  EXPECT_EQ(plain.machine->icount(), counted.machine->icount());
}

TEST(Machine, RefusesWhatIsNoKernel) {
  StringConsoleSink sink;
  StringConsoleSource source;
  const std::vector<uint8_t> good = test_kernel();
  const auto attempt = [&](std::vector<uint8_t> kernel) {
    return Machine::create({.memory_bytes = 16u << 20},
                           {.kernel = std::move(kernel), .command_line = "l", .initramfs = {}}, sink, source,
                           {});
  };
  EXPECT_TRUE(attempt(good).has_value());
  EXPECT_FALSE(attempt({}).has_value());
  EXPECT_FALSE(attempt({'h', 'e', 'l', 'l', 'o'}).has_value());
  // A program of the host is no kernel, wherever it wants to lie.
  std::vector<uint8_t> no_note = good;
  Elf64_Ehdr header;
  std::memcpy(&header, good.data(), sizeof header);
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    uint8_t* at = no_note.data() + header.e_phoff + i * sizeof(Elf64_Phdr);
    Elf64_Phdr segment;
    std::memcpy(&segment, at, sizeof segment);
    if (segment.p_type == PT_NOTE) segment.p_type = PT_NULL;
    segment.p_paddr = 0;
    std::memcpy(at, &segment, sizeof segment);
  }
  const auto program = attempt(no_note);
  ASSERT_FALSE(program.has_value());
  EXPECT_NE(program.error().message.find("PVH entry note"), std::string::npos) << program.error().message;
  for (const size_t size : {size_t{20}, size_t{64}, size_t{100}, good.size() / 4}) {
    std::vector<uint8_t> cut(good.begin(), good.begin() + static_cast<ptrdiff_t>(size));
    const auto made = attempt(cut);
    ASSERT_FALSE(made.has_value()) << size;
    EXPECT_EQ(made.error().kind, ErrorKind::kData);
  }
}

TEST(Machine, RefusesBadConfigurations) {
  StringConsoleSink sink;
  StringConsoleSource source;
  for (const MachineConfig& config : {MachineConfig{.cpus = 0}, MachineConfig{.cpus = 9},
                                      MachineConfig{.memory_bytes = 1}, MachineConfig{.quantum = 0}}) {
    const auto made = Machine::create(config, {.kernel = test_kernel(), .command_line = {}, .initramfs = {}},
                                      sink, source, {});
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().kind, ErrorKind::kUsage);
  }
}

}  // namespace
}  // namespace mmuscope
