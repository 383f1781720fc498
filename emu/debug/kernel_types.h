// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the debug information of a kernel says about its data: where members lie in structs and globals in
// memory, by name. Read once, with libdw, into plain values. So nothing that looks into a kernel knows its
// layout, only its names; a kernel without debug information, or with other names, gives a sentence that says
// so, and nothing in a file can do more harm than that.
//
// Names are qualified, "mk::Task"; anonymous namespaces count as nothing: "mk::counts". Of several types or
// variables with one name the first stays. Left out: unions with names, bit fields, locals, types inside
// functions.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mmuscope::debug {

struct KernelType {
  enum class Kind : uint8_t { kOther, kNumber, kPointer, kStruct, kArray };
  Kind kind = Kind::kOther;
  bool is_signed = false;
  uint64_t size = 0;          // bytes; 0: not known
  uint64_t element_size = 0;  // of an array's element, or of what a pointer points to
  std::string name;           // of the struct, or of the struct that is pointed to or an array's element
};

struct KernelField {
  uint64_t offset = 0;
  KernelType type;
};

struct KernelVariable {
  uint64_t address = 0;  // linear, as linked
  KernelType type;
};

class KernelTypes {
 public:
  KernelTypes() = default;  // knows nothing
  static KernelTypes read(
      std::span<const uint8_t> elf);  // never fails: what is not there is told when asked for

  // `path`: a member, of a base class too, or members of members: "mm.object_".
  Expected<KernelField> field(const std::string& type, std::string_view path) const;
  Expected<uint64_t> size_of(const std::string& type) const;
  Expected<KernelVariable> variable(const std::string& name) const;
  // Of namespaces and structs, where the compiler tells: "mk::FrameDescriptor::kReserved".
  Expected<uint64_t> constant(const std::string& name) const;

  bool empty() const { return structs_.empty() && variables_.empty(); }
  const std::map<std::string, KernelVariable>& variables() const { return variables_; }

 private:
  friend class DwarfReader;
  struct Member {
    std::string name;  // empty: a base class, or an anonymous struct
    KernelField field;
  };
  struct Struct {
    uint64_t size = 0;
    std::vector<Member> members;
  };
  const KernelField* find_member(const Struct& in, std::string_view name, KernelField& found,
                                 int depth) const;
  std::unexpected<Error> unknown(const std::string& name) const;

  std::map<std::string, Struct> structs_;
  std::map<std::string, KernelVariable> variables_;
  std::map<std::string, uint64_t> constants_;
};

}  // namespace mmuscope::debug
