// SPDX-License-Identifier: GPL-2.0-or-later
//
// How events lie in a block of a trace (docs/trace-format.md): each as its difference to what this CPU's
// earlier events of the block let one expect. Walks are kept as CR3 and entry values; addresses of entries
// follow from them. An encoder and a decoder start every block afresh, so that a block is readable by itself.
#pragma once

#include <array>
#include <vector>

#include "trace/event.h"
#include "trace/varint.h"

namespace mmuscope::trace {

// What the next event is compared with.
struct CodecState {
  struct PerCpu {
    Moment last;
    uint64_t linear = 0;                // last address asked for
    std::array<uint64_t, 6> entries{};  // last entry read, by level
    uint64_t serial = 0;                // of the TLB entry inserted last
    uint64_t removed_linear = 0, removed_physical = 0;
  };
  uint64_t icount = 0;
  uint8_t cpu = 0;
  std::vector<PerCpu> cpus;
};

class EventEncoder {
 public:
  // Appends the event (all but its number) to `bytes`.
  void encode(const Event& event, std::vector<uint8_t>& bytes);
  void reset() { state_ = {}; }

 private:
  CodecState state_;
};

class EventDecoder {
 public:
  explicit EventDecoder(std::span<const uint8_t> bytes) : reader_(bytes) {}
  bool at_end() const { return reader_.at_end(); }
  // False when the bytes are no event; the decoder is of no use then. Sets everything but the number.
  bool decode(Event& event);

 private:
  ByteReader reader_;
  CodecState state_;
};

}  // namespace mmuscope::trace
