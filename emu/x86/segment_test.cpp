// SPDX-License-Identifier: GPL-2.0-or-later
#include "x86/segment.h"

#include <gtest/gtest.h>

#include <vector>

#include "x86/control_registers.h"

namespace mmuscope::x86 {
namespace {

constexpr LinearAddress kGdt = 0x1000, kLdt = 0x2000;

class Tables final : public SystemMemory {
 public:
  std::expected<uint64_t, Event> read(LinearAddress address, unsigned size) override {
    EXPECT_EQ(size, 8u);
    const auto& table = address < kLdt ? gdt : ldt;
    const uint64_t index = (address % 0x1000) / 8;
    if (index < table.size()) return table[index];
    return std::unexpected(Event{.vector = vector::kPageFault, .error_code = 0});
  }
  std::expected<void, Event> write(LinearAddress, unsigned, uint64_t) override {
    ADD_FAILURE() << "descriptors are only read";
    return {};
  }
  std::vector<uint64_t> gdt, ldt;
};

class LoadDescriptor : public testing::Test {
 protected:
  LoadDescriptor() {
    state.efer = efer::kLma;
    state.gdtr = {kGdt, 0x27};
    memory.gdt = {0, 0x12af'9b34'5678'ffff, 0xffcf'9300'0000'1234, 0x5600'8b12'3400'0067, 0xffff'8000};
  }
  Event refusal(uint16_t selector) {
    const auto segment = load_descriptor(state, selector, memory);
    EXPECT_FALSE(segment.has_value());
    return segment ? Event{} : segment.error();
  }
  CpuState state;
  Tables memory;
};

TEST_F(LoadDescriptor, CodeSegmentFieldByField) {
  const Segment code = load_descriptor(state, 0x0b, memory).value();
  EXPECT_EQ(code,
            (Segment{.base = 0x1234'5678, .limit = 0xffff'ffff, .selector = 0x0b, .attributes = 0xa09b}));
  EXPECT_TRUE(code.present() && code.code_or_data() && code.long_mode() && !code.default_32());
  EXPECT_EQ(code.type(), 0xbu);
  EXPECT_EQ(code.dpl(), 0u);
}

TEST_F(LoadDescriptor, LimitIsInBytesWhateverTheGranularity) {
  EXPECT_EQ(load_descriptor(state, 0x10, memory)->limit, 0xf123'4fffu);
  EXPECT_EQ(load_descriptor(state, 0x10, memory)->base, 0xff00'0000u);
  memory.gdt[2] = 0x004f'9300'0000'1234;
  EXPECT_EQ(load_descriptor(state, 0x10, memory)->limit, 0xf'1234u);
}

TEST_F(LoadDescriptor, SystemDescriptorsAreTwiceAsLongInLongMode) {
  const Segment tss = load_descriptor(state, 0x18, memory).value();
  EXPECT_EQ(tss,
            (Segment{.base = 0xffff'8000'5612'3400, .limit = 0x67, .selector = 0x18, .attributes = 0x8b}));
  state.gdtr.limit = 0x26;  // one byte less than its second half
  EXPECT_EQ(refusal(0x18), selector_exception(vector::kGeneralProtection, 0x18));
  state.efer = 0;
  EXPECT_EQ(load_descriptor(state, 0x18, memory)->base, 0x5612'3400u);
}

TEST_F(LoadDescriptor, NullSelectorsAndTableEnds) {
  for (const uint16_t null : {0, 1, 2, 3}) {
    EXPECT_EQ(refusal(null), (Event{.vector = vector::kGeneralProtection, .error_code = 0}));
  }
  state.gdtr.limit = 0x16;
  EXPECT_EQ(refusal(0x13), (Event{.vector = vector::kGeneralProtection, .error_code = 0x10}));
  state.gdtr.limit = 0x17;
  EXPECT_TRUE(load_descriptor(state, 0x13, memory).has_value());
}

TEST_F(LoadDescriptor, TableIndicatorSelectsTheLdt) {
  memory.ldt = {0x004f'f200'0000'0001};
  EXPECT_EQ(refusal(0x07), (Event{.vector = vector::kGeneralProtection, .error_code = 0x04}));  // none loaded
  state.ldtr = {.base = kLdt, .limit = 7, .selector = 0x20, .attributes = 0x82};
  EXPECT_EQ(load_descriptor(state, 0x07, memory)->attributes,
            0x40f2);  // index 0 of the LDT is no null selector
  EXPECT_EQ(refusal(0x0f), (Event{.vector = vector::kGeneralProtection, .error_code = 0x0c}));
}

TEST_F(LoadDescriptor, FaultsOfTheTableArePassedOn) {
  state.gdtr.limit = 0xffff;
  EXPECT_EQ(refusal(0x100).vector, vector::kPageFault);
  memory.gdt.pop_back();
  EXPECT_EQ(refusal(0x18).vector, vector::kPageFault);  // in the second half
}

TEST(NullSegment, HasNoLimitAndIsNotPresent) {
  const Segment segment = null_segment(2, 2);
  EXPECT_EQ(segment, (Segment{.base = 0, .limit = 0, .selector = 2, .attributes = 0x40}));
  EXPECT_FALSE(segment.present());
}

}  // namespace
}  // namespace mmuscope::x86
