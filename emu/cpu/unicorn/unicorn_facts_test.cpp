// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the engine takes for granted about Unicorn, one fact a test, measured on a bare engine: no code of
// ours but the context layout is between the test and Unicorn. When a new Unicorn changes one of these, this
// fails before a trace is wrong.
#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <vector>

#include "cpu/unicorn/context_layout.h"

namespace mmuscope {
namespace {

constexpr uint64_t kCode = 0x10000;
constexpr uint64_t kData = 0x20000;
constexpr uint64_t kMmio = 0x40000;
constexpr uint64_t kPage = 0x1000;

// An engine set up as ours is, in long mode, with a little memory, its page 1:1 behind a fill hook.
class Bare {
 public:
  Bare() : ram_(0x40000) {
    EXPECT_EQ(uc_open(UC_ARCH_X86, UC_MODE_64, &uc_), UC_ERR_OK);
    EXPECT_EQ(uc_ctl_set_cpu_model(uc_, UC_CPU_X86_BROADWELL), UC_ERR_OK);
    EXPECT_EQ(uc_ctl_tlb_mode(uc_, UC_TLB_VIRTUAL), UC_ERR_OK);
    EXPECT_EQ(uc_ctl_exits_enable(uc_), UC_ERR_OK);
    auto found = ContextLayout::find(uc_);
    EXPECT_TRUE(found.has_value()) << (found ? "" : found.error().message);
    if (found) layout = *found;
    EXPECT_EQ(uc_context_alloc(uc_, &context_), UC_ERR_OK);
    EXPECT_EQ(uc_mem_map(uc_, 0, ram_.size(), UC_PROT_ALL), UC_ERR_OK);
    add(UC_HOOK_TLB_FILL, on_fill);
    add(UC_HOOK_INTR, on_interrupt);
    clear_latch();
  }
  ~Bare() {
    uc_context_free(context_);
    uc_close(uc_);
  }
  Bare(const Bare&) = delete;

  template <typename F>
  void add(int type, F* function) {
    uc_hook hook = 0;
    EXPECT_EQ(uc_hook_add(uc_, &hook, type, reinterpret_cast<void*>(function), this, 1, 0), UC_ERR_OK);
  }
  void code(uint64_t at, std::initializer_list<uint8_t> bytes) {
    uc_mem_write(uc_, at, bytes.begin(), bytes.size());
  }
  void set(int reg, uint64_t value) { uc_reg_write(uc_, reg, &value); }
  uint64_t get(int reg) {
    uint64_t value = 0;
    uc_reg_read(uc_, reg, &value);
    return value;
  }
  uc_err run(uint64_t at) { return uc_emu_start(uc_, at, 0, 0, 0); }
  void patch(const std::function<void(ContextBytes&)>& change) {
    uc_context_save(uc_, context_);
    ContextBytes bytes(context_);
    change(bytes);
    uc_context_restore(uc_, context_);
  }
  void clear_latch() {
    patch([this](ContextBytes& bytes) { bytes.put<int32_t>(layout.old_exception, -1); });
  }

  uc_engine* uc() { return uc_; }
  ContextLayout layout;
  std::vector<uint64_t> denied;    // pages that the fill hook refuses
  std::vector<uint64_t> readonly;  // pages it gives for reading only
  struct Asked {
    uint64_t linear;
    uc_mem_type type;
  };
  std::vector<Asked> asked;
  std::vector<uint32_t> interrupts;
  std::vector<uint64_t> blocks;
  uint64_t stop_at_block = 0;

  size_t fills_of(uint64_t page) const {
    size_t count = 0;
    for (const Asked& fill : asked) count += (fill.linear & ~(kPage - 1)) == page;
    return count;
  }

  static void on_block(uc_engine* uc, uint64_t address, uint32_t, void* self) {
    auto* bare = static_cast<Bare*>(self);
    bare->blocks.push_back(address);
    if (address == bare->stop_at_block) uc_emu_stop(uc);
  }

 private:
  static bool contains(const std::vector<uint64_t>& pages, uint64_t linear) {
    for (const uint64_t page : pages)
      if (page == (linear & ~(kPage - 1))) return true;
    return false;
  }
  static bool on_fill(uc_engine*, uint64_t linear, uc_mem_type type, uc_tlb_entry* result, void* self) {
    auto* bare = static_cast<Bare*>(self);
    bare->asked.push_back({linear, type});
    if (contains(bare->denied, linear)) return false;
    result->paddr = linear & ~(kPage - 1);
    const bool readonly = contains(bare->readonly, linear);
    result->perms = type == UC_MEM_FETCH ? UC_PROT_EXEC
                    : readonly           ? UC_PROT_READ
                                         : static_cast<uc_prot>(UC_PROT_READ | UC_PROT_WRITE);
    return true;
  }
  static void on_interrupt(uc_engine* uc, uint32_t vector, void* self) {
    static_cast<Bare*>(self)->interrupts.push_back(vector);
    uc_emu_stop(uc);
  }

  std::vector<uint8_t> ram_;
  uc_engine* uc_ = nullptr;
  uc_context* context_ = nullptr;
};

TEST(UnicornFacts, TheContextLayoutIsFound) {
  uc_engine* uc = nullptr;
  ASSERT_EQ(uc_open(UC_ARCH_X86, UC_MODE_64, &uc), UC_ERR_OK);
  uc_ctl_set_cpu_model(uc, UC_CPU_X86_BROADWELL);
  uc_ctl_tlb_mode(uc, UC_TLB_VIRTUAL);
  uc_ctl_exits_enable(uc);
  const auto layout = ContextLayout::find(uc);
  ASSERT_TRUE(layout.has_value()) << layout.error().message;
  EXPECT_EQ(layout->old_exception, layout->error_code + 112);
  uc_close(uc);
}

TEST(UnicornFacts, ARunTakesConditionCodesFromTheFlagsWordNotFromTheLazyOnes) {
  Bare bare;
  bare.code(kCode, {0x90, 0xf4});  // nop; hlt
  constexpr uint64_t kZeroAndDirection = 0x440;
  bare.patch([&](ContextBytes& bytes) {
    bytes.put<uint64_t>(bare.layout.rflags(), kZeroAndDirection | 2);
    bytes.put<uint64_t>(bare.layout.rflags() + 16, 0x81);  // cc_src: CF and SF
    bytes.put<uint32_t>(bare.layout.cc_op(), 1);           // CC_OP_EFLAGS
    bytes.put<int32_t>(bare.layout.direction(), 1);
  });
  EXPECT_EQ(bare.run(kCode), UC_ERR_OK);
  EXPECT_EQ(bare.get(UC_X86_REG_RFLAGS) & 0x4c1, kZeroAndDirection);
}

TEST(UnicornFacts, CplIsWrittenThroughTheContextOnly) {
  Bare bare;
  bare.patch([&](ContextBytes& bytes) {
    bytes.put<uint32_t>(bare.layout.hflags(), bytes.get<uint32_t>(bare.layout.hflags()) | hflags::kCplMask);
  });
  bare.code(kCode, {0xf4});  // hlt is privileged
  EXPECT_EQ(bare.run(kCode), UC_ERR_OK);
  EXPECT_EQ(bare.interrupts, std::vector<uint32_t>{13});
}

// #GP by loading DS with a selector beyond the GDT.
TEST(UnicornFacts, TheExceptionLatchMakesTheSecondFaultADoubleFault) {
  Bare bare;
  bare.code(kCode, {0x8e, 0xd8, 0xf4});
  bare.set(UC_X86_REG_RAX, 0x5a50);
  bare.run(kCode);
  bare.run(kCode);
  EXPECT_EQ(bare.interrupts, (std::vector<uint32_t>{13, 8}));
}

TEST(UnicornFacts, ClearingTheLatchMakesTheSecondFaultWhatItIs) {
  Bare bare;
  bare.code(kCode, {0x8e, 0xd8, 0xf4});
  bare.set(UC_X86_REG_RAX, 0x5a50);
  for (int i = 0; i < 3; ++i) {
    bare.run(kCode);
    bare.clear_latch();
  }
  EXPECT_EQ(bare.interrupts, (std::vector<uint32_t>{13, 13, 13}));
}

TEST(UnicornFacts, ADeniedDataPageEndsTheRunWithRipExact) {
  Bare bare;
  bare.denied = {kData};
  // inc ecx; mov eax, [rdi]; inc ecx; hlt
  bare.code(kCode, {0xff, 0xc1, 0x8b, 0x07, 0xff, 0xc1, 0xf4});
  bare.set(UC_X86_REG_RDI, kData);
  bare.set(UC_X86_REG_RCX, 0);
  EXPECT_EQ(bare.run(kCode), UC_ERR_EXCEPTION);
  EXPECT_EQ(bare.get(UC_X86_REG_RIP), kCode + 2);
  EXPECT_EQ(bare.get(UC_X86_REG_RCX), 1u);
  EXPECT_TRUE(bare.interrupts.empty());
}

// Which byte was wanted is computed from the instruction (fault_address.cpp); should the hook tell it one
// day, that file can go.
TEST(UnicornFacts, TheFillHookNamesThePageNotTheByte) {
  Bare bare;
  bare.denied = {kData};
  bare.code(kCode, {0x8b, 0x07, 0xf4});  // mov eax, [rdi]; hlt
  bare.set(UC_X86_REG_RDI, kData + 0x123);
  EXPECT_EQ(bare.run(kCode), UC_ERR_EXCEPTION);
  ASSERT_FALSE(bare.asked.empty());
  EXPECT_EQ(bare.asked.back().linear, kData);
}

TEST(UnicornFacts, ReadRightsForAStoreAreADenial) {
  Bare bare;
  bare.readonly = {kData};
  bare.code(kCode, {0x89, 0x07, 0xf4});  // mov [rdi], eax; hlt
  bare.set(UC_X86_REG_RDI, kData);
  EXPECT_EQ(bare.run(kCode), UC_ERR_EXCEPTION);
  EXPECT_EQ(bare.get(UC_X86_REG_RIP), kCode);
}

// A fetch that straddles into a denied page: reported at the start of the block, whose first instructions did
// not run.
TEST(UnicornFacts, AStraddlingFetchIsReportedAtTheStartOfItsBlock) {
  Bare bare;
  bare.denied = {kCode + kPage};
  const uint64_t start = kCode + kPage - 6;
  // inc ecx; inc ecx; then `mov eax, imm32` of which three bytes lie beyond the page
  bare.code(start, {0xff, 0xc1, 0xff, 0xc1, 0xb8, 0x01, 0x02, 0x03, 0x04, 0xf4});
  bare.set(UC_X86_REG_RCX, 0);
  EXPECT_EQ(bare.run(start), UC_ERR_EXCEPTION);
  EXPECT_EQ(bare.get(UC_X86_REG_RIP), start);
  EXPECT_EQ(bare.get(UC_X86_REG_RCX), 0u);
  EXPECT_EQ(bare.fills_of(kCode + kPage), 1u);
}

// Why SYSCALL is not left to Unicorn: its helper adds the instruction's length to whatever RIP the hook sets.
TEST(UnicornFacts, SyscallAddsItsLengthToTheRipThatItsHookSets) {
  Bare bare;
  bare.code(kCode, {0x0f, 0x05, 0xf4});
  bare.code(kCode + 0x100, {0xf4, 0xf4, 0xf4, 0xf4});
  uc_hook hook = 0;
  auto* on_syscall = +[](uc_engine* uc, void*) {
    const uint64_t target = kCode + 0x100;
    uc_reg_write(uc, UC_X86_REG_RIP, &target);
  };
  ASSERT_EQ(uc_hook_add(bare.uc(), &hook, UC_HOOK_INSN, reinterpret_cast<void*>(on_syscall), nullptr, 1, 0,
                        UC_X86_INS_SYSCALL),
            UC_ERR_OK);
  EXPECT_EQ(bare.run(kCode), UC_ERR_OK);
  EXPECT_EQ(bare.get(UC_X86_REG_RIP), kCode + 0x100 + 2 + 1);  // and past the HLT
}

TEST(UnicornFacts, SyscallWithoutAHookDoesNothing) {
  Bare bare;
  bare.code(kCode, {0x0f, 0x05, 0xf4});
  EXPECT_EQ(bare.run(kCode), UC_ERR_OK);
  EXPECT_EQ(bare.get(UC_X86_REG_RIP), kCode + 3);
  EXPECT_TRUE(bare.interrupts.empty());
}

TEST(UnicornFacts, AStopInABlockHookStopsBeforeTheBlock) {
  Bare bare;
  bare.add(UC_HOOK_BLOCK, Bare::on_block);
  bare.stop_at_block = kCode + 4;
  bare.code(kCode, {0xff, 0xc1, 0xeb, 0x00, 0xff, 0xc1, 0xf4});  // inc ecx; jmp +0; inc ecx; hlt
  bare.set(UC_X86_REG_RCX, 0);
  EXPECT_EQ(bare.run(kCode), UC_ERR_OK);
  EXPECT_EQ(bare.blocks, (std::vector<uint64_t>{kCode, kCode + 4}));
  EXPECT_EQ(bare.get(UC_X86_REG_RCX), 1u);
}

// Set in hflags, the interrupt shadow makes a block of one instruction: this is how the engine steps.
TEST(UnicornFacts, TheInterruptShadowMakesABlockOfOneInstruction) {
  Bare bare;
  bare.add(UC_HOOK_BLOCK, Bare::on_block);
  bare.code(kCode, {0xff, 0xc1, 0xff, 0xc1, 0xff, 0xc1, 0xf4});
  bare.patch([&](ContextBytes& bytes) {
    bytes.put<uint32_t>(bare.layout.hflags(),
                        bytes.get<uint32_t>(bare.layout.hflags()) | hflags::kInhibitIrq);
  });
  bare.run(kCode);
  EXPECT_EQ(bare.blocks, (std::vector<uint64_t>{kCode, kCode + 2}));
}

TEST(UnicornFacts, InvlpgDropsOnePageOfTheSoftmmu) {
  Bare bare;
  // mov eax,[rdi]; mov eax,[rsi]; invlpg [rdi]; mov eax,[rdi]; mov eax,[rsi]; hlt
  bare.code(kCode, {0x8b, 0x07, 0x8b, 0x06, 0x0f, 0x01, 0x3f, 0x8b, 0x07, 0x8b, 0x06, 0xf4});
  bare.set(UC_X86_REG_RDI, kData);
  bare.set(UC_X86_REG_RSI, kData + 5 * kPage);
  EXPECT_EQ(bare.run(kCode), UC_ERR_OK);
  EXPECT_EQ(bare.fills_of(kData), 2u);
  EXPECT_EQ(bare.fills_of(kData + 5 * kPage), 1u);
}

struct MmioAccess {
  uint64_t offset;
  unsigned size;
  bool operator==(const MmioAccess&) const = default;
};

TEST(UnicornFacts, AnEightByteMmioAccessArrivesAsTwoOfFourLowFirst) {
  Bare bare;
  std::vector<MmioAccess> seen;
  auto* read = +[](uc_engine*, uint64_t offset, unsigned size, void* out) -> uint64_t {
    static_cast<std::vector<MmioAccess>*>(out)->push_back({offset, size});
    return offset;
  };
  auto* write = +[](uc_engine*, uint64_t offset, unsigned size, uint64_t, void* out) {
    static_cast<std::vector<MmioAccess>*>(out)->push_back({offset, size});
  };
  ASSERT_EQ(uc_mmio_map(bare.uc(), kMmio, kPage, read, &seen, write, &seen), UC_ERR_OK);
  bare.code(kCode, {0x48, 0x8b, 0x07, 0x48, 0x89, 0x07, 0xf4});  // mov rax,[rdi]; mov [rdi],rax; hlt
  bare.set(UC_X86_REG_RDI, kMmio + 0x18);
  EXPECT_EQ(bare.run(kCode), UC_ERR_OK);
  EXPECT_EQ(seen, (std::vector<MmioAccess>{{0x18, 4}, {0x1c, 4}, {0x18, 4}, {0x1c, 4}}));
}

TEST(UnicornFacts, IntNLeavesRipPastTheInstruction) {
  Bare bare;
  bare.code(kCode, {0xcd, 0x80, 0xf4});
  bare.run(kCode);
  EXPECT_EQ(bare.interrupts, std::vector<uint32_t>{0x80});
  EXPECT_EQ(bare.get(UC_X86_REG_RIP), kCode + 2);
}

}  // namespace
}  // namespace mmuscope
