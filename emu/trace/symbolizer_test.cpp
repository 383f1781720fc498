// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/symbolizer.h"

#include <asm/unistd_64.h>
#include <gtest/gtest.h>

#include "trace/test_script.h"

namespace mmuscope::trace {
namespace {

using trace_abi::TraceType;
constexpr uint64_t kKernelText = 0xffff'ffff'8000'0000;

std::shared_ptr<const Images> images() {
  return std::make_shared<Images>(Images{{kKernelImage, SymbolTable({{kKernelText, 0x100, "handle_fault"}})},
                                         {"/bin/fixed", SymbolTable({{0x401000, 0x20, "main"}})},
                                         {"/bin/pie", SymbolTable({{0x1000, 0x20, "entry"}})}});
}

Symbolizer after(const Script& script) {
  Symbolizer symbolizer(images());
  for (const Event& event : script.events()) symbolizer.see(event);
  return symbolizer;
}

Script running_fixed(uint32_t pid) {
  Script script;
  script.on(0, pid).kernel().point(TraceType::kExec, {pid, 0}, "/bin/fixed");
  return script;
}

TEST(Symbolizer, KernelAddressesNeedNoProgram) {
  const Symbolizer symbolizer(images());
  EXPECT_EQ(symbolizer.describe(0, kKernelText), "handle_fault");
  EXPECT_EQ(symbolizer.describe(7, kKernelText + 0xff), "handle_fault+0xff");
  EXPECT_EQ(symbolizer.describe(7, kKernelText + 0x100), "");
}

TEST(Symbolizer, AProgramIsKnownFromItsExecOn) {
  EXPECT_EQ(Symbolizer(images()).describe(7, 0x401000), "");
  const Symbolizer symbolizer = after(running_fixed(7));
  EXPECT_EQ(symbolizer.describe(7, 0x401000), "main");
  EXPECT_EQ(symbolizer.describe(7, 0x40101f), "main+0x1f");
  EXPECT_EQ(symbolizer.describe(7, 0x401020), "");
  EXPECT_EQ(symbolizer.describe(8, 0x401000), "");
  EXPECT_EQ(symbolizer.describe(7, kKernelText), "handle_fault");
}

TEST(Symbolizer, TheLoadBiasIsTakenOff) {
  Script script;
  script.point(TraceType::kExec, {7, 0x5555'0000'0000}, "/bin/pie");
  const Symbolizer symbolizer = after(script);
  EXPECT_EQ(symbolizer.describe(7, 0x5555'0000'1004), "entry+0x4");
  EXPECT_EQ(symbolizer.describe(7, 0x1004), "");
}

TEST(Symbolizer, AProgramWithoutSymbolsHasNoNames) {
  Script script;
  script.point(TraceType::kExec, {7, 0}, "/bin/stripped");
  EXPECT_EQ(after(script).describe(7, 0x401000), "");
}

TEST(Symbolizer, AnExecReplacesTheProgram) {
  Script script = running_fixed(7);
  script.point(TraceType::kExec, {7, 0}, "/bin/pie");
  EXPECT_EQ(after(script).describe(7, 0x401000), "");
  EXPECT_EQ(after(script).describe(7, 0x1000), "entry");
}

TEST(Symbolizer, AChildRunsWhatItsParentRuns) {
  Script script = running_fixed(7);
  script.point(TraceType::kSyscallEnter, {__NR_fork}).point(TraceType::kSyscallExit, {__NR_fork, 8});
  EXPECT_EQ(after(script).describe(8, 0x401000), "main");
}

TEST(Symbolizer, AForkThatFailedMakesNoTask) {
  Script script = running_fixed(7);
  script.point(TraceType::kSyscallEnter, {__NR_fork});
  script.point(TraceType::kSyscallExit, {__NR_fork, 0 - uint64_t{11}});
  EXPECT_EQ(after(script).describe(static_cast<uint32_t>(-11), 0x401000), "");
}

TEST(Symbolizer, AChildThatRunsBeforeItsParentReturnsIsKnown) {
  Script script = running_fixed(7);
  script.point(TraceType::kSyscallEnter, {__NR_vfork}).task_switch(8);
  EXPECT_EQ(after(script).describe(8, 0x401000), "main");
}

// Two programs fork at once: whose child it is that runs first is known for sure when they return.
TEST(Symbolizer, AWrongGuessIsCorrected) {
  Script script = running_fixed(7);
  script.on(1, 9).kernel().point(TraceType::kExec, {9, 0}, "/bin/pie");
  script.on(0, 7).point(TraceType::kSyscallEnter, {__NR_fork});
  script.on(1, 9).point(TraceType::kSyscallEnter, {__NR_clone});
  script.on(2, 0).task_switch(10).on(3, 0).task_switch(11);
  script.on(2, 10).point(TraceType::kExec, {10, 0}, "/bin/fixed");
  script.on(0, 7).point(TraceType::kSyscallExit, {__NR_fork, 11});
  script.on(1, 9).point(TraceType::kSyscallExit, {__NR_clone, 10});
  EXPECT_EQ(after(script).describe(11, 0x401000), "main");
  EXPECT_EQ(after(script).describe(10, 0x401000), "main");  // it has executed meanwhile
}

TEST(Symbolizer, AThreadThatExecutesIsItsLeaderFromThenOn) {
  Script script = running_fixed(7);
  script.point(TraceType::kTaskSwitch, {9, 7}).on(0, 9).point(TraceType::kExec, {7, 0}, "/bin/pie");
  EXPECT_EQ(after(script).describe(7, 0x1000), "entry");
  EXPECT_EQ(after(script).describe(9, 0x401000), "");
}

TEST(Symbolizer, AThreadOfAProcessWhoseLeaderIsGoneHasItsCreatorsProgram) {
  Script script = running_fixed(7);
  script.point(TraceType::kTaskSwitch, {9, 7}).point(TraceType::kTaskExit, {7, 0});
  script.on(0, 9).point(TraceType::kSyscallEnter, {__NR_clone}).point(TraceType::kTaskSwitch, {10, 7});
  EXPECT_EQ(after(script).describe(10, 0x401000), "main");
}

TEST(Symbolizer, AThreadRunsWhatItsGroupRuns) {
  Script script = running_fixed(7);
  script.point(TraceType::kTaskSwitch, {9, 7});
  EXPECT_EQ(after(script).describe(9, 0x401000), "main");
}

TEST(Symbolizer, AnExitedTaskIsForgotten) {
  Script script = running_fixed(7);
  script.point(TraceType::kTaskExit, {7, 0});
  EXPECT_EQ(after(script).describe(7, 0x401000), "");
}

TEST(Symbolizer, AnyEventsAreTakenWithoutHarm) {
  RandomEvents random(1);
  Symbolizer symbolizer(images());
  for (int i = 0; i < 5000; ++i) {
    const Event event = random.next();
    symbolizer.see(event);
    (void)symbolizer.describe(event.moment.pid, event.moment.rip);
  }
}

}  // namespace
}  // namespace mmuscope::trace
