// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/printers.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "trace/test_script.h"

namespace mmuscope::trace {
namespace {

using Json = nlohmann::json;
using trace_abi::FaultOutcome;
using trace_abi::TraceType;
constexpr uint64_t kMost = ~uint64_t{0};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}
void expect_fits(const std::string& text, size_t lines) {
  EXPECT_EQ(lines_of(text).size(), lines) << text;
  for (const std::string& line : lines_of(text)) EXPECT_LE(line.size(), 120u) << line;
}

FaultRow usual_row() {
  FaultRow row;
  row.seq = 12;
  row.moment = {.icount = 34567,
                .cpu_instructions = 34567,
                .rip = 0x401234,
                .cr3 = 0x1000,
                .pid = 1,
                .cpu = 0,
                .cpl = 3};
  row.symbol = "main+0x34";
  row.fault = {.access = {.linear = 0x7fff0000, .type = x86::AccessType::kWrite, .user = true},
               .reason = x86::FaultReason::kWriteProtected,
               .level = 1,
               .entry_address = 0x5008,
               .entry_value = 0x8000'0000'0123'4025};
  row.entry_after = 0x8010'0000'0999'9067;
  row.outcome = FaultOutcome::kCopy;
  row.handler.instructions = 900;
  return row;
}
FaultRow extreme_row() {
  FaultRow row;
  row.seq = kMost;
  row.moment = {kMost, kMost, kMost, kMost, UINT32_MAX, 255, 3, true};
  row.symbol = std::string(300, 's') + "\n\x1b[2J\xff\xc3\xa9";
  row.fault = {.access = {.linear = kMost, .type = x86::AccessType::kFetch},
               .reason = x86::FaultReason::kProtectionKeyWrite,
               .level = 5,
               .entry_address = kMost,
               .entry_value = kMost};
  row.entry_after = kMost;
  row.outcome = FaultOutcome::kOutOfMemory;
  row.handler.instructions = kMost;
  return row;
}

std::string fault_table(const FaultRow& row) {
  std::ostringstream out;
  FaultPrinter printer(out, Format::kTable);
  printer.header();
  printer.print(row);
  return out.str();
}
Json fault_json(const FaultRow& row) {
  std::ostringstream out;
  FaultPrinter printer(out, Format::kJson);
  printer.header();
  printer.print(row);
  EXPECT_EQ(lines_of(out.str()).size(), 1u);
  return Json::parse(out.str());
}

TEST(FaultPrinter, TableStandsInColumns) {
  const auto lines = lines_of(fault_table(usual_row()));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0],
            "   seq cpu   pid access                address reason                entry -> now   outcome     "
            "  instr  where");
  EXPECT_EQ(lines[1],
            "    12   0     1 user write           7fff0000 write-protected pt     PUAx PWUADEx  copy        "
            "    900  main+0x34");
}

TEST(FaultPrinter, TableFits120ColumnsWhateverTheValues) {
  expect_fits(fault_table(usual_row()), 2);
  expect_fits(fault_table(extreme_row()), 2);
  for (const char letter : fault_table(extreme_row())) EXPECT_TRUE(letter == '\n' || letter >= ' ');
}

// A real one: big numbers of a long run, a name as C++ has them.
TEST(FaultPrinter, ALongNameTakesWhatRoomThereIs) {
  FaultRow row = usual_row();
  row.symbol = std::string(200, 'n');
  const std::string line = lines_of(fault_table(row))[1];
  EXPECT_EQ(line.size(), 120u);
  EXPECT_EQ(line.back(), '~');
}

TEST(FaultPrinter, JsonHasTheFieldsOfTheFormat) {
  EXPECT_EQ(fault_json(usual_row()), Json::parse(R"({
    "seq": 12, "icount": 34567, "cpu": 0, "pid": 1, "cpl": 3, "rip": "0x0000000000401234",
    "symbol": "main+0x34", "address": "0x000000007fff0000", "access": "write", "user": true, "error_code": 7,
    "reason": "write-protected", "level": 1, "entry_address": "0x0000000000005008",
    "entry_before": "0x8000000001234025", "entry_after": "0x8010000009999067", "outcome": "copy",
    "handler_instructions": 900})"));
}

TEST(FaultPrinter, JsonSaysNullForWhatIsNotKnown) {
  FaultRow row = usual_row();
  row.outcome = {};
  row.entry_after = {};
  EXPECT_NE(fault_table(row).find(" none "), std::string::npos);
  const Json json = fault_json(row);
  for (const char* field : {"entry_after", "outcome", "handler_instructions"})
    EXPECT_TRUE(json.at(field).is_null()) << field;
}

TEST(FaultPrinter, JsonHoldsExtremesAndAnyName) {
  const Json json = fault_json(extreme_row());
  EXPECT_EQ(json.at("seq"), kMost);
  EXPECT_EQ(json.at("handler_instructions"), kMost);
  EXPECT_EQ(json.at("rip"), "0xffffffffffffffff");
  EXPECT_EQ(json.at("access"), "fetch");
  EXPECT_EQ(json.at("symbol").get<std::string>().size(), 300 + 5 + 3 + 2u);  // \xff became U+FFFD
}

TEST(FaultPrinter, AnEntryThatKeepsItsFrameIsNotCalledGlobal) {
  FaultRow row = usual_row();
  row.fault.entry_value = 0x8000'0000'0000'1900;
  EXPECT_NE(fault_table(row).find(" Nsx "), std::string::npos) << fault_table(row);
}

TEST(FaultPrinter, AccessIsReadWriteOrFetch) {
  FaultRow row = usual_row();
  for (const auto& [type, name] :
       {std::pair(x86::AccessType::kRead, "read"), std::pair(x86::AccessType::kWrite, "write"),
        std::pair(x86::AccessType::kFetch, "fetch")}) {
    row.fault.access.type = type;
    EXPECT_EQ(fault_json(row).at("access"), name);
  }
}

const Symbolizer& no_names() {
  static const Symbolizer symbolizer(std::make_shared<Images>());
  return symbolizer;
}
std::string tlb(Format format, const Event& event) {
  std::ostringstream out;
  TlbPrinter printer(out, format, no_names());
  printer.print(event);
  return out.str();
}

std::vector<Event> some_of_all(int count) {
  RandomEvents random(1);
  std::vector<Event> events;
  for (int i = 0; i < count; ++i) {
    events.push_back(random.next());
    if (i % 2 != 0) events.back().seq = kMost;
  }
  return events;
}

TEST(TlbPrinter, TableFits120ColumnsAndShowsTlbEventsOnly) {
  for (const Event& event : some_of_all(5000)) {
    const bool shown = event.as<TlbInsert>() || event.as<TlbRemove>() || event.as<TlbFlush>();
    expect_fits(tlb(Format::kTable, event), shown ? 1 : 0);
  }
}

TEST(TlbPrinter, JsonHasItsFields) {
  for (const Event& event : some_of_all(1000)) {
    const std::string text = tlb(Format::kJson, event);
    if (text.empty()) continue;
    const Json json = Json::parse(text);
    for (const char* field :
         {"seq", "icount", "cpu", "pid", "cpl", "rip", "symbol", "event", "cause", "pcid", "linear"})
      EXPECT_TRUE(json.contains(field)) << field;
    if (event.as<TlbFlush>()) continue;
    for (const char* field : {"physical", "size", "writable", "user", "executable", "dirty", "global", "key"})
      EXPECT_TRUE(json.contains(field)) << field;
  }
}

TEST(TlbPrinter, AFlushOfEverythingNamesNoPcidAndNoAddress) {
  Script script;
  script.on(0, 7).kernel().add(TlbFlush{x86::TlbCause::kCr4, 0, {}});
  const Json json = Json::parse(tlb(Format::kJson, script.events()[0]));
  EXPECT_TRUE(json.at("pcid").is_null());
  EXPECT_TRUE(json.at("linear").is_null());
  EXPECT_EQ(json.at("cause"), "cr4");
}

TEST(TlbFilter, TakesWhatTouchesTheRange) {
  x86::TlbEntry entry;
  entry.page.linear_base = 0x200000;
  entry.page.size = x86::PageSize::k2M;
  Script script;
  script.on(0, 7).kernel().add(TlbRemove{entry, x86::TlbCause::kMovCr3});
  script.add(TlbFlush{x86::TlbCause::kInvlpg, 0x201234, {}}).add(TlbFlush{x86::TlbCause::kMovCr3, 0, {}});
  const auto accepted = [&](const TlbFilter& filter) {
    std::string which;
    for (const Event& event : script.events()) which += filter.accepts(event) ? '1' : '0';
    return which;
  };
  EXPECT_EQ(accepted({}), "111");
  EXPECT_EQ(accepted({.pids = {7}}), "111");
  EXPECT_EQ(accepted({.pids = {8}}), "000");
  EXPECT_EQ(accepted({.pids = {}, .first_address = 0x201000, .last_address = 0x201fff}), "110");
  EXPECT_EQ(accepted({.pids = {}, .first_address = 0x3ff000, .last_address = 0x3fffff}), "100");
  EXPECT_EQ(accepted({.pids = {}, .first_address = 0x400000, .last_address = 0x400fff}), "000");
}

TEST(PrintWalk, FaultsAndInsertsHaveOneInBothFormats) {
  for (const Event& event : some_of_all(2000)) {
    std::ostringstream table, json;
    const bool has_walk = event.as<PageFault>() || event.as<TlbInsert>();
    const auto done = print_walk(table, Format::kTable, event, no_names());
    EXPECT_EQ(done.has_value(), has_walk);
    EXPECT_EQ(print_walk(json, Format::kJson, event, no_names()).has_value(), has_walk);
    if (!has_walk) {
      EXPECT_EQ(done.error().kind, ErrorKind::kUsage);
      EXPECT_EQ(table.str() + json.str(), "");
      continue;
    }
    for (const std::string& line : lines_of(table.str())) EXPECT_LE(line.size(), 120u) << line;
    const x86::WalkTrace& walk =
        event.as<PageFault>() ? event.as<PageFault>()->walk : event.as<TlbInsert>()->walk;
    const Json parsed = Json::parse(json.str());
    EXPECT_EQ(parsed.at("steps").size(), walk.count);
    EXPECT_NE(parsed.contains("fault"), parsed.contains("page"));
  }
}

TEST(DescribeEntry, NamesTheBits) {
  EXPECT_EQ(describe_entry(0, true), "empty");
  EXPECT_EQ(describe_entry(0x67, true), "P W U A D");
  EXPECT_EQ(describe_entry(0x8000'0000'0000'0001, true), "P XD");
  EXPECT_EQ(describe_entry(0x1800'0000'0000'0001, true), "P key=3");
  EXPECT_EQ(describe_entry(0x1800'0000'0000'0001, false), "P");
  EXPECT_EQ(describe_entry(0x1000, true), "not present");
  EXPECT_EQ(describe_entry(0x1002, true), "not present, W");
  EXPECT_EQ(describe_entry(0x101, true), "P G");
  EXPECT_EQ(describe_entry(0x8010'0000'0000'1940, true), "not present, D PROT_NONE SOFT_DIRTY EXCL XD");
}

Script costly_run(uint64_t instructions) {
  Script script;
  script.on(0, 7).kernel().point(TraceType::kWatchRange, {1}, "frame table");
  script.point(TraceType::kWatchRange, {2}, std::string(64, 'n'));
  for (const uint64_t outcome : {uint64_t{4}, uint64_t{11}, uint64_t{100}, uint64_t{101}}) {
    script.user().fault(0x1000).kernel().step(instructions).add(WatchReport{0, {kMost, kMost, kMost}});
    script.outcome(0x1000, static_cast<FaultOutcome>(outcome));
  }
  script.fault(0x2000).point(TraceType::kSyscallEnter, {1}).step(5).point(TraceType::kSyscallExit, {1, 0});
  script.point(TraceType::kSyscallEnter, {kMost}).point(TraceType::kSyscallExit, {kMost, 0});
  return script;
}
std::string sums(Format format, const Script& script, bool counted) {
  Stats stats;
  for (const Event& event : script.events()) stats.put(event);
  stats.finish();
  std::ostringstream out;
  print_stats(out, format, stats, counted);
  return out.str();
}

TEST(PrintStats, TableFits120ColumnsWhateverTheValues) {
  for (const bool counted : {false, true}) {
    for (const uint64_t instructions : {uint64_t{1000}, kMost / 5}) {
      const std::string text = sums(Format::kTable, costly_run(instructions), counted);
      for (const std::string& line : lines_of(text)) EXPECT_LE(line.size(), 120u) << line;
    }
  }
}

TEST(PrintStats, JsonKeepsEveryKeyApart) {
  const Json json = Json::parse(sums(Format::kJson, costly_run(10), true));
  EXPECT_EQ(json.at("instructions"), 45u);
  EXPECT_EQ(json.at("accesses_counted"), true);
  EXPECT_EQ(json.at("faults").size(), 5u);
  EXPECT_EQ(json.at("faults").at("copy").at("count"), 1u);
  EXPECT_EQ(json.at("faults").at("copy").at("accesses").at("frame table").at("lines"), kMost);
  EXPECT_EQ(json.at("faults").at("none").at("count"), 1u);
  EXPECT_EQ(json.at("system_calls").at("write").at("instructions"), 5u);
  EXPECT_EQ(json.at("system_calls").size(), 2u);
  EXPECT_NE(sums(Format::kTable, costly_run(10), true).find("\nnone  "), std::string::npos);
}

Script ended_run() {
  Script script;
  script.on(0, 0).kernel().point(TraceType::kWatchRange, {1}, "frame table");
  script.task_switch(7).on(0, 7).point(TraceType::kExec, {7, 0}, "/bin/prog").step(3);
  script.add(WatchReport{0, {1, 2, 3}}).point(TraceType::kVmStat, {100}, "nr_free_pages");
  script.point(TraceType::kVmStat, {0}, "pgmajfault")
      .point(TraceType::kVmStat, {kMost}, std::string(64, 'n'));
  return script;
}

TEST(PrintStats, KernelCountersAreThereInJsonAndWithoutZeroesInTheTable) {
  const Json json = Json::parse(sums(Format::kJson, ended_run(), true));
  EXPECT_EQ(json.at("kernel_counters").size(), 3u);
  EXPECT_EQ(json.at("kernel_counters").at("nr_free_pages"), 100);
  EXPECT_EQ(json.at("kernel_counters").at("pgmajfault"), 0);
  EXPECT_EQ(json.at("accesses_in_all").at("frame table"), Json({{"reads", 1}, {"writes", 2}, {"lines", 3}}));
  const std::string text = sums(Format::kTable, ended_run(), true);
  EXPECT_NE(text.find("\nkernel counters\nnr_free_pages                      100  nnnn"), std::string::npos)
      << text;
  EXPECT_EQ(text.find("pgmajfault"), std::string::npos);
  EXPECT_NE(text.find("\nframe table in the whole run: 1 reads, 2 writes, 3 lines\n"), std::string::npos)
      << text;
  for (const std::string& line : lines_of(text)) EXPECT_LE(line.size(), 120u) << line;
  const Json cut_off = Json::parse(sums(Format::kJson, costly_run(10), true));
  EXPECT_TRUE(cut_off.at("kernel_counters").is_null());
  EXPECT_TRUE(cut_off.at("accesses_in_all").is_null());
}

TEST(PrintStats, ManyTasksAreThoseThatDidMost) {
  Script script = ended_run();
  for (uint32_t pid = 10; pid < 60; ++pid)
    script.task_switch(pid)
        .on(0, pid)
        .step(pid == 13   ? 5000
              : pid == 12 ? 1
                          : 100)
        .point(TraceType::kSyscallEnter, {39});
  const std::string text = sums(Format::kTable, script, false);
  EXPECT_NE(text.find("   13        0       1"), std::string::npos) << text;
  EXPECT_EQ(text.find("   12        0       1"), std::string::npos) << text;
  EXPECT_NE(text.find("and 28 more, which did less"), std::string::npos) << text;
  const Json json = Json::parse(sums(Format::kJson, script, false));
  EXPECT_EQ(json.at("tasks").size(), 52u);
  EXPECT_EQ(json.at("tasks").at("7").at("program"), "/bin/prog");
  EXPECT_EQ(json.at("tasks").at("13").at("system_calls"), 1);
}

TEST(PrintStats, WithoutCountingAccessesAreNotShown) {
  const Json json = Json::parse(sums(Format::kJson, costly_run(10), false));
  EXPECT_EQ(json.at("accesses_counted"), false);
  EXPECT_FALSE(json.at("faults").at("copy").contains("accesses"));
  EXPECT_NE(sums(Format::kTable, costly_run(10), false).find("were not counted"), std::string::npos);
}

}  // namespace
}  // namespace mmuscope::trace
