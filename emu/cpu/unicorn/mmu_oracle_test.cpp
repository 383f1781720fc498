// SPDX-License-Identifier: GPL-2.0-or-later
//
// The walker against a second implementation: random page tables, the same access by x86::walk and by
// Unicorn's own MMU (UC_TLB_CPU, QEMU 5.0's). Both must agree on whether it faults, on the error code, CR2,
// the physical address and, after a success, the A and D bits that are left. (After a fault they differ: QEMU
// has set A in the entries above the failing one, we have not; SDM 4.8 allows both. CAVEATS.md.) Protection
// keys are not compared: Unicorn has none.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "cpu/unicorn/context_layout.h"
#include "x86/page_walk.h"

namespace mmuscope {
namespace {

using x86::Access;
using x86::AccessType;

constexpr uint64_t kRamBytes = 4u << 20;
constexpr uint64_t kTables = 0x1000, kTablesEnd = 0x40000;  // PML5, PML4, then the rest
constexpr uint64_t kPml5 = 0x1000, kPml4 = 0x2000;
constexpr uint64_t kCodeFrame = 0x40000;  // the instruction under test
constexpr uint64_t kSupervisorCode = 0xffffff8000000000, kUserCode = 0xffffff8000200000;

class Memory final : public x86::PagingMemory {
 public:
  explicit Memory(std::vector<uint8_t>& bytes) : bytes_(bytes) {}
  uint64_t read_entry(x86::PhysicalAddress address) override {
    uint64_t value = ~uint64_t{0};
    if (address + 8 <= bytes_.size()) std::memcpy(&value, &bytes_[address], 8);
    return value;
  }
  bool compare_exchange_entry(x86::PhysicalAddress address, uint64_t expected, uint64_t desired) override {
    if (read_entry(address) != expected) return false;
    if (address + 8 <= bytes_.size()) std::memcpy(&bytes_[address], &desired, 8);
    return true;
  }

 private:
  std::vector<uint8_t>& bytes_;
};

struct Outcome {
  bool fault = false;
  uint32_t error_code = 0;
  uint64_t cr2 = 0;
  uint64_t loaded = 0;
};

class Oracle {
 public:
  Oracle() : ram(kRamBytes) {
    EXPECT_EQ(uc_open(UC_ARCH_X86, UC_MODE_64, &uc_), UC_ERR_OK);
    // The model decides what QEMU checks; this one has LA57, SMEP, SMAP and 1 GiB pages.
    EXPECT_EQ(uc_ctl_set_cpu_model(uc_, UC_CPU_X86_ICELAKE_SERVER), UC_ERR_OK);
    EXPECT_EQ(uc_ctl_tlb_mode(uc_, UC_TLB_VIRTUAL), UC_ERR_OK);  // for the layout's probe
    EXPECT_EQ(uc_ctl_exits_enable(uc_), UC_ERR_OK);
    auto layout = ContextLayout::find(uc_);
    EXPECT_TRUE(layout.has_value());
    if (layout) layout_ = *layout;
    EXPECT_EQ(uc_ctl_tlb_mode(uc_, UC_TLB_CPU), UC_ERR_OK);
    EXPECT_EQ(uc_context_alloc(uc_, &context_), UC_ERR_OK);
    EXPECT_EQ(uc_mem_map_ptr(uc_, 0, kRamBytes, UC_PROT_ALL, ram.data()), UC_ERR_OK);
    uc_hook hook = 0;
    uc_hook_add(uc_, &hook, UC_HOOK_INTR, reinterpret_cast<void*>(on_interrupt), this, 1, 0);
    uc_hook_add(uc_, &hook, UC_HOOK_BLOCK, reinterpret_cast<void*>(on_block), this, 1, 0);
  }
  ~Oracle() {
    uc_context_free(context_);
    uc_close(uc_);
  }

  Outcome access(const Access& access, const x86::CpuState& state) {
    // mov rax,[rdi] / mov [rdi],rax / jmp rdi; the HLT or the next block ends it.
    static constexpr uint8_t kCode[3][4] = {
        {0x48, 0x8b, 0x07, 0xf4}, {0x48, 0x89, 0x07, 0xf4}, {0xff, 0xe7, 0xf4, 0xf4}};
    const unsigned offset = static_cast<unsigned>(access.type) * 16;
    for (unsigned i = 0; i < 3; ++i) std::memcpy(&ram[kCodeFrame + 16 * i], kCode[i], 4);
    target_ = access.linear;
    reached_ = false;
    vector_ = ~0u;
    uc_context_save(uc_, context_);
    ContextBytes bytes(context_);
    bytes.put(layout_.cr(), state.cr0);
    bytes.put(layout_.cr() + 16, uint64_t{0});
    bytes.put(layout_.cr() + 24, state.cr3);
    bytes.put(layout_.cr() + 32, state.cr4);
    bytes.put(layout_.efer(), state.efer);
    bytes.put(layout_.rflags(), state.rflags);
    uint32_t flags = bytes.get<uint32_t>(layout_.hflags()) & ~(hflags::kCplMask | hflags::kSmap);
    if (access.user) flags |= 3;
    if (state.cr4 & x86::cr4::kSmap) flags |= hflags::kSmap;
    bytes.put(layout_.hflags(), flags);
    bytes.put<int32_t>(layout_.old_exception, -1);
    bytes.put<uint32_t>(layout_.error_code, 0);
    bytes.put(layout_.regs() + 8 * static_cast<size_t>(x86::Gpr::kRdi), access.linear);
    bytes.put(layout_.regs(), kStored);
    uc_context_restore(uc_, context_);
    uc_ctl_flush_tlb(uc_);
    uc_emu_start(uc_, (access.user ? kUserCode : kSupervisorCode) + offset, 0, 0, 0);
    uc_context_save(uc_, context_);
    const ContextBytes after(context_);
    // The privileged HLT of user code raises #GP: then the access is behind us.
    Outcome outcome;
    outcome.fault = vector_ == 14;
    outcome.error_code = after.get<uint32_t>(layout_.error_code);
    outcome.cr2 = after.get<uint64_t>(layout_.cr() + 16);
    outcome.loaded = after.get<uint64_t>(layout_.regs());
    EXPECT_TRUE(outcome.fault || access.type != AccessType::kFetch || reached_);
    return outcome;
  }

  static constexpr uint64_t kStored = 0x1122334455667788;
  std::vector<uint8_t> ram;

 private:
  static void on_interrupt(uc_engine* uc, uint32_t vector, void* self) {
    static_cast<Oracle*>(self)->vector_ = vector;
    uc_emu_stop(uc);
  }
  static void on_block(uc_engine* uc, uint64_t address, uint32_t, void* raw) {
    auto* self = static_cast<Oracle*>(raw);
    if (address != self->target_) return;
    self->reached_ = true;
    uc_emu_stop(uc);
  }

  uc_engine* uc_ = nullptr;
  uc_context* context_ = nullptr;
  ContextLayout layout_;
  uint64_t target_ = 0;
  bool reached_ = false;
  uint32_t vector_ = 0;
};

class RandomTables {
 public:
  RandomTables(std::vector<uint8_t>& ram, std::mt19937_64& random) : ram_(ram), random_(random) {}

  void fill(bool la57) {
    std::memset(&ram_[kTables], 0, kTablesEnd - kTables);
    next_ = kPml4 + 0x1000;
    put(kPml5, 0, kPml4 | 0x07);
    put(kPml5, 511, kPml4 | 0x27);
    if (la57 && chance(30)) put(kPml5, 0, spoil(kPml4 | 0x07, 5));
    for (unsigned i = 0; i < 2; ++i) put(kPml4, i, entry(4));
    map_code();
  }

 private:
  bool chance(unsigned one_in) { return random_() % one_in == 0; }
  void put(uint64_t table, unsigned index, uint64_t value) {
    std::memcpy(&ram_[table + 8 * index], &value, 8);
  }
  uint64_t get(uint64_t table, unsigned index) {
    uint64_t value;
    std::memcpy(&value, &ram_[table + 8 * index], 8);
    return value;
  }

  // Mostly an entry that allows much, with one thing or two amiss.
  uint64_t spoil(uint64_t entry, int level) {
    if (chance(40)) entry &= ~uint64_t{1};
    if (chance(10)) entry &= ~uint64_t{2};
    if (chance(10)) entry &= ~uint64_t{4};
    if (chance(16)) entry |= uint64_t{1} << 63;
    if (chance(60)) entry |= uint64_t{1} << (40 + random_() % 12);
    if (chance(60) && level >= 4) entry |= 0x80;
    entry |= random_() & 0x160;  // G, D, A
    return entry;
  }

  uint64_t entry(int level) {
    if (level == 1) return spoil((kTablesEnd + 0x1000 + random_() % 64 * 0x1000) | 0x07, 1);
    if (level == 2 && chance(5))
      return spoil((random_() % 2 << 21) | 0x87 | (chance(8) ? 0x2000 << random_() % 8 : 0), 2);
    if (level == 3 && chance(6)) return spoil(uint64_t{0x87} | (chance(8) ? 0x2000 << random_() % 17 : 0), 3);
    const uint64_t table = next_;
    next_ += 0x1000;
    for (unsigned i = 0; i < 2; ++i) put(table, i, entry(level - 1));
    return spoil(table | 0x07, level);
  }

  // pml4[511].pdpt[0]: pd[0] for supervisor code, pd[1] for user code, both on kCodeFrame.
  void map_code() {
    const uint64_t pdpt = next_, pd = next_ + 0x1000, supervisor = next_ + 0x2000, user = next_ + 0x3000;
    next_ += 0x4000;
    ASSERT_LE(next_, kTablesEnd);
    put(kPml4, 511, pdpt | 0x27);
    put(pdpt, 0, pd | 0x27);
    put(pd, 0, supervisor | 0x27);
    put(pd, 1, user | 0x27);
    put(supervisor, 0, kCodeFrame | 0x61);
    put(user, 0, kCodeFrame | 0x65);
  }

  std::vector<uint8_t>& ram_;
  std::mt19937_64& random_;
  uint64_t next_ = 0;
};

x86::CpuState random_state(std::mt19937_64& random) {
  x86::CpuState state;
  const uint64_t bits = random();
  state.cr0 = x86::cr0::kPe | x86::cr0::kEt | x86::cr0::kNe | x86::cr0::kPg | (bits & 1 ? x86::cr0::kWp : 0);
  state.cr4 = x86::cr4::kPae | (bits & 2 ? x86::cr4::kSmep : 0) | (bits & 4 ? x86::cr4::kSmap : 0) |
              (bits & 8 ? x86::cr4::kPge : 0) | (bits & 16 ? x86::cr4::kLa57 : 0);
  state.efer = x86::efer::kLme | x86::efer::kLma | (bits & 32 ? x86::efer::kNxe : 0);
  state.cr3 = bits & 16 ? kPml5 : kPml4;
  state.rflags = x86::rflags::kFixed | (bits & 64 ? x86::rflags::kAc : 0);
  return state;
}

TEST(MmuOracle, TheWalkerAgreesWithUnicornsOwnMmu) {
  std::mt19937_64 random(20211218);
  Oracle oracle;
  RandomTables tables(oracle.ram, random);
  unsigned faults = 0, successes = 0, shown = 0;
  for (unsigned round = 0; round < 20000 && shown < 10; ++round) {
    const x86::CpuState state = random_state(random);
    tables.fill(state.cr4 & x86::cr4::kLa57);
    for (unsigned i = 0; i < 8; ++i) {
      const uint64_t at = random();
      const Access access{.linear = (at & 1) << 39 | (at >> 1 & 1) << 30 | (at >> 2 & 1) << 21 |
                                    (at >> 3 & 1) << 12 | (at >> 4 & 0x1ff) << 3,
                          .type = static_cast<AccessType>(at >> 16 & 0xff ? (at >> 24) % 3 : 0),
                          .user = (at >> 40 & 1) != 0};
      // Code must end its block before the page does.
      const uint64_t mark = access.type == AccessType::kFetch ? 0xf4f4f4f4f4f4f4f4 : random();
      const auto context = x86::PagingContext::of(state, {.physical_address_bits = 40, .la57 = true});
      std::vector<uint8_t> copy(oracle.ram.begin(), oracle.ram.begin() + kTablesEnd);
      Memory memory(copy);
      const auto ours = x86::walk(context, access, memory);
      uint64_t physical = 0;
      if (ours) {
        physical = ours->physical(access.linear);
        if (physical < kTablesEnd + 0x1000 || physical + 8 > kRamBytes)
          continue;  // would overwrite the tables
        std::memcpy(&oracle.ram[physical], &mark, 8);
      }
      const Outcome theirs = oracle.access(access, state);
      const auto name = [&] {
        return "round " + std::to_string(round) + " access " + std::to_string(i) + " linear " +
               std::to_string(access.linear) + " type " + std::to_string(static_cast<int>(access.type)) +
               " user " + std::to_string(access.user) + " cr4 " + std::to_string(state.cr4) + " cr0 " +
               std::to_string(state.cr0);
      };
      if (!ours) {
        ++faults;
        EXPECT_TRUE(theirs.fault) << name() << " reason " << static_cast<int>(ours.error().reason)
                                  << (++shown, "");
        if (!theirs.fault) continue;
        EXPECT_EQ(ours.error().error_code(), theirs.error_code)
            << name() << " reason " << static_cast<int>(ours.error().reason) << " level "
            << int(ours.error().level);
        EXPECT_EQ(access.linear, theirs.cr2) << name();
        continue;
      }
      ++successes;
      EXPECT_FALSE(theirs.fault) << name() << " error code " << theirs.error_code
                                 << (shown += theirs.fault, "");
      if (theirs.fault) continue;
      EXPECT_TRUE(access.type != AccessType::kRead || theirs.loaded == mark) << name();
      uint64_t there = 0;
      std::memcpy(&there, &oracle.ram[physical], 8);
      EXPECT_EQ(there, access.type == AccessType::kWrite ? Oracle::kStored : mark) << name();
      EXPECT_EQ(std::memcmp(&copy[kTables], &oracle.ram[kTables], kTablesEnd - kTables), 0)
          << name() << ": A and D bits";
    }
    if (HasFailure()) ++shown;
  }
  EXPECT_GT(faults, 40000u);
  EXPECT_GT(successes, 40000u);
}

}  // namespace
}  // namespace mmuscope
