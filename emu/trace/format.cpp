// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/format.h"

#include <cstddef>

#include "trace/crc32.h"
#include "trace/varint.h"

namespace mmuscope::trace {

uint32_t block_crc(const BlockHeader& header, std::span<const uint8_t> payload) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&header);
  return crc32(payload, crc32({bytes, offsetof(BlockHeader, crc)}));
}

void TraceInfo::encode(std::vector<uint8_t>& bytes) const {
  ByteWriter writer(bytes);
  writer.number(machine.cpus);
  writer.number(machine.memory_bytes);
  writer.number(machine.la57);
  writer.number(machine.quantum);
  writer.number(machine.count_watched_ranges);
  writer.number(command_line.size());
  writer.text(command_line.data(), command_line.size());
}

bool TraceInfo::decode(std::span<const uint8_t> bytes, TraceInfo& info) {
  ByteReader reader(bytes);
  size_t length = 0;
  reader.number(info.machine.cpus);
  reader.number(info.machine.memory_bytes);
  reader.number(info.machine.la57);
  reader.number(info.machine.quantum);
  reader.number(info.machine.count_watched_ranges);
  reader.number(length);
  if (length != reader.left()) return false;
  info.command_line.resize(length);
  reader.text(info.command_line.data(), length);
  return reader.ok();
}

void RunEnd::encode(std::vector<uint8_t>& bytes) const {
  ByteWriter writer(bytes);
  writer.byte(static_cast<uint8_t>(reason));
  writer.number(exit_value);
  writer.number(icount);
}

bool RunEnd::decode(std::span<const uint8_t> bytes, RunEnd& end) {
  ByteReader reader(bytes);
  reader.byte(end.reason);
  reader.number(end.exit_value);
  reader.number(end.icount);
  return reader.ok() && reader.at_end() && end.reason <= EndReason::kInternal;
}

}  // namespace mmuscope::trace
