// SPDX-License-Identifier: GPL-2.0-or-later
#include "x86/segment.h"

#include "x86/control_registers.h"

namespace mmuscope::x86 {

Event selector_exception(uint8_t vector, uint16_t selector) {
  return {.vector = vector, .error_code = selector & 0xfffcu};
}

Segment parse_descriptor(uint16_t selector, uint64_t low, uint64_t high) {
  Segment segment;
  segment.selector = selector;
  segment.attributes = static_cast<uint16_t>((low >> 40) & 0xf0ff);
  segment.base = ((low >> 16) & 0xff'ffff) | ((low >> 56) << 24) | (high << 32);
  const auto limit = static_cast<uint32_t>((low & 0xffff) | ((low >> 32) & 0xf'0000));
  const bool granular = segment.attributes & 0x8000;
  segment.limit = granular ? (limit << 12) | 0xfff : limit;
  return segment;
}

Segment null_segment(uint16_t selector, unsigned dpl) {
  return {.base = 0, .limit = 0, .selector = selector, .attributes = static_cast<uint16_t>(dpl << 5)};
}

std::expected<Segment, Event> load_descriptor(const CpuState& state, uint16_t selector,
                                              SystemMemory& memory) {
  if (is_null_selector(selector)) return std::unexpected(selector_exception(vector::kGeneralProtection, 0));
  const bool local = selector & 4;
  if (local && !state.ldtr.present())
    return std::unexpected(selector_exception(vector::kGeneralProtection, selector));
  const uint64_t base = local ? state.ldtr.base : state.gdtr.base;
  const uint64_t limit = local ? state.ldtr.limit : state.gdtr.limit;
  const uint64_t offset = selector & 0xfff8;
  if (offset + 7 > limit) return std::unexpected(selector_exception(vector::kGeneralProtection, selector));

  const auto low = memory.read(base + offset, 8);
  if (!low) return std::unexpected(low.error());
  const Segment segment = parse_descriptor(selector, *low, 0);
  const bool system = !segment.code_or_data();
  if (!system || !(state.efer & efer::kLma)) return segment;

  // IA-32e mode: system descriptors are twice as long (SDM 3.5).
  if (offset + 15 > limit) return std::unexpected(selector_exception(vector::kGeneralProtection, selector));
  const auto high = memory.read(base + offset + 8, 8);
  if (!high) return std::unexpected(high.error());
  return parse_descriptor(selector, *low, *high);
}

}  // namespace mmuscope::x86
