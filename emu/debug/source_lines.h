// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which source line an address belongs to and the reverse, by the line tables (DWARF 5, 6.2) of everything
// that runs: the kernel and programs, each added at where it is loaded. Tables are read once, with libdw,
// into plain values; an image without them adds nothing. Source text is read from the host when it is asked
// for.
//
// A line of 0 (the compiler's own code) is as good as none. Left out: columns, discriminators, inlined calls
// as frames of their own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mmuscope::debug {

class SourceLines {
 public:
  struct Row {
    uint64_t begin = 0, end = 0;  // addresses [begin, end) where it is loaded
    uint32_t file = 0, line = 0;
    bool statement = false;  // `begin` is where a debugger may stop for this line
    bool optimized = false;  // compiled with -O1 or more: variables are where the compiler says, at once
    bool same_line(const Row& other) const { return file == other.file && line == other.line; }
  };

  void add(std::span<const uint8_t> elf, uint64_t bias = 0);
  void clear();

  // Where files are looked for whose recorded path is not there.
  void add_folder(std::string folder) {
    folders_.push_back(std::move(folder));
    texts_.clear();
  }

  // Nothing where no line is known.
  const Row* find(uint64_t address) const;
  // The row when a statement begins exactly here.
  const Row* statement_at(uint64_t address) const;
  const std::string& file(const Row& row) const { return files_[row.file]; }
  // "demo.c:33"; the path as short as it is from the current directory. "" when nothing is known.
  std::string describe(uint64_t address) const;

  // Where the code of a line begins, or of the next line that has any; in ascending order, one for each place
  // the compiler put it. `file` is the end of a path: "demo.c", "mm/fault.cpp".
  Expected<std::vector<uint64_t>> addresses(std::string_view file, uint32_t line) const;
  // Where a breakpoint of the function that begins at `function` belongs. Optimized code tells arguments from
  // the first instruction on; elsewhere the second row begins when they are in their places.
  uint64_t after_prologue(uint64_t function, uint64_t function_end) const;

  // Without its newline; nothing when the file or the line is not there.
  std::optional<std::string> text(uint32_t file, uint32_t line);
  uint32_t line_count(uint32_t file);  // 0: the file is not on this host
  std::string short_name(uint32_t file) const;
  std::optional<uint32_t> find_file(std::string_view file) const;

 private:
  struct Statement {
    uint32_t file, line;
    uint64_t address;
  };
  void add_unit(void* unit, uint64_t bias);  // a Dwarf_Die
  void finish();
  uint32_t file_number(const char* name);
  const std::vector<std::string>& lines_of(uint32_t file);
  std::string path_on_host(uint32_t file) const;  // "" when it is not there
  bool names(uint32_t file, std::string_view wanted) const;

  std::vector<Row> rows_;              // by address, not overlapping
  std::vector<Statement> statements_;  // all places, those that share an address with another line as well
  std::vector<std::string> files_;
  std::vector<std::string> folders_;
  std::map<std::string, uint32_t, std::less<>> file_numbers_;
  std::map<uint32_t, std::vector<std::string>> texts_;
};

}  // namespace mmuscope::debug
