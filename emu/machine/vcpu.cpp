// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/vcpu.h"

#include <fmt/format.h>

#include "base/check.h"

namespace mmuscope {

using x86::CpuState;
using x86::Event;

// A guest whose handler faults at its first instruction never executes one again.
constexpr uint64_t kMostEvents = 100'000;

Vcpu::Vcpu(unsigned index, MachineCore& core, LocalApic& apic) : index_(index), core_(core), apic_(apic) {}

void Vcpu::attach(std::unique_ptr<CpuEngine> engine) { engine_ = std::move(engine); }

// ---- running

bool Vcpu::runnable() const {
  if (state_.wait_for_sipi) return false;
  if (!state_.halted) return true;
  return nmi_pending_ || (apic_.pending() && (state_.rflags & x86::rflags::kIf));
}

void Vcpu::run(uint64_t budget) {
  const uint64_t end = instructions_ + budget;
  yield_ = false;
  DebugControl& debug = core_.debug;
  while (!core_.is_ended() && !yield_ && !core_.stops_here() && instructions_ < end) {
    if (stepped()) cpl_before_ = engine_->cpl();
    if (interrupt_waiting() && take_interrupt()) {
      report_step();
      continue;
    }
    if (state_.halted || state_.wait_for_sipi) break;
    // One at a time where the next boundary matters: an NMI that a shadow holds back, a debugger's stop.
    const bool single = nmi_pending_ || debug.hit || stepped();
    const Stop stop = engine_->run({.breakpoints = debug.armed ? &debug.breakpoints : nullptr,
                                    .leaving = debug.leaving,
                                    .instructions = single ? 1 : end - instructions_,
                                    .stop_when_interruptible = interrupt_waiting()});
    account();
    handle(stop);
    report_step();
  }
  account();
}

void Vcpu::account() {
  const uint64_t executed = engine_->executed() - accounted_;
  accounted_ = engine_->executed();
  instructions_ += executed;
  core_.icount += executed;
  if (executed != 0) progressed(core_.previous_position());
}

// An instruction was executed, or an event delivered.
void Vcpu::progressed(Position before, bool event) {
  stuck_ = 0;
  core_.debug.leaving = false;
  if (stepped() && step_counts()) step_done_ = {.before = before, .event = event};
}

// After everything else that the instruction or event may have been waited for.
void Vcpu::report_step() {
  if (!step_done_) return;
  core_.debug.request({.kind = DebugHit::Kind::kStep,
                       .cpu = index_,
                       .before = step_done_->before,
                       .event = step_done_->event});
  step_done_.reset();
}

void Vcpu::handle(const Stop& stop) {
  // What an instruction touched before it was refused does not count: it runs again from its start.
  if (stop.reason != StopReason::kTrapped) trapped_.clear();
  switch (stop.reason) {
    case StopReason::kBreakpoint:
      return stop_at_breakpoint();
    case StopReason::kBudget:
    case StopReason::kInterruptWindow:
      return;
    case StopReason::kFillDenied:
      // In front of the instruction is in front of the walk for it, too.
      if (stop.access.type == x86::AccessType::kFetch && at_breakpoint()) return stop_at_breakpoint();
      return resolve(stop.access, stop.stack);
    case StopReason::kException:
    case StopReason::kSoftwareInterrupt: {
      Event event{.kind = stop.reason == StopReason::kException ? x86::EventKind::kException
                                                                : x86::EventKind::kSoftwareInterrupt,
                  .vector = stop.vector,
                  .error_code = std::nullopt,
                  .page_fault = std::nullopt};
      const bool has_error_code =
          stop.vector == 8 || (stop.vector >= 10 && stop.vector <= 14) || stop.vector == 17;
      if (event.kind == x86::EventKind::kException && has_error_code) event.error_code = stop.error_code;
      const bool software = event.kind == x86::EventKind::kSoftwareInterrupt;
      return raise(event, nullptr, software ? std::optional(stop.instruction_rip) : std::nullopt);
    }
    case StopReason::kSystemInstruction: {
      if (const auto event = execute(stop.instruction)) return raise(*event);
      ++instructions_;
      ++core_.icount;
      progressed(core_.previous_position());
      yield_ = yield_ || state_.halted || core_.debug_exit->value();
      return;
    }
    case StopReason::kTrapped:
      for (const TrappedAccess& access : trapped_) {
        if (access.write) core_.wrote(access.address);
        core_.count_access(access.address, access.size, access.write, MachineCore::owner(pid_, index_));
        core_.watch_access(*this, std::nullopt, access.address, access.size, access.write,
                           core_.previous_position());
      }
      trapped_.clear();
      own_code_page_ = kNoPage;
      yield_ = true;
      return;
    case StopReason::kFailed:
      return core_.end(EndReason::kInternal, stop.message);
  }
}

bool Vcpu::step_counts() {
  using StepOnly = DebugControl::StepOnly;
  const StepOnly only = core_.debug.step_only;
  return only == StepOnly::kAll || (only == StepOnly::kBeginsAtCpl3 ? cpl_before_ : engine_->cpl()) == 3;
}

bool Vcpu::at_breakpoint() {
  const DebugControl& debug = core_.debug;
  return debug.armed && !debug.leaving && debug.breakpoints.contains(engine_->rip());
}

void Vcpu::stop_at_breakpoint() {
  report_step();  // which came to this position; the breakpoint is of the next one
  core_.debug.stop = true;
  core_.debug.request({.kind = DebugHit::Kind::kBreakpoint, .cpu = index_, .before = core_.position()});
}

// True when something was delivered, or the CPU woke up.
bool Vcpu::take_interrupt() {
  const bool open =
      state_.halted ? (state_.rflags & x86::rflags::kIf) != 0 : (engine_->rflags() & x86::rflags::kIf) != 0;
  if (!nmi_pending_ && !open) return false;
  load();
  if (state_.interrupt_shadow && !state_.halted) return false;
  state_.halted = 0;
  store();
  if (nmi_pending_) {
    nmi_pending_ = false;
    raise({.kind = x86::EventKind::kNmi, .vector = x86::vector::kNmi, .error_code = {}, .page_fault = {}});
  } else {
    raise({.kind = x86::EventKind::kExternalInterrupt,
           .vector = apic_.acknowledge(),
           .error_code = {},
           .page_fault = {}});
  }
  return true;
}

// ---- state

void Vcpu::load() { engine_->read_state(state_); }
void Vcpu::store() { engine_->write_state(state_); }

CpuState Vcpu::state() {
  load();
  return state_;
}

void Vcpu::reset_to(const CpuState& state) {
  state_ = state;
  store();
  engine_->forget_all();
}

void Vcpu::init() {
  CpuState reset;
  reset.rip = 0xfff0;
  for (x86::Segment& segment : reset.segments)
    segment = {.base = 0, .limit = 0xffff, .selector = 0, .attributes = 0x93};
  reset.segment(x86::SegmentName::kCs) = {
      .base = 0xffff0000, .limit = 0xffff, .selector = 0xf000, .attributes = 0x9b};
  reset.ldtr.attributes = 0x82;
  reset.tr.attributes = 0x8b;
  reset.wait_for_sipi = 1;
  if (engine_) flush_tlb(x86::TlbCause::kReset);
  apic_.reset();
  nmi_pending_ = false;
  reset_to(reset);
}

// Of everything, global entries too.
void Vcpu::flush_tlb(x86::TlbCause cause) {
  const Moment now = moment();
  tlb_.flush_all([&](const x86::TlbEntry& entry) {
    core_.tell([&](MachineObserver& o) { o.on_tlb_remove(now, entry, cause); });
  });
  engine_->forget_all();
}

void Vcpu::start(uint8_t vector) {
  if (!state_.wait_for_sipi) return;
  load();
  state_.wait_for_sipi = 0;
  state_.rip = 0;
  x86::Segment& cs = state_.segment(x86::SegmentName::kCs);
  cs.selector = static_cast<uint16_t>(vector << 8);
  cs.base = uint64_t{vector} << 12;
  store();
}

Moment Vcpu::moment() {
  return {.icount = core_.icount + unaccounted(),
          .cpu_instructions = instructions_ + unaccounted(),
          .rip = engine_->rip(),
          .cr3 = state_.cr3,
          .pid = pid_,
          .cpu = static_cast<uint8_t>(index_),
          .cpl = engine_->cpl(),
          .la57 = (state_.cr4 & x86::cr4::kLa57) != 0};
}

// ---- events

void Vcpu::announce(const Event& event, const x86::WalkTrace* walk) {
  const Moment now = moment();
  if (!event.page_fault) {
    core_.tell([&](MachineObserver& o) { o.on_event(now, event); });
    return;
  }
  const x86::WalkTrace none;
  core_.tell(
      [&](MachineObserver& o) { o.on_page_fault(now, *event.page_fault, walk != nullptr ? *walk : none); });
  core_.open_window(MachineCore::owner(pid_, index_), MachineCore::WindowKind::kFault, now.cpl == 3);
}

// INT n whose delivery fails is a fault of that instruction, at `instruction_rip`, though RIP is past it by
// now.
void Vcpu::raise(const Event& first, const x86::WalkTrace* walk, std::optional<uint64_t> instruction_rip) {
  std::vector<Event> chain{first};
  announce(first, walk);
  load();
  Event event = first;
  while (true) {
    const auto delivered = x86::deliver_event(state_, event, *this);
    if (delivered) break;
    if (instruction_rip) state_.rip = *instruction_rip;
    chain.push_back(delivered.error());
    const auto combined = x86::combine_events(event, delivered.error());
    if (!combined) return triple_fault(chain);
    announce(*combined, nullptr);
    event = *combined;
  }
  state_.interrupt_shadow = 0;
  store();
  const Position before = core_.position();
  core_.count_event();
  progressed(before, true);
  if (core_.position().events >= kMostEvents)
    core_.end(EndReason::kDeadlock,
              fmt::format("{} events were delivered without an instruction in between\n{}", kMostEvents,
                          describe()));
  if (core_.debug.stop_after_event) core_.debug.stop = true;
}

void Vcpu::raise_page_fault(const x86::PageFault& fault, const x86::WalkTrace& walk) {
  raise({.kind = x86::EventKind::kException,
         .vector = x86::vector::kPageFault,
         .error_code = fault.error_code(),
         .page_fault = fault},
        &walk);
}

std::string Vcpu::describe() {
  constexpr const char* kNames[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                    "r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15"};
  const CpuState now = state();
  std::string text =
      fmt::format("cpu {}: rip {:016x} rflags {:08x} cpl {}{}\n", index_, now.rip, now.rflags, now.cpl,
                  now.wait_for_sipi ? " waiting for SIPI"
                  : now.halted      ? " halted"
                                    : "");
  // Of a CPU that idles nothing more is of interest.
  const bool idles = now.halted && (now.rflags & x86::rflags::kIf) != 0;
  if (now.wait_for_sipi || idles) return text;
  for (unsigned i = 0; i < 16; ++i)
    text += fmt::format("  {} {:016x}{}", kNames[i], now.gpr[i], i % 4 == 3 ? "\n" : "");
  text += fmt::format("  cr0 {:x} cr2 {:016x} cr3 {:016x} cr4 {:x} efer {:x}\n", now.cr0, now.cr2, now.cr3,
                      now.cr4, now.efer);
  return text;
}

void Vcpu::triple_fault(const std::vector<Event>& chain) {
  std::string report = fmt::format("cpu {}: triple fault at instruction {}\n", index_, core_.icount);
  for (const Event& event : chain) {
    report += fmt::format("  {}", x86::vector_name(event.vector));
    if (event.error_code) report += fmt::format(" error code 0x{:x}", *event.error_code);
    if (event.page_fault) {
      const x86::PageFault& fault = *event.page_fault;
      report += fmt::format(": {} of 0x{:016x}, {} in {} entry 0x{:016x} at 0x{:x}",
                            x86::access_type_name(fault.access.type), fault.access.linear,
                            x86::fault_reason_name(fault.reason), fault.level, fault.entry_value,
                            fault.entry_address);
    }
    report += '\n';
  }
  core_.end(EndReason::kTripleFault, report + describe());
}

// ---- snapshots

void Vcpu::save(StateWriter& writer) {
  load();
  writer.tag("vcpu");
  writer.put(state_);
  engine_->save(writer);
  tlb_.save(writer);
  writer.put(pid_);
  writer.put(static_cast<uint8_t>(nmi_pending_));
  writer.put(instructions_);
}

void Vcpu::restore(StateReader& reader) {
  reader.expect_tag("vcpu");
  reader.get(state_);
  engine_->restore(reader);
  tlb_.restore(reader);
  reader.get(pid_);
  nmi_pending_ = reader.get<uint8_t>() != 0;
  reader.get(instructions_);
  accounted_ = engine_->executed();
  store();
  engine_->forget_all();
}

}  // namespace mmuscope
