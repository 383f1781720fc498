// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/explain.h"

#include <gtest/gtest.h>

#include <sstream>

#include "debug/fake_kernel.h"
#include "debug/inspection_text.h"

namespace mmuscope::debug {
namespace {

using trace_abi::FaultOutcome;
using x86::AccessType;

constexpr uint64_t kP = FakeTarget::kP, kW = FakeTarget::kW, kU = FakeTarget::kU, kXd = FakeTarget::kXd;
constexpr uint64_t kSpecial = 1u << 9, kUffdWp = 1u << 10;
constexpr uint64_t kPage = 0x400000, kFrame = 0x1f0000;
constexpr uint64_t kReadOnly = vm::kRead, kData = vm::kRead | vm::kWrite, kText = vm::kRead | vm::kExec;

struct Why : FakeKernel {
  Inspector inspector{target};
  KernelView view{target, types, inspector};

  Explanation explain(uint64_t address) {
    const auto result = debug::explain(view, inspector, 0, address);
    EXPECT_TRUE(result) << result.error().message;
    return result ? *result : Explanation{};
  }
  // "zero-page anon-zero sigsegv": what reading, writing and fetching ends in; "-" is no fault.
  std::string outcomes(uint64_t address) {
    std::string text;
    for (const Forecast& forecast : explain(address).forecasts)
      text += (text.empty() ? "" : " ") + std::string(forecast.outcome ? fault_outcome_name(*forecast.outcome)
                                                      : forecast.faults ? "?"
                                                                        : "-");
    return text;
  }
  std::string text(uint64_t address, AccessType type) {
    return explain(address).forecasts[static_cast<size_t>(type)].text;
  }
};

TEST(Explain, WhereThereIsNoArea) {
  Why why;
  EXPECT_EQ(why.outcomes(kPage), "sigsegv sigsegv sigsegv");
  why.add_area(kPage + 0x1000, kPage + 0x2000, kData);
  EXPECT_EQ(why.outcomes(kPage), "sigsegv sigsegv sigsegv");
  EXPECT_EQ(why.outcomes(0x800000000000), "? ? ?");
  EXPECT_EQ(why.outcomes(FakeKernel::kDirectMap), "sigsegv sigsegv sigsegv");
  EXPECT_NE(why.text(FakeKernel::kDirectMap, AccessType::kRead).find("user space ends"), std::string::npos);
}

TEST(Explain, EmptyEntries) {
  Why why;
  why.add_area(kPage, kPage + 0x1000, kData);
  why.add_area(kPage + 0x1000, kPage + 0x2000, kReadOnly);
  why.add_area(kPage + 0x2000, kPage + 0x3000, 0);
  const uint64_t file = why.add_file(0x1800);
  why.add_area(kPage + 0x10000, kPage + 0x14000, kData, file);
  why.add_area(kPage + 0x20000, kPage + 0x24000, kData | vm::kShared, file);
  why.add_area(kPage + 0x30000, kPage + 0x34000, kText, file);
  EXPECT_EQ(why.outcomes(kPage), "zero-page anon-zero zero-page");
  EXPECT_NE(why.text(kPage, AccessType::kFetch).find("Then the fetch faults again"), std::string::npos);
  EXPECT_EQ(why.outcomes(kPage + 0x1000), "zero-page sigsegv zero-page");
  EXPECT_EQ(why.outcomes(kPage + 0x2000), "sigsegv sigsegv sigsegv");
  EXPECT_EQ(why.outcomes(kPage + 0x11fff), "file-page copy file-page");
  EXPECT_EQ(why.outcomes(kPage + 0x12000), "sigbus sigbus sigbus");
  EXPECT_EQ(why.outcomes(kPage + 0x20000), "file-page file-page file-page");
  EXPECT_EQ(why.outcomes(kPage + 0x30000), "file-page sigsegv file-page");
  EXPECT_EQ(why.text(kPage + 0x30000, AccessType::kFetch).find("faults again"), std::string::npos);
}

TEST(Explain, WriteProtectedEntries) {
  Why why;
  why.add_area(kPage, kPage + 0x10000, kData);
  why.add_area(kPage + 0x10000, kPage + 0x20000, kData | vm::kShared, why.add_file(0x20000));
  why.target.map(kPage, kFrame | kP | kU | kXd | kW | kExclusiveBit);
  EXPECT_EQ(why.outcomes(kPage), "- - sigsegv");
  why.target.map(kPage, kFrame | kP | kU | kXd);
  EXPECT_EQ(why.outcomes(kPage), "- copy sigsegv");
  EXPECT_NE(why.text(kPage, AccessType::kWrite).find("others may see frame 0x1f0"), std::string::npos);
  why.target.map(kPage, kFrame | kP | kU | kXd | kExclusiveBit);
  EXPECT_EQ(why.outcomes(kPage), "- reuse sigsegv");
  why.target.map(kPage, kFrame | kP | kU | kXd | kExclusiveBit | kUffdWp);
  EXPECT_EQ(why.outcomes(kPage), "- reuse sigsegv");
  EXPECT_NE(why.text(kPage, AccessType::kWrite).find("UFFD_WP"), std::string::npos);
  why.target.map(kPage, why.zero_pfn << 12 | kP | kU | kXd | kSpecial);
  EXPECT_EQ(why.outcomes(kPage), "- anon-zero sigsegv");
  EXPECT_TRUE(why.explain(kPage).zero_page);
  why.target.map(kPage + 0x10000, kFrame | kP | kU | kXd);
  EXPECT_EQ(why.outcomes(kPage + 0x10000), "- reuse sigsegv");
}

// What a policy looks at, and nothing else, decides: minikernel/mm/cow/.
TEST(Explain, WriteProtectedEntriesByPolicy) {
  struct Frame {
    uint64_t references, mapped;
    bool exclusive, anonymous;
  };
  constexpr Frame kLone{1, 1, false, true}, kPinned{2, 1, false, true}, kShared{2, 2, false, true},
      kMarked{2, 1, true, true}, kFile{1, 1, false, false};
  const auto outcome = [](const std::string& policy, const Frame& frame, uint64_t bits = 0) {
    Why why;
    why.choose_policy(policy);
    why.add_area(kPage, kPage + 0x10000, kData);
    why.target.map(kPage, kFrame | kP | kU | kXd | bits);
    why.describe(kFrame >> 12, frame.references, frame.mapped,
                 (frame.anonymous ? 2 : 0) | (frame.exclusive ? 4 : 0));
    const std::string all = why.outcomes(kPage);
    return all == "- copy sigsegv" ? "copy" : all == "- reuse sigsegv" ? "reuse" : all;
  };
  for (const char* policy : {"mapcount", "unshare-mapcount"}) {
    EXPECT_EQ(outcome(policy, kLone), "reuse");
    EXPECT_EQ(outcome(policy, kPinned), "reuse");
    EXPECT_EQ(outcome(policy, kShared, kExclusiveBit), "copy");
    EXPECT_EQ(outcome(policy, kFile), "copy");
  }
  EXPECT_EQ(outcome("page-count", kLone), "reuse");
  EXPECT_EQ(outcome("page-count", kPinned), "copy");
  EXPECT_EQ(outcome("page-count", kFile), "copy");
  EXPECT_EQ(outcome("anon-exclusive", kLone), "reuse");
  EXPECT_EQ(outcome("anon-exclusive", kPinned), "copy");
  EXPECT_EQ(outcome("anon-exclusive", kMarked), "reuse");
  EXPECT_EQ(outcome("anon-exclusive", kFile), "copy");
  EXPECT_EQ(outcome("pte", kLone), "copy");
  EXPECT_EQ(outcome("pte", kShared, kExclusiveBit), "reuse");
  EXPECT_EQ(outcome("pte-group", kShared), "reuse");  // it never forked
}

TEST(Explain, TheLastOfAShareGroupReuses) {
  Why why;
  why.choose_policy("pte-group");
  why.add_area(kPage, kPage + 0x10000, kData);
  why.add_area(kPage + 0x10000, kPage + 0x20000, kData, why.add_file(0x20000));
  why.target.map(kPage, kFrame | kP | kU | kXd);
  why.target.map(kPage + 0x10000, kFrame | kP | kU | kXd);
  const uint64_t group = why.add("mk::ShareGroup");
  why.set("mk::AddressSpace", why.mm, "share_group", group);
  why.set("mk::ShareGroup", group, "live", 2);
  EXPECT_EQ(why.outcomes(kPage), "- copy sigsegv");
  why.set("mk::ShareGroup", group, "live", 1);
  EXPECT_EQ(why.outcomes(kPage), "- reuse sigsegv");
  EXPECT_EQ(why.outcomes(kPage + 0x10000), "- copy sigsegv");  // it may be the file's own page
}

TEST(Explain, WhatTheKernelDoesNotExpect) {
  Why why;
  why.add_area(kPage, kPage + 0x1000, kData);
  why.target.map(kPage, kFrame | x86::pte::kGlobal);
  EXPECT_EQ(why.outcomes(kPage), "? ? ?");
  why.target.map(kPage, kFrame | kP | kW);  // a supervisor page
  EXPECT_EQ(why.outcomes(kPage), "spurious spurious sigsegv");
}

TEST(Explain, StacksGrow) {
  Why why;
  constexpr uint64_t kStack = 0x7ffffffde000;
  why.add_area(kPage, kPage + 0x1000, kReadOnly);
  why.add_area(kStack, 0x7ffffffff000, kData | vm::kGrowsDown);
  EXPECT_EQ(why.outcomes(kStack - 8), "stack-growth stack-growth stack-growth");
  EXPECT_EQ(why.outcomes(kPage + 0x1000), "sigsegv sigsegv sigsegv");  // into the guard gap
  EXPECT_NE(why.text(kPage + 0x1000, AccessType::kRead).find("closer than 1 MiB"), std::string::npos);
  const KernelField limits = *why.types.field("mk::Process", "limits");
  why.set(limits.type.name, why.process + limits.offset + 3 * limits.type.element_size, "soft", 8 << 20);
  EXPECT_EQ(why.outcomes(0x7ffffffff000 - (8 << 20)), "stack-growth stack-growth stack-growth");
  EXPECT_EQ(why.outcomes(0x7ffffffff000 - (8 << 20) - 1), "sigsegv sigsegv sigsegv");
}

TEST(Explain, Printed) {
  Why why;
  why.add_area(kPage, kPage + 0x1000, kData);
  why.target.map(kPage, kFrame | kP | kU | kXd);
  why.count(kFrame >> 12, 2);
  const std::string text = print_explanation(why.explain(kPage)).text;
  EXPECT_NE(text.find("  frame 0x1f0, count 2\n"), std::string::npos) << text;
  EXPECT_NE(text.find("A read goes through, to physical 0x1f0000: no fault.\n"), std::string::npos) << text;
  EXPECT_NE(text.find("-> copy\n"), std::string::npos) << text;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 120u) << line;
  why.set("mk::PerCpu", why.per_cpu, "current", 0);
  EXPECT_EQ(print_explanation(why.explain(kPage)).text, "0x0000000000400000: no program runs on this CPU\n");
}

}  // namespace
}  // namespace mmuscope::debug
