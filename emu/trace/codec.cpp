// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/codec.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "x86/paging_entry.h"

namespace mmuscope::trace {
namespace {

using x86::AccessType;
namespace pte = x86::pte;

// ByteWriter with room for one event, which goes into the block in one piece.
class EventWriter {
 public:
  static constexpr bool kReads = false;

  void byte(uint8_t value) { buffer_[size_++] = value; }
  void number(uint64_t value) { size_ += put_number(buffer_.data() + size_, value); }
  void difference(uint64_t value, uint64_t base) { number(zigzag(value - base)); }
  void text(const char* characters, size_t size) {
    std::memcpy(buffer_.data() + size_, characters, size);
    size_ += size;
  }
  void fail() {}

  std::span<const uint8_t> bytes() const { return {buffer_.data(), size_}; }

 private:
  // A TLB insert is the longest: five numbers of the moment, the access, five steps of three, four more of
  // the entry, 26 in all, and fewer than 26 small fields.
  static constexpr size_t kMost = 512;
  static_assert(kMost > 26 * kLongestNumber + 26);

  std::array<uint8_t, kMost> buffer_;
  size_t size_ = 0;
};

// Each function below is the layout of one thing for both directions: Io is EventWriter, and values are read,
// or ByteReader, and values are set. `word` packs small fields into one number.
template <typename Io, typename Pack, typename Unpack>
uint64_t word(Io& io, Pack pack, Unpack unpack) {
  uint64_t value = 0;
  if constexpr (!Io::kReads) value = pack();
  io.number(value);
  if constexpr (Io::kReads) unpack(value);
  return value;
}

template <typename Io, typename E>
void checked_enum(Io& io, E& value, E first, E last) {
  if constexpr (Io::kReads) {
    if (value < first || value > last) {
      value = first;
      io.fail();
    }
  }
}

template <typename Io, typename E>
void small_enum(Io& io, E& value, E first, E last) {
  uint8_t raw = static_cast<uint8_t>(value);
  io.byte(raw);
  value = static_cast<E>(raw);
  checked_enum(io, value, first, last);
}

CodecState::PerCpu& state_of(CodecState& state, uint8_t cpu) {
  if (cpu >= state.cpus.size()) state.cpus.resize(cpu + 1u);
  return state.cpus[cpu];
}

// First byte of an event: bits 0-2 type, 3 another CPU than the event before, 4 PID or CR3 changed on this
// CPU, 5-6 CPL, 7 LA57.
template <typename Io>
void moment(Io& io, CodecState& state, uint8_t& type, Moment& m) {
  uint8_t head = 0;
  if constexpr (!Io::kReads) {
    const Moment& last = state_of(state, m.cpu).last;
    head =
        static_cast<uint8_t>(type | (m.cpu != state.cpu) << 3 |
                             (m.pid != last.pid || m.cr3 != last.cr3) << 4 | (m.cpl & 3) << 5 | m.la57 << 7);
  }
  io.byte(head);
  if constexpr (Io::kReads) {
    type = head & 7;
    m.cpu = state.cpu;
    m.cpl = head >> 5 & 3;
    m.la57 = head >> 7;
  }
  if (head & 8) io.byte(m.cpu);
  state.cpu = m.cpu;
  CodecState::PerCpu& cpu = state_of(state, m.cpu);
  if constexpr (Io::kReads) {
    m.pid = cpu.last.pid;
    m.cr3 = cpu.last.cr3;
  }
  if (head & 16) {
    io.number(m.pid);
    io.number(m.cr3);
  }
  io.difference(m.icount, state.icount);
  // On a machine with one CPU the two counts run in step.
  io.difference(m.cpu_instructions, cpu.last.cpu_instructions + (m.icount - state.icount));
  io.difference(m.rip, cpu.last.rip);
  state.icount = m.icount;
  cpu.last = m;
}

// Type in bits 0-1, user 2, implicit 3, the caller's bit 4; then the address.
template <typename Io>
void access(Io& io, CodecState::PerCpu& cpu, x86::Access& a, bool& extra) {
  word(
      io, [&] { return static_cast<uint64_t>(a.type) | a.user << 2 | a.implicit << 3 | extra << 4; },
      [&](uint64_t w) {
        a = {.linear = 0,
             .type = static_cast<AccessType>(w & 3),
             .user = (w >> 2 & 1) != 0,
             .implicit = (w >> 3 & 1) != 0};
        extra = w >> 4 & 1;
        if (w >> 5 != 0) io.fail();
      });
  checked_enum(io, a.type, AccessType::kRead, AccessType::kFetch);
  io.difference(a.linear, cpu.linear);
  cpu.linear = a.linear;
}

uint64_t expected_entry_address(uint64_t table, uint64_t linear, unsigned level) {
  return (table & pte::kAddressMask52) + 8 * uint64_t{x86::pte::index_of(linear, level)};
}

// A walk as hardware does it: levels one after the other, each entry found through the one before, and
// nothing changed but A and D from 0 to 1.
bool is_regular(const Moment& m, uint64_t linear, const x86::WalkTrace& walk) {
  uint64_t table = m.cr3;
  unsigned level = m.la57 ? 5 : 4;
  for (const x86::WalkStep& step : walk) {
    const uint64_t set = step.entry_before ^ step.entry_after;
    if (level == 0 || step.level != level || (set & ~(pte::kAccessed | pte::kDirty)) != 0 ||
        (set & step.entry_before) != 0 || step.entry_address != expected_entry_address(table, linear, level))
      return false;
    table = step.entry_before;
    --level;
  }
  return true;
}

// XD is bit 63 and the others that change are low: turned by one, differences stay short.
template <typename Io>
void entry_value(Io& io, uint64_t& value, uint64_t& base) {
  uint64_t turned = std::rotl(value ^ base, 1);
  io.number(turned);
  value = std::rotr(turned, 1) ^ base;
  base = value;
}

// Number of steps in bits 0-2, irregular 3, then two bits a step: A set, D set by this walk.
template <typename Io>
void walk(Io& io, const Moment& m, uint64_t linear, CodecState::PerCpu& cpu, x86::WalkTrace& w) {
  const uint64_t head = word(
      io,
      [&] {
        if (!is_regular(m, linear, w)) return uint64_t{w.count} | 8;
        uint64_t value = w.count;
        for (unsigned i = 0; i < w.count; ++i)
          value |= ((w.steps[i].entry_before ^ w.steps[i].entry_after) >> 5 & 3) << (4 + 2 * i);
        return value;
      },
      [&](uint64_t value) {
        w = {};
        w.count = value & 7;
        if (w.count > w.steps.size() || value >> 14 != 0) {
          w.count = 0;
          io.fail();
        }
      });
  const bool irregular = head & 8;
  uint64_t table = m.cr3;
  unsigned level = m.la57 ? 5 : 4;
  for (unsigned i = 0; i < w.count; ++i, --level) {
    x86::WalkStep& step = w.steps[i];
    if (irregular) {
      io.byte(step.level);
      if constexpr (Io::kReads) {
        if (step.level > 5) {
          step.level = 0;
          io.fail();
        }
      }
      io.number(step.entry_address);
    } else if constexpr (Io::kReads) {
      if (level == 0) return io.fail();
      step.level = static_cast<uint8_t>(level);
      step.entry_address = expected_entry_address(table, linear, level);
    }
    entry_value(io, step.entry_before, cpu.entries[step.level]);
    if (irregular) {
      io.difference(step.entry_after, step.entry_before);
    } else if constexpr (Io::kReads) {
      step.entry_after = step.entry_before | (head >> (4 + 2 * i) & 3) << 5;
    }
    table = step.entry_before;
  }
}

template <typename Io>
void page_number(Io& io, uint64_t& address, uint64_t base) {
  uint64_t page = address >> 12;
  io.difference(page, base >> 12);
  address = page << 12;
}

// Size in bits 0-1, W 2, U 3, X 4, G 5, D 6.
template <typename Io>
void tlb_entry(Io& io, uint64_t linear, uint64_t physical, uint64_t serial, x86::TlbEntry& e) {
  x86::Translation& p = e.page;
  word(
      io,
      [&] {
        return static_cast<uint64_t>(p.size) | p.writable << 2 | p.user << 3 | p.executable << 4 |
               p.global << 5 | p.dirty << 6;
      },
      [&](uint64_t w) {
        p.size = static_cast<x86::PageSize>(w & 3);
        p.writable = w >> 2 & 1;
        p.user = w >> 3 & 1;
        p.executable = w >> 4 & 1;
        p.global = w >> 5 & 1;
        p.dirty = w >> 6 & 1;
        if (w >> 7 != 0) io.fail();
      });
  checked_enum(io, p.size, x86::PageSize::k4K, x86::PageSize::k1G);
  word(
      io, [&] { return static_cast<uint64_t>(e.pcid) << 4 | p.key; },
      [&](uint64_t w) {
        p.key = w & 15;
        e.pcid = static_cast<uint16_t>(w >> 4);
        if (w >> 16 != 0) io.fail();
      });
  page_number(io, p.linear_base, x86::page_base(linear, p.size));
  page_number(io, p.physical_base, x86::page_base(physical & pte::kAddressMask52, p.size));
  io.difference(e.serial, serial);
}

template <typename Io>
void code(Io& io, const Moment& m, CodecState::PerCpu& cpu, PageFault& event) {
  x86::PageFault& fault = event.fault;
  access(io, cpu, fault.access, fault.fetch_reported);
  small_enum(io, fault.reason, x86::FaultReason::kNotPresent, x86::FaultReason::kProtectionKeyWrite);
  walk(io, m, fault.access.linear, cpu, event.walk);
  // Nearly always the last entry read is the one that decided.
  const auto follows = [&](const x86::WalkStep& last) {
    return last.level == fault.level && last.entry_address == fault.entry_address &&
           last.entry_before == fault.entry_value;
  };
  uint8_t level = 0;
  if constexpr (!Io::kReads) level = event.walk.count > 0 && follows(event.walk.last()) ? 0 : fault.level;
  io.byte(level);
  if (level != 0) {
    fault.level = level;
    if (level > 5) io.fail();
    io.number(fault.entry_address);
    io.number(fault.entry_value);
  } else if constexpr (Io::kReads) {
    if (event.walk.count == 0) return io.fail();
    const x86::WalkStep& last = event.walk.last();
    fault.level = last.level;
    fault.entry_address = last.entry_address;
    fault.entry_value = last.entry_before;
  }
}

template <typename Io>
void code(Io& io, const Moment&, CodecState::PerCpu&, Interruption& event) {
  small_enum(io, event.kind, x86::EventKind::kException, x86::EventKind::kNmi);
  io.byte(event.vector);
  const uint64_t has_code = word(io, [&] { return uint64_t{event.error_code.has_value()}; }, [](uint64_t) {});
  uint32_t error_code = event.error_code.value_or(0);
  if (has_code) io.number(error_code);
  if (has_code)
    event.error_code = error_code;
  else
    event.error_code = std::nullopt;
}

template <typename Io>
void code(Io& io, const Moment& m, CodecState::PerCpu& cpu, TlbInsert& event) {
  bool unused = false;
  access(io, cpu, event.access, unused);
  walk(io, m, event.access.linear, cpu, event.walk);
  const uint64_t leaf = event.walk.count > 0 ? event.walk.last().entry_before : 0;
  tlb_entry(io, event.access.linear, leaf, cpu.serial + 1, event.entry);
  cpu.serial = event.entry.serial;
}

template <typename Io>
void code(Io& io, const Moment&, CodecState::PerCpu& cpu, TlbRemove& event) {
  small_enum(io, event.cause, x86::TlbCause::kInvlpg, x86::TlbCause::kTaskSwitch);
  tlb_entry(io, cpu.removed_linear, cpu.removed_physical, cpu.serial, event.entry);
  cpu.removed_linear = event.entry.page.linear_base;
  cpu.removed_physical = event.entry.page.physical_base;
}

template <typename Io>
void code(Io& io, const Moment&, CodecState::PerCpu& cpu, TlbFlush& event) {
  small_enum(io, event.cause, x86::TlbCause::kInvlpg, x86::TlbCause::kTaskSwitch);
  // PCID + 1, 0 for none; bit 0 says whether an address follows.
  const uint64_t head = word(
      io, [&] { return (event.pcid ? *event.pcid + uint64_t{1} : 0) << 1 | (event.linear != 0); },
      [&](uint64_t w) {
        event.linear = 0;
        event.pcid = w >> 1 == 0 ? std::nullopt : std::optional(static_cast<uint16_t>((w >> 1) - 1));
        if (w >> 1 > 0x10000) io.fail();
      });
  if (head & 1) io.difference(event.linear, cpu.linear);
}

template <typename Io>
void code(Io& io, const Moment&, CodecState::PerCpu&, Tracepoint& event) {
  trace_abi::TraceRecord& record = event.record;
  if constexpr (Io::kReads)
    record = {.abi_version = trace_abi::kTraceAbiVersion, .type = 0, .reserved = 0, .args = {}, .text = {}};
  io.number(record.type);
  // Arguments that are not zero in bits 0-6, length of the text above.
  const uint64_t head = word(
      io,
      [&] {
        uint64_t value = 0;
        for (unsigned i = 0; i < std::size(record.args); ++i) value |= uint64_t{record.args[i] != 0} << i;
        size_t length = sizeof record.text;
        while (length > 0 && record.text[length - 1] == '\0') --length;
        return value | length << 7;
      },
      [](uint64_t) {});
  for (unsigned i = 0; i < std::size(record.args); ++i)
    if (head >> i & 1) io.number(record.args[i]);
  if (head >> 7 > sizeof record.text) return io.fail();
  io.text(record.text, head >> 7);
}

template <typename Io>
void code(Io& io, const Moment&, CodecState::PerCpu&, WatchReport& event) {
  io.number(event.range);
  io.number(event.counts.reads);
  io.number(event.counts.writes);
  io.number(event.counts.lines);
}

template <size_t... I>
void emplace(Payload& payload, size_t index, std::index_sequence<I...>) {
  ((I == index ? void(payload.emplace<I>()) : void()), ...);
}

}  // namespace

void EventEncoder::encode(const Event& event, std::vector<uint8_t>& bytes) {
  static_assert(std::variant_size_v<Payload> <= 8, "the type has three bits");
  EventWriter writer;
  Event values = event;  // the layout functions set what they code, to itself when they write
  uint8_t type = static_cast<uint8_t>(event.payload.index());
  moment(writer, state_, type, values.moment);
  CodecState::PerCpu& cpu = state_.cpus[event.moment.cpu];
  std::visit([&](auto& payload) { code(writer, values.moment, cpu, payload); }, values.payload);
  bytes.insert(bytes.end(), writer.bytes().begin(), writer.bytes().end());
}

bool EventDecoder::decode(Event& event) {
  uint8_t type = 0;
  moment(reader_, state_, type, event.moment);
  if (type >= std::variant_size_v<Payload>) reader_.fail();
  if (!reader_.ok()) return false;
  emplace(event.payload, type, std::make_index_sequence<std::variant_size_v<Payload>>());
  CodecState::PerCpu& cpu = state_.cpus[event.moment.cpu];
  std::visit([&](auto& payload) { code(reader_, event.moment, cpu, payload); }, event.payload);
  return reader_.ok();
}

}  // namespace mmuscope::trace
