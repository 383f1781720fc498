// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/kernel_types.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fmt/format.h>
#include <libelf.h>

#include <optional>

#include "debug/elf_image.h"

namespace mmuscope::debug {
namespace {

constexpr int kDeepest = 16;  // namespaces in namespaces, bases of bases, arrays of arrays

std::optional<uint64_t> number_of(Dwarf_Die* die, unsigned name) {
  Dwarf_Attribute attribute;
  Dwarf_Word value;
  if (dwarf_attr(die, name, &attribute) == nullptr) return {};
  // A constant of a signed type is encoded as one (DW_FORM_sdata) and must not be read as another.
  Dwarf_Sword signed_value;
  if (dwarf_whatform(&attribute) == DW_FORM_sdata || dwarf_whatform(&attribute) == DW_FORM_implicit_const) {
    if (dwarf_formsdata(&attribute, &signed_value) != 0) return {};
    return static_cast<uint64_t>(signed_value);
  }
  if (dwarf_formudata(&attribute, &value) != 0) return {};
  return value;
}

bool is_struct(int tag) { return tag == DW_TAG_structure_type || tag == DW_TAG_class_type; }

uint64_t size_of_die(Dwarf_Die* die) {
  Dwarf_Word size = 0;
  return dwarf_aggregate_size(die, &size) == 0 ? size : 0;
}

}  // namespace

// Walks namespaces and structs of all compilation units. Declarations come before what they declare, so one
// pass gives every entry its qualified name; types are looked at in a second one, when all names are known.
class DwarfReader {
 public:
  DwarfReader(Dwarf* dwarf, KernelTypes& out) : dwarf_(dwarf), out_(out) {}

  void read() {
    for_each_unit([this](Dwarf_Die& unit) { name_children(unit, "", 0); });
    for_each_unit([this](Dwarf_Die& unit) { read_children(unit, 0); });
  }

 private:
  template <typename Visit>
  void for_each_unit(Visit visit) {
    Dwarf_CU* unit = nullptr;
    Dwarf_Die die, sub;
    uint8_t type = 0;
    while (dwarf_get_units(dwarf_, unit, &unit, nullptr, &type, &die, &sub) == 0)
      if (type == DW_UT_compile || type == DW_UT_type) visit(die);
  }

  template <typename Visit>
  static void for_each_child(Dwarf_Die& parent, Visit visit) {
    Dwarf_Die child;
    if (dwarf_child(&parent, &child) != 0) return;
    do visit(child);
    while (dwarf_siblingof(&child, &child) == 0);
  }

  void name_children(Dwarf_Die& parent, const std::string& prefix, int depth) {
    if (depth > kDeepest) return;
    for_each_child(parent, [&](Dwarf_Die& die) {
      const int tag = dwarf_tag(&die);
      if (tag != DW_TAG_namespace && tag != DW_TAG_variable && tag != DW_TAG_member && !is_struct(tag))
        return;
      const char* name = dwarf_diename(&die);
      if (tag == DW_TAG_namespace) return name_children(die, name ? prefix + name + "::" : prefix, depth + 1);
      if (is_struct(tag)) {
        const std::string own = name ? prefix + name : fmt::format("{}#{:x}", prefix, dwarf_dieoffset(&die));
        names_[dwarf_dieoffset(&die)] = own;
        return name_children(die, own + "::", depth + 1);
      }
      if (name != nullptr) names_[dwarf_dieoffset(&die)] = prefix + name;
    });
  }

  void read_children(Dwarf_Die& parent, int depth) {
    if (depth > kDeepest) return;
    for_each_child(parent, [&](Dwarf_Die& die) {
      const int tag = dwarf_tag(&die);
      if (tag == DW_TAG_namespace) {
        read_children(die, depth + 1);
      } else if (is_struct(tag)) {
        read_struct(die);
        read_children(die, depth + 1);
      } else if (tag == DW_TAG_variable || tag == DW_TAG_member) {
        read_variable(die);
      }
    });
  }

  // The name of the entry, or of the declaration it completes.
  std::string name_of(Dwarf_Die& die) const {
    Dwarf_Attribute attribute;
    Dwarf_Die declaration;
    Dwarf_Off offset = dwarf_dieoffset(&die);
    if (dwarf_attr(&die, DW_AT_specification, &attribute) != nullptr &&
        dwarf_formref_die(&attribute, &declaration) != nullptr)
      offset = dwarf_dieoffset(&declaration);
    const auto found = names_.find(offset);
    return found == names_.end() ? "" : found->second;
  }

  void read_variable(Dwarf_Die& die) {
    const std::string name = name_of(die);
    if (name.empty()) return;
    if (const auto value = number_of(&die, DW_AT_const_value)) out_.constants_.emplace(name, *value);
    Dwarf_Attribute attribute;
    Dwarf_Op* location = nullptr;
    size_t operations = 0;
    if (dwarf_attr(&die, DW_AT_location, &attribute) == nullptr ||
        dwarf_getlocation(&attribute, &location, &operations) != 0 || operations != 1 ||
        location[0].atom != DW_OP_addr)
      return;
    out_.variables_.emplace(name, KernelVariable{location[0].number, type_of(die)});
  }

  void read_struct(Dwarf_Die& die) {
    const std::string name = name_of(die);
    if (name.empty() || dwarf_hasattr(&die, DW_AT_declaration) || out_.structs_.contains(name)) return;
    KernelTypes::Struct& made = out_.structs_[name];
    made.size = size_of_die(&die);
    for_each_child(die, [&](Dwarf_Die& child) {
      const int tag = dwarf_tag(&child);
      const bool base = tag == DW_TAG_inheritance;
      if (!base && tag != DW_TAG_member) return;
      const auto offset = number_of(&child, DW_AT_data_member_location);
      if (!offset || dwarf_hasattr(&child, DW_AT_external)) return;  // a static member has no place
      const char* own = base ? nullptr : dwarf_diename(&child);
      made.members.push_back({own ? own : "", {*offset, type_of(child)}});
    });
  }

  // The type an entry refers to, without typedefs and qualifiers; false when there is none.
  static bool refer(Dwarf_Die& from, Dwarf_Die& type) {
    Dwarf_Attribute attribute;
    Dwarf_Die named;
    return dwarf_attr_integrate(&from, DW_AT_type, &attribute) != nullptr &&
           dwarf_formref_die(&attribute, &named) != nullptr && dwarf_peel_type(&named, &type) == 0;
  }

  KernelType type_of(Dwarf_Die& die) const {
    Dwarf_Die type, inner;
    KernelType made;
    if (!refer(die, type)) return made;
    made.size = size_of_die(&type);
    switch (const int tag = dwarf_tag(&type)) {
      case DW_TAG_base_type: {
        const auto encoding = number_of(&type, DW_AT_encoding);
        made.kind = KernelType::Kind::kNumber;
        made.is_signed = encoding == DW_ATE_signed || encoding == DW_ATE_signed_char;
        break;
      }
      case DW_TAG_enumeration_type:
        made.kind = KernelType::Kind::kNumber;
        break;
      case DW_TAG_structure_type:
      case DW_TAG_class_type:
        made.kind = KernelType::Kind::kStruct;
        made.name = name_of(type);
        break;
      case DW_TAG_pointer_type:
      case DW_TAG_reference_type:
      case DW_TAG_array_type:
        made.kind = tag == DW_TAG_array_type ? KernelType::Kind::kArray : KernelType::Kind::kPointer;
        if (!refer(type, inner)) break;
        made.element_size = size_of_die(&inner);
        if (is_struct(dwarf_tag(&inner))) made.name = name_of(inner);
        break;
      default:
        break;
    }
    return made;
  }

  Dwarf* dwarf_;
  KernelTypes& out_;
  std::map<Dwarf_Off, std::string> names_;
};

KernelTypes KernelTypes::read(std::span<const uint8_t> elf) {
  KernelTypes types;
  const ElfHandle file = open_elf(elf);
  const DwarfHandle dwarf = open_dwarf(file);
  if (dwarf != nullptr) DwarfReader(dwarf.get(), types).read();
  return types;
}

std::unexpected<Error> KernelTypes::unknown(const std::string& name) const {
  return fail(ErrorKind::kData, empty() ? "the kernel's image has no debug information: build it with -g"
                                        : "the kernel's debug information does not know " + name);
}

const KernelField* KernelTypes::find_member(const Struct& in, std::string_view name, KernelField& found,
                                            int depth) const {
  if (depth > kDeepest) return nullptr;
  for (const Member& member : in.members) {
    if (member.name == name) {
      found = member.field;
      return &found;
    }
    if (!member.name.empty()) continue;
    const auto inner = structs_.find(member.field.type.name);
    if (inner == structs_.end() || find_member(inner->second, name, found, depth + 1) == nullptr) continue;
    found.offset += member.field.offset;
    return &found;
  }
  return nullptr;
}

Expected<KernelField> KernelTypes::field(const std::string& type, std::string_view path) const {
  KernelField result{0, {.kind = KernelType::Kind::kStruct, .name = type}};
  if (!structs_.contains(type)) return unknown(type);
  for (std::string_view rest = path;;) {
    const std::string_view name = rest.substr(0, rest.find('.'));
    const auto in = structs_.find(result.type.name);
    KernelField member;
    if (name.empty() || result.type.kind != KernelType::Kind::kStruct || in == structs_.end() ||
        find_member(in->second, name, member, 0) == nullptr)
      return unknown(fmt::format("{}::{}", type, path));
    result = {result.offset + member.offset, member.type};
    if (name.size() == rest.size()) return result;
    rest.remove_prefix(name.size() + 1);
  }
}

Expected<uint64_t> KernelTypes::size_of(const std::string& type) const {
  const auto found = structs_.find(type);
  if (found == structs_.end()) return unknown(type);
  return found->second.size;
}

Expected<KernelVariable> KernelTypes::variable(const std::string& name) const {
  const auto found = variables_.find(name);
  if (found == variables_.end()) return unknown(name);
  return found->second;
}

Expected<uint64_t> KernelTypes::constant(const std::string& name) const {
  const auto found = constants_.find(name);
  if (found == constants_.end()) return unknown(name);
  return found->second;
}

}  // namespace mmuscope::debug
