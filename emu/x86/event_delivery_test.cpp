// SPDX-License-Identifier: GPL-2.0-or-later
//
// Delivery of events in long mode, check by check in the order of SDM vol. 2, INT n; then the double-fault
// table.
#include "x86/event_delivery.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

#include "x86/control_registers.h"

namespace mmuscope::x86 {
namespace {

// Linear memory in bytes; pages can be made to fault.
class FlatMemory final : public SystemMemory {
 public:
  std::expected<uint64_t, Event> read(LinearAddress address, unsigned size) override {
    if (auto fault = check(address, AccessType::kRead)) return std::unexpected(*fault);
    uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) value |= uint64_t{bytes[address + i]} << (8 * i);
    return value;
  }
  std::expected<void, Event> write(LinearAddress address, unsigned size, uint64_t value) override {
    if (auto fault = check(address, AccessType::kWrite)) return std::unexpected(*fault);
    for (unsigned i = 0; i < size; ++i) bytes[address + i] = static_cast<uint8_t>(value >> (8 * i));
    return {};
  }
  void put(LinearAddress address, uint64_t value) { (void)write(address, 8, value); }
  uint64_t get(LinearAddress address) { return read(address, 8).value(); }

  std::map<LinearAddress, uint8_t> bytes;
  std::set<LinearAddress> absent_pages;

 private:
  std::optional<Event> check(LinearAddress address, AccessType type) const {
    if (!is_canonical(address, false)) return Event{.vector = vector::kGeneralProtection, .error_code = 0};
    if (!absent_pages.contains(address & kPageMask)) return std::nullopt;
    const PageFault fault{.access = {.linear = address, .type = type, .implicit = true}};
    return Event{.vector = vector::kPageFault, .error_code = fault.error_code(), .page_fault = fault};
  }
};

constexpr LinearAddress kIdt = 0xffff'8000'0000'0000, kGdt = 0xffff'8000'0001'0000,
                        kTss = 0xffff'8000'0002'0000;
constexpr LinearAddress kHandler = 0xffff'ffff'8100'0040;
constexpr uint64_t kUserRsp = 0x7fff'ffff'e123, kRsp0 = 0xffff'8000'0003'0ff8, kIst3 = 0xffff'8000'0004'1000;
constexpr uint16_t kKernelCode = 0x08, kKernelData = 0x10, kUserData = 0x1b, kUserCode = 0x23,
                   kTssSelector = 0x28;
constexpr uint64_t kCode64 = 0x00af'9b00'0000'ffff, kUserCode64 = 0x00af'fb00'0000'ffff;
constexpr uint64_t kPresentBit = uint64_t{1} << 47, kConformingBit = uint64_t{1} << 42;

struct GateSpec {
  uint16_t selector = kKernelCode;
  unsigned type = 0xe, dpl = 0, ist = 0;
  bool present = true;
  LinearAddress offset = kHandler;
};

class EventDelivery : public testing::Test {
 protected:
  EventDelivery() {
    user.cr0 = cr0::kPe | cr0::kPg;
    user.cr4 = cr4::kPae;
    user.efer = efer::kLme | efer::kLma;
    user.rip = 0x40'1000;
    user.rflags = rflags::kFixed | rflags::kIf | rflags::kTf | rflags::kNt | rflags::kAc | rflags::kCf;
    user.reg(Gpr::kRsp) = kUserRsp;
    user.cpl = 3;
    user.segment(SegmentName::kCs) = {.limit = ~0u, .selector = kUserCode, .attributes = 0xa0fb};
    user.segment(SegmentName::kSs) = {.limit = ~0u, .selector = kUserData, .attributes = 0xc0f3};
    user.idtr = {kIdt, 0xfff};
    user.gdtr = {kGdt, 0x37};
    user.tr = {.base = kTss, .limit = 103, .selector = kTssSelector, .attributes = 0x8b};
    user.interrupt_shadow = 1;
    user.halted = 1;
    kernel = user;
    kernel.cpl = 0;
    kernel.reg(Gpr::kRsp) = 0xffff'8000'0005'0123;
    kernel.segment(SegmentName::kCs) = {.limit = ~0u, .selector = kKernelCode, .attributes = 0xa09b};
    kernel.segment(SegmentName::kSs) = {.limit = ~0u, .selector = kKernelData, .attributes = 0xc093};
    memory.put(kGdt + kKernelCode, kCode64);
    memory.put(kGdt + (kUserCode & ~7), kUserCode64);
    memory.put(kTss + 4, kRsp0);
    memory.put(kTss + 28 + 8 * 3, kIst3);
  }

  void gate(uint8_t vector, const GateSpec& g) {
    memory.put(kIdt + 16 * vector, (g.offset & 0xffff) | uint64_t{g.selector} << 16 | uint64_t{g.ist} << 32 |
                                       uint64_t{g.type} << 40 | uint64_t{g.dpl} << 45 |
                                       uint64_t{g.present} << 47 | (g.offset >> 16 & 0xffff) << 48);
    memory.put(kIdt + 16 * vector + 8, g.offset >> 32);
  }

  // The exception that delivering `event` raises; the state must be untouched but for CR2.
  Event refused(CpuState state, const Event& event) {
    CpuState expected = state;
    const auto done = deliver_event(state, event, memory);
    EXPECT_FALSE(done.has_value());
    expected.cr2 = state.cr2;
    EXPECT_EQ(state, expected);
    return done ? Event{} : done.error();
  }
  // For each kind of event: the same refusal, with EXT unless the program asked for the event itself.
  void refused_everywhere(const CpuState& state, uint8_t vector, uint8_t raised, uint32_t code) {
    using enum EventKind;
    for (const EventKind kind : {kException, kExternalInterrupt, kNmi, kSoftwareInterrupt}) {
      const uint32_t ext = kind == kSoftwareInterrupt ? 0 : 1;
      const Event expected{.vector = raised, .error_code = code | ext};
      EXPECT_EQ(refused(state, {.kind = kind, .vector = vector}), expected)
          << static_cast<int>(kind) << ' ' << vector_name(raised);
    }
  }
  CpuState delivered(CpuState state, const Event& event) {
    const auto done = deliver_event(state, event, memory);
    EXPECT_TRUE(done.has_value());
    return state;
  }

  FlatMemory memory;
  CpuState user, kernel;
};

constexpr Event interrupt(uint8_t vector) {
  return {.kind = EventKind::kExternalInterrupt, .vector = vector};
}

// --- What a delivery does
// -----------------------------------------------------------------------------------------------

TEST_F(EventDelivery, InterruptFromUserMode) {
  gate(0x40, {});
  const CpuState after = delivered(user, interrupt(0x40));
  EXPECT_EQ(after.rip, kHandler);
  EXPECT_EQ(after.cpl, 0);
  EXPECT_EQ(after.segment(SegmentName::kCs),
            (Segment{.limit = ~0u, .selector = kKernelCode, .attributes = 0xa09b}));
  EXPECT_EQ(after.segment(SegmentName::kSs), (Segment{.limit = 0, .selector = 0, .attributes = 0}));
  EXPECT_EQ(after.rflags, rflags::kFixed | rflags::kAc | rflags::kCf);
  EXPECT_EQ(after.interrupt_shadow, 0);
  EXPECT_EQ(after.halted, 0);
  const uint64_t top = kRsp0 & ~uint64_t{15};
  EXPECT_EQ(after.reg(Gpr::kRsp), top - 40);
  const std::vector<uint64_t> frame{user.rip, kUserCode, user.rflags, kUserRsp, kUserData};
  for (unsigned i = 0; i < 5; ++i) EXPECT_EQ(memory.get(top - 40 + 8 * i), frame[i]) << i;
}

TEST_F(EventDelivery, SameLevelKeepsStackAndSsButAlignsAndPushesAll) {
  gate(0x40, {.type = 0xf});
  const CpuState after = delivered(kernel, interrupt(0x40));
  const uint64_t top = kernel.reg(Gpr::kRsp) & ~uint64_t{15};
  EXPECT_EQ(after.reg(Gpr::kRsp), top - 40);
  EXPECT_EQ(memory.get(top - 16), kernel.reg(Gpr::kRsp));  // RSP as it was, unaligned
  EXPECT_EQ(memory.get(top - 8), kKernelData);
  EXPECT_EQ(after.segment(SegmentName::kSs), kernel.segment(SegmentName::kSs));
  EXPECT_EQ(after.rflags, rflags::kFixed | rflags::kIf | rflags::kAc | rflags::kCf);  // trap gate: IF stays
}

TEST_F(EventDelivery, IstSwitchesStackOnTheSameLevelToo) {
  gate(2, {.ist = 3});
  for (const CpuState& state : {user, kernel}) {
    const CpuState after = delivered(state, {.kind = EventKind::kNmi, .vector = 2});
    EXPECT_EQ(after.reg(Gpr::kRsp), kIst3 - 40);
    EXPECT_EQ(after.segment(SegmentName::kSs).selector, 0);
    EXPECT_EQ(memory.get(kIst3 - 8), state.segment(SegmentName::kSs).selector);
  }
}

TEST_F(EventDelivery, ErrorCodeIsPushedLast) {
  gate(13, {});
  const CpuState after = delivered(user, {.vector = 13, .error_code = 0x1234});
  EXPECT_EQ(after.reg(Gpr::kRsp), (kRsp0 & ~uint64_t{15}) - 48);
  EXPECT_EQ(memory.get(after.reg(Gpr::kRsp)), 0x1234u);
  EXPECT_EQ(memory.get(after.reg(Gpr::kRsp) + 8), user.rip);
}

TEST_F(EventDelivery, PageFaultLoadsCr2AndTakesItsErrorCodeFromTheFault) {
  gate(14, {});
  const PageFault fault{.access = {.linear = 0xdead'b000, .type = AccessType::kWrite, .user = true}};
  const CpuState after = delivered(user, {.vector = 14, .page_fault = fault});
  EXPECT_EQ(after.cr2, 0xdead'b000u);
  EXPECT_EQ(memory.get(after.reg(Gpr::kRsp)), 6u);
}

TEST_F(EventDelivery, ResumeFlagIsSavedForFaultsOnly) {
  for (const uint8_t vector : {0, 1, 3, 6, 8, 13, 14, 18, 0x40}) {
    gate(vector, {.dpl = 3});
    const bool fault = vector == 0 || vector == 6 || vector == 13 || vector == 14;
    const CpuState after = delivered(user, {.vector = vector});
    const uint64_t saved = memory.get(after.reg(Gpr::kRsp) + 16);
    EXPECT_EQ(saved, fault ? user.rflags | rflags::kRf : user.rflags) << int{vector};
    EXPECT_FALSE(after.rflags & rflags::kRf);
  }
  gate(13, {.dpl = 3});  // INT 13 is no fault
  const CpuState after = delivered(user, {.kind = EventKind::kSoftwareInterrupt, .vector = 13});
  EXPECT_EQ(memory.get(after.reg(Gpr::kRsp) + 16), user.rflags);
  CpuState resumed =
      user;  // RF that IRET set and no instruction cleared yet is saved, and cleared for the handler
  resumed.rflags |= rflags::kRf;
  gate(0x40, {});
  const CpuState later = delivered(resumed, interrupt(0x40));
  EXPECT_EQ(memory.get(later.reg(Gpr::kRsp) + 16), resumed.rflags);
  EXPECT_FALSE(later.rflags & rflags::kRf);
}

TEST_F(EventDelivery, ConformingCodeKeepsThePrivilegeLevel) {
  memory.put(kGdt + kKernelCode, kCode64 | kConformingBit);
  gate(0x40, {});
  const CpuState after = delivered(user, interrupt(0x40));
  EXPECT_EQ(after.cpl, 3);
  EXPECT_EQ(after.segment(SegmentName::kCs).selector, kKernelCode | 3);
  EXPECT_EQ(after.segment(SegmentName::kSs), user.segment(SegmentName::kSs));
  EXPECT_EQ(after.reg(Gpr::kRsp), (kUserRsp & ~uint64_t{15}) - 40);
}

// A handler at CPL 1 or 2 uses RSP1 or RSP2, and its SS is the null selector with that RPL.
TEST_F(EventDelivery, InnerStacksAndNullSsCarryTheNewLevel) {
  for (const unsigned level : {1u, 2u}) {
    memory.put(kGdt + kKernelCode, kCode64 | uint64_t{level} << 45);
    memory.put(kTss + 4 + 8 * level, 0xffff'8000'0006'0000 + level * 0x1000);
    gate(0x40, {});
    const CpuState after = delivered(user, interrupt(0x40));
    EXPECT_EQ(after.cpl, level);
    EXPECT_EQ(after.reg(Gpr::kRsp), 0xffff'8000'0006'0000 + level * 0x1000 - 40);
    EXPECT_EQ(after.segment(SegmentName::kSs).selector, level);
    EXPECT_EQ(after.segment(SegmentName::kSs).dpl(), level);
    EXPECT_EQ(after.segment(SegmentName::kCs).selector, kKernelCode | level);
  }
}

TEST_F(EventDelivery, SoftwareInterruptThroughAGateForUsers) {
  gate(0x80, {.dpl = 3});
  EXPECT_EQ(delivered(user, {.kind = EventKind::kSoftwareInterrupt, .vector = 0x80}).rip, kHandler);
}

// --- What refuses one, in order
// -----------------------------------------------------------------------------------------

TEST_F(EventDelivery, WithoutLongModeNothingIsDelivered) {
  gate(0x40, {});
  user.efer = efer::kLme;
  refused_everywhere(user, 0x40, vector::kGeneralProtection, 0x40 * 8 + 2);
}

TEST_F(EventDelivery, VectorBeyondTheIdt) {
  gate(0x40, {.dpl = 3});
  user.idtr.limit = 0x40 * 16 + 14;
  refused_everywhere(user, 0x40, vector::kGeneralProtection, 0x40 * 8 + 2);
  user.idtr.limit = 0x40 * 16 + 15;
  EXPECT_EQ(delivered(user, interrupt(0x40)).rip, kHandler);
}

TEST_F(EventDelivery, OnlyInterruptAndTrapGates) {
  for (unsigned type = 0; type < 32; ++type) {  // bit 4 is S: code and data descriptors are no gates
    if (type == 0xe || type == 0xf) continue;
    gate(0x40, {.type = type, .dpl = 3});
    refused_everywhere(user, 0x40, vector::kGeneralProtection, 0x40 * 8 + 2);
  }
}

TEST_F(EventDelivery, GateDplHoldsForSoftwareInterruptsOnlyAndBeforePresence) {
  for (const unsigned dpl : {0u, 1u, 2u}) {
    gate(0x40, {.dpl = dpl, .present = false});
    const Event denied{.vector = vector::kGeneralProtection, .error_code = 0x40 * 8 + 2};
    EXPECT_EQ(refused(user, {.kind = EventKind::kSoftwareInterrupt, .vector = 0x40}), denied);
    gate(0x40, {.dpl = dpl});
    EXPECT_EQ(delivered(user, interrupt(0x40)).rip, kHandler);
    EXPECT_EQ(delivered(kernel, {.kind = EventKind::kSoftwareInterrupt, .vector = 0x40}).rip, kHandler);
  }
}

TEST_F(EventDelivery, GateNotPresent) {
  gate(0x40, {.dpl = 3, .present = false});
  refused_everywhere(user, 0x40, vector::kSegmentNotPresent, 0x40 * 8 + 2);
}

TEST_F(EventDelivery, CodeSelectorNullOrBeyondTheTable) {
  for (const uint16_t selector : {0, 3}) {
    gate(0x40, {.selector = selector, .dpl = 3});
    refused_everywhere(user, 0x40, vector::kGeneralProtection, 0);
  }
  gate(0x40, {.selector = 0x3b, .dpl = 3});
  refused_everywhere(user, 0x40, vector::kGeneralProtection, 0x38);
  gate(0x40, {.selector = 0x0c, .dpl = 3});  // in an LDT that is not there
  refused_everywhere(user, 0x40, vector::kGeneralProtection, 0x0c);
}

TEST_F(EventDelivery, CodeSegmentMustBe64BitCodeNotBelowCpl) {
  gate(0x40, {.dpl = 3});
  const uint64_t kType = uint64_t{8} << 40, kL = uint64_t{1} << 53, kD = uint64_t{1} << 54;
  const uint64_t bad[] = {kCode64 & ~kType, kCode64 & ~kL, kCode64 | kD, (kCode64 & ~kL) | kD};
  for (const uint64_t descriptor : bad) {
    memory.put(kGdt + kKernelCode, descriptor & ~kPresentBit);  // judged before presence
    refused_everywhere(user, 0x40, vector::kGeneralProtection, kKernelCode);
  }
  gate(0x40, {.selector = kUserCode, .dpl = 3});  // DPL 3 > CPL 0
  refused_everywhere(kernel, 0x40, vector::kGeneralProtection, kUserCode & ~3);
  EXPECT_EQ(delivered(user, interrupt(0x40)).cpl, 3);
}

TEST_F(EventDelivery, CodeSegmentNotPresent) {
  gate(0x40, {.dpl = 3});
  memory.put(kGdt + kKernelCode, kCode64 & ~kPresentBit);
  refused_everywhere(user, 0x40, vector::kSegmentNotPresent, kKernelCode);
}

TEST_F(EventDelivery, TssTooShortOrMissing) {
  gate(0x40, {.dpl = 3});
  user.tr.limit = 10;  // RSP0 is bytes 4 to 11
  refused_everywhere(user, 0x40, vector::kInvalidTss, kTssSelector);
  user.tr.limit = 11;
  EXPECT_EQ(delivered(user, interrupt(0x40)).cpl, 0);
  gate(0x40, {.dpl = 3, .ist = 3});
  user.tr.limit = 58;  // IST3 is bytes 52 to 59
  refused_everywhere(user, 0x40, vector::kInvalidTss, kTssSelector);
  user.tr.limit = 59;
  EXPECT_EQ(delivered(user, interrupt(0x40)).reg(Gpr::kRsp), kIst3 - 40);
  user.tr.attributes = 0;
  refused_everywhere(user, 0x40, vector::kInvalidTss, kTssSelector);
}

TEST_F(EventDelivery, StackNotCanonical) {
  gate(0x40, {.dpl = 3});
  const uint64_t bad[] = {0x0000'8000'0000'0000, 0x8000'0000'0000'0000,
                          0xffff'7fff'ffff'fff0, 0xffff'8000'0000'0000 /* the pushes would not be */,
                          0xffff'8000'0000'0020, 0};
  for (const uint64_t rsp : bad) {
    memory.put(kTss + 4, rsp);
    if (rsp == 0) {  // wraps to the top of the address space, which is canonical
      EXPECT_EQ(delivered(user, interrupt(0x40)).reg(Gpr::kRsp), uint64_t{0} - 40);
      continue;
    }
    refused_everywhere(user, 0x40, vector::kStackFault, 0);
  }
  kernel.reg(Gpr::kRsp) = 0x1000'0000'0000'0000;
  refused_everywhere(kernel, 0x40, vector::kStackFault, 0);
}

TEST_F(EventDelivery, ErrorCodeCountsForTheStackCheck) {
  gate(13, {});
  memory.put(kTss + 4, 0xffff'8000'0000'0000 + 40);  // aligned down to ...20
  EXPECT_EQ(refused(user, {.vector = 13}).vector, vector::kStackFault);
  memory.put(kTss + 4, 0xffff'8000'0000'0000 + 48);
  EXPECT_EQ(delivered(user, {.vector = 13, .error_code = 0}).reg(Gpr::kRsp), 0xffff'8000'0000'0000);
}

TEST_F(EventDelivery, HandlerNotCanonical) {
  gate(0x40, {.dpl = 3, .offset = 0x0000'8000'0000'0000});
  refused_everywhere(user, 0x40, vector::kGeneralProtection, 0);
  user.cr4 |= cr4::kLa57;
  EXPECT_EQ(delivered(user, interrupt(0x40)).rip, 0x0000'8000'0000'0000u);
}

TEST_F(EventDelivery, FaultsInTheTablesAndOnTheStack) {
  gate(0x40, {});
  struct Row {
    LinearAddress page, address;
    AccessType type;
  };
  const LinearAddress push = (kRsp0 & ~uint64_t{15}) - 8;
  const Row rows[] = {{kIdt, kIdt + 0x400, AccessType::kRead},
                      {kGdt, kGdt + kKernelCode, AccessType::kRead},
                      {kTss, kTss + 4, AccessType::kRead},
                      {push & kPageMask, push, AccessType::kWrite}};
  for (const Row& row : rows) {
    memory.absent_pages = {row.page};
    CpuState state = user;
    const auto done = deliver_event(state, interrupt(0x40), memory);
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().vector, vector::kPageFault);
    ASSERT_TRUE(done.error().page_fault.has_value());
    EXPECT_EQ(done.error().page_fault->access.linear, row.address);
    EXPECT_EQ(done.error().page_fault->access.type, row.type);
    EXPECT_EQ(done.error().error_code, row.type == AccessType::kWrite ? pf::kWrite : 0);  // #PF has no EXT
    EXPECT_EQ(state.cr2, row.address);
    state.cr2 = user.cr2;
    EXPECT_EQ(state, user);
  }
  memory.absent_pages.clear();
  user.idtr.base = 0x8000'0000'0000'0000;  // #GP(0) from memory takes EXT
  refused_everywhere(user, 0x40, vector::kGeneralProtection, 0);
}

// A page fault whose handler's stack is absent: double fault through IST, CR2 of the second fault.
TEST_F(EventDelivery, PageFaultOnTheStackBecomesADoubleFault) {
  gate(14, {});
  gate(8, {.ist = 3});
  memory.absent_pages = {kRsp0 & kPageMask};
  const PageFault fault{.access = {.linear = 0x1000, .user = true}};
  const Event first{.vector = 14, .error_code = fault.error_code(), .page_fault = fault};
  const Event second = refused(user, first);
  const auto combined = combine_events(first, second);
  ASSERT_TRUE(combined.has_value());
  CpuState state = user;
  (void)deliver_event(state, first, memory);
  EXPECT_EQ(state.cr2, (kRsp0 & ~uint64_t{15}) - 8);
  const CpuState after = delivered(state, *combined);
  EXPECT_EQ(after.reg(Gpr::kRsp), kIst3 - 48);
  EXPECT_EQ(memory.get(kIst3 - 48), 0u);
  EXPECT_EQ(after.cr2, state.cr2);
  // Without a double-fault gate: the end.
  gate(8, {.ist = 3, .present = false});
  EXPECT_FALSE(combine_events(*combined, refused(state, *combined)).has_value());
}

// --- Table 6-5
// --------------------------------------------------------------------------------------------------------------

EventClass class_in_the_manual(const Event& event) {
  if (event.kind != EventKind::kException) return EventClass::kBenign;
  const std::set<uint8_t> contributory{0, 10, 11, 12, 13, 21}, page_fault{14, 20};
  if (event.vector == 8) return EventClass::kDoubleFault;
  if (contributory.contains(event.vector)) return EventClass::kContributory;
  if (page_fault.contains(event.vector)) return EventClass::kPageFault;
  return EventClass::kBenign;
}

TEST(DoubleFaultTable, EveryPair) {
  enum { kSerial, kDouble, kTriple };
  //                         second:  benign   contributory page fault   (a #DF is never raised directly)
  constexpr int kTable[4][3] = {{kSerial, kSerial, kSerial},   // first: benign
                                {kSerial, kDouble, kSerial},   // contributory
                                {kSerial, kDouble, kDouble},   // page fault
                                {kSerial, kTriple, kTriple}};  // double fault
  using enum EventKind;
  for (const EventKind first_kind : {kException, kSoftwareInterrupt, kExternalInterrupt, kNmi}) {
    for (unsigned a = 0; a < 256; ++a) {
      for (unsigned b = 0; b < 32; ++b) {
        if (b == 8) continue;
        const Event first{.kind = first_kind, .vector = static_cast<uint8_t>(a)};
        const Event second{.vector = static_cast<uint8_t>(b), .error_code = b};
        ASSERT_EQ(classify(first), class_in_the_manual(first)) << a;
        const int expected = kTable[static_cast<int>(classify(first))][static_cast<int>(classify(second))];
        const auto combined = combine_events(first, second);
        ASSERT_EQ(combined.has_value(), expected != kTriple) << a << ' ' << b;
        if (expected == kSerial) {
          ASSERT_EQ(combined, second) << a << ' ' << b;
        }
        if (expected == kDouble) {
          ASSERT_EQ(combined, (Event{.vector = 8, .error_code = 0})) << a << ' ' << b;
        }
      }
    }
  }
}

TEST(EventNames, AsInTheManual) {
  EXPECT_STREQ(vector_name(0), "#DE");
  EXPECT_STREQ(vector_name(13), "#GP");
  EXPECT_STREQ(vector_name(14), "#PF");
  EXPECT_STREQ(vector_name(21), "#CP");
  EXPECT_STREQ(vector_name(22), "reserved");
  EXPECT_STREQ(vector_name(32), "interrupt");
}

// SDM table 6-1, column "type".
TEST(EventNames, Faults) {
  const std::set<unsigned> not_faults{1, 2, 3, 4, 8, 18};
  for (unsigned vector = 0; vector < 256; ++vector) {
    EXPECT_EQ(is_fault(static_cast<uint8_t>(vector)), vector < 32 && !not_faults.contains(vector)) << vector;
  }
}

}  // namespace
}  // namespace mmuscope::x86
