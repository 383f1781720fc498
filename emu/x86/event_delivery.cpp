// SPDX-License-Identifier: GPL-2.0-or-later
#include "x86/event_delivery.h"

#include <array>

#include "x86/address.h"
#include "x86/control_registers.h"
#include "x86/segment.h"

namespace mmuscope::x86 {
namespace {

constexpr uint32_t kExt = 1;  // error code: the event came from outside the program (SDM 6.13)
constexpr uint32_t kIdt = 2;  // error code: the index is a vector

// A 64-bit interrupt or trap gate, SDM vol. 3, figure 6-8.
struct Gate {
  uint64_t offset = 0;
  uint16_t selector = 0;
  uint8_t ist = 0;
  uint8_t type = 0;  // S and type: 0xe interrupt gate, 0xf trap gate
  uint8_t dpl = 0;
  bool present = false;

  bool usable() const { return type == 0xe || type == 0xf; }
  bool masks_interrupts() const { return type == 0xe; }
};

Gate parse_gate(uint64_t low, uint64_t high) {
  return {.offset = (low & 0xffff) | ((low >> 32) & 0xffff'0000) | (high << 32),
          .selector = static_cast<uint16_t>(low >> 16),
          .ist = static_cast<uint8_t>((low >> 32) & 7),
          .type = static_cast<uint8_t>((low >> 40) & 0x1f),
          .dpl = static_cast<uint8_t>((low >> 45) & 3),
          .present = ((low >> 47) & 1) != 0};
}

// One delivery: the steps of SDM vol. 2, INT n, "INTERRUPT or EXCEPTION" for IA-32e mode, in their order.
// Reads the state it was given; enter() makes the new one once nothing can fail any more.
class Delivery {
 public:
  Delivery(const CpuState& state, const Event& event, SystemMemory& memory)
      : state_(state), event_(event), memory_(memory) {}

  std::expected<CpuState, Event> run() {
    if (!(state_.efer & efer::kLma)) return std::unexpected(bad_gate(vector::kGeneralProtection));
    if (auto done = read_gate(); !done) return std::unexpected(done.error());
    if (auto done = read_code_segment(); !done) return std::unexpected(done.error());
    if (auto done = choose_stack(); !done) return std::unexpected(done.error());
    if (!canonical(gate_.offset)) return std::unexpected(exception(vector::kGeneralProtection, 0));
    if (auto done = push_frame(); !done) return std::unexpected(done.error());
    return enter();
  }

 private:
  using Done = std::expected<void, Event>;

  // SDM 6.13: EXT is clear only for what the program itself asked for.
  uint32_t ext() const { return event_.kind == EventKind::kSoftwareInterrupt ? 0 : kExt; }
  Event exception(uint8_t vector, uint32_t code) const {
    return {.vector = vector, .error_code = code | ext()};
  }
  Event bad_gate(uint8_t vector) const { return exception(vector, event_.vector * 8u | kIdt); }
  // What reading or writing a table raised: a #PF describes its access, the others take EXT.
  Event from_memory(Event event) const {
    if (event.vector != vector::kPageFault && event.error_code) *event.error_code |= ext();
    return event;
  }
  bool canonical(LinearAddress address) const { return is_canonical(address, state_.cr4 & cr4::kLa57); }

  std::expected<uint64_t, Event> read(LinearAddress address) {
    auto value = memory_.read(address, 8);
    if (!value) return std::unexpected(from_memory(value.error()));
    return value;
  }

  // 6.14.1: gates are 16 bytes.
  Done read_gate() {
    const uint64_t offset = event_.vector * 16u;
    if (offset + 15 > state_.idtr.limit) return std::unexpected(bad_gate(vector::kGeneralProtection));
    const auto low = read(state_.idtr.base + offset);
    if (!low) return std::unexpected(low.error());
    const auto high = read(state_.idtr.base + offset + 8);
    if (!high) return std::unexpected(high.error());
    gate_ = parse_gate(*low, *high);
    if (!gate_.usable()) return std::unexpected(bad_gate(vector::kGeneralProtection));
    const bool software = event_.kind == EventKind::kSoftwareInterrupt;
    if (software && gate_.dpl < state_.cpl) return std::unexpected(bad_gate(vector::kGeneralProtection));
    if (!gate_.present) return std::unexpected(bad_gate(vector::kSegmentNotPresent));
    return {};
  }

  Done read_code_segment() {
    if (is_null_selector(gate_.selector)) return std::unexpected(exception(vector::kGeneralProtection, 0));
    const auto segment = load_descriptor(state_, gate_.selector, memory_);
    if (!segment) return std::unexpected(from_memory(segment.error()));
    code_ = *segment;
    const uint32_t selector = gate_.selector & 0xfffcu;
    const bool code = code_.code_or_data() && (code_.type() & 8);
    const bool bits64 = code_.long_mode() && !code_.default_32();
    if (!code || code_.dpl() > state_.cpl || !bits64) {
      return std::unexpected(exception(vector::kGeneralProtection, selector));
    }
    if (!code_.present()) return std::unexpected(exception(vector::kSegmentNotPresent, selector));
    const bool conforming = code_.type() & 4;
    new_cpl_ = static_cast<uint8_t>(conforming ? state_.cpl : code_.dpl());
    return {};
  }

  // 6.14.2 (alignment, unconditional SS:RSP), 6.14.4 (stack switch), 6.14.5 (IST).
  Done choose_stack() {
    uint64_t rsp = state_.reg(Gpr::kRsp);
    switches_stack_ = new_cpl_ != state_.cpl || gate_.ist != 0;
    if (switches_stack_) {
      const uint64_t offset = gate_.ist != 0 ? gate_.ist * 8u + 28 : new_cpl_ * 8u + 4;
      if (!state_.tr.present() || offset + 7 > state_.tr.limit) {
        return std::unexpected(exception(vector::kInvalidTss, state_.tr.selector & 0xfffcu));
      }
      const auto pointer = read(state_.tr.base + offset);
      if (!pointer) return std::unexpected(pointer.error());
      rsp = *pointer;
      if (!canonical(rsp)) return std::unexpected(exception(vector::kStackFault, 0));
    }
    rsp_ = rsp & ~uint64_t{15};
    const uint64_t frame = error_code() ? 48 : 40;
    if (!canonical(rsp_ - 1) || !canonical(rsp_ - frame)) {
      return std::unexpected(exception(vector::kStackFault, 0));
    }
    return {};
  }

  std::optional<uint32_t> error_code() const {
    if (!event_.error_code && event_.page_fault) return event_.page_fault->error_code();
    return event_.error_code;
  }

  // 17.3.1.1: a fault's saved RF keeps a code breakpoint from hitting again when the instruction is
  // restarted.
  uint64_t saved_rflags() const {
    const bool fault = event_.kind == EventKind::kException && is_fault(event_.vector);
    return fault ? state_.rflags | rflags::kRf : state_.rflags;
  }

  Done push(uint64_t value) {
    auto done = memory_.write(rsp_ - 8, 8, value);
    if (!done) return std::unexpected(from_memory(done.error()));
    rsp_ -= 8;
    return {};
  }

  Done push_frame() {
    const std::array<uint64_t, 5> frame{state_.segment(SegmentName::kSs).selector, state_.reg(Gpr::kRsp),
                                        saved_rflags(), state_.segment(SegmentName::kCs).selector,
                                        state_.rip};
    for (const uint64_t value : frame) {
      if (auto done = push(value); !done) return done;
    }
    if (const auto code = error_code()) return push(*code);
    return {};
  }

  CpuState enter() const {
    CpuState after = state_;
    Segment& cs = after.segment(SegmentName::kCs);
    cs = code_;
    cs.selector = static_cast<uint16_t>((gate_.selector & ~3u) | new_cpl_);
    if (switches_stack_) after.segment(SegmentName::kSs) = null_segment(new_cpl_, new_cpl_);
    after.cpl = new_cpl_;
    after.reg(Gpr::kRsp) = rsp_;
    after.rip = gate_.offset;
    after.rflags &= ~(rflags::kTf | rflags::kNt | rflags::kRf | rflags::kVm);  // 6.12.1.3
    if (gate_.masks_interrupts()) after.rflags &= ~rflags::kIf;
    after.interrupt_shadow = 0;
    after.halted = 0;
    return after;
  }

  const CpuState& state_;
  const Event& event_;
  SystemMemory& memory_;
  Gate gate_;
  Segment code_;
  uint64_t rsp_ = 0;
  uint8_t new_cpl_ = 0;
  bool switches_stack_ = false;
};

void load_cr2(CpuState& state, const Event& event) {
  if (event.vector == vector::kPageFault && event.page_fault) state.cr2 = event.page_fault->access.linear;
}

}  // namespace

std::expected<void, Event> deliver_event(CpuState& state, const Event& event, SystemMemory& memory) {
  load_cr2(state, event);  // 6.15, #PF: before the handler's frame is built
  auto after = Delivery(state, event, memory).run();
  if (!after) {
    load_cr2(state, after.error());
    return std::unexpected(after.error());
  }
  state = *after;
  return {};
}

EventClass classify(const Event& event) {
  if (event.kind != EventKind::kException) return EventClass::kBenign;
  constexpr uint8_t kVirtualization = 20, kControlProtection = 21;
  switch (event.vector) {
    case vector::kDoubleFault:
      return EventClass::kDoubleFault;
    case vector::kPageFault:
    case kVirtualization:
      return EventClass::kPageFault;
    case vector::kDivideError:
    case vector::kInvalidTss:
    case vector::kSegmentNotPresent:
    case vector::kStackFault:
    case vector::kGeneralProtection:
    case kControlProtection:
      return EventClass::kContributory;
    default:
      return EventClass::kBenign;
  }
}

std::optional<Event> combine_events(const Event& first, const Event& second) {
  const EventClass a = classify(first);
  const EventClass b = classify(second);
  if (a == EventClass::kBenign || b == EventClass::kBenign) return second;  // handled one after the other
  if (a == EventClass::kDoubleFault) return std::nullopt;
  if (a == EventClass::kContributory && b == EventClass::kPageFault) return second;
  return Event{.vector = vector::kDoubleFault, .error_code = 0};
}

bool is_fault(uint8_t vector) {
  switch (vector) {
    case vector::kDebug:  // a trap here: single steps and data breakpoints
    case vector::kNmi:
    case vector::kBreakpoint:    // trap
    case vector::kOverflow:      // trap
    case vector::kDoubleFault:   // abort
    case vector::kMachineCheck:  // abort
      return false;
    default:
      return vector < 32;
  }
}

const char* vector_name(uint8_t vector) {
  constexpr std::array<const char*, 32> kNames{"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM",
                                               "#DF", "#MP", "#TS", "#NP", "#SS", "#GP", "#PF", "reserved-15",
                                               "#MF", "#AC", "#MC", "#XM", "#VE", "#CP"};
  if (vector >= kNames.size()) return "interrupt";
  return kNames[vector] ? kNames[vector] : "reserved";
}

}  // namespace mmuscope::x86
