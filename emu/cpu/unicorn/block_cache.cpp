// SPDX-License-Identifier: GPL-2.0-or-later
#include "cpu/unicorn/block_cache.h"

#include <algorithm>

namespace mmuscope {

uint32_t BlockInfo::index_of(uint64_t offset) const {
  const auto after = std::upper_bound(offsets.begin(), offsets.end(), offset);
  return static_cast<uint32_t>(after - offsets.begin()) - 1;
}

const BlockInfo::System* BlockInfo::system_at(uint64_t offset) const {
  for (const System& one : system)
    if (one.offset == offset) return &one;
  return nullptr;
}

std::vector<uint8_t> BlockCache::bytes_at(uint64_t linear, uint32_t size) {
  std::vector<uint8_t> bytes;
  bytes.reserve(size);
  while (bytes.size() < size) {
    const uint64_t at = linear + bytes.size();
    x86::PhysicalAddress page = 0;
    const uint8_t* host = client_.code(at, &page);
    if (host == nullptr) break;
    const uint64_t here =
        std::min<uint64_t>(size - bytes.size(), x86::kPageSize - (at & (x86::kPageSize - 1)));
    bytes.insert(bytes.end(), host, host + here);
  }
  return bytes;
}

std::optional<Instruction> BlockCache::decode_at(uint64_t linear, CodeSize code) {
  const std::vector<uint8_t> bytes = bytes_at(linear, 15);
  if (bytes.empty()) return std::nullopt;
  return decoder_.decode(bytes, code);
}

const MemoryAccesses* BlockCache::accesses_at(uint64_t linear, CodeSize code) {
  const uint64_t offset = linear & (x86::kPageSize - 1);
  x86::PhysicalAddress page = 0;
  if (offset + 15 > x86::kPageSize || client_.code(linear, &page) == nullptr) {
    straddling_accesses_ = decoder_.decode_accesses(bytes_at(linear, 15), code);
    return straddling_accesses_ ? &*straddling_accesses_ : nullptr;
  }
  auto& known = accesses_[page];
  const auto key = static_cast<uint32_t>(offset << 8 | static_cast<uint8_t>(code));
  if (const auto found = known.find(key); found != known.end()) return &found->second;
  const auto decoded = decoder_.decode_accesses(bytes_at(linear, 15), code);
  return decoded ? &known.emplace(key, *decoded).first->second : nullptr;
}

const BlockInfo* BlockCache::look_up(uint64_t linear, uint32_t size, CodeSize code) {
  if (((linear & (x86::kPageSize - 1)) + size) > x86::kPageSize) {
    if (straddling_.size() >= kMostStraddling) ++epoch_;
    if (straddling_epoch_ != epoch_) straddling_.clear();
    straddling_epoch_ = epoch_;
    straddling_.push_back(analyse(linear, size, code));
    return straddling_.back().get();
  }
  x86::PhysicalAddress page = 0;
  client_.code(linear, &page);
  auto& blocks = pages_[page];
  const uint64_t key =
      (linear & (x86::kPageSize - 1)) << 32 | uint64_t{size} << 8 | static_cast<uint8_t>(code);
  auto [where, added] = blocks.try_emplace(key);
  if (added) where->second = analyse(linear, size, code);
  return where->second.get();
}

std::unique_ptr<BlockInfo> BlockCache::analyse(uint64_t linear, uint32_t size, CodeSize code) {
  auto info = std::make_unique<BlockInfo>();
  // The last instruction may be one that the engine ended the block at without taking all its bytes.
  const std::vector<uint8_t> bytes = bytes_at(linear, size + 15);
  uint32_t at = 0;
  while (at < size) {
    info->offsets.push_back(static_cast<uint16_t>(at));
    const auto rest = std::span(bytes).subspan(std::min<size_t>(at, bytes.size()));
    const auto decoded = rest.empty() ? std::nullopt : decoder_.decode(rest, code);
    // What Capstone does not know is taken as one instruction up to the end: the engine ends its block there
    // too.
    const Instruction instruction =
        decoded.value_or(Instruction{.length = static_cast<uint8_t>(std::min(size - at, 15u))});
    if (stops_the_run(instruction)) info->system.push_back({static_cast<uint16_t>(at), instruction});
    if (at == 0) {
      info->first_is_rep = instruction.rep_string;
      info->rep_counts_ecx = instruction.address_bytes == 4;
    }
    info->last_is_rep = instruction.rep_string;
    info->last_shadows = instruction.interrupt_shadow;
    info->last_is_int = instruction.software_interrupt;
    at += instruction.length;
  }
  info->offsets.push_back(static_cast<uint16_t>(at));
  info->count = static_cast<uint32_t>(info->offsets.size() - 1);
  info->plain = info->system.empty() && !info->first_is_rep && !info->last_is_rep;
  return info;
}

}  // namespace mmuscope
