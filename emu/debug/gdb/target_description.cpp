// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <iterator>
#include <span>

#include "debug/gdb/register_table.h"
#include "debug/gdb/registers.h"

namespace mmuscope::debug::gdb {
namespace {

struct Bit {
  const char* name;
  unsigned number;
};

// SDM vol. 1, 3.4.3.
constexpr Bit kEflags[] = {{"CF", 0},  {"PF", 2},   {"AF", 4},   {"ZF", 6},  {"SF", 7},  {"TF", 8},
                           {"IF", 9},  {"DF", 10},  {"OF", 11},  {"NT", 14}, {"RF", 16}, {"VM", 17},
                           {"AC", 18}, {"VIF", 19}, {"VIP", 20}, {"ID", 21}};
// SDM vol. 1, 10.2.3.
constexpr Bit kMxcsr[] = {{"IE", 0}, {"DE", 1}, {"ZE", 2}, {"OE", 3},  {"UE", 4},  {"PE", 5},  {"DAZ", 6},
                          {"IM", 7}, {"DM", 8}, {"ZM", 9}, {"OM", 10}, {"UM", 11}, {"PM", 12}, {"FZ", 15}};
// SDM vol. 3, 2.5 (CR0, CR4) and table 2-1 (IA32_EFER; SVME and FFXSR are AMD's).
constexpr Bit kCr0[] = {{"PE", 0},  {"MP", 1},  {"EM", 2},  {"TS", 3},  {"ET", 4}, {"NE", 5},
                        {"WP", 16}, {"AM", 18}, {"NW", 29}, {"CD", 30}, {"PG", 31}};
constexpr Bit kCr4[] = {{"VME", 0},         {"PVI", 1},    {"TSD", 2},      {"DE", 3},    {"PSE", 4},
                        {"PAE", 5},         {"MCE", 6},    {"PGE", 7},      {"PCE", 8},   {"OSFXSR", 9},
                        {"OSXMMEXCPT", 10}, {"UMIP", 11},  {"LA57", 12},    {"VMXE", 13}, {"SMXE", 14},
                        {"FSGSBASE", 16},   {"PCIDE", 17}, {"OSXSAVE", 18}, {"SMEP", 20}, {"SMAP", 21},
                        {"PKE", 22},        {"CET", 23},   {"PKS", 24}};
constexpr Bit kEfer[] = {{"SCE", 0}, {"LME", 8}, {"LMA", 10}, {"NXE", 11}, {"SVME", 12}, {"FFXSR", 14}};

using Out = std::back_insert_iterator<std::string>;

void add_flags(std::string& xml, std::string_view id, unsigned bytes, std::span<const Bit> bits) {
  fmt::format_to(Out(xml), "<flags id=\"{}\" size=\"{}\">", id, bytes);
  for (const Bit& bit : bits) {
    fmt::format_to(Out(xml), "<field name=\"{0}\" start=\"{1}\" end=\"{1}\"/>", bit.name, bit.number);
  }
  xml += "</flags>\n";
}

// The names of members are those that gdb users know from native x86: $xmm0.v4_float, $xmm0.uint128.
void add_vec128(std::string& xml) {
  constexpr struct {
    const char* name;
    const char* element;
    unsigned count;
  } kViews[] = {{"v4_float", "ieee_single", 4}, {"v2_double", "ieee_double", 2}, {"v16_int8", "int8", 16},
                {"v8_int16", "int16", 8},       {"v4_int32", "int32", 4},        {"v2_int64", "int64", 2}};
  for (const auto& view : kViews) {
    fmt::format_to(Out(xml), "<vector id=\"{}\" type=\"{}\" count=\"{}\"/>\n", view.name, view.element,
                   view.count);
  }
  xml += "<union id=\"vec128\">";
  for (const auto& view : kViews) fmt::format_to(Out(xml), "<field name=\"{0}\" type=\"{0}\"/>", view.name);
  xml += "<field name=\"uint128\" type=\"uint128\"/></union>\n";
}

void add_types(std::string& xml, Feature feature) {
  switch (feature) {
    case Feature::kCore:
      return add_flags(xml, "i386_eflags", 4, kEflags);
    case Feature::kSse:
      add_vec128(xml);
      return add_flags(xml, "i386_mxcsr", 4, kMxcsr);
    case Feature::kSegments:
      return;
    case Feature::kSystem:
      add_flags(xml, "cr0_flags", 8, kCr0);
      add_flags(xml, "cr4_flags", 8, kCr4);
      return add_flags(xml, "efer_flags", 8, kEfer);
  }
}

void add_feature(std::string& xml, Feature feature, std::string_view name) {
  fmt::format_to(Out(xml), "<feature name=\"{}\">\n", name);
  add_types(xml, feature);
  for (const Register& reg : register_table()) {
    if (reg.feature != feature) continue;
    fmt::format_to(Out(xml), "<reg name=\"{}\" bitsize=\"{}\" type=\"{}\"", reg.name, 8 * reg.shown,
                   reg.type);
    if (!reg.group.empty()) fmt::format_to(Out(xml), " group=\"{}\"", reg.group);
    // gdb must not put these back after it had the guest call a function.
    if (feature == Feature::kSystem) xml += " save-restore=\"no\"";
    xml += "/>\n";
  }
  xml += "</feature>\n";
}

std::string make_description() {
  std::string xml =
      "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target version=\"1.0\">\n"
      "<architecture>i386:x86-64</architecture>\n";
  add_feature(xml, Feature::kCore, "org.gnu.gdb.i386.core");
  add_feature(xml, Feature::kSse, "org.gnu.gdb.i386.sse");
  add_feature(xml, Feature::kSegments, "org.gnu.gdb.i386.segments");
  add_feature(xml, Feature::kSystem, "org.mmuscope.system");
  xml += "</target>\n";
  return xml;
}

}  // namespace

const std::string& target_description() {
  static const std::string kDescription = make_description();
  return kDescription;
}

}  // namespace mmuscope::debug::gdb
