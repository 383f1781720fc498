// SPDX-License-Identifier: GPL-2.0-or-later
//
// Long random sequences of a debugger's commands, forward and backward: a position has the same registers,
// TLBs and stack whenever and however it is reached. MMUSCOPE_WALK_COMMANDS and MMUSCOPE_WALK_SEED make it
// longer and other (tools/random-walk).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>

#include "cli/debug_session.h"

namespace mmuscope::cli {
namespace {

using debug::Catch;
using debug::Direction;
using debug::MachineTarget;
using debug::StopReport;

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

class Walk {
 public:
  Walk(MachineTarget& target, uint64_t seed) : target_(target), random_(seed) {}

  void run(uint64_t commands) {
    notice();
    for (uint64_t i = 0; i < commands && !::testing::Test::HasFailure(); ++i) {
      change_stops();
      const std::string command = move();
      compare(fmt::format("command {}: {}", i, command));
    }
  }
  size_t positions() const { return seen_.size(); }

 private:
  uint64_t below(uint64_t limit) { return random_() % limit; }

  // What is known of a position, as text without what is long.
  std::string fingerprint() {
    std::string text;
    for (unsigned cpu = 0; cpu < target_.cpu_count(); ++cpu) {
      const x86::CpuState state = target_.state(cpu);
      std::string tlb;
      target_.machine().tlb(cpu).for_each([&](const x86::TlbEntry& entry) {
        tlb += fmt::format("{:x}>{:x}#{}{}{};", entry.page.linear_base, entry.page.physical_base,
                           entry.serial, entry.page.dirty ? "D" : "", entry.page.writable ? "W" : "");
      });
      std::array<uint8_t, 512> stack{};
      target_.read(cpu, state.reg(x86::Gpr::kRsp) & ~uint64_t{511}, stack);
      text += fmt::format(
          "cpu {}: rip {:x} rflags {:x} rsp {:x} registers {:x} fpu {:x} tlb {} {:x} stack {:x}\n", cpu,
          state.rip, state.rflags, state.reg(x86::Gpr::kRsp),
          hash({reinterpret_cast<const char*>(&state), sizeof state}), hash_of(target_.fpu(cpu)),
          target_.machine().tlb(cpu).size(), hash(tlb), hash_of(stack));
    }
    return text;
  }
  static size_t hash(std::string_view bytes) { return std::hash<std::string_view>()(bytes); }
  template <size_t n>
  static size_t hash_of(const std::array<uint8_t, n>& bytes) {
    return hash({reinterpret_cast<const char*>(bytes.data()), n});
  }

  void compare(const std::string& after) {
    const std::string now = fingerprint();
    const auto [known, added] = seen_.try_emplace(target_.position(), now);
    EXPECT_EQ(known->second, now) << after << ": another state at instruction " << target_.position().icount
                                  << '+' << target_.position().events;
    highest_ = std::max(highest_, target_.icount());
    notice();
  }

  // Remembers where one can stop.
  void notice() {
    const x86::CpuState state = target_.state(target_.current_cpu());
    places_.push_back(state.rip);
    stacks_.push_back(state.reg(x86::Gpr::kRsp) - 8);
    if (places_.size() > 200) places_.erase(places_.begin() + static_cast<ptrdiff_t>(below(100)));
    if (stacks_.size() > 50) stacks_.erase(stacks_.begin() + static_cast<ptrdiff_t>(below(25)));
  }

  void change_stops() {
    switch (below(12)) {
      case 0:
        breakpoints_.push_back(places_[below(places_.size())]);
        target_.add_breakpoint(breakpoints_.back());
        break;
      case 1:
        watches_.push_back({.address = stacks_[below(stacks_.size())], .reads = below(4) == 0});
        target_.add_watch(watches_.back());
        break;
      case 2: {
        Catch wanted{.kind = Catch::Kind::kFault, .about = {}};
        if (below(2) == 0) wanted.kind = Catch::Kind::kSyscall;
        if (below(4) == 0) wanted = {.kind = Catch::Kind::kTlb, .address = stacks_[0], .about = {}};
        catches_.push_back(target_.add_catch(wanted));
        break;
      }
      case 3:
      case 4:
      case 5:
        for (const uint64_t address : breakpoints_) target_.remove_breakpoint(address);
        for (const debug::Watch& watch : watches_) target_.remove_watch(watch);
        for (const unsigned number : catches_) target_.remove_catch(number);
        breakpoints_.clear();
        watches_.clear();
        catches_.clear();
        break;
      default:
        break;
    }
  }

  std::string move() {
    const Direction direction = below(2) == 0 ? Direction::kForward : Direction::kBackward;
    const char* way = direction == Direction::kForward ? "forward" : "backward";
    switch (below(6)) {
      case 0: {
        const uint64_t to = below(highest_ + highest_ / 8 + 1000);
        target_.go_to(to);
        return fmt::format("goto {}", to);
      }
      case 1:
        target_.resume(direction);
        return fmt::format("resume {}", way);
      default: {
        const unsigned cpu = target_.current_cpu();
        const uint64_t steps = 1 + below(8);
        for (uint64_t i = 0; i < steps; ++i) step_and_back(cpu, direction);
        return fmt::format("{} steps {}", steps, way);
      }
    }
  }

  // Of the only CPU, a step and its reverse lead to where they began.
  void step_and_back(unsigned cpu, Direction direction) {
    const Position before = target_.position();
    const StopReport report = target_.step(cpu, direction);
    compare("a step");
    if (direction != Direction::kForward || target_.cpu_count() != 1) return;
    if (report.kind == StopReport::Kind::kEnded) return;
    target_.step(cpu, Direction::kBackward);
    EXPECT_EQ(target_.position(), before) << "stepped forward and backward";
    compare("a step forward and backward");
    target_.step(cpu, Direction::kForward);
  }

  MachineTarget& target_;
  std::mt19937_64 random_;
  std::map<Position, std::string> seen_;
  std::vector<uint64_t> places_, stacks_, breakpoints_;
  std::vector<debug::Watch> watches_;
  std::vector<unsigned> catches_;
  uint64_t highest_ = 0;
};

struct Program {
  const char* name;
  unsigned cpus;
  std::vector<std::string> words;
};

class RandomWalk : public ::testing::TestWithParam<Program> {};

TEST_P(RandomWalk, FindsTheSameStateAtTheSamePosition) {
  const Program& program = GetParam();
  DebugOptions options;
  options.machine.machine.cpus = program.cpus;
  options.machine.machine.memory_bytes = 64u << 20;
  options.machine.kernel = MINIKERNEL;
  options.timeline.spacing = 500'000;
  std::vector<std::string> words = program.words;
  if (words[0].find('/') == std::string::npos) words[0] = std::string(GUEST_PROGRAMS "/") + words[0];
  ::testing::internal::CaptureStdout();
  const auto session = DebugSession::create(options, words);
  ASSERT_TRUE(session.has_value()) << session.error().message;
  Walk walk((*session)->target(), from_environment("MMUSCOPE_WALK_SEED", 1));
  walk.run(from_environment("MMUSCOPE_WALK_COMMANDS", 200));
  (*session)->flush_console();
  const std::string printed = ::testing::internal::GetCapturedStdout();  // the guest's, and what went wrong
  if (HasFailure()) std::cout << printed;
  EXPECT_GT(walk.positions(), 50u);
}

INSTANTIATE_TEST_SUITE_P(
    Programs, RandomWalk,
    ::testing::Values(
        Program{"demo", 1, {"demo"}}, Program{"demo_4_cpus", 4, {"demo-musl"}},
        Program{"signals", 1, {"signals-musl"}}, Program{"forks_3_cpus", 3, {"fork_tree", "1", "4", "200"}},
        Program{"busybox",
                1,
                {"/bin/busybox", "sh", "-c", "n=0; while [ $n -lt 50 ]; do n=$((n + 1)); done; echo $n"}}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace mmuscope::cli
