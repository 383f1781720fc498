// SPDX-License-Identifier: GPL-2.0-or-later
//
// Names for instruction addresses: keeps track of which program each task runs (execve, and fork and clone,
// whose children run what their parent runs) and asks that program's symbols, or the kernel's for the upper
// half. Must see every event before it is asked about it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "trace/event.h"
#include "trace/reader.h"

namespace mmuscope::trace {

class Symbolizer {
 public:
  // `images` may still grow while events are seen.
  explicit Symbolizer(std::shared_ptr<const Images> images) : images_(std::move(images)) {}

  void see(const Event& event);
  // "name+0x12", or "" when nothing is known.
  std::string describe(uint32_t pid, uint64_t rip) const;

  struct Program {
    std::string path;
    uint64_t bias = 0;  // added to addresses as linked
  };
  const std::map<uint32_t, Program>& programs() const { return programs_; }  // by PID

 private:
  void inherit(uint32_t child, uint32_t parent);
  void guess(uint32_t child, uint32_t running);

  std::shared_ptr<const Images> images_;
  std::map<uint32_t, Program> programs_;  // by PID
  std::set<uint32_t> forking_;            // tasks inside fork, vfork, clone or clone3
  std::set<uint32_t> guessed_;            // children that run before anybody said whose they are
};

}  // namespace mmuscope::trace
