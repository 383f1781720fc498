// SPDX-License-Identifier: GPL-2.0-or-later
//
// The list behind registers.h: for each register its name, its type in gdb's terms, and where in a
// RegisterFile its bytes are. The order is the numbering: features follow each other as in the description.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mmuscope::debug::gdb {

enum class Feature : uint8_t { kCore, kSse, kSegments, kSystem };

struct Register {
  Feature feature = Feature::kCore;
  std::string name;
  std::string_view type;   // in the target description
  size_t offset = 0;       // in RegisterFile
  uint8_t stored = 0;      // bytes there
  uint8_t shown = 0;       // bytes in packets: the rest is zero, or not stored
  std::string_view group;  // gdb's register group; empty: gdb decides
  bool is_tag_word = false;

  size_t copied() const { return std::min(stored, shown); }
};

const std::vector<Register>& register_table();

}  // namespace mmuscope::debug::gdb
