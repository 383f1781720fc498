// SPDX-License-Identifier: GPL-2.0-or-later
//
// Page walks by example: one reads here what the walker promises beyond right and wrong - the trace, blame,
// restarts, which reason is told when several hold. The combinations are in page_walk_permutations_test.cpp.
#include "x86/page_walk.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <vector>

#include "x86/paging_entry.h"

namespace mmuscope::x86 {
namespace {

using pte::kAccessed, pte::kDirty, pte::kExecuteDisable, pte::kGlobal, pte::kPresent, pte::kUser,
    pte::kWritable;

constexpr uint64_t kAll = kPresent | kWritable | kUser;
constexpr LinearAddress kLinear = 0x0000'7654'3210'0abc;
constexpr PhysicalAddress kPml4 = 0x1000, kPdpt = 0x2000, kPd = 0x3000, kPt = 0x4000, kPage = 0x5000;

class SparseMemory final : public PagingMemory {
 public:
  uint64_t read_entry(PhysicalAddress address) override {
    const auto found = words.find(address);
    return found == words.end() ? ~uint64_t{0} : found->second;
  }
  bool compare_exchange_entry(PhysicalAddress address, uint64_t expected, uint64_t desired) override {
    if (before_exchange) before_exchange(address);
    const auto found = words.find(address);
    if (found == words.end()) return true;
    if (found->second != expected) return false;
    found->second = desired;
    return true;
  }
  std::map<PhysicalAddress, uint64_t> words;
  std::function<void(PhysicalAddress)> before_exchange;  // another CPU, just in time
};

constexpr PhysicalAddress slot(PhysicalAddress table, unsigned level) {
  return table + 8 * pte::index_of(kLinear, level);
}

class PageWalk : public testing::Test {
 protected:
  PageWalk() {
    memory.words = {{slot(kPml4, 4), kPdpt | kAll},
                    {slot(kPdpt, 3), kPd | kAll},
                    {slot(kPd, 2), kPt | kAll},
                    {slot(kPt, 1), kPage | kAll}};
    context.cr3 = kPml4;
    context.nxe = true;
  }
  uint64_t& entry(unsigned level) {
    constexpr PhysicalAddress kTables[] = {0, kPt, kPd, kPdpt, kPml4};
    return memory.words[slot(kTables[level], level)];
  }
  auto go(AccessType type, bool user = true, bool implicit = false) {
    return walk(context, {.linear = kLinear, .type = type, .user = user, .implicit = implicit}, memory,
                &trace);
  }
  FaultReason reason_of(AccessType type, bool user = true, bool implicit = false) {
    const auto page = go(type, user, implicit);
    EXPECT_FALSE(page.has_value());
    return page ? FaultReason{} : page.error().reason;
  }

  SparseMemory memory;
  PagingContext context;
  WalkTrace trace;
};

TEST_F(PageWalk, TracesEveryEntryTopFirstWithTheFlagsItSet) {
  entry(3) |= kAccessed;
  const auto page = go(AccessType::kWrite);
  ASSERT_TRUE(page.has_value());
  EXPECT_EQ(page->physical(kLinear), kPage + 0xabc);
  EXPECT_TRUE(page->dirty);
  ASSERT_EQ(trace.count, 4);
  const std::vector<uint64_t> set{kAccessed, 0, kAccessed, kAccessed | kDirty};
  for (unsigned i = 0; i < 4; ++i) {
    EXPECT_EQ(trace.steps[i].level, 4 - i);
    EXPECT_EQ(trace.steps[i].entry_before ^ trace.steps[i].entry_after, set[i]);
    EXPECT_EQ(trace.steps[i].entry_after, memory.words[trace.steps[i].entry_address]);
  }
}

TEST_F(PageWalk, AFaultSetsNoFlagAndTracesWhatWasRead) {
  entry(2) = 0;
  const auto before = memory.words;
  const auto page = go(AccessType::kWrite);
  ASSERT_FALSE(page.has_value());
  EXPECT_EQ(page.error().reason, FaultReason::kNotPresent);
  EXPECT_EQ(page.error().level, 2);
  EXPECT_EQ(page.error().entry_address, slot(kPd, 2));
  EXPECT_EQ(page.error().error_code(), pf::kWrite | pf::kUser);
  EXPECT_EQ(trace.count, 3);
  EXPECT_EQ(trace.last().entry_before, trace.last().entry_after);
  EXPECT_EQ(memory.words, before);
}

TEST_F(PageWalk, PeekHasNoSideEffect) {
  const auto before = memory.words;
  memory.before_exchange = [](PhysicalAddress) { FAIL() << "peek_walk wrote"; };
  const auto page = peek_walk(context, {.linear = kLinear, .type = AccessType::kWrite}, memory, &trace);
  ASSERT_TRUE(page.has_value());
  EXPECT_FALSE(page->dirty);
  EXPECT_EQ(trace.count, 4);
  EXPECT_EQ(memory.words, before);
}

TEST_F(PageWalk, ReadLeavesDirtyAlone) {
  const auto page = go(AccessType::kRead);
  ASSERT_TRUE(page.has_value());
  EXPECT_FALSE(page->dirty);
  EXPECT_FALSE(entry(1) & kDirty);
  entry(1) |= kDirty;
  EXPECT_TRUE(go(AccessType::kRead)->dirty);
}

TEST_F(PageWalk, RestartsWhenTheLeafChangesUnderneath) {
  bool done = false;
  memory.before_exchange = [&](PhysicalAddress address) {
    if (address != slot(kPt, 1) || done) return;
    done = true;
    entry(1) = (kPage + 0x1000) | kAll;  // another CPU maps another frame
  };
  const auto page = go(AccessType::kWrite);
  ASSERT_TRUE(page.has_value());
  EXPECT_EQ(page->physical_base, kPage + 0x1000);
  EXPECT_EQ(entry(1), (kPage + 0x1000) | kAll | kAccessed | kDirty);
  EXPECT_EQ(trace.count, 4);  // of the last attempt only
  EXPECT_EQ(trace.last().entry_before, (kPage + 0x1000) | kAll);
}

TEST_F(PageWalk, FaultsWhenTheEntryDisappearsUnderneath) {
  memory.before_exchange = [&](PhysicalAddress address) {
    if (address == slot(kPt, 1)) entry(1) = 0;
  };
  EXPECT_EQ(reason_of(AccessType::kRead), FaultReason::kNotPresent);
  EXPECT_EQ(entry(1), 0u);  // not resurrected
}

TEST_F(PageWalk, RightsAreRecheckedAfterARestart) {
  memory.before_exchange = [&](PhysicalAddress address) {
    if (address == slot(kPd, 2)) entry(2) = kPt | kPresent | kUser;
  };
  EXPECT_EQ(reason_of(AccessType::kWrite), FaultReason::kWriteProtected);
  EXPECT_FALSE(entry(1) & (kAccessed | kDirty));
}

// A self-map meets one entry at several levels; the second flag comes as a change underneath.
TEST_F(PageWalk, RecursiveMappingSetsBothFlags) {
  memory.words = {{kPml4 + 8 * 511, kPml4 | kAll}};
  const LinearAddress self = ~uint64_t{0} << 12 | 0xff8;
  const auto page = walk(context, {.linear = self, .type = AccessType::kWrite}, memory, &trace);
  ASSERT_TRUE(page.has_value());
  EXPECT_EQ(page->physical(self), kPml4 + 8 * 511);
  EXPECT_EQ(memory.words[kPml4 + 8 * 511], kPml4 | kAll | kAccessed | kDirty);
}

TEST_F(PageWalk, AMemoryThatNeverHoldsStillIsADefect) {
  struct Restless final : PagingMemory {
    uint64_t read_entry(PhysicalAddress) override { return kAll; }
    bool compare_exchange_entry(PhysicalAddress, uint64_t, uint64_t) override { return false; }
  };
  EXPECT_DEATH(
      {
        Restless restless;
        (void)walk(context, {.linear = kLinear}, restless);
      },
      "paging-structure entry changes");
}

TEST_F(PageWalk, WhereThereIsNoMemoryAReservedBitIsFound) {
  memory.words.erase(slot(kPdpt, 3));
  const auto page = go(AccessType::kRead);
  ASSERT_FALSE(page.has_value());
  EXPECT_EQ(page.error().reason, FaultReason::kReservedBit);
  EXPECT_EQ(page.error().level, 3);
}

TEST_F(PageWalk, WithoutPagingLinearIsPhysicalAndEverythingAllowed) {
  context.paging = false;
  context.smep = context.smap = context.wp = context.pke = true;
  context.pkru = ~0u;
  for (const AccessType type : {AccessType::kRead, AccessType::kWrite, AccessType::kFetch}) {
    const auto page = walk(context, {.linear = 0xfffff123, .type = type}, memory, &trace);
    ASSERT_TRUE(page.has_value());
    EXPECT_EQ(page->physical(0xfffff123), 0xfffff123u);
    EXPECT_TRUE(page->writable && page->user && page->executable && page->dirty && !page->global);
    EXPECT_EQ(trace.count, 0);
    EXPECT_EQ(check_access(*page, {.linear = 0xfffff123, .type = type}, context).verdict, Verdict::kAllowed);
    EXPECT_EQ(peek_walk(context, {.linear = 0xfffff123, .type = type}, memory), page);
  }
}

TEST_F(PageWalk, BlamesTheTopmostEntryThatDenies) {
  for (unsigned level : {2u, 4u}) entry(level) &= ~kWritable;
  const auto denied = go(AccessType::kWrite);
  ASSERT_FALSE(denied.has_value());
  EXPECT_EQ(denied.error().reason, FaultReason::kWriteProtected);
  EXPECT_EQ(denied.error().level, 4);
  EXPECT_EQ(denied.error().entry_address, slot(kPml4, 4));
  EXPECT_EQ(denied.error().entry_value, kPdpt | kPresent | kUser);
  EXPECT_EQ(trace.count, 4);  // rights are judged at the end: all entries were read
}

TEST_F(PageWalk, StructureIsJudgedBeforeRights) {
  entry(4) &= ~(kUser | kWritable);
  entry(1) = 0;
  EXPECT_EQ(reason_of(AccessType::kWrite), FaultReason::kNotPresent);
  entry(2) |= uint64_t{1} << 51;
  EXPECT_EQ(reason_of(AccessType::kWrite), FaultReason::kReservedBit);
  entry(2) &= ~kPresent;  // hides the reserved bit
  EXPECT_EQ(reason_of(AccessType::kWrite), FaultReason::kNotPresent);
}

// The SDM does not say which of several broken rights "the" reason is; traces must not depend on chance.
TEST_F(PageWalk, OrderOfReasonsWhenSeveralHold) {
  context.pke = context.smap = context.smep = context.wp = true;
  entry(1) = kPage | kPresent | kUser | kExecuteDisable;
  context.pkru = 1;
  EXPECT_EQ(reason_of(AccessType::kWrite, true), FaultReason::kProtectionKeyRead);
  EXPECT_EQ(reason_of(AccessType::kWrite, false), FaultReason::kProtectionKeyRead);
  context.pkru = 2;
  EXPECT_EQ(reason_of(AccessType::kWrite, true), FaultReason::kProtectionKeyWrite);
  EXPECT_EQ(reason_of(AccessType::kRead, false), FaultReason::kSmap);
  context.pkru = 0;
  EXPECT_EQ(reason_of(AccessType::kWrite, false), FaultReason::kSmap);
  EXPECT_EQ(reason_of(AccessType::kFetch, false), FaultReason::kSmep);
  entry(1) &= ~kUser;
  EXPECT_EQ(reason_of(AccessType::kWrite, true), FaultReason::kSupervisorPage);
  EXPECT_EQ(reason_of(AccessType::kFetch, true), FaultReason::kSupervisorPage);
}

TEST_F(PageWalk, GlobalCountsOnlyWithPgeAndOnlyInTheLeaf) {
  entry(2) |= kGlobal;
  context.pge = true;
  EXPECT_FALSE(go(AccessType::kRead)->global);
  entry(1) |= kGlobal;
  EXPECT_TRUE(go(AccessType::kRead)->global);
  context.pge = false;
  EXPECT_FALSE(go(AccessType::kRead)->global);
}

TEST(PagingContextOf, TakesEachConditionFromItsRegister) {
  CpuState state;
  const CpuFeatures features{.physical_address_bits = 46, .pages_1g = false};
  state.cr3 = 0x7001;
  state.pkru = 0x55;
  auto of = [&] { return PagingContext::of(state, features); };
  EXPECT_FALSE(of().paging || of().wp || of().la57 || of().smep || of().smap || of().pke || of().nxe ||
               of().ac);
  EXPECT_FALSE(of().pge || of().pages_1g);
  EXPECT_EQ(of().cr3, 0x7001u);
  EXPECT_EQ(of().pkru, 0x55u);
  EXPECT_EQ(of().physical_address_bits, 46);
  const auto turns_on = [&](uint64_t& where, uint64_t bit, bool PagingContext::* flag) {
    where |= bit;
    EXPECT_TRUE(of().*flag);
    where &= ~bit;
    EXPECT_FALSE(of().*flag);
  };
  turns_on(state.cr0, cr0::kPg, &PagingContext::paging);
  turns_on(state.cr0, cr0::kWp, &PagingContext::wp);
  turns_on(state.cr4, cr4::kLa57, &PagingContext::la57);
  turns_on(state.cr4, cr4::kSmep, &PagingContext::smep);
  turns_on(state.cr4, cr4::kSmap, &PagingContext::smap);
  turns_on(state.cr4, cr4::kPke, &PagingContext::pke);
  turns_on(state.cr4, cr4::kPge, &PagingContext::pge);
  turns_on(state.efer, efer::kNxe, &PagingContext::nxe);
  turns_on(state.rflags, rflags::kAc, &PagingContext::ac);
  EXPECT_TRUE(PagingContext::of(state, CpuFeatures{}).pages_1g);
}

// SDM 4.7, figure 4-12.
TEST(PageFaultErrorCode, IsDerivedFromReasonAndAccess) {
  const auto code = [](FaultReason reason, AccessType type, bool user, bool fetch_reported = true) {
    return PageFault{
        .access = {.type = type, .user = user}, .reason = reason, .fetch_reported = fetch_reported}
        .error_code();
  };
  using enum FaultReason;
  EXPECT_EQ(code(kNotPresent, AccessType::kRead, false), 0u);
  EXPECT_EQ(code(kNotPresent, AccessType::kWrite, true), 6u);
  EXPECT_EQ(code(kNotPresent, AccessType::kFetch, true), 0x14u);
  EXPECT_EQ(code(kNotPresent, AccessType::kFetch, true, false), 4u);
  EXPECT_EQ(code(kWriteProtected, AccessType::kWrite, true), 7u);
  EXPECT_EQ(code(kSupervisorPage, AccessType::kRead, true), 5u);
  EXPECT_EQ(code(kReservedBit, AccessType::kRead, false), 9u);
  EXPECT_EQ(code(kExecuteDisable, AccessType::kFetch, false), 0x11u);
  EXPECT_EQ(code(kSmep, AccessType::kFetch, false), 0x11u);
  EXPECT_EQ(code(kSmap, AccessType::kWrite, false), 3u);
  EXPECT_EQ(code(kProtectionKeyRead, AccessType::kRead, true), 0x25u);
  EXPECT_EQ(code(kProtectionKeyWrite, AccessType::kWrite, true), 0x27u);
}

}  // namespace
}  // namespace mmuscope::x86
