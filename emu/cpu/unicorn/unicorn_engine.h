// SPDX-License-Identifier: GPL-2.0-or-later
//
// The CpuEngine made of Unicorn (QEMU 5.0's TCG). Facts about Unicorn that this stands on are tests in
// unicorn_facts_test.cpp; what deviates from a processor is listed in CAVEATS.md.
//
// How a run stays exact: a block hook sees every translation block before it runs, and the block cache says
// how many instructions it holds. A block that fits the budget is counted at once; when one is left half-way
// (a denied page, an exception) the instructions from RIP on are taken back. The last few instructions of a
// budget, and instructions with trapped accesses, run in blocks of one, which QEMU makes when the
// interrupt-shadow flag is set in its hflags. System instructions get a one-address code hook the first time
// their block is seen.
//
// Unicorn's softmmu is a cache of what EngineClient::fill answered and of nothing else.
#pragma once

#include <unicorn/unicorn.h>

#include <memory>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "cpu/cpu_engine.h"
#include "cpu/unicorn/block_cache.h"
#include "cpu/unicorn/context_layout.h"
#include "memory/ram.h"

namespace mmuscope {

class UnicornEngine final : public CpuEngine {
 public:
  // Both must outlive the engine. kHost when this Unicorn cannot do what is needed.
  static Expected<std::unique_ptr<UnicornEngine>> create(Ram& ram, EngineClient& client);
  ~UnicornEngine() override;
  UnicornEngine(const UnicornEngine&) = delete;
  UnicornEngine& operator=(const UnicornEngine&) = delete;

  Stop run(const RunRequest& request) override;
  uint64_t executed() const override { return budget_end_ - budget_; }
  void read_state(x86::CpuState& state) override;
  void write_state(const x86::CpuState& state) override;
  uint64_t reg(x86::Gpr name) override;
  uint64_t rip() override { return rip_; }
  uint8_t cpl() override;
  uint64_t rflags() override;
  std::optional<Instruction> current_instruction() override;
  x86::LinearAddress linear_address(const Instruction& instruction, const MemoryOperand& operand) override;
  void set_reg(x86::Gpr name, uint64_t value) override;
  void advance(uint64_t rip) override;
  void forget_page(x86::LinearAddress linear) override;
  void forget_all() override;
  void forget_code(x86::PhysicalAddress page) override;
  FxsaveImage fpu() override;
  void set_fpu(const FxsaveImage& image) override;
  void save(StateWriter& writer) override;
  void restore(StateReader& reader) override;

 private:
  // What a callback wants once uc_emu_start has returned.
  enum class Halt : uint8_t { kNone, kBlockEdge, kArm, kSystem, kInterrupt, kWindow, kBreakpoint };

  UnicornEngine(Ram& ram, EngineClient& client);
  Expected<void> open();

  // Callbacks; none of them changes anything outside this object.
  static bool on_fill(uc_engine*, uint64_t linear, uc_mem_type type, uc_tlb_entry* result, void* self);
  static void on_block(uc_engine*, uint64_t address, uint32_t size, void* self);
  static void on_code(uc_engine*, uint64_t address, uint32_t size, void* self);
  static void on_interrupt(uc_engine*, uint32_t vector, void* self);
  static uint64_t on_trapped_read(uc_engine*, uint64_t offset, unsigned size, void* self);
  static void on_trapped_write(uc_engine*, uint64_t offset, unsigned size, uint64_t value, void* self);
  bool fill(uint64_t linear, uc_mem_type type, uc_tlb_entry* result);
  void enter_block(uint64_t address, uint32_t size);
  void count_block(const BlockInfo* info, uint64_t address, uint32_t instructions);
  void halt(Halt why, uint64_t rip);

  uc_err enter(bool single);
  std::optional<Stop> settle(uc_err error);
  std::optional<Stop> settle_denied();
  x86::LinearAddress address_of(const Instruction& instruction, const MemoryAccess& access);
  Stop denied_stop(x86::Access access);
  std::optional<Stop> settle_interrupt();
  std::optional<Stop> settle_invalid();
  Stop trapped_step();
  void arm(uint64_t linear, uint32_t size);
  void leave_block_at(uint64_t rip);
  Halt breakpoint_in(uint64_t address, uint32_t size) const;
  bool phantom_repetition(const BlockInfo& info, uint64_t address);
  void skip_phantom();
  bool interruptible(bool shadow);
  bool needs_arming(const BlockInfo& info, uint64_t linear, uint32_t size);
  void set_single_block_flag();
  void refresh_mode();
  Stop failed(uc_err error);
  void run_stub(uint64_t operand);

  Ram& ram_;
  EngineClient& client_;
  uc_engine* uc_ = nullptr;
  uc_context* context_ = nullptr;  // scratch
  uc_context* kept_ = nullptr;     // what run_stub() puts back
  ContextLayout layout_;
  BlockCache blocks_;
  uint8_t* stub_ = nullptr;              // one page of host memory with `invlpg [rax]`
  std::unordered_set<uint64_t> hooked_;  // linear addresses with a code hook
  std::unordered_set<uint64_t> armed_;   // blocks translated after their hooks were there

  uint64_t budget_ = 0;      // instructions left of the current run
  uint64_t budget_end_ = 0;  // executed() when they are used up
  uint64_t rip_ = 0;
  uint64_t cs_base_ = 0;
  CodeSize code_size_ = CodeSize::k16;
  bool protected_mode_ = false;
  bool shadow_ = false;  // the instruction at rip_ is in an interrupt shadow
  uint64_t last_rep_ =
      kNoAddress;  // linear address of the REP instruction that was executed last, if it was the last

  // Within one run().
  const std::set<x86::LinearAddress>* breakpoints_ = nullptr;  // nullptr when there are none
  uint64_t leaving_ = kNoAddress;                              // the one at which the run began
  uint64_t began_ = 0;                                         // executed() then

  // Within one uc_emu_start.
  Halt halt_ = Halt::kNone;
  const BlockInfo* block_ = nullptr;
  uint64_t block_linear_ = 0;
  uint32_t block_counted_ = 0;
  const BlockInfo* previous_ = nullptr;  // the block before it, in the same uc_emu_start
  uint64_t repeating_ = kNoAddress;      // the REP instruction that repetitions_left_ follows
  uint64_t repetitions_left_ = 0;
  bool plain_run_ = false;  // nothing but the budget ends it
  bool single_ = false;
  bool trapping_ = false;  // trapped accesses may go through
  bool want_window_ = false;
  bool denied_ = false, denied_trap_ = false;
  x86::Access denied_access_;
  uint32_t interrupt_ = 0;
  uint64_t arm_linear_ = 0;
  uint32_t arm_size_ = 0;
  std::vector<uint64_t> trapped_pages_;
  std::optional<uint64_t> scratch_fetch_;  // maintenance: the physical page that any fetch is answered with

  static constexpr uint64_t kNoAddress = ~uint64_t{0};
};

}  // namespace mmuscope
