// SPDX-License-Identifier: GPL-2.0-or-later
//
// What each translation block contains: how many instructions, where each begins, and which of them the
// machine executes itself. The engine reports a block by address and size before it runs; this cache turns
// that into a count in a few nanoseconds. Two levels: by linear address until anything about translations
// changes, and by physical page until the page's code changes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "cpu/cpu_engine.h"
#include "cpu/decoder.h"

namespace mmuscope {

struct BlockInfo {
  struct System {
    uint16_t offset = 0;
    Instruction instruction;
  };
  std::vector<uint16_t> offsets;  // where each instruction begins, and one more: where the block ends
  std::vector<System> system;     // instructions that stop the run, usually none
  uint32_t count = 0;
  bool plain = true;          // nothing to do but to count it: no system instruction, no REP
  bool first_is_rep = false;  // begins with a REP string instruction
  bool last_is_rep = false;
  bool last_shadows = false;    // ends with STI, MOV SS or POP SS
  bool last_is_int = false;     // ends with INT n, INT3, INTO
  bool rep_counts_ecx = false;  // first instruction's count register is ECX, not RCX

  // Index of the instruction that begins at `offset`; count for the end; the one that contains it otherwise.
  uint32_t index_of(uint64_t offset) const;
  const System* system_at(uint64_t offset) const;
};

class BlockCache {
 public:
  explicit BlockCache(EngineClient& client) : client_(client) {}

  // Linear address and size as the engine reports them; the info stays valid until forget_code().
  const BlockInfo* find(uint64_t linear, uint32_t size, CodeSize code) {
    Slot& slot = slots_[(linear ^ (linear >> 13)) & (kSlots - 1)];
    const uint64_t epoch = epoch_ + page_epoch(linear);
    if (slot.linear == linear && slot.size == size && slot.epoch == epoch) return slot.info;
    slot = {.linear = linear, .info = look_up(linear, size, code), .epoch = epoch, .size = size};
    return slot.info;
  }
  // One instruction at `linear`, as far as its bytes can be had.
  std::optional<Instruction> decode_at(uint64_t linear, CodeSize code);
  // The accesses to memory that the instruction at `linear` makes; nullptr when it cannot be decoded. Valid
  // until the next call.
  const MemoryAccesses* accesses_at(uint64_t linear, CodeSize code);

  void forget_translations() { ++epoch_; }
  // Those of one page, and of blocks that reach into it.
  void forget_translations_of(uint64_t linear) {
    ++page_epoch(linear);
    ++page_epoch(linear - x86::kPageSize);
  }
  void forget_code(x86::PhysicalAddress page) {
    pages_.erase(page);
    accesses_.erase(page);
    ++epoch_;
  }

 private:
  struct Slot {
    uint64_t linear = ~uint64_t{0};
    const BlockInfo* info = nullptr;
    uint64_t epoch = 0;
    uint32_t size = 0;
  };
  static constexpr size_t kSlots = 8192, kPageEpochs = 1024, kMostStraddling = 4096;

  uint64_t& page_epoch(uint64_t linear) { return page_epochs_[(linear >> 12) & (kPageEpochs - 1)]; }

  const BlockInfo* look_up(uint64_t linear, uint32_t size, CodeSize code);
  std::vector<uint8_t> bytes_at(uint64_t linear, uint32_t size);
  std::unique_ptr<BlockInfo> analyse(uint64_t linear, uint32_t size, CodeSize code);

  EngineClient& client_;
  Decoder decoder_;
  // Both only grow, so a sum that is the same means that neither changed.
  uint64_t epoch_ = 1;
  std::vector<uint64_t> page_epochs_ = std::vector<uint64_t>(kPageEpochs);
  std::vector<Slot> slots_ = std::vector<Slot>(kSlots);
  std::unordered_map<x86::PhysicalAddress, std::unordered_map<uint64_t, std::unique_ptr<BlockInfo>>> pages_;
  std::unordered_map<x86::PhysicalAddress, std::unordered_map<uint32_t, MemoryAccesses>> accesses_;
  std::optional<MemoryAccesses> straddling_accesses_;
  // A block that reaches into a second page is kept only until translations change, because that page may.
  std::vector<std::unique_ptr<BlockInfo>> straddling_;
  uint64_t straddling_epoch_ = 0;
};

}  // namespace mmuscope
