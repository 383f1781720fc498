// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/inspection_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "debug/commands.h"
#include "trace/json_text.h"
#include "trace/printers.h"
#include "x86/paging_entry.h"

namespace mmuscope::debug {
namespace {

using trace::hex;
using trace::Json;
using trace::to_line;

std::string access_name(const x86::Access& access) {
  return fmt::format("{} {}", access.user ? "user" : "kernel", access_type_name(access.type));
}

std::string index_name(uint64_t linear, unsigned level) {
  return fmt::format("{}[{}]", x86::pte::level_name(level), x86::pte::index_of(linear, level));
}

// pml4[511].pdpt[510], down to `level`.
std::string path_name(const x86::PagingContext& context, uint64_t linear, unsigned level) {
  std::string path;
  for (unsigned at = context.la57 ? 5 : 4; at >= level && at > 0; --at)
    path += (path.empty() ? "" : ".") + index_name(linear, at);
  return path;
}

bool is_leaf(const x86::WalkStep& step) { return x86::maps_page(step.entry_before, step.level); }

std::string rights(const Leaf& leaf) {
  if (!leaf.maps()) return "----";
  return fmt::format("{}r{}{}", leaf.user ? 'u' : 'k', leaf.writable ? 'w' : '-',
                     leaf.executable ? 'x' : '-');
}

// Of the entry, without what the other columns say.
std::string range_bits(const MappedRange& range) {
  const Leaf& leaf = range.first;
  if (leaf.reserved) return "reserved bits set, the first entry is " + hex(leaf.entry);
  uint64_t bits = leaf.entry & ~(x86::pte::kAccessed | x86::pte::kDirty);
  if (leaf.present()) bits &= ~(x86::pte::kWritable | x86::pte::kUser | x86::pte::kExecuteDisable);
  const std::string text = trace::describe_entry(bits, true);
  return text.starts_with("P ") ? text.substr(2) : text == "P" ? "" : text;
}

std::string vm_rights(uint64_t flags) {
  return fmt::format("{}{}{}{}", flags & vm::kRead ? 'r' : '-', flags & vm::kWrite ? 'w' : '-',
                     flags & vm::kExec ? 'x' : '-', flags & vm::kShared ? 's' : 'p');
}

std::string area_content(const AreaView& area) {
  if (area.file == 0) return area.flags & vm::kGrowsDown ? "[stack: grows down]" : "[anonymous]";
  return fmt::format("{} at 0x{:x} of 0x{:x}", area.path, area.offset, area.file_bytes);
}

Json area_json(const AreaView& area) {
  Json json = {{"start", hex(area.start)},
               {"end", hex(area.end)},
               {"rights", vm_rights(area.flags)},
               {"flags", hex(area.flags)}};
  json["file"] = nullptr;
  if (area.file != 0)
    json["file"] = {{"path", area.path}, {"offset", hex(area.offset)}, {"bytes", hex(area.file_bytes)}};
  return json;
}

Json task_json(const TaskView& task) {
  return {{"pid", task.pid},
          {"tgid", task.tgid},
          {"name", task.name},
          {"parent", task.parent},
          {"state", task_state_name(task.state)},
          {"cpu", task.cpu},
          {"task", hex(task.address)},
          {"mm", hex(task.mm)},
          {"minor_faults", task.minor_faults}};
}

Json fault_json(const x86::PageFault& fault) {
  return {{"reason", fault_reason_name(fault.reason)},
          {"level", fault.level},
          {"error_code", fault.error_code()}};
}

Json walk_json(const WalkReport& report, const std::string& symbol) {
  Json json = {{"address", hex(report.linear)}, {"symbol", symbol}, {"canonical", report.canonical}};
  json["cr3"] = hex(report.context.cr3);
  json["levels"] = report.context.la57 ? 5 : 4;
  json["paging"] = report.context.paging;
  json["steps"] = Json::array();
  for (const x86::WalkStep& step : report.trace)
    json["steps"].push_back({{"level", step.level},
                             {"table", x86::pte::level_name(step.level)},
                             {"index", x86::pte::index_of(report.linear, step.level)},
                             {"entry_address", hex(step.entry_address)},
                             {"entry", hex(step.entry_before)},
                             {"bits", trace::describe_entry(step.entry_before, is_leaf(step))}});
  json["page"] = nullptr;
  if (report.page)
    json["page"] = {{"physical", hex(report.page->physical_base)},
                    {"size", size_text(page_bytes(report.page->size))}};
  json["accesses"] = Json::array();
  if (!report.canonical) return json;
  for (const WalkReport::Verdict& verdict : report.verdicts) {
    Json one = {{"access", access_name(verdict.access)}, {"allowed", !verdict.fault}, {"fault", nullptr}};
    if (verdict.fault) one["fault"] = fault_json(*verdict.fault);
    json["accesses"].push_back(one);
  }
  return json;
}

Json range_json(const MappedRange& range) {
  const Leaf& leaf = range.first;
  return {{"first", hex(leaf.linear)},     {"last", hex(range.last_byte())},
          {"level", leaf.level},           {"page_bytes", leaf.bytes()},
          {"pages", range.pages},          {"accessed", range.accessed},
          {"dirty", range.dirty},          {"present", leaf.present()},
          {"reserved", leaf.reserved},     {"user", leaf.user},
          {"writable", leaf.writable},     {"executable", leaf.executable},
          {"first_entry", hex(leaf.entry)}};
}

Json frame_json(const FrameView& frame) {
  Json json = {{"pfn", hex(frame.pfn)}, {"physical", hex(frame.pfn * x86::kPageSize)}};
  json["count"] = frame.count ? Json(*frame.count) : Json(nullptr);
  json["descriptor"] = frame.descriptor ? Json(hex(frame.descriptor)) : Json(nullptr);
  json["descriptor_flags"] = hex(frame.descriptor_flags);
  json["reserved"] = frame.reserved;
  json["mapcount"] = frame.in_descriptor ? Json(frame.mapcount) : Json(nullptr);
  json["anonymous"] = frame.in_descriptor ? Json(frame.anonymous) : Json(nullptr);
  json["exclusive"] = frame.in_descriptor ? Json(frame.exclusive) : Json(nullptr);
  json["zero_page"] = frame.zero_page;
  json["complete"] = frame.complete;
  json["mappings"] = Json::array();
  for (const Mapping& mapping : frame.mappings)
    json["mappings"].push_back({{"pid", mapping.pid},
                                {"address", hex(mapping.leaf.linear)},
                                {"entry", hex(mapping.leaf.entry)},
                                {"entry_address", hex(mapping.leaf.entry_address)},
                                {"level", mapping.leaf.level},
                                {"exclusive", (mapping.leaf.entry & kExclusiveBit) != 0}});
  return json;
}

// How many entries map the frame, and whether EXCL tells the truth: the only one then.
std::string mapping_sum(const FrameView& frame) {
  const size_t entries = frame.mappings.size();
  const auto exclusive =
      std::count_if(frame.mappings.begin(), frame.mappings.end(),
                    [](const Mapping& mapping) { return (mapping.leaf.entry & kExclusiveBit) != 0; });
  std::string sum = entries == 0   ? "no entry of a task maps it"
                    : entries == 1 ? "exactly one entry maps it"
                                   : fmt::format("{} entries map it", entries);
  if (exclusive > 0)
    sum += entries == 1
               ? ", EXCL"
               : fmt::format(", of which {} say EXCL: WRONG, an EXCL entry is the only one", exclusive);
  if (!frame.complete) sum += "; the search gave up, there may be more";
  return sum;
}

Json explanation_json(const Explanation& explanation) {
  Json json = walk_json(explanation.walk, "");
  json["task"] = explanation.task ? task_json(*explanation.task) : Json(nullptr);
  json["area"] = explanation.area ? area_json(*explanation.area) : Json(nullptr);
  json["frame_count"] = explanation.frame_count ? Json(*explanation.frame_count) : Json(nullptr);
  json["forecasts"] = Json::array();
  if (!explanation.task) return json;
  for (const Forecast& forecast : explanation.forecasts)
    json["forecasts"].push_back(
        {{"access", access_type_name(forecast.type)},
         {"faults", forecast.faults},
         {"outcome", forecast.outcome ? Json(fault_outcome_name(*forecast.outcome)) : Json(nullptr)},
         {"text", forecast.text}});
  return json;
}

std::string steps_text(const WalkReport& report) {
  std::string text;
  for (const x86::WalkStep& step : report.trace)
    text += clip(fmt::format("  {:<10} at 0x{:012x}: 0x{:016x}  {}", index_name(report.linear, step.level),
                             step.entry_address, step.entry_before,
                             trace::describe_entry(step.entry_before, is_leaf(step))));
  return text;
}

std::string verdict_text(const WalkReport& report, const WalkReport::Verdict& verdict) {
  if (!verdict.fault) return fmt::format("  {:<13} allowed\n", access_name(verdict.access));
  return fmt::format("  {:<13} #PF: {} at {}, error code 0x{:x}\n", access_name(verdict.access),
                     fault_reason_name(verdict.fault->reason),
                     path_name(report.context, report.linear, verdict.fault->level),
                     verdict.fault->error_code());
}

}  // namespace

std::string size_text(uint64_t bytes) {
  constexpr std::string_view kUnits = "BKMGTP";
  size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return fmt::format("{}{}", bytes, kUnits[unit]);
}

std::string clip(std::string line) {
  if (line.size() > Commands::kColumns) line = line.substr(0, Commands::kColumns - 1) + "~";
  return line + "\n";
}

std::string wrap(const std::string& text, size_t indent) {
  std::string lines, line;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find(' ', at + 1), text.size());
    if (line.size() + (end - at) > Commands::kColumns && !line.empty()) {
      lines += line + "\n";
      line.assign(indent, ' ');
      at += text[at] == ' ';
    }
    line += text.substr(at, end - at);
    at = end;
  }
  return lines + line + "\n";
}

Printed print_walk(const WalkReport& report, const std::string& symbol) {
  const std::string name = symbol.empty() ? "" : " " + symbol;
  Printed out{.json = to_line(walk_json(report, symbol))};
  if (!report.canonical) {
    out.text = clip(
        fmt::format("0x{:016x}{} is not canonical with {}-level paging: #GP or #SS, no table is looked at",
                    report.linear, name, report.context.la57 ? 5 : 4));
    return out;
  }
  if (!report.context.paging) {
    out.text = clip(fmt::format("0x{:016x}{}: paging is off, the address is physical", report.linear, name));
    return out;
  }
  out.text = clip(fmt::format("0x{:016x}{}: CR3 0x{:016x}, {}-level paging", report.linear, name,
                              report.context.cr3, report.context.la57 ? 5 : 4));
  out.text += steps_text(report);
  const std::string path = path_name(report.context, report.linear, report.trace.last().level);
  if (report.page) {
    out.text += clip(fmt::format(
        "  {} -> physical 0x{:x}, page of {}, frame 0x{:x}", path, report.page->physical(report.linear),
        size_text(page_bytes(report.page->size)), report.page->physical(report.linear) / x86::kPageSize));
  } else {
    out.text += clip(fmt::format("  {} ends the walk: no page", path));
  }
  for (const WalkReport::Verdict& verdict : report.verdicts) out.text += verdict_text(report, verdict);
  return out;
}

Printed print_tables(const TableReport& report) {
  Printed out;
  Json ranges = Json::array();
  out.text = fmt::format("CR3 0x{:016x}, {}-level paging\n{:<33} {:>6} {:>2} {:>7} {:>7} {:>7} {:<6}  {}\n",
                         report.context.cr3, report.context.la57 ? 5 : 4, "range", "size", "by", "pages", "A",
                         "D", "rights", "bits");
  for (const MappedRange& range : report.ranges) {
    const Leaf& leaf = range.first;
    const std::string by = leaf.level <= 3 ? size_text(leaf.bytes()) : "-";
    out.text += clip(fmt::format("{:016x}-{:016x} {:>6} {:>2} {:>7} {:>7} {:>7} {:<6}  {}", leaf.linear,
                                 range.last_byte(), size_text(range.pages * leaf.bytes()), by, range.pages,
                                 range.accessed, range.dirty, rights(leaf), range_bits(range)));
    ranges.push_back(range_json(range));
  }
  if (report.ranges.empty()) out.text += report.context.paging ? "nothing is mapped\n" : "paging is off\n";
  if (report.stopped)
    out.text +=
        fmt::format("given up at 0x{:016x}: too many tables or ranges, they may loop\n", *report.stopped);
  Json json = {{"cr3", hex(report.context.cr3)}, {"levels", report.context.la57 ? 5 : 4}, {"ranges", ranges}};
  json["stopped"] = report.stopped ? Json(hex(*report.stopped)) : Json(nullptr);
  out.json = to_line(json);
  return out;
}

Printed print_tasks(const TaskList& list) {
  Printed out;
  Json json = Json::array();
  out.text = fmt::format("{:>5} {:>5} {:>6} {:<8} {:>3} {:<16} {:>8} {:<18} {}\n", "pid", "tgid", "parent",
                         "state", "cpu", "name", "faults", "task", "mm");
  for (const TaskView& task : list.tasks) {
    std::string line =
        fmt::format("{:>5} {:>5} {:>6} {}", task.pid, task.tgid, task.parent, task_state_name(task.state));
    if (task.state != TaskState::kZombie)
      line = fmt::format("{:<27} {:>3} {:<16} {:>8} 0x{:016x}", line, task.cpu, task.name, task.minor_faults,
                         task.address);
    if (task.mm != 0) line += fmt::format(" 0x{:016x}", task.mm);
    out.text += clip(line);
    json.push_back(task_json(task));
  }
  if (list.tasks.empty()) out.text = "there is no task\n";
  if (!list.problem.empty()) out.text += wrap("there may be more: " + list.problem, 2);
  out.json = to_line(json);
  return out;
}

Printed print_areas(const TaskView& task, const SpaceView& space) {
  Printed out;
  Json json = task_json(task);
  json["root"] = hex(space.root);
  json["total_pages"] = space.total_pages;
  json["areas"] = Json::array();
  out.text = clip(fmt::format("task {} {}: {} areas, {} pages, tables at 0x{:x}", task.pid, task.name,
                              space.areas.size(), space.total_pages, space.root));
  for (const AreaView& area : space.areas) {
    out.text +=
        clip(fmt::format("{:016x}-{:016x} {:>8} {}  {}", area.start, area.end,
                         size_text(area.end - area.start), vm_rights(area.flags), area_content(area)));
    json["areas"].push_back(area_json(area));
  }
  out.json = to_line(json);
  return out;
}

Printed print_frame(const FrameView& frame) {
  Printed out{.json = to_line(frame_json(frame))};
  const std::string count = !frame.count ? "none: it is beyond the allocator's frames"
                            : *frame.count == 0 && !frame.reserved ? "0: it is free"
                                                                   : fmt::to_string(*frame.count);
  out.text =
      clip(fmt::format("frame 0x{:x}, physical 0x{:x}: count {}{}", frame.pfn, frame.pfn * x86::kPageSize,
                       count, frame.zero_page ? ". The zero page, which nobody counts" : ""));
  if (frame.descriptor != 0)
    out.text +=
        clip(fmt::format("  descriptor at 0x{:016x}: flags 0x{:x}{}", frame.descriptor,
                         frame.descriptor_flags, frame.reserved ? ", RESERVED: not the allocator's" : ""));
  if (frame.in_descriptor && !frame.reserved)
    out.text += clip(fmt::format("  mapcount {}{}{}", frame.mapcount, frame.anonymous ? ", anonymous" : "",
                                 frame.exclusive ? ", exclusive" : ""));
  for (const Mapping& mapping : frame.mappings)
    out.text += clip(fmt::format("  task {:>3} at 0x{:016x}: 0x{:016x}  {}", mapping.pid, mapping.leaf.linear,
                                 mapping.leaf.entry, trace::describe_entry(mapping.leaf.entry, true)));
  out.text += clip("  " + mapping_sum(frame));
  return out;
}

Printed print_explanation(const Explanation& explanation) {
  const WalkReport& walk = explanation.walk;
  Printed out{.json = to_line(explanation_json(explanation))};
  if (!explanation.task) {
    out.text = clip(fmt::format("0x{:016x}: no program runs on this CPU", walk.linear));
    return out;
  }
  out.text = clip(
      fmt::format("0x{:016x} for task {} {}", walk.linear, explanation.task->pid, explanation.task->name));
  if (explanation.area)
    out.text += clip(fmt::format("  area  {:x}-{:x} {}  {}", explanation.area->start, explanation.area->end,
                                 vm_rights(explanation.area->flags), area_content(*explanation.area)));
  if (walk.trace.count > 0) {
    const x86::WalkStep& last = walk.trace.last();
    out.text +=
        clip(fmt::format("  entry {}: 0x{:016x}  {}", path_name(walk.context, walk.linear, last.level),
                         last.entry_before, trace::describe_entry(last.entry_before, is_leaf(last))));
  }
  if (walk.page)
    out.text +=
        clip(fmt::format("  frame 0x{:x}{}", walk.page->physical(walk.linear) / x86::kPageSize,
                         explanation.zero_page     ? ", the zero page"
                         : explanation.frame_count ? fmt::format(", count {}", *explanation.frame_count)
                                                   : ""));
  for (const Forecast& forecast : explanation.forecasts)
    out.text += wrap(
        fmt::format("A {} {}{}", access_type_name(forecast.type), forecast.text,
                    forecast.outcome ? fmt::format(" -> {}", fault_outcome_name(*forecast.outcome)) : ""),
        2);
  return out;
}

}  // namespace mmuscope::debug
