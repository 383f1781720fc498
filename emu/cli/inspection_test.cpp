// SPDX-License-Identifier: GPL-2.0-or-later
//
// The inspector against the kernel itself: programs run in a machine that stops at every page fault, `why`
// says what the kernel is going to make of it, and the kernel's own report must say the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "cli/initramfs.h"
#include "debug/explain.h"
#include "debug/inspection_commands.h"
#include "debug/machine_target.h"

namespace mmuscope::debug {
namespace {

using trace_abi::FaultOutcome;

std::vector<uint8_t> contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Console : ConsoleSink, ConsoleSource {
  void put(uint8_t) override {}
  std::optional<uint8_t> get() override { return {}; }
  uint64_t position() const override { return 0; }
  void seek(uint64_t) override {}
};

// Stops the machine at each page fault of a program, or of the kernel for it, and keeps what came of it.
struct FaultStop : MachineObserver {
  explicit FaultStop(Machine& stopped) : machine(stopped) {}
  void on_page_fault(const Moment&, const x86::PageFault& fault, const x86::WalkTrace&) override {
    if (fault.access.linear >= kUserEnd) return;
    pending = fault;
    machine.debug_control().request({.kind = DebugHit::Kind::kEvent, .before = machine.position()});
  }
  void on_tracepoint(const Moment&, const trace_abi::TraceRecord& record) override {
    if (record.type == static_cast<uint16_t>(trace_abi::TraceType::kFaultOutcome))
      outcome = static_cast<FaultOutcome>(record.args[2]);
  }
  Machine& machine;
  std::optional<x86::PageFault> pending;
  std::optional<FaultOutcome> outcome;
};

struct Live {
  // "fork_bound 40 cow=mapcount": a program, its arguments, words for the kernel.
  explicit Live(const std::string& words, const MachineConfig& config)
      : machine(make(words, config, console)),
        target(*machine),
        faults(*machine),
        inspection(target, kernel()) {
    machine->add_observer(faults);
    add_inspection(commands, inspection);
  }

  static const std::vector<uint8_t>& kernel() {
    static const std::vector<uint8_t> image = contents(MINIKERNEL);
    return image;
  }
  static std::unique_ptr<Machine> make(const std::string& words, const MachineConfig& config,
                                       Console& console) {
    cli::Initramfs files;
    std::istringstream split(words);
    std::string program, arguments = "program", command_line = "init=/bin/program";
    split >> program;
    for (std::string word; split >> word;)
      (word.contains('=') ? command_line : arguments) += (word.contains('=') ? ' ' : '\0') + word;
    files.add_file("/bin/program", contents(GUEST_PROGRAMS "/" + program), 0755);
    files.add_file("/etc/init.argv", {arguments.data(), arguments.data() + arguments.size() + 1}, 0644);
    const BootImage image{kernel(), command_line, files.pack()};
    auto made = Machine::create(config, image, console, console, [](const std::string&) {});
    EXPECT_TRUE(made) << made.error().message;
    return std::move(*made);
  }
  // Until a page fault was delivered and the kernel has done nothing yet, or the machine ended.
  bool run_to_fault() {
    faults.pending.reset();
    target.timeline().run_to(timeline::Timeline::kForever, true);
    return faults.pending.has_value();
  }

  Console console;
  std::unique_ptr<Machine> machine;
  MachineTarget target;
  FaultStop faults;
  Inspection inspection;
  Commands commands;
};

std::string word(const std::optional<FaultOutcome>& outcome) {
  return outcome ? fault_outcome_name(*outcome) : "none";
}

// Foreseen, told by the kernel.
bool agree(const Forecast& forecast, FaultOutcome outcome) {
  if (outcome == FaultOutcome::kKernelFixup)
    return forecast.outcome == FaultOutcome::kSigsegv || forecast.outcome == FaultOutcome::kSigbus;
  // The tables allow it; a TLB entry did not.
  if (outcome == FaultOutcome::kSpurious) return !forecast.faults || forecast.outcome == outcome;
  return forecast.outcome == outcome;
}

class EveryFault : public testing::TestWithParam<const char*> {};

TEST_P(EveryFault, IsForeseen) {
  Live live(GetParam(), {.memory_bytes = 64 << 20});
  std::optional<Forecast> forecast;
  std::map<std::string, unsigned> seen;
  uint64_t address = 0;
  while (true) {
    const bool stopped = live.run_to_fault();
    if (forecast) {
      ASSERT_TRUE(live.faults.outcome);
      EXPECT_TRUE(agree(*forecast, *live.faults.outcome))
          << std::hex << address << " " << access_type_name(forecast->type) << ": foreseen "
          << word(forecast->outcome) << ", came " << word(live.faults.outcome) << "\n"
          << forecast->text;
      ++seen[word(live.faults.outcome)];
    }
    if (!stopped) break;
    const x86::Access& access = live.faults.pending->access;
    const auto why =
        explain(live.inspection.kernel(), live.inspection.inspector(), live.inspection.cpu(), access.linear);
    ASSERT_TRUE(why) << why.error().message;
    forecast = why->forecasts[static_cast<size_t>(access.type)];
    address = access.linear;
    live.faults.outcome.reset();
  }
  EXPECT_GE(seen.size(), 3u);
}
INSTANTIATE_TEST_SUITE_P(Programs, EveryFault,
                         testing::Values("demand_paging", "protection", "nx", "stack", "mappings", "brk",
                                         "fault_address", "fork_bound 40 cow=mapcount",
                                         "fork_bound 40 cow=page-count", "fork_bound 40 cow=unshare-mapcount",
                                         "fork_bound 40 cow=anon-exclusive", "fork_bound 40 cow=pte",
                                         "fork_bound 40 cow=pte-group"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace_if(name, [](char c) { return !std::isalnum(c); }, '_');
                           return name;
                         });

// Looking, at any moment, changes nothing that the run would show.
TEST(Inspection, CommandsInARunningKernel) {
  Live live("demo", {.cpus = 2, .memory_bytes = 64 << 20, .la57 = true});
  Live undisturbed("demo", {.cpus = 2, .memory_bytes = 64 << 20, .la57 = true});
  while (undisturbed.run_to_fault()) continue;
  EXPECT_EQ(live.commands.run("ps"), "there is no task\n");
  for (uint64_t at = 0; live.target.timeline().run_to({at, 0}, true) != timeline::Timeline::Reached::kEnded;
       at = live.machine->icount() + 9973) {
    for (const char* line : {"when", "ps", "vma", "why $rsp", "walk $rip", "pt user", "frame 0x300"}) {
      std::istringstream lines(live.commands.run(line));
      for (std::string one; std::getline(lines, one);) ASSERT_LE(one.size(), Commands::kColumns) << one;
    }
  }
  EXPECT_EQ(live.machine->icount(), undisturbed.machine->icount());
}

// Parent and child of a fork, wherever they are, each with its own tables; the child runs what it was made
// from.
TEST(Inspection, ParentAndChild) {
  Live live("fork_bound 40", {.cpus = 2, .memory_bytes = 64 << 20});
  bool both = false, zombie = false;
  for (uint64_t at = 0; live.target.timeline().run_to({at, 0}, true) != timeline::Timeline::Reached::kEnded;
       at = live.machine->icount() + 499) {
    const auto list = live.inspection.kernel().tasks();
    ASSERT_TRUE(list) << list.error().message;
    EXPECT_EQ(list->problem, "");
    for (const TaskView& task : list->tasks) {
      zombie |= task.state == TaskState::kZombie;
      if (task.parent != 1 || task.mm == 0) continue;
      both = true;
      EXPECT_EQ(task.name, "program");
      const auto parent = live.inspection.kernel().task(1);
      ASSERT_TRUE(parent);
      EXPECT_NE(parent->mm, task.mm);
    }
    if (both && zombie) break;
  }
  EXPECT_TRUE(both);
}

TEST(Inspection, AProgramAtItsFirstInstructions) {
  Live live("demo", {.memory_bytes = 64 << 20});
  while (live.run_to_fault() && !live.faults.pending->access.user) continue;
  EXPECT_NE(live.commands.run("ps").find("program"), std::string::npos);
  const std::string areas = live.commands.run("vma 1");
  EXPECT_NE(areas.find("r-xp  /bin/program at 0x"), std::string::npos) << areas;
  EXPECT_NE(areas.find("rw-p  [stack: grows down]"), std::string::npos) << areas;
  EXPECT_NE(live.commands.run("walk handle_trap").find("kernel fetch  allowed"), std::string::npos);
  EXPECT_NE(live.commands.run("frame 0x200").find("RESERVED"), std::string::npos);
  EXPECT_EQ(live.commands.run("pt 0xffffffff80200000 0xffffffff80200fff").find("given up"),
            std::string::npos);
}

}  // namespace
}  // namespace mmuscope::debug
