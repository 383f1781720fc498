// SPDX-License-Identifier: GPL-2.0-or-later
#include "devices/local_apic.h"

#include <bit>

#include "base/check.h"

namespace mmuscope {

namespace {

// Register offsets, SDM vol. 3, table 10-1.
constexpr uint64_t kId = 0x20, kVersion = 0x30, kTpr = 0x80, kPpr = 0xa0, kEoi = 0xb0, kLdr = 0xd0,
                   kDfr = 0xe0, kSvr = 0xf0, kIsr = 0x100, kTmr = 0x180, kIrr = 0x200, kEsr = 0x280,
                   kIcrLow = 0x300, kIcrHigh = 0x310, kLvtTimer = 0x320, kLvtError = 0x370,
                   kInitialCount = 0x380, kCurrentCount = 0x390, kDivide = 0x3e0;
constexpr uint32_t kVersionValue = 0x00050014;  // version 0x14, six LVT entries
constexpr uint32_t kMasked = 1u << 16, kPeriodic = 1u << 17, kSoftwareEnable = 1u << 8;
constexpr uint32_t kIcrLogical = 1u << 11;
constexpr uint32_t kEsrIllegalReceived = 1u << 6;

std::optional<uint8_t> highest(const std::array<uint32_t, 8>& bits) {
  for (unsigned word = 8; word-- > 0;)
    if (bits[word] != 0)
      return static_cast<uint8_t>(word * 32 + 31 - static_cast<unsigned>(std::countl_zero(bits[word])));
  return std::nullopt;
}

// SDM 10.5.4, figure 10-10: bits 0, 1 and 3 give the power of two; 0b111 is 1.
unsigned divide_shift(uint32_t configuration) {
  const unsigned code = (configuration & 3) | ((configuration >> 1) & 4);
  return (code + 1) & 7;
}

}  // namespace

LocalApic::LocalApic(unsigned cpu, ApicBus& bus) : cpu_(cpu), bus_(bus) { reset(); }

// SDM 10.4.7.1 and 10.4.7.3: everything but the APIC id.
void LocalApic::reset() {
  registers_.fill(0);
  irr_.fill(0);
  isr_.fill(0);
  registers_[kDfr / 16] = 0xffffffff;
  registers_[kSvr / 16] = 0xff;
  for (uint64_t lvt = kLvtTimer; lvt <= kLvtError; lvt += 16) registers_[lvt / 16] = kMasked;
  timer_start_ = 0;
  timer_expiry_ = kNever;
}

uint8_t LocalApic::task_priority() const { return static_cast<uint8_t>(registers_[kTpr / 16]); }
void LocalApic::set_task_priority(uint8_t class_bits) {
  registers_[kTpr / 16] = static_cast<uint32_t>(class_bits) << 4;
}

void LocalApic::accept(uint8_t vector) {
  if (vector < 16) {
    registers_[kEsr / 16] |= kEsrIllegalReceived;
    return;
  }
  irr_[vector / 32] |= 1u << (vector % 32);
}

std::optional<uint8_t> LocalApic::pending() const {
  if (!(registers_[kSvr / 16] & kSoftwareEnable)) return std::nullopt;
  const auto waiting = highest(irr_);
  if (!waiting) return std::nullopt;
  const uint8_t in_service = highest(isr_).value_or(0);
  const uint8_t threshold = std::max<uint8_t>(task_priority() >> 4, in_service >> 4);  // PPR, SDM 10.8.3.1
  if ((*waiting >> 4) <= threshold) return std::nullopt;
  return waiting;
}

uint8_t LocalApic::acknowledge() {
  const auto vector = pending();
  EMU_CHECK(vector.has_value(), "an interrupt is acknowledged only when one is pending");
  irr_[*vector / 32] &= ~(1u << (*vector % 32));
  isr_[*vector / 32] |= 1u << (*vector % 32);
  return *vector;
}

GuestTime LocalApic::next_expiry() const { return timer_expiry_; }

void LocalApic::expire(GuestTime now) {
  if (now < timer_expiry_) return;
  const uint32_t lvt = registers_[kLvtTimer / 16];
  if (!(lvt & kMasked)) accept(static_cast<uint8_t>(lvt));
  const uint64_t period = uint64_t{registers_[kInitialCount / 16]} << divide_shift(registers_[kDivide / 16]);
  if ((lvt & kPeriodic) && period != 0) {
    // Expiries that nobody could see apart become one interrupt, as the IRR bit would make them.
    timer_start_ = timer_expiry_ + (now - timer_expiry_) / period * period;
    timer_expiry_ = timer_start_ + period;
  } else {
    timer_expiry_ = kNever;
  }
}

bool LocalApic::timer_can_interrupt() const {
  const uint32_t lvt = registers_[kLvtTimer / 16];
  LocalApic after = *this;
  if (!(lvt & kMasked)) after.accept(static_cast<uint8_t>(lvt));
  return after.pending().has_value();
}

uint32_t LocalApic::read(uint64_t offset) {
  if (offset >= kIsr && offset < kIsr + 0x80) return isr_[(offset - kIsr) / 16];
  if (offset >= kIrr && offset < kIrr + 0x80) return irr_[(offset - kIrr) / 16];
  if (offset >= kTmr && offset < kTmr + 0x80) return 0;  // everything here is edge-triggered
  switch (offset) {
    case kId:
      return cpu_ << 24;
    case kVersion:
      return kVersionValue;
    case kPpr: {
      const uint8_t in_service = highest(isr_).value_or(0);
      return task_priority() >> 4 >= in_service >> 4 ? task_priority() : in_service & 0xf0;
    }
    case kCurrentCount:
      if (timer_expiry_ == kNever) return 0;
      return static_cast<uint32_t>((timer_expiry_ - std::min(timer_expiry_, bus_.now())) >>
                                   divide_shift(registers_[kDivide / 16]));
    case kEoi:
      return 0;
    default:
      return offset / 16 < registers_.size() ? registers_[offset / 16] : 0;
  }
}

void LocalApic::write(uint64_t offset, uint32_t value) {
  switch (offset) {
    case kEoi:
      if (const auto vector = highest(isr_)) isr_[*vector / 32] &= ~(1u << (*vector % 32));
      break;
    case kTpr:
      registers_[offset / 16] = value & 0xff;
      break;
    case kLdr:
      registers_[offset / 16] = value & 0xff000000;
      break;
    case kDfr:
      registers_[offset / 16] = value | 0x0fffffff;
      break;
    case kSvr:
      registers_[offset / 16] = value & 0x1ff;
      break;
    case kEsr:
      registers_[offset / 16] = 0;
      break;
    case kIcrHigh:
      registers_[offset / 16] = value & 0xff000000;
      break;
    case kIcrLow:
      registers_[offset / 16] = value & 0x000ccfff;
      send();
      break;
    case kInitialCount:
      registers_[offset / 16] = value;
      timer_start_ = bus_.now();
      timer_expiry_ =
          value == 0 ? kNever : timer_start_ + (uint64_t{value} << divide_shift(registers_[kDivide / 16]));
      break;
    case kDivide:
      registers_[offset / 16] = value & 0xb;
      break;
    default:
      if (offset >= kLvtTimer && offset <= kLvtError) registers_[offset / 16] = value & 0x000317ff;
      break;
  }
}

// SDM 10.6.1: who an ICR write is for, and what it says.
void LocalApic::send() {
  const uint32_t low = registers_[kIcrLow / 16];
  const uint8_t destination = static_cast<uint8_t>(registers_[kIcrHigh / 16] >> 24);
  const uint64_t all = (uint64_t{1} << bus_.cpu_count()) - 1;
  uint64_t targets = 0;
  switch ((low >> 18) & 3) {
    case 0:
      if (destination == 0xff)
        targets = all;
      else if (!(low & kIcrLogical))
        targets = destination < 64 ? (uint64_t{1} << destination) & all : 0;
      else
        for (unsigned cpu = 0; cpu < bus_.cpu_count(); ++cpu)
          if ((bus_.logical_destination(cpu) >> 24) & destination) targets |= uint64_t{1} << cpu;
      break;
    case 1:
      targets = uint64_t{1} << cpu_;
      break;
    case 2:
      targets = all;
      break;
    default:
      targets = all & ~(uint64_t{1} << cpu_);
      break;
  }
  const auto vector = static_cast<uint8_t>(low);
  switch ((low >> 8) & 7) {
    case 0:
      bus_.send_ipi(cpu_, targets, IpiKind::kFixed, vector);
      break;
    case 4:
      bus_.send_ipi(cpu_, targets, IpiKind::kNmi, vector);
      break;
    case 5:
      if (low & (1u << 14))
        bus_.send_ipi(cpu_, targets, IpiKind::kInit, vector);  // level de-assert does nothing
      break;
    case 6:
      bus_.send_ipi(cpu_, targets, IpiKind::kStartup, vector);
      break;
    default:
      break;
  }
}

void LocalApic::save(StateWriter& writer) const {
  writer.tag("apic");
  for (const uint32_t value : registers_) writer.put(value);
  for (const uint32_t value : irr_) writer.put(value);
  for (const uint32_t value : isr_) writer.put(value);
  writer.put(timer_start_);
  writer.put(timer_expiry_);
}

void LocalApic::restore(StateReader& reader) {
  reader.expect_tag("apic");
  for (uint32_t& value : registers_) reader.get(value);
  for (uint32_t& value : irr_) reader.get(value);
  for (uint32_t& value : isr_) reader.get(value);
  reader.get(timer_start_);
  reader.get(timer_expiry_);
}

uint64_t ApicWindow::mmio_read(unsigned cpu, uint64_t offset, unsigned size) {
  if (size != 4 || offset % 16 != 0) return 0;
  return by_cpu_[cpu]->read(offset);
}

void ApicWindow::mmio_write(unsigned cpu, uint64_t offset, unsigned size, uint64_t value) {
  if (size != 4 || offset % 16 != 0) return;
  by_cpu_[cpu]->write(offset, static_cast<uint32_t>(value));
}

}  // namespace mmuscope
