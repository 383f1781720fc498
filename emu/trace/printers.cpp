// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/printers.h"

#include <fmt/format.h>

#include "trace/json_text.h"
#include "trace/printer_text.h"
#include "x86/paging_entry.h"

namespace mmuscope::trace {
namespace {

// Bits 9-11 and 52-54 belong to software: minikernel's, minikernel/arch/x86_64/pte.h.
struct Bit {
  uint64_t mask;
  const char* name;
  char letter;
};
constexpr Bit kBits[] = {{x86::pte::kPresent, "P", 'P'},
                         {x86::pte::kWritable, "W", 'W'},
                         {x86::pte::kUser, "U", 'U'},
                         {x86::pte::kWriteThrough, "PWT", 't'},
                         {x86::pte::kCacheDisable, "PCD", 'c'},
                         {x86::pte::kAccessed, "A", 'A'},
                         {x86::pte::kDirty, "D", 'D'},
                         {x86::pte::kGlobal, "G", 'G'},
                         {1u << 9, "SPECIAL", 'Z'},
                         {1u << 10, "UFFD_WP", 'F'},
                         {1u << 11, "SOFT_DIRTY", 's'},
                         {uint64_t{1} << 52, "EXCL", 'E'},
                         {uint64_t{1} << 53, "PIN", 'p'},
                         {uint64_t{1} << 54, "PIN_WRITE", 'w'},
                         {x86::pte::kExecuteDisable, "XD", 'x'}};

// Where P is clear, the processor ignores all other bits, and minikernel says by G that the entry keeps its
// frame all the same, in an area without any right.
constexpr Bit kProtNone = {x86::pte::kGlobal, "PROT_NONE", 'N'};

// The bits that are set, lowest first.
template <typename F>
void for_each_bit(uint64_t entry, F&& f) {
  const bool kept = (entry & x86::pte::kPresent) == 0;
  for (const Bit& bit : kBits)
    if (entry & bit.mask) f(kept && bit.mask == kProtNone.mask ? kProtNone : bit);
}

std::string letters(uint64_t entry) {
  if (entry == 0) return "-";
  std::string text;
  for_each_bit(entry, [&](const Bit& bit) { text += bit.letter; });
  return text.empty() ? "." : text;
}

std::string access_name(const x86::Access& access) {
  return fmt::format("{} {}", access.user ? "user" : "kernel", access_type_name(access.type));
}

template <typename T>
Json optional_json(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

const char* size_name(x86::PageSize size) {
  switch (size) {
    case x86::PageSize::k4K:
      return "4K";
    case x86::PageSize::k2M:
      return "2M";
    case x86::PageSize::k1G:
      return "1G";
  }
  return "?";
}

std::string rights(const x86::Translation& page) {
  std::string text = page.user ? "u" : "k";
  text += 'r';
  text += page.writable ? 'w' : '-';
  text += page.executable ? 'x' : '-';
  text += page.dirty ? 'D' : '-';
  text += page.global ? 'G' : '-';
  return text;
}

void put_page(Json& json, const x86::Translation& page) {
  json["size"] = size_name(page.size);
  json["writable"] = page.writable;
  json["user"] = page.user;
  json["executable"] = page.executable;
  json["dirty"] = page.dirty;
  json["global"] = page.global;
  json["key"] = page.key;
}

}  // namespace

bool FaultFilter::accepts(const FaultRow& row) const {
  const uint64_t outcome = row.outcome ? static_cast<uint64_t>(*row.outcome) : 0;
  const uint64_t address = row.fault.access.linear;
  return (pids.empty() || pids.contains(row.moment.pid)) &&
         (outcomes.empty() || outcomes.contains(outcome)) && address >= first_address &&
         address <= last_address;
}

bool TlbFilter::accepts(const Event& event) const {
  if (!pids.empty() && !pids.contains(event.moment.pid)) return false;
  if (first_address == 0 && last_address == ~uint64_t{0}) return true;
  uint64_t first = 0, last = 0;
  const auto cover = [&](const x86::Translation& page) {
    first = page.linear_base;
    last = page.linear_base + (x86::page_bytes(page.size) - 1);
  };
  if (const auto* insert = event.as<TlbInsert>())
    cover(insert->entry.page);
  else if (const auto* remove = event.as<TlbRemove>())
    cover(remove->entry.page);
  else if (const auto* flush = event.as<TlbFlush>(); flush != nullptr && flush->linear != 0)
    first = last = flush->linear;
  else
    return false;  // what a flush of everything drops is told one by one
  return first <= last_address && last >= first_address;
}

// ---- faults

namespace {
constexpr char kFaultColumns[] = "{:>6} {:>3} {:>5} {:<12} {:>16} {:<18} {:>8} {:<8} {:<12} {:>6}  {}";
}

void FaultPrinter::header() {
  if (format_ == Format::kJson) return;
  row(out_, fmt::format(kFaultColumns, "seq", "cpu", "pid", "access", "address", "reason", "entry", "-> now",
                        "outcome", "instr", "where"));
}

void FaultPrinter::print(const FaultRow& fault_row) {
  const Moment& at = fault_row.moment;
  const x86::PageFault& fault = fault_row.fault;
  if (format_ == Format::kJson) {
    Json json;
    json["seq"] = fault_row.seq;
    json["icount"] = at.icount;
    json["cpu"] = at.cpu;
    json["pid"] = at.pid;
    json["cpl"] = at.cpl;
    json["rip"] = hex(at.rip);
    json["symbol"] = fault_row.symbol;
    json["address"] = hex(fault.access.linear);
    json["access"] = access_type_name(fault.access.type);
    json["user"] = fault.access.user;
    json["error_code"] = fault.error_code();
    json["reason"] = fault_reason_name(fault.reason);
    json["level"] = fault.level;
    json["entry_address"] = hex(fault.entry_address);
    json["entry_before"] = hex(fault.entry_value);
    json["entry_after"] = fault_row.entry_after ? Json(hex(*fault_row.entry_after)) : Json(nullptr);
    json["outcome"] = fault_row.outcome ? Json(outcome_name(*fault_row.outcome)) : Json(nullptr);
    json["handler_instructions"] = fault_row.outcome ? Json(fault_row.handler.instructions) : Json(nullptr);
    return line(out_, json);
  }
  const std::string where = fault_row.symbol.empty() ? fmt::format("{:x}", at.rip) : fault_row.symbol;
  const std::string reason =
      fmt::format("{} {}", fault_reason_name(fault.reason), x86::pte::level_name(fault.level));
  row(out_, fmt::format(kFaultColumns, fault_row.seq, at.cpu, at.pid, access_name(fault.access),
                        fmt::format("{:x}", fault.access.linear), cut(reason, 18), letters(fault.entry_value),
                        fault_row.entry_after ? letters(*fault_row.entry_after) : "",
                        fault_row.outcome ? outcome_name(*fault_row.outcome) : "none",
                        fault_row.outcome ? fmt::to_string(fault_row.handler.instructions) : "", where));
}

// ---- TLB

void TlbPrinter::header() {
  if (format_ == Format::kJson) return;
  row(out_, fmt::format("{:>6} {:>3} {:>5} {:<6} {:<18} {:>4} {:>16} {:<4} {:>11} {:<6}  {}", "seq", "cpu",
                        "pid", "event", "cause", "pcid", "linear", "size", "physical", "rights", "where"));
}

void TlbPrinter::print(const Event& event) {
  const auto* insert = event.as<TlbInsert>();
  const auto* remove = event.as<TlbRemove>();
  const auto* flush = event.as<TlbFlush>();
  if (insert == nullptr && remove == nullptr && flush == nullptr) return;
  const Moment& at = event.moment;
  const std::string symbol = symbolizer_.describe(at.pid, at.rip);
  const char* what = insert != nullptr ? "insert" : remove != nullptr ? "remove" : "flush";
  const std::string cause = insert != nullptr   ? access_name(insert->access)
                            : remove != nullptr ? tlb_cause_name(remove->cause)
                                                : tlb_cause_name(flush->cause);
  const x86::TlbEntry* entry = insert != nullptr   ? &insert->entry
                               : remove != nullptr ? &remove->entry
                                                   : nullptr;
  if (format_ == Format::kJson) {
    Json json;
    json["seq"] = event.seq;
    json["icount"] = at.icount;
    json["cpu"] = at.cpu;
    json["pid"] = at.pid;
    json["cpl"] = at.cpl;
    json["rip"] = hex(at.rip);
    json["symbol"] = symbol;
    json["event"] = what;
    json["cause"] = cause;
    if (entry != nullptr) {
      const x86::Translation& page = entry->page;
      json["pcid"] = entry->pcid;
      json["linear"] = hex(page.linear_base);
      json["physical"] = hex(page.physical_base);
      put_page(json, page);
    } else {
      json["pcid"] = optional_json(flush->pcid);
      json["linear"] = flush->linear != 0 ? Json(hex(flush->linear)) : Json(nullptr);
    }
    return line(out_, json);
  }
  const std::string where = symbol.empty() ? fmt::format("{:x}", at.rip) : symbol;
  const auto head = fmt::format("{:>6} {:>3} {:>5} {:<6} {:<18}", event.seq, at.cpu, at.pid, what, cause);
  if (entry != nullptr) {
    const x86::Translation& page = entry->page;
    row(out_, fmt::format("{} {:>4} {:>16x} {:<4} {:>11x} {:<6}  {}", head, entry->pcid, page.linear_base,
                          size_name(page.size), page.physical_base, rights(page), where));
  } else {
    const std::string pcid = flush->pcid ? fmt::to_string(*flush->pcid) : "all";
    const std::string linear = flush->linear != 0 ? fmt::format("{:x}", flush->linear) : "-";
    row(out_, fmt::format("{} {:>4} {:>16} {:<4} {:>11} {:<6}  {}", head, pcid, linear, "", "", "", where));
  }
}

// ---- one walk

namespace {

void walk_json(std::ostream& out, const Event& event, const x86::WalkTrace& walk, const x86::Access& access,
               const x86::PageFault* fault, const x86::TlbEntry* entry, const std::string& symbol) {
  Json json;
  json["seq"] = event.seq;
  json["event"] = event_name(event);
  json["icount"] = event.moment.icount;
  json["cpu"] = event.moment.cpu;
  json["pid"] = event.moment.pid;
  json["cpl"] = event.moment.cpl;
  json["rip"] = hex(event.moment.rip);
  json["symbol"] = symbol;
  json["address"] = hex(access.linear);
  json["access"] = access_type_name(access.type);
  json["user"] = access.user;
  json["cr3"] = hex(event.moment.cr3);
  json["levels"] = event.moment.la57 ? 5 : 4;
  json["steps"] = Json::array();
  for (const x86::WalkStep& step : walk) {
    json["steps"].push_back({{"level", step.level},
                             {"table", x86::pte::level_name(step.level)},
                             {"index", x86::pte::index_of(access.linear, step.level)},
                             {"entry_address", hex(step.entry_address)},
                             {"entry_before", hex(step.entry_before)},
                             {"entry_after", hex(step.entry_after)}});
  }
  if (fault != nullptr) {
    json["fault"] = {{"reason", fault_reason_name(fault->reason)},
                     {"level", fault->level},
                     {"error_code", fault->error_code()}};
  } else {
    json["physical_address"] = hex(entry->page.physical(access.linear));
    json["page"] = {{"physical", hex(entry->page.physical_base)}};
    put_page(json["page"], entry->page);
  }
  line(out, json);
}

}  // namespace

Expected<void> print_walk(std::ostream& out, Format format, const Event& event,
                          const Symbolizer& symbolizer) {
  const auto* fault = event.as<PageFault>();
  const auto* insert = event.as<TlbInsert>();
  if (fault == nullptr && insert == nullptr)
    return fail(ErrorKind::kUsage,
                fmt::format("event {} is a {}: only page faults and TLB inserts have a walk", event.seq,
                            event_name(event)));
  const x86::WalkTrace& walk = fault != nullptr ? fault->walk : insert->walk;
  const x86::Access& access = fault != nullptr ? fault->fault.access : insert->access;
  const Moment& at = event.moment;
  const std::string symbol = symbolizer.describe(at.pid, at.rip);
  if (format == Format::kJson) {
    walk_json(out, event, walk, access, fault != nullptr ? &fault->fault : nullptr,
              insert != nullptr ? &insert->entry : nullptr, symbol);
    return {};
  }
  row(out, fmt::format("event {}, a {}: {} of 0x{:016x} at instruction {}", event.seq, event_name(event),
                       access_name(access), access.linear, at.icount));
  row(out, fmt::format("cpu {}, pid {}, CPL {}, rip 0x{:016x} {}", at.cpu, at.pid, at.cpl, at.rip, symbol));
  row(out, fmt::format("CR3 0x{:016x}, {}-level paging", at.cr3, at.la57 ? 5 : 4));
  std::string path;
  for (const x86::WalkStep& step : walk) {
    const bool last = &step == &walk.last();
    path += fmt::format("{}{}[{}]", path.empty() ? "" : ".", x86::pte::level_name(step.level),
                        x86::pte::index_of(access.linear, step.level));
    row(out, fmt::format("  {:<10} at 0x{:012x}: 0x{:016x}  {}",
                         fmt::format("{}[{}]", x86::pte::level_name(step.level),
                                     x86::pte::index_of(access.linear, step.level)),
                         step.entry_address, step.entry_before, describe_entry(step.entry_before, last)));
    if (step.entry_after != step.entry_before)
      row(out, fmt::format("  {:<10}    {:>14}  0x{:016x}  {}", "", "set by CPU", step.entry_after,
                           describe_entry(step.entry_after, last)));
  }
  if (fault != nullptr) {
    row(out, fmt::format("  refused at {}: {}, error code 0x{:x}", path,
                         fault_reason_name(fault->fault.reason), fault->fault.error_code()));
  } else {
    const x86::Translation& page = insert->entry.page;
    row(out, fmt::format("  {} -> physical 0x{:x}, page of {}, {}", path, page.physical(access.linear),
                         size_name(page.size), rights(page)));
  }
  return {};
}

const char* event_name(const Event& event) {
  static constexpr const char* kNames[] = {"page fault", "interruption", "TLB insert",  "TLB removal",
                                           "TLB flush",  "tracepoint",   "access count"};
  static_assert(std::variant_size_v<Payload> == std::size(kNames));
  return kNames[event.payload.index()];
}

std::string describe_entry(uint64_t entry, bool leaf) {
  if (entry == 0) return "empty";
  std::string text;
  for_each_bit(entry, [&](const Bit& bit) { text += std::string(text.empty() ? "" : " ") + bit.name; });
  if (!(entry & x86::pte::kPresent)) text = "not present" + (text.empty() ? text : ", " + text);
  if (const unsigned key = x86::pte::protection_key(entry); leaf && key != 0)
    text += fmt::format(" key={}", key);
  return text;
}

}  // namespace mmuscope::trace
