// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/machine_commands.h"

#include <fmt/format.h>

#include <limits>
#include <sstream>

#include "debug/event_text.h"
#include "debug/inspection_text.h"
#include "trace/fault_rows.h"
#include "trace/json_text.h"
#include "trace/printers.h"
#include "trace/system_call_names.h"
#include "x86/paging_entry.h"

namespace mmuscope::debug {
namespace {

using trace::hex;
using trace::Json;
using trace::to_line;

struct Here {
  Inspection& inspection;
  MachineTarget& target;

  Names names() const {
    return [this](uint64_t address) { return inspection.symbols().describe(address); };
  }
};

// ---- tlb

Json tlb_json(const x86::TlbEntry& entry) {
  return {{"linear", hex(entry.page.linear_base)},
          {"physical", hex(entry.page.physical_base)},
          {"bytes", x86::page_bytes(entry.page.size)},
          {"pcid", entry.pcid},
          {"global", entry.page.global},
          {"user", entry.page.user},
          {"writable", entry.page.writable},
          {"executable", entry.page.executable},
          {"dirty", entry.page.dirty},
          {"key", entry.page.key},
          {"serial", entry.serial}};
}

Expected<std::string> tlb(const Here& here, const Arguments& arguments) {
  if (arguments.words.size() > 1) return bad_arguments();
  unsigned cpu = here.inspection.cpu();
  if (arguments.words.size() == 1) {
    const auto number = parse_number(arguments.words[0]);
    if (!number) return bad_arguments();
    if (*number >= here.target.cpu_count())
      return fail(ErrorKind::kUsage, fmt::format("there is no CPU {}: the last one is {}", *number,
                                                 here.target.cpu_count() - 1));
    cpu = static_cast<unsigned>(*number);
  }
  Json rows = Json::array();
  std::string text =
      fmt::format("CPU {}: {} entries, the oldest first\n{:>18} {:>4} {:>14} {:>4} {}\n", cpu,
                  here.target.machine().tlb(cpu).size(), "linear", "size", "physical", "pcid", "rights");
  here.target.machine().tlb(cpu).for_each([&](const x86::TlbEntry& entry) {
    rows.push_back(tlb_json(entry));
    const char* size = entry.page.size == x86::PageSize::k4K   ? "4K"
                       : entry.page.size == x86::PageSize::k2M ? "2M"
                                                               : "1G";
    text += clip(fmt::format("{:>#18x} {:>4} {:>#14x} {:>4} {}{}{}{}{}", entry.page.linear_base, size,
                             entry.page.physical_base, entry.page.global ? "any" : fmt::to_string(entry.pcid),
                             entry.page.user ? "user r" : "kernel r", entry.page.writable ? "w" : "-",
                             entry.page.executable ? "x" : "-", entry.page.dirty ? ", dirty" : "",
                             entry.page.key != 0 ? fmt::format(", key {}", entry.page.key) : ""));
  });
  return arguments.json ? to_line({{"cpu", cpu}, {"entries", rows}}) : text;
}

// ---- what happened before

// N, by default 10.
std::optional<size_t> count_of(const Arguments& arguments) {
  if (arguments.words.empty()) return 10;
  const auto count = parse_number(arguments.words[0]);
  if (arguments.words.size() > 1 || !count || *count == 0) return std::nullopt;
  return static_cast<size_t>(*count);
}

// Looks further and further back until `enough` likes what is found, or all of history was.
Expected<std::vector<trace::Event>> look_back(
    const Here& here, const std::function<bool(const std::vector<trace::Event>&)>& enough) {
  const uint64_t now = here.target.icount(), begin = here.target.timeline().start().icount;
  for (uint64_t distance = 1'000'000;; distance *= 8) {
    const uint64_t from = now - begin > distance ? now - distance : begin;
    auto events = here.target.events_since(from);
    if (!events || from == begin || enough(*events)) return events;
  }
}

std::vector<trace::FaultRow> fault_rows(const Here& here, const std::vector<trace::Event>& events) {
  std::vector<trace::FaultRow> rows;
  trace::FaultRows join(nullptr, [&rows](const trace::FaultRow& row) { rows.push_back(row); });
  for (const trace::Event& event : events) join.put(event);
  join.finish();
  for (trace::FaultRow& row : rows) row.symbol = here.inspection.symbols().describe(row.moment.rip);
  return rows;
}

Expected<std::string> faults(const Here& here, const Arguments& arguments) {
  const auto count = count_of(arguments);
  if (!count) return bad_arguments();
  const auto events = look_back(here, [&](const std::vector<trace::Event>& found) {
    return std::ranges::count_if(found, [](const trace::Event& event) {
             return event.as<trace::PageFault>() != nullptr;
           }) >= static_cast<ptrdiff_t>(std::min<size_t>(*count, SIZE_MAX / 2));
  });
  if (!events) return std::unexpected(events.error());
  const std::vector<trace::FaultRow> rows = fault_rows(here, *events);
  std::ostringstream text;
  trace::FaultPrinter printer(text, arguments.json ? trace::Format::kJson : trace::Format::kTable);
  printer.header();
  for (size_t i = rows.size() - std::min(rows.size(), *count); i < rows.size(); ++i) printer.print(rows[i]);
  if (rows.empty() && !arguments.json) return std::string("no page fault since the start of history\n");
  return text.str();
}

Expected<std::string> events(const Here& here, const Arguments& arguments) {
  const auto count = count_of(arguments);
  if (!count) return bad_arguments();
  const auto found =
      look_back(here, [&](const std::vector<trace::Event>& all) { return all.size() >= *count; });
  if (!found) return std::unexpected(found.error());
  std::string text;
  for (size_t i = found->size() - std::min(found->size(), *count); i < found->size(); ++i) {
    const trace::Event& event = (*found)[i];
    const std::string what = event_text(event, here.names());
    if (arguments.json)
      text += to_line({{"seq", event.seq},
                       {"icount", event.moment.icount},
                       {"cpu", event.moment.cpu},
                       {"pid", event.moment.pid},
                       {"rip", hex(event.moment.rip)},
                       {"text", what}});
    else
      text += clip(fmt::format("{:>6} {:>11} {} {:>3} {}", event.seq, event.moment.icount, event.moment.cpu,
                               event.moment.pid, what));
  }
  if (found->empty() && !arguments.json)
    return std::string("nothing has happened since the start of history\n");
  return text;
}

// ---- goto, flush

Expected<std::string> go_to(const Here& here, const Arguments& arguments) {
  if (arguments.words.size() != 1) return bad_arguments();
  const auto icount = parse_number(arguments.words[0]);
  if (!icount) return bad_arguments();
  const StopReport report = here.target.go_to(*icount);
  std::string why;
  if (report.kind == StopReport::Kind::kHistoryStart) why = ", the start of history";
  if (report.kind == StopReport::Kind::kEnded) why = ", the end: " + report.text;
  if (report.kind == StopReport::Kind::kInterrupted) why = ", interrupted";
  if (arguments.json)
    return to_line(
        {{"icount", here.target.icount()}, {"arrived", report.kind == StopReport::Kind::kArrived}});
  while (why.ends_with('\n')) why.pop_back();
  return fmt::format("at instruction {}{}\n", here.target.icount(), why);
}

Expected<std::string> flush(const Here& here, const Arguments& arguments) {
  if (!arguments.words.empty()) return bad_arguments();
  here.target.flush_tlbs();
  if (arguments.json) return to_line({{"flushed", here.target.cpu_count()}});
  return fmt::format("the TLBs of {} CPU{} are empty; history begins here\n", here.target.cpu_count(),
                     here.target.cpu_count() == 1 ? "" : "s");
}

// ---- catch

Expected<std::string> list_catches(const Here& here, bool json) {
  Json rows = Json::array();
  std::string text;
  for (const auto& [number, wanted] : here.target.catches().all()) {
    rows.push_back({{"number", number}, {"what", wanted.describe()}});
    text += clip(fmt::format("{:>3} {}", number, wanted.describe()));
  }
  if (json) return to_line(rows);
  return text.empty() ? "nothing is caught\n" : text;
}

std::optional<trace_abi::FaultOutcome> outcome_named(const std::string& name) {
  for (uint64_t value = 1; value < 64; ++value) {
    const auto outcome = static_cast<trace_abi::FaultOutcome>(value);
    if (name == trace_abi::fault_outcome_name(outcome) && name != "unknown") return outcome;
  }
  return std::nullopt;
}

Expected<Catch> parse_fault(const std::vector<std::string>& words) {
  Catch wanted{.kind = Catch::Kind::kFault};
  for (const std::string& word : words) {
    const auto outcome = outcome_named(word);
    const auto pid = parse_number(word);
    if (outcome && !wanted.outcome)
      wanted.outcome = outcome;
    else if (pid && !wanted.pid && *pid <= std::numeric_limits<uint32_t>::max())
      wanted.pid = static_cast<uint32_t>(*pid);
    else
      return fail(ErrorKind::kUsage,
                  fmt::format("{} is no outcome of a page fault (as in `faults`) and no pid", word));
  }
  return wanted;
}

Expected<Catch> parse_syscall(const std::vector<std::string>& words) {
  Catch wanted{.kind = Catch::Kind::kSyscall};
  if (words.size() > 1) return bad_arguments();
  if (words.empty()) return wanted;
  wanted.number = parse_number(words[0]);
  constexpr uint64_t kNumbers = 1024;
  for (uint64_t number = 0; !wanted.number && number < kNumbers; ++number)
    if (trace::system_call_name(number) == words[0]) wanted.number = number;
  if (!wanted.number) return fail(ErrorKind::kUsage, fmt::format("there is no system call {}", words[0]));
  return wanted;
}

// The entry that maps the address now, or the first one on the way that is not present.
Expected<Catch> parse_entry(const Here& here, const std::string& word) {
  const auto address = here.inspection.address(word);
  if (!address) return std::unexpected(address.error());
  const unsigned cpu = here.inspection.cpu();
  const WalkReport report =
      here.inspection.inspector().walk(here.inspection.inspector().context(cpu), *address);
  if (report.trace.count == 0)
    return fail(ErrorKind::kUsage, fmt::format("there is no page-table entry for 0x{:x}", *address));
  const x86::WalkStep& step = report.trace.last();
  return Catch{.kind = Catch::Kind::kEntry,
               .address = step.entry_address,
               .about = fmt::format("{} entry of 0x{:x} at physical 0x{:x}", x86::pte::level_name(step.level),
                                    *address, step.entry_address)};
}

Expected<std::string> delete_catch(const Here& here, const Arguments& arguments) {
  const auto number = arguments.words.size() == 2 ? parse_number(arguments.words[1]) : std::nullopt;
  if (!number) return bad_arguments();
  if (*number > std::numeric_limits<unsigned>::max() ||
      !here.target.remove_catch(static_cast<unsigned>(*number)))
    return fail(ErrorKind::kUsage, fmt::format("there is no catch {}", *number));
  return list_catches(here, arguments.json);
}

Expected<Catch> parse_catch(const Here& here, const std::vector<std::string>& words) {
  const std::vector<std::string> rest(words.begin() + 1, words.end());
  if (words[0] == "fault") return parse_fault(rest);
  if (words[0] == "syscall") return parse_syscall(rest);
  if (rest.size() != 1) return bad_arguments();
  if (words[0] == "pte") return parse_entry(here, rest[0]);
  if (words[0] != "tlb") return bad_arguments();
  const auto address = here.inspection.address(rest[0]);
  if (!address) return std::unexpected(address.error());
  return Catch{.kind = Catch::Kind::kTlb, .address = *address};
}

Expected<std::string> catch_event(const Here& here, const Arguments& arguments) {
  if (arguments.words.empty()) return list_catches(here, arguments.json);
  if (arguments.words[0] == "delete") return delete_catch(here, arguments);
  const auto wanted = parse_catch(here, arguments.words);
  if (!wanted) return std::unexpected(wanted.error());
  const unsigned number = here.target.add_catch(*wanted);
  if (arguments.json) return to_line({{"number", number}, {"what", wanted->describe()}});
  return clip(fmt::format("Catchpoint {}: {}", number, wanted->describe()));
}

}  // namespace

void add_machine_commands(Commands& commands, Inspection& inspection, MachineTarget& target) {
  using Handler = Expected<std::string> (*)(const Here&, const Arguments&);
  const auto add = [&](const char* name, const char* arguments, const char* help, Handler handler) {
    commands.add({name, arguments, help, [&inspection, &target, handler](const Arguments& given) {
                    return handler({inspection, target}, given);
                  }});
  };
  add("tlb", "[CPU]", "what a CPU's TLB holds", tlb);
  add("faults", "[N]", "the last N page faults before now [10]", faults);
  add("events", "[N]", "the last N events before now [10]: faults, interrupts, TLB, tracepoints", events);
  add("goto", "N", "go to instruction N, forward or backward, without stops", go_to);
  add("catch", "[fault [OUTCOME] [PID] | pte ADDRESS | syscall [NAME] | tlb ADDRESS | delete N]",
      "stop when it happens, in either direction; alone: lists them", catch_event);
  add("flush", "", "empty all TLBs: the only command that changes the guest", flush);
  target.name_addresses_by(
      [&inspection](uint64_t address) { return inspection.symbols().describe(address); });
}

}  // namespace mmuscope::debug
