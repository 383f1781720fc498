// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/gdb/register_table.h"

#include <fmt/format.h>

#include <cstddef>

#include "debug/gdb/registers.h"

namespace mmuscope::debug::gdb {
namespace {

using x86::CpuState;
using x86::DescriptorTable;
using x86::Gpr;
using x86::Segment;
using x86::SegmentName;

constexpr size_t kState = offsetof(RegisterFile, state);
constexpr size_t kFpu = offsetof(RegisterFile, fpu);

constexpr size_t segment(SegmentName name) {
  return kState + offsetof(CpuState, segments) + sizeof(Segment) * static_cast<size_t>(name);
}

struct NamedSegment {
  const char* name;
  SegmentName segment;
};

void add_general(std::vector<Register>& table) {
  // gdb's order (the i386.core feature), which is not the encoding's.
  constexpr struct {
    const char* name;
    Gpr gpr;
  } kNames[] = {{"rax", Gpr::kRax}, {"rbx", Gpr::kRbx}, {"rcx", Gpr::kRcx}, {"rdx", Gpr::kRdx},
                {"rsi", Gpr::kRsi}, {"rdi", Gpr::kRdi}, {"rbp", Gpr::kRbp}, {"rsp", Gpr::kRsp},
                {"r8", Gpr::kR8},   {"r9", Gpr::kR9},   {"r10", Gpr::kR10}, {"r11", Gpr::kR11},
                {"r12", Gpr::kR12}, {"r13", Gpr::kR13}, {"r14", Gpr::kR14}, {"r15", Gpr::kR15}};
  for (const auto& [name, gpr] : kNames) {
    const bool pointer = gpr == Gpr::kRbp || gpr == Gpr::kRsp;
    const size_t offset = kState + offsetof(CpuState, gpr) + 8 * static_cast<size_t>(gpr);
    table.push_back({Feature::kCore, name, pointer ? "data_ptr" : "int64", offset, 8, 8, {}});
  }
  table.push_back({Feature::kCore, "rip", "code_ptr", kState + offsetof(CpuState, rip), 8, 8, {}});
  table.push_back({Feature::kCore, "eflags", "i386_eflags", kState + offsetof(CpuState, rflags), 8, 4, {}});
  for (const auto& [name, which] :
       {NamedSegment{"cs", SegmentName::kCs}, NamedSegment{"ss", SegmentName::kSs},
        NamedSegment{"ds", SegmentName::kDs}, NamedSegment{"es", SegmentName::kEs},
        NamedSegment{"fs", SegmentName::kFs}, NamedSegment{"gs", SegmentName::kGs}}) {
    table.push_back({Feature::kCore, name, "int32", segment(which) + offsetof(Segment, selector), 2, 4, {}});
  }
}

// Offsets in the FXSAVE64 image: SDM vol. 1, table 10-2.
void add_x87(std::vector<Register>& table) {
  for (size_t i = 0; i < 8; i++) {
    table.push_back({Feature::kCore, fmt::format("st{}", i), "i387_ext", kFpu + 32 + 16 * i, 10, 10, {}});
  }
  const auto add = [&table](const char* name, size_t offset, uint8_t stored) {
    table.push_back({Feature::kCore, name, "int", kFpu + offset, stored, 4, "float"});
  };
  add("fctrl", 0, 2);
  add("fstat", 2, 2);
  add("ftag", 4, 1);
  table.back().is_tag_word = true;
  add("fiseg", 12, 4);
  add("fioff", 8, 4);
  add("foseg", 20, 4);
  add("fooff", 16, 4);
  add("fop", 6, 2);
}

void add_sse(std::vector<Register>& table) {
  for (size_t i = 0; i < 16; i++) {
    table.push_back({Feature::kSse, fmt::format("xmm{}", i), "vec128", kFpu + 160 + 16 * i, 16, 16, {}});
  }
  table.push_back({Feature::kSse, "mxcsr", "i386_mxcsr", kFpu + 24, 4, 4, "vector"});
}

void add_system(std::vector<Register>& table) {
  const auto add = [&table](std::string name, std::string_view type, size_t offset, uint8_t bytes) {
    table.push_back({Feature::kSystem, std::move(name), type, offset, bytes, bytes, "system"});
  };
  add("cr0", "cr0_flags", kState + offsetof(CpuState, cr0), 8);
  add("cr2", "data_ptr", kState + offsetof(CpuState, cr2), 8);
  add("cr3", "uint64", kState + offsetof(CpuState, cr3), 8);
  add("cr4", "cr4_flags", kState + offsetof(CpuState, cr4), 8);
  add("cr8", "uint64", kState + offsetof(CpuState, cr8), 8);
  add("efer", "efer_flags", kState + offsetof(CpuState, efer), 8);
  add("kernel_gs_base", "data_ptr", kState + offsetof(CpuState, kernel_gs_base), 8);
  add("pkru", "uint32", kState + offsetof(CpuState, pkru), 4);
  // FS and GS have their bases in a feature that gdb knows.
  for (const auto& [name, which] :
       {NamedSegment{"cs", SegmentName::kCs}, NamedSegment{"ss", SegmentName::kSs},
        NamedSegment{"ds", SegmentName::kDs}, NamedSegment{"es", SegmentName::kEs}}) {
    add(fmt::format("{}_base", name), "data_ptr", segment(which) + offsetof(Segment, base), 8);
  }
  for (const auto& [name, offset] :
       {std::pair{"tr", offsetof(CpuState, tr)}, std::pair{"ldtr", offsetof(CpuState, ldtr)}}) {
    add(name, "uint16", kState + offset + offsetof(Segment, selector), 2);
    add(fmt::format("{}_base", name), "data_ptr", kState + offset + offsetof(Segment, base), 8);
    add(fmt::format("{}_limit", name), "uint32", kState + offset + offsetof(Segment, limit), 4);
  }
  for (const auto& [name, offset] :
       {std::pair{"gdtr", offsetof(CpuState, gdtr)}, std::pair{"idtr", offsetof(CpuState, idtr)}}) {
    add(fmt::format("{}_base", name), "data_ptr", kState + offset + offsetof(DescriptorTable, base), 8);
    add(fmt::format("{}_limit", name), "uint64", kState + offset + offsetof(DescriptorTable, limit), 8);
  }
}

std::vector<Register> make_table() {
  std::vector<Register> table;
  add_general(table);
  add_x87(table);
  add_sse(table);
  const auto add_base = [&table](const char* name, SegmentName which) {
    table.push_back({Feature::kSegments, name, "uint64", segment(which) + offsetof(Segment, base), 8, 8, {}});
  };
  add_base("fs_base", SegmentName::kFs);
  add_base("gs_base", SegmentName::kGs);
  add_system(table);
  return table;
}

}  // namespace

const std::vector<Register>& register_table() {
  static const std::vector<Register> kTable = make_table();
  return kTable;
}

}  // namespace mmuscope::debug::gdb
