// SPDX-License-Identifier: GPL-2.0-or-later
//
// The frame of a trace file (docs/trace-format.md): a header, then blocks. All fixed-width fields
// little-endian.
//
//   file header   "MMUTRACE"  u16 format version  u16 trace ABI version  u32 bytes of TraceInfo  TraceInfo
//   u32 CRC block         u32 kind  u32 bytes of payload  u64 first event  u32 events  u32 CRC  payload
//
// A CRC covers what stands before it in its header and the payload. Blocks are only ever appended, and where
// they end is a function of the events alone, so that equal runs give equal files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "machine/machine.h"

namespace mmuscope::trace {

inline constexpr uint16_t kFormatVersion = 1;
inline constexpr char kMagic[9] = "MMUTRACE";
inline constexpr size_t kFileHeaderBytes = 16, kBlockHeaderBytes = 24;
inline constexpr uint32_t kLargestInfo = 1 << 20, kLargestBlock = 1 << 28;

enum class BlockKind : uint32_t {
  kEvents = 0x544e5645,   // "EVNT"
  kSymbols = 0x534d5953,  // "SYMS": path as the guest knows it, SymbolTable
  kEnd = 0x21444e45,      // "END!": the last block of a trace that was closed
};

struct BlockHeader {
  BlockKind kind = BlockKind::kEvents;
  uint32_t bytes = 0;
  uint64_t first_event = 0;
  uint32_t events = 0;
  uint32_t crc = 0;
};
static_assert(sizeof(BlockHeader) == kBlockHeaderBytes);  // laid out on the host as in the file

uint32_t block_crc(const BlockHeader& header, std::span<const uint8_t> payload);

// What was run: enough to run it again, nothing of the host.
struct TraceInfo {
  MachineConfig machine;
  std::string command_line;  // the kernel's

  void encode(std::vector<uint8_t>& bytes) const;
  static bool decode(std::span<const uint8_t> bytes, TraceInfo& info);
};

// How the run ended. kRunning: it was stopped from outside (instruction limit, signal).
struct RunEnd {
  EndReason reason = EndReason::kRunning;
  uint32_t exit_value = 0;
  uint64_t icount = 0;

  void encode(std::vector<uint8_t>& bytes) const;
  static bool decode(std::span<const uint8_t> bytes, RunEnd& end);
};

// The image that kernel symbols are kept under; others go by their path in the guest.
inline constexpr char kKernelImage[] = "[kernel]";

}  // namespace mmuscope::trace
