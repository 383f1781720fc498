// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/kernel_view.h"

#include <gtest/gtest.h>

#include <random>
#include <sstream>

#include "debug/fake_kernel.h"
#include "debug/inspection_commands.h"
#include "debug/inspection_text.h"

namespace mmuscope::debug {
namespace {

constexpr uint64_t kP = FakeTarget::kP, kW = FakeTarget::kW, kU = FakeTarget::kU, kXd = FakeTarget::kXd;
constexpr uint64_t kExcl = uint64_t{1} << 52;

struct Seen : FakeKernel {
  explicit Seen(unsigned cpus = 1) : FakeKernel(cpus) {}
  Inspector inspector{target};
  KernelView view{target, types, inspector};
};

TEST(KernelTypes, KnowsWhatTheViewAsksFor) {
  const KernelTypes& types = minikernel_types();
  EXPECT_EQ(types.field("mk::PerCpu", "self")->offset, 0u);  // entry.S knows the first three
  EXPECT_EQ(types.field("mk::PerCpu", "kernel_stack")->offset, 8u);
  EXPECT_EQ(types.field("mk::PerCpu", "current")->type.kind, KernelType::Kind::kPointer);
  EXPECT_EQ(types.field("mk::Task", "pid")->type.size, 4u);
  EXPECT_TRUE(types.field("mk::Task", "pid")->type.is_signed);
  EXPECT_EQ(types.field("mk::Task", "name")->type.size, 16u);
  EXPECT_EQ(types.field("mk::Task", "mm")->type.name, "mk::Ref<mk::AddressSpace>");
  EXPECT_EQ(types.field("mk::Task", "mm.object_")->type.name, "mk::AddressSpace");
  EXPECT_GT(types.field("mk::AddressSpace", "vmas_.first_")->offset,
            types.field("mk::AddressSpace", "references_")->offset);  // of the base class
  EXPECT_EQ(*types.size_of("mk::FrameDescriptor"), 64u);
  EXPECT_EQ(types.variable("mk::counts")->type.element_size, 2u);
  EXPECT_EQ(types.variable("mk::descriptors")->type.element_size, 64u);
  EXPECT_EQ(types.variable("mk::zeros")->address % x86::kPageSize, 0u);
  EXPECT_EQ(*types.constant("mk::FrameDescriptor::kReserved"), 1u);
}

TEST(KernelTypes, SaysWhatItDoesNotKnow) {
  const KernelTypes& types = minikernel_types();
  EXPECT_EQ(types.field("mk::Task", "color").error().message,
            "the kernel's debug information does not know mk::Task::color");
  EXPECT_EQ(types.field("mk::Task", "pid.x").error().message,
            "the kernel's debug information does not know mk::Task::pid.x");
  EXPECT_EQ(types.field("mk::Tusk", "pid").error().message,
            "the kernel's debug information does not know mk::Tusk");
  EXPECT_FALSE(types.field("mk::Task", ""));
  EXPECT_FALSE(types.field("mk::Task", "mm."));
  EXPECT_EQ(KernelTypes::read({}).variable("mk::counts").error().message,
            "the kernel's image has no debug information: build it with -g");
}

TEST(KernelTypes, DamagedImagesAreReadWithoutHarm) {
  const std::vector<uint8_t>& whole = minikernel_image();
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    std::vector<uint8_t> bytes = whole;
    if (round % 4 == 0) bytes.resize(random() % whole.size());
    for (int i = 0; i < 200; ++i) bytes[random() % bytes.size()] ^= random();
    (void)KernelTypes::read(bytes);
  }
}

TEST(KernelView, TheTaskOfACpu) {
  Seen seen(2);
  seen.target.cpus[1].kernel_gs_base = 0x1234;  // not that far yet
  const auto list = seen.view.tasks();
  ASSERT_TRUE(list);
  ASSERT_EQ(list->tasks.size(), 1u);
  EXPECT_EQ(list->problem, "");
  const TaskView& task = list->tasks.front();
  EXPECT_EQ(task.state, TaskState::kRunning);
  EXPECT_EQ(task.pid, 1);
  EXPECT_EQ(task.name, "prog");
  EXPECT_EQ(task.minor_faults, 7u);
  EXPECT_EQ(task.cpu, 0u);
  EXPECT_FALSE(*seen.view.current_task(1));
  EXPECT_EQ(seen.view.task(2).error().message, "no task has the PID 2");
}

TEST(KernelView, ACpuThatIdlesRunsNoTask) {
  Seen seen;
  const uint64_t idle = seen.add("mk::Task");
  seen.set("mk::PerCpu", seen.per_cpu, "idle", idle);
  EXPECT_EQ((*seen.view.current_task(0))->pid, 1);
  seen.set("mk::PerCpu", seen.per_cpu, "current", idle);
  EXPECT_FALSE(*seen.view.current_task(0));
  ASSERT_EQ(seen.view.tasks()->tasks.size(), 1u);  // the list names it, and no idle task
  EXPECT_EQ(seen.view.tasks()->tasks[0].state, TaskState::kRunnable);
}

// A process with two threads, one of which runs; its children sleep, are stopped, or wait to be asked for.
TEST(KernelView, TasksOfAllProcesses) {
  Seen seen(3);
  constexpr uint64_t kSleeping = 1;
  const uint64_t thread = seen.add_task(seen.process, 4, "worker", seen.mm);
  seen.set("mk::Task", thread, "cpu", 2);
  const uint64_t child = seen.add_process(5, seen.process);
  seen.set("mk::Task", seen.add_task(child, 5, "sleeper", seen.add("mk::AddressSpace")), "state", kSleeping);
  const uint64_t stopped = seen.add_process(6, child);
  seen.set("mk::Process", stopped, "stopped", 1);
  seen.set("mk::Task", seen.add_task(stopped, 6, "stopped", seen.add("mk::AddressSpace")), "state",
           kSleeping);
  seen.set("mk::Process", seen.add_process(7, seen.process), "zombie", 1);
  seen.add_process(8);  // is being made
  const auto list = seen.view.tasks();
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->problem, "");
  std::string text = print_tasks(*list).text;
  for (size_t at = 0; (at = text.find("0xffff", at)) != std::string::npos;) text.replace(at, 18, "*");
  EXPECT_EQ(text,
            "  pid  tgid parent state    cpu name               faults task               mm\n"
            "    1     1      0 running    0 prog                    7 * *\n"
            "    4     1      0 runnable   2 worker                  0 * *\n"
            "    5     5      1 sleeping   0 sleeper                 0 * *\n"
            "    6     6      5 stopped    0 stopped                 0 * *\n"
            "    7     7      1 zombie\n");
  EXPECT_EQ(seen.view.task(5)->parent, 1);
  EXPECT_EQ(*seen.view.limit(*seen.view.task(5), 3), ~uint64_t{0});
  EXPECT_FALSE(seen.view.limit(*seen.view.task(7), 16));
}

TEST(KernelView, WhereATaskHasLeftItsProgram) {
  Seen seen;
  const uint64_t sleeper = seen.add_task(seen.process, 4, "sleeper", seen.mm);
  EXPECT_FALSE(seen.view.place(*seen.view.task(4)));
  const uint64_t stack = seen.memory(4096) + 4096, frame = stack - 22 * 8;
  seen.set("mk::Task", sleeper, "kernel_stack", stack);
  seen.set("mk::TrapFrame", frame, "rip", 0x401012);
  seen.set("mk::TrapFrame", frame, "vector", 14);
  EXPECT_EQ(seen.view.place(*seen.view.task(4))->rip, 0x401012u);
  EXPECT_FALSE(seen.view.place(*seen.view.task(4))->system_call);
  seen.set("mk::TrapFrame", frame, "vector", 256);
  seen.set("mk::TrapFrame", frame, "error_code", 61);
  EXPECT_EQ(seen.view.place(*seen.view.task(4))->system_call, 61u);
}

// What a CPU runs is told whatever the list is like, and the other way round.
TEST(KernelView, AListThatIsTornStillTellsWhatItCan) {
  Seen seen;
  seen.set("mk::Process", seen.process, "next", seen.process);
  EXPECT_EQ(seen.view.tasks()->tasks.size(), 1u);
  EXPECT_EQ(seen.view.tasks()->problem, "");
  seen.set("mk::Task", seen.task, "next_thread", seen.task);
  EXPECT_EQ(seen.view.tasks()->tasks.size(), 1u);
  seen.set("mk::Task", seen.task, "next_thread", 0);
  seen.set("mk::Process", seen.process, "next", 0x1000);
  EXPECT_EQ(seen.view.tasks()->tasks.size(), 1u);
  EXPECT_NE(seen.view.tasks()->problem.find(", which is no kernel memory"), std::string::npos);
  EXPECT_NE(print_tasks(*seen.view.tasks()).text.find("there may be more: the kernel points"),
            std::string::npos);
  seen.global("mk::first_process", 0);  // it has just left the list, and still runs
  EXPECT_EQ(seen.view.tasks()->tasks.size(), 1u);
  EXPECT_EQ(seen.view.task(1)->pid, 1);
  seen.set("mk::PerCpu", seen.per_cpu, "current", 0x1000);
  EXPECT_FALSE(seen.view.tasks());
}

// In the kernel GS is the PerCpu; between an entry and SWAPGS it is still the program's, wherever that
// points.
TEST(KernelView, WhicheverGsBaseIsThePerCpu) {
  Seen seen;
  x86::CpuState& cpu = seen.target.cpus[0];
  cpu.cpl = 0;
  cpu.segment(x86::SegmentName::kGs).base = 0x7ffff7d00000;
  EXPECT_EQ((*seen.view.current_task(0))->pid, 1);
  std::swap(cpu.segment(x86::SegmentName::kGs).base, cpu.kernel_gs_base);
  EXPECT_EQ((*seen.view.current_task(0))->pid, 1);
  seen.set("mk::PerCpu", seen.per_cpu, "self", 0);
  EXPECT_FALSE(*seen.view.current_task(0));
}

TEST(KernelView, AreasWithTheirFiles) {
  Seen seen;
  seen.add_area(0x400000, 0x402000, 0x75, seen.add_file(0x1800), 0x1000);
  seen.add_area(0x7ffffffdd000, 0x7ffffffff000, 0x173);
  const auto space = seen.view.space(*seen.view.task(1));
  ASSERT_TRUE(space) << space.error().message;
  EXPECT_EQ(space->root, x86::kPageSize);
  ASSERT_EQ(space->areas.size(), 2u);
  EXPECT_EQ(space->areas[0].path, "/bin/prog");
  EXPECT_EQ(space->areas[0].file_bytes, 0x1800u);
  EXPECT_EQ(print_areas(*seen.view.task(1), *space).text,
            "task 1 prog: 2 areas, 0 pages, tables at 0x1000\n"
            "0000000000400000-0000000000402000       8K r-xp  /bin/prog at 0x1000 of 0x1800\n"
            "00007ffffffdd000-00007ffffffff000     136K rw-p  [stack: grows down]\n");
}

TEST(KernelView, AreasInACircleEnd) {
  Seen seen;
  const uint64_t first = seen.add_area(0x400000, 0x402000, 5);
  seen.set("mk::Vma", seen.add_area(0x500000, 0x502000, 5), "next", first);
  EXPECT_EQ(seen.view.space(*seen.view.task(1)).error().message,
            "task 1's areas are out of order at 0x400000-0x402000: damaged, or changing now");
  seen.set("mk::AddressSpace", seen.mm, "vmas_.first_", 0x1000);
  EXPECT_EQ(seen.view.space(*seen.view.task(1)).error().message,
            "the kernel points to 0x1000, which is no kernel memory");
}

TEST(KernelView, AFrameAndWhoMapsIt) {
  Seen seen;
  seen.target.map(0x400000, 0x1f0000 | kP | kU | kW | kExcl);
  seen.count(0x1f0, 1);
  const auto frame = seen.view.frame(0x1f0);
  ASSERT_TRUE(frame) << frame.error().message;
  EXPECT_EQ(frame->count, 1u);
  ASSERT_EQ(frame->mappings.size(), 1u);
  EXPECT_EQ(frame->mappings[0].leaf.linear, 0x400000u);
  EXPECT_NE(print_frame(*frame).text.find("exactly one entry maps it, EXCL\n"), std::string::npos);

  seen.target.map(0x500000, 0x1f0000 | x86::pte::kGlobal | kXd);  // PROT_NONE keeps its frame
  seen.target.map(0x501000, 0x1f0000 | kXd);                      // this is no mapping
  const auto twice = seen.view.frame(0x1f0);
  ASSERT_EQ(twice->mappings.size(), 2u);
  EXPECT_NE(print_frame(*twice).text.find("2 entries map it, of which 1 say EXCL: WRONG"), std::string::npos);

  seen.target.put(seen.descriptors + 64 * 5 - FakeKernel::kDirectMap, 1);
  EXPECT_TRUE(seen.view.frame(5)->reserved);
  EXPECT_TRUE(seen.view.frame(seen.zero_pfn)->zero_page);
  EXPECT_FALSE(seen.view.frame(FakeKernel::kPages)->count);
  EXPECT_NE(print_frame(*seen.view.frame(0x1f1)).text.find("count 0: it is free"), std::string::npos);
}

// Threads share an address space: it is named once, by the lowest PID; a child has its own.
TEST(KernelView, EachAddressSpaceIsLookedThroughOnce) {
  Seen seen;
  seen.add_task(seen.process, 4, "worker", seen.mm);
  const uint64_t child = seen.add_process(5, seen.process), mm = seen.add("mk::AddressSpace");
  seen.add_task(child, 5, "child", mm);
  const uint64_t root = seen.target.new_page();
  seen.set("mk::AddressSpace", mm, "page_table_.root_", root / x86::kPageSize);
  seen.target.map(0x400000, 0x1f0000 | kP | kU);
  seen.target.map_at(root, 0x500000, 0x1f0000 | kP | kU);
  const auto frame = seen.view.frame(0x1f0);
  ASSERT_TRUE(frame) << frame.error().message;
  ASSERT_EQ(frame->mappings.size(), 2u);
  EXPECT_EQ(frame->mappings[0].pid, 1);
  EXPECT_EQ(frame->mappings[1].pid, 5);
  EXPECT_EQ(frame->mappings[1].leaf.linear, 0x500000u);
  EXPECT_TRUE(frame->complete);
}

TEST(KernelView, CountsAreWhereThePolicyKeepsThem) {
  Seen seen;
  seen.count(0x1f0, 3);
  seen.describe(0x1f0, 5, 2, 2 | 4);
  EXPECT_EQ(*seen.view.cow_policy(), "pte");
  EXPECT_EQ(*seen.view.frame_count(0x1f0), 3u);
  EXPECT_EQ(print_frame(*seen.view.frame(0x1f0)).text.find("mapcount"), std::string::npos);
  seen.choose_policy("anon-exclusive");
  EXPECT_EQ(*seen.view.cow_policy(), "anon-exclusive");
  EXPECT_EQ(*seen.view.frame_count(0x1f0), 5u);
  const Printed printed = print_frame(*seen.view.frame(0x1f0));
  EXPECT_NE(printed.text.find("count 5\n"), std::string::npos) << printed.text;
  EXPECT_NE(printed.text.find("  mapcount 2, anonymous, exclusive\n"), std::string::npos) << printed.text;
  EXPECT_NE(printed.json.find("\"mapcount\":2"), std::string::npos) << printed.json;
}

// Before boot is that far, and while memory is torn, every command ends with a line or a table.
TEST(KernelView, RandomMemory) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 40; ++round) {
    Seen seen;
    const uint64_t file = seen.add_file(0x1800);
    for (uint64_t i = 0; i < 20; ++i)
      seen.add_area(0x400000 + i * 0x10000, 0x404000 + i * 0x10000, random() % 0x200, i % 3 ? file : 0);
    seen.target.map(0x400000, 0x1f0000 | kP | kU);
    const uint64_t used = seen.target.new_page();
    for (int i = 0; i < (round % 2 ? 3000 : 40); ++i) {
      const uint64_t at = 8 * (random() % (used / 8));
      const uint64_t pointer = FakeKernel::kDirectMap + 8 * (random() % (used / 8));
      seen.target.put(at, random() % 2 ? random() >> random() % 64 : pointer);
    }
    Inspection inspection(seen.target, minikernel_image());
    Commands commands;
    add_inspection(commands, inspection);
    const std::vector<uint8_t> before = seen.target.memory;
    for (const char* line :
         {"ps", "vma", "vma 1", "frame 0x1f0", "frame 0", "why 0x400000", "why 0x7ffffffff000",
          "walk 0xffff888000000000", "when", "pt", "why --json 0x401000"}) {
      std::istringstream lines(commands.run(line));
      for (std::string one; !std::string_view(line).contains("--json") && std::getline(lines, one);)
        ASSERT_LE(one.size(), 120u) << one;
    }
    EXPECT_EQ(seen.target.memory, before);
  }
}

}  // namespace
}  // namespace mmuscope::debug
