// SPDX-License-Identifier: GPL-2.0-or-later
//
// Recorder and Reader, and the file between them.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "trace/crc32.h"
#include "trace/reader.h"
#include "trace/recorder.h"
#include "trace/test_events.h"

namespace mmuscope::trace {
namespace {

class Path {
 public:
  Path()
      : path_(fmt::format("{}/mmuscope-{}-{}.trace", testing::TempDir(), ::getpid(),
                          testing::UnitTest::GetInstance()->current_test_info()->name())) {}
  ~Path() { std::filesystem::remove(path_); }
  const std::string& text() const { return path_; }
  std::string contents() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string path_;
};

TraceInfo some_info() {
  TraceInfo info;
  info.machine = {
      .cpus = 3, .memory_bytes = 1 << 30, .la57 = true, .quantum = 77, .count_watched_ranges = true};
  info.command_line = "quiet init=/bin/x";
  return info;
}
const SymbolTable kKernelSymbols({{0xffffffff80000000, 16, "start"}, {0xffffffff80000010, 0, "stop"}});
const SymbolTable kProgramSymbols({{0x401000, 100, "main"}});
const RunEnd kEnd{.reason = EndReason::kExit, .exit_value = 3, .icount = ~uint64_t{0}};

Event exec(uint64_t seq, const std::string& path) {
  Event event;
  event.seq = seq;
  Tracepoint point;
  point.record = {.abi_version = trace_abi::kTraceAbiVersion,
                  .type = static_cast<uint16_t>(trace_abi::TraceType::kExec),
                  .reserved = 0,
                  .args = {1},
                  .text = {}};
  path.copy(point.record.text, sizeof point.record.text);
  event.payload = point;
  return event;
}

// Random events of a run that executes /bin/x first; a new block every other event or so.
std::vector<Event> some_events(size_t count, uint64_t stride = uint64_t{1} << Recorder::kEpochShift) {
  RandomEvents random(1);
  std::vector<Event> events;
  for (uint64_t seq = 1; seq <= count; ++seq) {
    Event event = random.next_soon(stride);
    if (seq == 3) event.payload = exec(seq, "/bin/x").payload;
    event.seq = seq;
    events.push_back(event);
  }
  return events;
}

Recorder::ImageSource images() {
  return [](const std::string& path) { return path == "/bin/x" ? kProgramSymbols : SymbolTable(); };
}

// The file that a run with these events leaves.
std::string record(const std::vector<Event>& events, bool close = true) {
  const Path path;
  {
    auto recorder = Recorder::create(path.text(), some_info(), kKernelSymbols, images());
    EXPECT_TRUE(recorder);
    for (const Event& event : events) (*recorder)->put(event);
    if (close) {
      EXPECT_TRUE((*recorder)->close(kEnd));
    }
  }
  return path.contents();
}

struct Result {
  std::vector<Event> events;
  std::optional<RunEnd> end;
  std::string warning;
  std::optional<Error> error;
  Images images;
};
Result read(const std::string& file) {
  Result result;
  auto reader = Reader::create(std::make_unique<std::istringstream>(file), "t");
  if (!reader) {
    result.error = reader.error();
    return result;
  }
  Event event;
  for (;;) {
    const auto more = reader->next(event);
    if (!more) result.error = more.error();
    if (!more || !*more) break;
    result.events.push_back(event);
  }
  result.end = reader->end();
  result.warning = reader->warning();
  result.images = *reader->images();
  return result;
}
std::string error_of(const std::string& file) {
  const Result result = read(file);
  if (!result.error) return "";
  EXPECT_EQ(result.error->kind, ErrorKind::kData);
  return result.error->message;
}

// What was read is how the run began.
void expect_beginning(const std::vector<Event>& run, const std::vector<Event>& part) {
  ASSERT_LE(part.size(), run.size());
  for (size_t i = 0; i < part.size(); ++i) {
    ASSERT_EQ(part[i].seq, run[i].seq);
    ASSERT_EQ(text_of(part[i]), text_of(run[i]));
  }
}

TEST(TraceFile, GivesBackWhatWasRecorded) {
  for (const uint64_t stride : {uint64_t{10}, uint64_t{1} << Recorder::kEpochShift}) {
    const std::vector<Event> events = some_events(20'000, stride);  // more than one block of kBlockBytes
    const Result result = read(record(events));
    EXPECT_FALSE(result.error) << result.error->message;
    EXPECT_EQ(result.warning, "");
    EXPECT_EQ(result.events.size(), events.size());
    expect_beginning(events, result.events);
    ASSERT_TRUE(result.end);
    EXPECT_EQ(result.end->reason, kEnd.reason);
    EXPECT_EQ(result.end->exit_value, kEnd.exit_value);
    EXPECT_EQ(result.end->icount, kEnd.icount);
    EXPECT_EQ(result.images, (Images{{kKernelImage, kKernelSymbols}, {"/bin/x", kProgramSymbols}}));
  }
}

TEST(TraceFile, SaysWhatWasRun) {
  const auto reader = Reader::create(std::make_unique<std::istringstream>(record({})), "t");
  ASSERT_TRUE(reader);
  const TraceInfo& info = reader->info();
  EXPECT_EQ(info.machine.cpus, 3u);
  EXPECT_EQ(info.machine.memory_bytes, uint64_t{1} << 30);
  EXPECT_EQ(info.machine.la57, true);
  EXPECT_EQ(info.machine.quantum, 77u);
  EXPECT_EQ(info.machine.count_watched_ranges, true);
  EXPECT_EQ(info.command_line, "quiet init=/bin/x");
}

TEST(TraceFile, ARunWithoutEventsIsATraceToo) {
  const Result result = read(record({}));
  EXPECT_FALSE(result.error);
  EXPECT_EQ(result.warning, "");
  EXPECT_TRUE(result.end);
}

TEST(TraceFile, EqualRunsGiveEqualBytes) { EXPECT_EQ(record(some_events(3000)), record(some_events(3000))); }

TEST(TraceFile, SymbolsStandBeforeTheEventThatExecutesTheirProgram) {
  auto reader = Reader::create(std::make_unique<std::istringstream>(record(some_events(10))), "t");
  ASSERT_TRUE(reader);
  Event event;
  while (reader->images()->count("/bin/x") == 0) ASSERT_TRUE(reader->next(event).value_or(false));
  EXPECT_EQ(event.seq, 3u);
}

TEST(TraceFile, SymbolsOfAProgramAreKeptOnce) {
  unsigned asked = 0;
  const Path path;
  auto recorder = Recorder::create(path.text(), some_info(), {}, [&](const std::string&) {
    ++asked;
    return kProgramSymbols;
  });
  ASSERT_TRUE(recorder);
  for (uint64_t seq = 1; seq < 10; ++seq) (*recorder)->put(exec(seq, "/bin/x"));
  ASSERT_TRUE((*recorder)->close(kEnd));
  EXPECT_EQ(asked, 1u);
}

TEST(TraceFile, APathThatFillsItsRecordIsReadToItsEnd) {
  const std::string longest(64, 'p');
  const Path path;
  auto recorder =
      Recorder::create(path.text(), some_info(), {}, [](const std::string&) { return kProgramSymbols; });
  ASSERT_TRUE(recorder);
  (*recorder)->put(exec(1, longest));
  ASSERT_TRUE((*recorder)->close(kEnd));
  EXPECT_TRUE(read(path.contents()).images.contains(longest));
}

TEST(TraceFile, SymbolsThatAReaderWouldRefuseAreLeftOut) {
  std::vector<Symbol> symbols;
  for (uint64_t i = 0; i < 100; ++i) symbols.push_back({i, 1, std::string(1 << 20, 'a')});
  const Path path;
  auto recorder = Recorder::create(path.text(), some_info(), SymbolTable(symbols), {});
  ASSERT_TRUE(recorder);
  ASSERT_TRUE((*recorder)->close(kEnd));
  const Result result = read(path.contents());
  EXPECT_FALSE(result.error);
  EXPECT_TRUE(result.images.empty());
}

TEST(TraceFile, ARunThatWasKilledLeavesItsEventsAndAWarning) {
  const std::vector<Event> events = some_events(100);
  const Result result = read(record(events, false));
  EXPECT_FALSE(result.error);
  EXPECT_FALSE(result.end);
  EXPECT_EQ(result.events.size(), 100u);
  EXPECT_EQ(result.warning, "t: the trace has no end (was its run killed?); read up to event 100");
}

TEST(TraceFile, TimeThatPassesWithoutEventsWritesThoseBefore) {
  const Path path;
  auto recorder = Recorder::create(path.text(), some_info(), {}, {});
  ASSERT_TRUE(recorder);
  Event event = some_events(1)[0];
  event.moment.icount = 1;
  (*recorder)->put(event);
  (*recorder)->advance(2);
  EXPECT_EQ(read(path.contents()).events.size(), 0u);
  (*recorder)->advance(uint64_t{1} << Recorder::kEpochShift);
  EXPECT_EQ(read(path.contents()).events.size(), 1u);
}

TEST(TraceFile, CutAnywhereItGivesWholeBlocksAndAWarning) {
  const std::vector<Event> events = some_events(60);
  const std::string whole = record(events);
  size_t most = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    const Result result = read(whole.substr(0, size));
    if (result.error) {
      EXPECT_EQ(result.error->kind, ErrorKind::kData);
      EXPECT_LT(size, 100u) << "past the header: " << result.error->message;
    } else {
      EXPECT_NE(result.warning, "");
    }
    EXPECT_FALSE(result.end);
    expect_beginning(events, result.events);
    EXPECT_GE(result.events.size(), most);
    most = result.events.size();
  }
  EXPECT_EQ(most, events.size());
}

TEST(TraceFile, EveryFlippedBitIsNoticed) {
  const std::vector<Event> events = some_events(20);
  const std::string whole = record(events);
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    SCOPED_TRACE(bit);
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    const Result result = read(damaged);
    EXPECT_TRUE(result.error || !result.warning.empty());
    expect_beginning(events, result.events);
  }
}

TEST(TraceFile, ALastBlockOfAnotherLengthOrContentIsThatOfAKilledRun) {
  const std::string whole = record(some_events(2, 1), false);
  std::string damaged = whole;
  std::fill(damaged.end() - 8, damaged.end(), '\0');
  const Result result = read(damaged);
  EXPECT_FALSE(result.error);
  EXPECT_EQ(result.warning, "t: its last block is damaged (was its run killed?); read up to event 0");
}

TEST(TraceFile, WhatIsNoTraceIsRefused) {
  EXPECT_EQ(error_of(""), "t: not a trace of mmuscope");
  EXPECT_EQ(error_of("MMUTRAC"), "t: not a trace of mmuscope");
  EXPECT_EQ(error_of(std::string(1000, 'x')), "t: not a trace of mmuscope");
  EXPECT_EQ(error_of("\x7f" + record({}).substr(1)), "t: not a trace of mmuscope");
}

TEST(TraceFile, ANewerVersionIsNamed) {
  std::string file = record({});
  file[8] = 2;
  EXPECT_EQ(error_of(file), "t: written by a newer mmuscope (format 2.1, this one reads 1.1)");
  file[8] = 1;
  file[11] = 1;
  EXPECT_EQ(error_of(file), "t: written by a newer mmuscope (format 1.257, this one reads 1.1)");
}

TEST(TraceFile, SomethingAfterTheEndIsDamage) {
  EXPECT_EQ(error_of(record({}) + "x"), "t: damaged trace: something follows its end");
}

TEST(TraceFile, ABlockThatIsMissingIsDamage) {
  const std::string file = record(some_events(2, 1));
  // Header, symbols, exec comes third: one block of two events, the end.
  const size_t block = file.find("EVNT"), end = file.find("END!");
  ASSERT_LT(block, end);
  EXPECT_EQ(error_of(file.substr(0, block) + file.substr(end)),
            "t: damaged trace: it ends before event 3 and has none after 0");
  EXPECT_EQ(error_of(file.substr(0, end) + file.substr(block)), "t: damaged trace: event 1 follows event 2");
}

TEST(TraceFile, NothingIsReadAfterAnError) {
  std::string file = record(some_events(40));
  file[file.find("EVNT", file.size() / 2) + kBlockHeaderBytes] ^= 1;
  auto reader = Reader::create(std::make_unique<std::istringstream>(file), "t");
  ASSERT_TRUE(reader);
  Event event;
  auto more = reader->next(event);
  while (more && *more) more = reader->next(event);
  ASSERT_FALSE(more);
  more = reader->next(event);
  EXPECT_FALSE(more && *more);
}

TEST(TraceFile, APathThatCannotBeWrittenIsAUsageError) {
  for (const char* path : {"/", "/proc/nowhere/x", "/dev/null/x", ""}) {
    const auto recorder = Recorder::create(path, some_info(), {}, {});
    ASSERT_FALSE(recorder) << path;
    EXPECT_EQ(recorder.error().kind, ErrorKind::kUsage);
    EXPECT_TRUE(recorder.error().message.starts_with(std::string("cannot write trace ") + path + ": "));
  }
}

TEST(TraceFile, APathThatCannotBeReadIsAUsageError) {
  for (const char* path : {"/", "/nowhere/x", ""}) {
    const auto reader = Reader::open(path);
    ASSERT_FALSE(reader) << path;
    EXPECT_EQ(reader.error().kind, ErrorKind::kUsage);
  }
}

TEST(TraceFile, WhereNotEvenTheHeaderFitsNoRunBegins) {
  const auto recorder = Recorder::create("/dev/full", some_info(), kKernelSymbols, images());
  ASSERT_FALSE(recorder);
  EXPECT_NE(recorder.error().message.find("/dev/full"), std::string::npos) << recorder.error().message;
  EXPECT_NE(recorder.error().message.find("No space left on device"), std::string::npos)
      << recorder.error().message;
}

// A limit on file sizes stands for the disk that fills up on the way.
TEST(TraceFile, AFullDiskEndsTheWritingAndIsReportedAtTheEnd) {
  const Path path;
  auto recorder = Recorder::create(path.text(), some_info(), kKernelSymbols, images());
  ASSERT_TRUE(recorder);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit full = before;
  full.rlim_cur = path.contents().size();
  ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  for (const Event& event : some_events(100)) (*recorder)->put(event);
  const auto done = (*recorder)->close(kEnd);
  ::setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::kHost);
  EXPECT_EQ(done.error().message, "trace " + path.text() + " is not complete: File too large");
}

TEST(TraceFile, OneRunAtATimeWritesAFile) {
  const Path path;
  auto first = Recorder::create(path.text(), some_info(), kKernelSymbols, images());
  ASSERT_TRUE(first);
  const std::vector<Event> events = some_events(100);
  for (const Event& event : events) {
    (*first)->put(event);
    const auto second = Recorder::create(path.text(), some_info(), {}, {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::kUsage);
    EXPECT_EQ(second.error().message, "cannot write trace " + path.text() + ": another run is writing it");
  }
  ASSERT_TRUE((*first)->close(kEnd));
  const Result result = read(path.contents());
  EXPECT_EQ(result.events.size(), events.size());
  EXPECT_TRUE(result.end);
  EXPECT_TRUE(Recorder::create(path.text(), some_info(), {}, {}));
}

TEST(TraceFile, OnlyATraceIsOverwritten) {
  const Path path;
  for (const std::string text : {"#include <stdio.h>\n", "x"}) {
    std::ofstream(path.text()) << text;
    const auto recorder = Recorder::create(path.text(), some_info(), {}, {});
    ASSERT_FALSE(recorder);
    EXPECT_EQ(recorder.error().kind, ErrorKind::kUsage);
    EXPECT_EQ(recorder.error().message, path.text() + " is not a trace: it would be overwritten");
    EXPECT_EQ(path.contents(), text);
  }
  std::ofstream(path.text()) << "";
  EXPECT_TRUE(Recorder::create(path.text(), some_info(), {}, {}));
  EXPECT_TRUE(Recorder::create(path.text(), some_info(), {}, {}));
}

TEST(TraceFile, DevicesTakeAnyNumberOfRuns) {
  auto first = Recorder::create("/dev/null", some_info(), {}, {});
  auto second = Recorder::create("/dev/null", some_info(), {}, {});
  ASSERT_TRUE(first && second);
  EXPECT_TRUE((*first)->close(kEnd));
  EXPECT_TRUE((*second)->close(kEnd));
}

TEST(TraceFile, APipeCarriesATrace) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  auto recorder = Recorder::create(fmt::format("/dev/fd/{}", ends[1]), some_info(), {}, {});
  ASSERT_TRUE(recorder);
  const std::vector<Event> events = some_events(10);
  for (const Event& event : events) (*recorder)->put(event);
  ASSERT_TRUE((*recorder)->close(kEnd));
  ::close(ends[1]);
  const auto reader = Reader::open(fmt::format("/dev/fd/{}", ends[0]));
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->info().command_line, some_info().command_line);
  ::close(ends[0]);
}

TEST(TraceFile, AnOlderTraceIsOverwritten) {
  const Path path;
  std::ofstream(path.text()) << kMagic << std::string(1 << 20, 'x');
  auto recorder = Recorder::create(path.text(), some_info(), {}, {});
  ASSERT_TRUE(recorder);
  ASSERT_TRUE((*recorder)->close(kEnd));
  EXPECT_EQ(read(path.contents()).warning, "");
  EXPECT_TRUE(read(path.contents()).end);
}

}  // namespace
}  // namespace mmuscope::trace
