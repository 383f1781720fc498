// SPDX-License-Identifier: GPL-2.0-or-later
//
// Scenario programs in machines, as `mmuscope matrix` runs them.
#include "cli/matrix_run.h"

#include <gtest/gtest.h>

#include <set>

namespace mmuscope::cli {
namespace {

using matrix::Cell;

MatrixMachine machine() {
  MachineOptions options;
  options.kernel = MINIKERNEL;
  return {options, read_kernel(options).value(), {}};
}

MatrixRun run_of(const std::string& program, const std::string& policy, unsigned cpus = 1) {
  return {std::string(GUEST_PROGRAMS "/") + program, policy, cpus};
}

std::string text_of(const Cell& cell) { return cell.measured ? cell_text(*cell.measured) : cell.trouble; }

TEST(MatrixRun, TellsVerdictAndCopies) {
  EXPECT_EQ(text_of(run_scenario(machine(), run_of("scenarios/s16", "anon-exclusive"))), "ok/0");
  EXPECT_EQ(text_of(run_scenario(machine(), run_of("scenarios/s16", "pte"))), "ok/64");
}

const std::atomic<int> kGoOn = 0;

// Neither processes beside it nor their number change a machine.
TEST(MatrixRun, ManyAtOnceAreAsOneAfterTheOther) {
  const MatrixMachine one = machine();
  std::vector<MatrixRun> runs;
  for (const char* program : {"scenarios/s01", "scenarios/s17"})
    for (const char* policy : {"page-count", "pte"}) runs.push_back(run_of(program, policy, 2));
  std::multiset<size_t> begun;
  const auto cells = run_scenarios(one, runs, 3, [&](size_t index) { begun.insert(index); }, kGoOn);
  ASSERT_TRUE(cells);
  EXPECT_EQ(begun, (std::multiset<size_t>{0, 1, 2, 3}));
  for (size_t i = 0; i < runs.size(); ++i) {
    const Cell alone = run_scenario(one, runs[i]);
    EXPECT_EQ(text_of((*cells)[i]), text_of(alone));
    EXPECT_EQ((*cells)[i].instructions, alone.instructions);
    EXPECT_EQ((*cells)[i].cpus, 2u);
    EXPECT_NE(alone.instructions, 0u);
  }
}

TEST(MatrixRun, WhatIsNoScenarioHasNoVerdict) {
  const auto cells =
      run_scenarios(machine(), {run_of("hello", "pte"), run_of("missing", "pte")}, 2, [](size_t) {}, kGoOn);
  ASSERT_TRUE(cells);
  EXPECT_EQ(text_of((*cells)[0]), "no verdict told; the guest's last line: the heap works");
  EXPECT_NE((*cells)[1].trouble.find("missing: No such file"), std::string::npos) << (*cells)[1].trouble;
}

TEST(MatrixRun, AnOptionThatTheKernelRefusesIsRefused) {
  MatrixMachine bad = machine();
  bad.append = "ro_pin=nonsense";
  const char* why = "the kernel: ro_pin=nonsense: is not coherent or snapshot";
  const MatrixRun run = run_of("scenarios/s01", "pte");
  EXPECT_EQ(text_of(run_scenario(bad, run)), why);
  const auto cells = run_scenarios(bad, {run, run, run}, 2, [](size_t) {}, kGoOn);
  ASSERT_FALSE(cells);
  EXPECT_EQ(cells.error().kind, ErrorKind::kUsage);
  EXPECT_EQ(cells.error().message, why);
}

TEST(MatrixRun, AKernelThatIsNoneIsRefused) {
  MatrixMachine bad = machine();
  bad.kernel = {"text", {'t', 'e', 'x', 't'}};
  const auto good = check_machine(bad, run_of("scenarios/s01", "pte"));
  ASSERT_FALSE(good);
  EXPECT_EQ(good.error().kind, ErrorKind::kData);
  EXPECT_TRUE(check_machine(machine(), run_of("scenarios/s01", "pte")));
}

TEST(MatrixRun, EndsWhenItIsToldTo) {
  std::atomic<int> stop = 0;
  const MatrixRun run = run_of("scenarios/s01", "pte");
  const auto cells =
      run_scenarios(machine(), {run, run, run}, 1, [&](size_t index) { stop = index == 1; }, stop);
  ASSERT_FALSE(cells);
  EXPECT_EQ(cells.error().kind, ErrorKind::kInterrupted);
  EXPECT_EQ(cells.error().message, "interrupted: 1 of 3 machines were done");
}

TEST(MatrixRun, AKernelThatPanicsIsNoVerdict) {
  MatrixMachine bad = machine();
  bad.append = "init=/nowhere cow=nonsense";
  const Cell cell = run_scenario(bad, run_of("scenarios/s01", "pte"));
  EXPECT_FALSE(cell.measured);
  EXPECT_FALSE(cell.trouble.empty());
}

}  // namespace
}  // namespace mmuscope::cli
