// SPDX-License-Identifier: GPL-2.0-or-later
//
// One CPU: an engine that executes, the TLB that translates, the local APIC that interrupts, and between them
// the Intel manual. Whatever the engine stops for is done here, between runs, with RIP and the instruction
// count exact: walks, faults, event delivery, system instructions. One load, end to end: engine -> fill() ->
// TLB; on a miss the engine stops -> resolve() -> x86::walk -> TLB insert, or x86::deliver_event -> the
// engine runs on.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "cpu/cpu_engine.h"
#include "devices/local_apic.h"
#include "machine/machine_core.h"
#include "x86/event_delivery.h"
#include "x86/page_walk.h"
#include "x86/tlb.h"

namespace mmuscope {

class Vcpu final : public EngineClient, private x86::SystemMemory, private x86::PagingMemory {
 public:
  Vcpu(unsigned index, MachineCore& core, LocalApic& apic);

  // Must be called once before anything else; the engine is made for this client.
  void attach(std::unique_ptr<CpuEngine> engine);
  CpuEngine& engine() { return *engine_; }

  // Executes at most `budget` instructions; fewer when the CPU halts, the machine ends, or something happened
  // that the scheduler must weigh anew.
  void run(uint64_t budget);
  bool runnable() const;  // would run() execute anything
  bool accepts_interrupts() const {
    return !state_.wait_for_sipi && (state_.rflags & x86::rflags::kIf);
  }  // if halted

  void reset_to(const x86::CpuState& state);  // boot
  void init();                                // INIT IPI
  void start(uint8_t vector);                 // SIPI
  void nmi() { nmi_pending_ = true; }

  x86::CpuState state();  // complete, as of now
  unsigned index() const { return index_; }
  uint32_t pid() const { return pid_; }
  void set_pid(uint32_t pid) { pid_ = pid; }
  Moment moment();
  void flush_tlb(x86::TlbCause cause);
  std::string describe();  // position and registers, several lines
  const x86::Tlb& tlb() const { return tlb_; }
  // By the TLB alone: where `linear` was when it was last used.
  std::optional<x86::PhysicalAddress> translated(x86::LinearAddress linear) const;
  x86::PagingContext paging_context() {
    return paging_context({.linear = 0, .type = x86::AccessType::kRead, .user = false});
  }
  // Instructions that the engine has executed and the core does not know yet: non-zero only within a run.
  uint64_t unaccounted() const { return engine_ ? engine_->executed() - accounted_ : 0; }

  void save(StateWriter& writer);
  void restore(StateReader& reader);

  // EngineClient
  Fill fill(const x86::Access& access) override;
  uint64_t trapped_read(x86::PhysicalAddress address, unsigned size) override;
  void trapped_write(x86::PhysicalAddress address, unsigned size, uint64_t value) override;
  const uint8_t* code(x86::LinearAddress linear, x86::PhysicalAddress* page) override;

 private:
  struct TrappedAccess {
    x86::PhysicalAddress address;
    unsigned size;
    bool write;
  };

  // x86::SystemMemory: implicit supervisor accesses of event delivery
  std::expected<uint64_t, x86::Event> read(x86::LinearAddress address, unsigned size) override;
  std::expected<void, x86::Event> write(x86::LinearAddress address, unsigned size, uint64_t value) override;
  // x86::PagingMemory
  uint64_t read_entry(x86::PhysicalAddress address) override;
  bool compare_exchange_entry(x86::PhysicalAddress address, uint64_t expected, uint64_t desired) override;

  void account();
  void progressed(Position before, bool event = false);
  bool step_counts();
  void report_step();
  bool at_breakpoint();
  void stop_at_breakpoint();
  bool stepped() const { return core_.debug.armed && core_.debug.step_cpu == index_; }
  void handle(const Stop& stop);
  bool take_interrupt();
  bool interrupt_waiting() const { return nmi_pending_ || apic_.pending().has_value(); }

  // paging.cpp part
  x86::PagingContext paging_context(const x86::Access& access);
  uint16_t pcid() const;
  bool may_use(const x86::TlbEntry& entry, const x86::Access& access);
  void resolve(x86::Access access, bool stack);
  void resolve_unpaged(const x86::Access& access);
  bool executes_in(x86::PhysicalAddress page);
  bool settle_code_page(x86::PhysicalAddress page, const x86::Access& access);
  std::expected<x86::PhysicalAddress, x86::Event> translate(const x86::Access& access);
  std::expected<x86::TlbEntry*, x86::PageFault> walk_and_insert(const x86::Access& access,
                                                                x86::WalkTrace& trace);
  x86::PageFault refused_by_tlb(const x86::TlbEntry& entry, const x86::Access& access, x86::WalkTrace& trace);
  void drop_entries(x86::LinearAddress linear, x86::TlbCause cause);
  bool in_descriptor_table(const x86::Access& access);
  x86::Event non_canonical(bool stack);

  // events
  void raise(const x86::Event& event, const x86::WalkTrace* walk = nullptr,
             std::optional<uint64_t> instruction_rip = std::nullopt);
  void raise_page_fault(const x86::PageFault& fault, const x86::WalkTrace& walk);
  void announce(const x86::Event& event, const x86::WalkTrace* walk);
  void triple_fault(const std::vector<x86::Event>& chain);

  // instructions.cpp part: executes the instruction at RIP, or gives the exception it raises
  std::optional<x86::Event> execute(const Instruction& instruction);
  std::optional<x86::Event> move_to_control_register(const Instruction& instruction);
  std::optional<x86::Event> execute_port(const Instruction& instruction);
  std::optional<x86::Event> execute_syscall(const Instruction& instruction);
  std::optional<x86::Event> execute_invpcid(const Instruction& instruction);
  std::optional<x86::Event> execute_msr(const Instruction& instruction);
  void execute_cpuid();
  void apply(x86::TlbEffect effect, x86::TlbCause cause);

  void load();   // engine -> state_
  void store();  // state_ -> engine

  const unsigned index_;
  MachineCore& core_;
  LocalApic& apic_;
  std::unique_ptr<CpuEngine> engine_;
  x86::Tlb tlb_;
  // System registers are true here at all times (only this class changes them); general registers, segments,
  // RIP and flags only between load() and store().
  x86::CpuState state_;
  uint32_t pid_ = 0;
  bool nmi_pending_ = false;
  uint64_t instructions_ = 0;  // of this CPU
  uint64_t accounted_ = 0;     // engine_->executed() as of the last account()
  static constexpr x86::PhysicalAddress kNoPage = ~x86::PhysicalAddress{0};
  x86::PhysicalAddress own_code_page_ = kNoPage;  // the instruction at RIP stores into the page it lies in
  bool implicit_access_ = false;                  // the instruction at RIP reads a descriptor table at CPL 3
  uint8_t stuck_ = 0;                             // refusals in a row that nothing was done about
  bool yield_ = false;
  uint8_t cpl_before_ = 0;  // while stepped: before the instruction or event
  struct Step {
    Position before;
    bool event = false;
  };
  std::optional<Step> step_done_;
  std::vector<TrappedAccess> trapped_;
};

}  // namespace mmuscope
