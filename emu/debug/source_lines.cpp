// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/source_lines.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fmt/format.h>
#include <libelf.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <list>
#include <tuple>

#include "debug/elf_image.h"

namespace mmuscope::debug {
namespace {

constexpr uint64_t kLowestCode = 0x1000;  // tables of functions that the linker dropped begin at 0
constexpr size_t kMostTextLines = 1 << 20;

// By the compiler's options, which gcc writes into DW_AT_producer.
bool is_optimized(Dwarf_Die* unit) {
  Dwarf_Attribute attribute;
  if (dwarf_attr(unit, DW_AT_producer, &attribute) == nullptr) return false;
  const char* text = dwarf_formstring(&attribute);
  if (text == nullptr) return false;
  bool optimized = false;
  const std::string_view producer = text;
  for (size_t at = producer.find(" -O"); at != std::string_view::npos; at = producer.find(" -O", at + 1))
    optimized = producer.substr(at + 3, 1) != "0";
  return optimized;
}

}  // namespace

void SourceLines::clear() { *this = SourceLines(); }

void SourceLines::add(std::span<const uint8_t> elf, uint64_t bias) {
  const ElfHandle handle = open_elf(elf);
  const DwarfHandle dwarf = open_dwarf(handle);
  if (dwarf == nullptr) return;
  Dwarf_CU* unit = nullptr;
  Dwarf_Die die, sub;
  uint8_t type = 0;
  while (dwarf_get_units(dwarf.get(), unit, &unit, nullptr, &type, &die, &sub) == 0)
    if (type == DW_UT_compile) add_unit(&die, bias);
  finish();
}

void SourceLines::add_unit(void* die, uint64_t bias) {
  auto* unit = static_cast<Dwarf_Die*>(die);
  Dwarf_Lines* lines = nullptr;
  size_t count = 0;
  if (dwarf_getsrclines(unit, &lines, &count) != 0) return;
  const bool optimized = is_optimized(unit);
  std::map<const char*, uint32_t> numbers;  // libdw gives one pointer a name
  Row row;
  bool open = false, dropped = false;
  for (size_t i = 0; i < count; ++i) {
    Dwarf_Line* line = dwarf_onesrcline(lines, i);
    Dwarf_Addr address = 0;
    int number = 0;
    bool end = false, statement = false;
    if (line == nullptr || dwarf_lineaddr(line, &address) != 0 || dwarf_lineno(line, &number) != 0 ||
        dwarf_lineendsequence(line, &end) != 0 || dwarf_linebeginstatement(line, &statement) != 0)
      continue;
    if (open) {
      row.end = address + bias;
      if (row.begin <= row.end) rows_.push_back(row);
    }
    dropped = (dropped && open) || address < kLowestCode;
    open = !end;
    if (end) dropped = false;
    const char* name = end ? nullptr : dwarf_linesrc(line, nullptr, nullptr);
    if (dropped || name == nullptr) {
      open = false;
      continue;
    }
    const auto [known, fresh] = numbers.try_emplace(name, 0);
    if (fresh) known->second = file_number(name);
    row = {address + bias, 0,        known->second, static_cast<uint32_t>(std::max(number, 0)),
           statement,      optimized};
    if (statement && row.line != 0) statements_.push_back({row.file, row.line, row.begin});
  }
}

// Of rows that begin at one address the last statement stays, as gdb has it; but where that is of another
// file, a call was inlined there, and the line with the call stays. Empty rows are for statements_ alone.
void SourceLines::finish() {
  std::list<Row> in_order(rows_.begin(), rows_.end());  // a list's sort is stable
  in_order.sort([](const Row& a, const Row& b) { return a.begin < b.begin; });
  rows_.assign(in_order.begin(), in_order.end());
  std::vector<Row> kept;
  for (const Row& row : rows_) {
    if (!kept.empty() && kept.back().begin == row.begin) {
      const uint64_t end = std::max(kept.back().end, row.end);
      const bool inlined = kept.back().statement && kept.back().file != row.file && kept.back().line != 0;
      if ((row.statement && !inlined) || !kept.back().statement) kept.back() = row;
      kept.back().end = end;
    } else {
      if (!kept.empty()) kept.back().end = std::min(kept.back().end, row.begin);
      kept.push_back(row);
    }
  }
  rows_ = std::move(kept);
  const auto key = [](const Statement& s) { return std::tie(s.file, s.line, s.address); };
  std::sort(statements_.begin(), statements_.end(),
            [&](const Statement& a, const Statement& b) { return key(a) < key(b); });
}

uint32_t SourceLines::file_number(const char* name) {
  const std::string path = std::filesystem::path(name).lexically_normal().string();
  const auto [known, fresh] = file_numbers_.try_emplace(path, static_cast<uint32_t>(files_.size()));
  if (fresh) files_.push_back(path);
  return known->second;
}

const SourceLines::Row* SourceLines::find(uint64_t address) const {
  const auto after = std::upper_bound(rows_.begin(), rows_.end(), address,
                                      [](uint64_t value, const Row& row) { return value < row.begin; });
  if (after == rows_.begin()) return nullptr;
  const Row& row = *std::prev(after);
  return address < row.end && row.line != 0 ? &row : nullptr;
}

const SourceLines::Row* SourceLines::statement_at(uint64_t address) const {
  const Row* row = find(address);
  return row != nullptr && row->begin == address && row->statement ? row : nullptr;
}

std::string SourceLines::describe(uint64_t address) const {
  const Row* row = find(address);
  return row == nullptr ? "" : fmt::format("{}:{}", short_name(row->file), row->line);
}

std::string SourceLines::short_name(uint32_t file) const {
  const std::string& path = files_[file];
  std::error_code ignored;
  const std::string here = std::filesystem::current_path(ignored).string() + "/";
  return path.starts_with(here) ? path.substr(here.size()) : path;
}

bool SourceLines::names(uint32_t file, std::string_view wanted) const {
  const std::string& path = files_[file];
  return path.ends_with(wanted) && (path.size() == wanted.size() || wanted.starts_with('/') ||
                                    path[path.size() - wanted.size() - 1] == '/');
}

std::optional<uint32_t> SourceLines::find_file(std::string_view file) const {
  for (uint32_t i = 0; i < files_.size() && !file.empty(); ++i)
    if (names(i, file)) return i;
  return {};
}

Expected<std::vector<uint64_t>> SourceLines::addresses(std::string_view file, uint32_t line) const {
  if (!find_file(file)) return fail(ErrorKind::kUsage, fmt::format("no source file is called {}", file));
  uint32_t best = 0;
  std::vector<uint64_t> found;
  for (const Statement& statement : statements_) {
    if (statement.line < line || (best != 0 && statement.line > best) || !names(statement.file, file))
      continue;
    if (statement.line < best) found.clear();
    best = statement.line;
    found.push_back(statement.address);
  }
  if (found.empty()) return fail(ErrorKind::kUsage, fmt::format("{} has no code at line {}", file, line));
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

uint64_t SourceLines::after_prologue(uint64_t function, uint64_t function_end) const {
  const Row* first = find(function);
  if (first == nullptr || first->optimized) return function;
  for (const Row* row = first + 1; row < rows_.data() + rows_.size() && row->begin < function_end; ++row)
    if (row->statement && row->line != 0) return row->begin;
  return function;
}

// Builds that are the same everywhere record relative paths, and may call their own folder something.
std::string SourceLines::path_on_host(uint32_t file) const {
  const std::string& path = files_[file];
  const auto is_file = [](const std::string& candidate) {
    std::error_code error;
    return std::filesystem::is_regular_file(candidate, error);
  };
  if (is_file(path)) return path;
  for (const std::string& folder : folders_)
    for (size_t at = 0; at != std::string::npos; at = path.find('/', at + 1))
      if (std::string candidate = folder + (path[at] == '/' ? "" : "/") + path.substr(at); is_file(candidate))
        return candidate;
  return {};
}

const std::vector<std::string>& SourceLines::lines_of(uint32_t file) {
  const auto [known, fresh] = texts_.try_emplace(file);
  if (!fresh || file >= files_.size()) return known->second;
  const std::string path = path_on_host(file);
  if (path.empty()) return known->second;
  std::ifstream stream(path);
  for (std::string line; known->second.size() < kMostTextLines && std::getline(stream, line);)
    known->second.push_back(line);
  return known->second;
}

uint32_t SourceLines::line_count(uint32_t file) { return static_cast<uint32_t>(lines_of(file).size()); }

std::optional<std::string> SourceLines::text(uint32_t file, uint32_t line) {
  const std::vector<std::string>& lines = lines_of(file);
  if (line == 0 || line > lines.size()) return {};
  return lines[line - 1];
}

}  // namespace mmuscope::debug
