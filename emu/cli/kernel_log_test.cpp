// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/kernel_log.h"

#include <gtest/gtest.h>

namespace mmuscope::cli {
namespace {

void execute(KernelLog& log, uint32_t pid, uint64_t bias, const std::string& path) {
  trace_abi::TraceRecord record{};
  record.type = static_cast<uint16_t>(trace_abi::TraceType::kExec);
  record.args[0] = pid;
  record.args[1] = bias;
  path.copy(record.text, sizeof record.text);
  log.on_tracepoint({}, record);
}

KernelLog log_of_a_program(uint64_t bias) {
  KernelLog log([](const std::string& path) {
    return path == "/bin/hello" ? trace::SymbolTable({{0x1000, 0x40, "main"}}) : trace::SymbolTable();
  });
  execute(log, 1, bias, "/bin/hello");
  return log;
}

TEST(KernelLog, MostLinesAreForTheCurious) {
  const KernelLog log = log_of_a_program(0);
  for (const char* line : {"[cpu0] frames: 63903 free of 65536", "[cpu0] init exited with status 137", ""})
    EXPECT_FALSE(log.warning(line)) << line;
}

TEST(KernelLog, WhatAProgramMissesConcernsItsUser) {
  const KernelLog log = log_of_a_program(0);
  EXPECT_EQ(log.warning("[cpu0] hello[1]: unimplemented system call 57 (fork)"),
            "hello[1]: unimplemented system call 57 (fork)");
  EXPECT_EQ(log.warning("[cpu0] hello[1]: out of memory: killed"),
            "hello[1]: out of memory: killed; --memory gives the machine more");
}

TEST(KernelLog, ThatThereIsNoProgramIsAnError) {
  EXPECT_EQ(KernelLog::refusal("[cpu0] no first program: cwo=pte: no option of the kernel"),
            "the kernel: cwo=pte: no option of the kernel");
  EXPECT_FALSE(KernelLog::refusal("[cpu0] no first progra[1]: out of memory: killed"));
  EXPECT_FALSE(KernelLog::refusal("[cpu0] init exited with status 2"));
}

TEST(KernelLog, AnExceptionThatKilledIsPlaced) {
  const std::string line = "[cpu0] hello[1]: killed by SIGSEGV: page fault, write to 0x0, at 0x401012";
  EXPECT_EQ(log_of_a_program(0x400000).warning(line),
            "hello[1]: killed by SIGSEGV: page fault, write to 0x0, at 0x401012 (main+0x12)");
  EXPECT_EQ(log_of_a_program(0).warning(line),
            "hello[1]: killed by SIGSEGV: page fault, write to 0x0, at 0x401012");
  EXPECT_EQ(log_of_a_program(0).warning("[cpu0] hello[1]: killed by SIGILL: invalid opcode at 0x"),
            "hello[1]: killed by SIGILL: invalid opcode at 0x");
}

// Whatever others execute meanwhile.
TEST(KernelLog, ThePlaceIsInTheProgramOfTheTaskThatWasKilled) {
  KernelLog log = log_of_a_program(0x400000);
  execute(log, 7, 0, "/bin/other");
  EXPECT_EQ(log.warning("[cpu1] he[2]lo[1]: killed by SIGILL: invalid opcode at 0x401012"),
            "he[2]lo[1]: killed by SIGILL: invalid opcode at 0x401012 (main+0x12)");
  EXPECT_EQ(log.warning("[cpu1] hello[7]: killed by SIGILL: invalid opcode at 0x1012"),
            "hello[7]: killed by SIGILL: invalid opcode at 0x1012");
  EXPECT_EQ(log.warning("[cpu1] hello[8]: killed by SIGILL: invalid opcode at 0x401012"),
            "hello[8]: killed by SIGILL: invalid opcode at 0x401012");
}

}  // namespace
}  // namespace mmuscope::cli
