// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/preface.h"

#include <asm/unistd_64.h>
#include <gtest/gtest.h>

#include "trace/test_script.h"

namespace mmuscope::trace {
namespace {

using trace_abi::TraceType;

Preface::Records records_after(const Script& script) {
  Preface preface;
  for (const Event& event : script.events()) preface.put(event);
  return preface.records();
}

TEST(Preface, KeepsWatchedRangesInTheirOrder) {
  const auto records = records_after(Script()
                                         .point(TraceType::kWatchRange, {2, 0x2000, 64, 2}, "counts")
                                         .point(TraceType::kWatchRange, {1, 0x1000, 64, 64}, "frames"));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_STREQ(records[0].text, "counts");
  EXPECT_EQ(records[0].args[1], 0x2000u);
  EXPECT_STREQ(records[1].text, "frames");
}

// What a reader that saw everything would say, one that saw the preface says.
TEST(Preface, TellsWhatEachTaskExecutes) {
  const auto records = records_after(Script()
                                         .on(0, 1)
                                         .point(TraceType::kExec, {1, 0}, "/bin/old")
                                         .point(TraceType::kExec, {1, 0x5000}, "/bin/new")
                                         .point(TraceType::kSyscallExit, {__NR_fork, 2})
                                         .on(0, 3)
                                         .point(TraceType::kExec, {3, 0}, "/bin/gone")
                                         .point(TraceType::kTaskExit, {3, 0}));
  ASSERT_EQ(records.size(), 2u);
  for (const uint64_t pid : {1u, 2u}) {
    const auto& record = records[pid - 1];
    EXPECT_EQ(record.type, static_cast<uint16_t>(TraceType::kExec));
    EXPECT_EQ(record.args[0], pid);
    EXPECT_EQ(record.args[1], 0x5000u);
    EXPECT_STREQ(record.text, "/bin/new");
  }
}

}  // namespace
}  // namespace mmuscope::trace
