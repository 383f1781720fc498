// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "devices/debug_console.h"
#include "devices/debug_exit.h"
#include "devices/host_console.h"
#include "devices/trace_port.h"

namespace mmuscope {
namespace {

constexpr uint16_t kCom1 = Uart16550::kBase;

TEST(Uart16550, PrintsWhatIsWritten) {
  StringConsoleSink sink;
  StringConsoleSource source;
  Uart16550 uart(sink, source);
  uart.port_write(0, kCom1 + 3, 1, 0x80);  // divisor latch: no output
  uart.port_write(0, kCom1, 1, 1);
  uart.port_write(0, kCom1 + 3, 1, 0x03);
  for (const char c : std::string("hi\n")) {
    EXPECT_TRUE(uart.port_read(0, kCom1 + 5, 1) & 0x20);
    uart.port_write(0, kCom1, 1, static_cast<uint8_t>(c));
  }
  EXPECT_EQ(sink.text(), "hi\n");
}

TEST(Uart16550, PullsInputOnlyWhenTheGuestWaitsForIt) {
  StringConsoleSink sink;
  StringConsoleSource source("ab");
  Uart16550 uart(sink, source);
  EXPECT_FALSE(uart.port_read(0, kCom1 + 5, 1) & 1);
  EXPECT_EQ(source.position(), 0u);
  uart.port_write(0, kCom1 + 1, 1, 1);
  EXPECT_TRUE(uart.port_read(0, kCom1 + 5, 1) & 1);
  EXPECT_EQ(source.position(), 1u);
  EXPECT_TRUE(uart.interrupt_line());
  EXPECT_EQ(uart.port_read(0, kCom1, 1), 'a');
  EXPECT_EQ(uart.port_read(0, kCom1, 1), 'b');
  EXPECT_EQ(uart.port_read(0, kCom1, 1), 4u);  // end of input
  EXPECT_EQ(uart.port_read(0, kCom1, 1), 4u);
}

TEST(Uart16550, StateRoundTripRereadsTheSource) {
  StringConsoleSink sink;
  StringConsoleSource source("abc");
  Uart16550 uart(sink, source);
  EXPECT_EQ(uart.port_read(0, kCom1, 1), 'a');
  uart.port_write(0, kCom1 + 1, 1, 1);
  (void)uart.port_read(0, kCom1 + 5, 1);  // 'b' waits
  StateWriter writer;
  uart.save(writer);
  EXPECT_EQ(uart.port_read(0, kCom1, 1), 'b');
  EXPECT_EQ(uart.port_read(0, kCom1, 1), 'c');
  StateReader reader(writer.bytes());
  uart.restore(reader);
  EXPECT_TRUE(reader.ok() && reader.at_end());
  EXPECT_EQ(uart.port_read(0, kCom1, 1), 'b');
  EXPECT_EQ(uart.port_read(0, kCom1, 1), 'c');
}

TEST(Uart16550, ShowsThePromptBeforeItWaitsForTheAnswer) {
  struct Terminal final : ConsoleSink, ConsoleSource {
    void put(uint8_t byte) override { written += static_cast<char>(byte); }
    void flush() override { shown = written; }
    std::optional<uint8_t> get() override {
      EXPECT_EQ(shown, "# ");
      return 'y';
    }
    uint64_t position() const override { return 0; }
    void seek(uint64_t) override {}
    std::string written, shown;
  } terminal;
  Uart16550 uart(terminal, terminal);
  for (const char c : std::string("# ")) uart.port_write(0, kCom1, 1, static_cast<uint8_t>(c));
  EXPECT_EQ(terminal.shown, "");
  EXPECT_EQ(uart.port_read(0, kCom1, 1), 'y');
}

TEST(DebugConsole, HandsOnWholeLines) {
  std::vector<std::string> lines;
  DebugConsole console([&](const std::string& line) { lines.push_back(line); });
  EXPECT_EQ(console.port_read(0, 0xe9, 1), 0xe9u);
  for (const char c : std::string("one\ntw")) console.port_write(0, 0xe9, 1, static_cast<uint8_t>(c));
  EXPECT_EQ(lines, std::vector<std::string>{"one"});
  EXPECT_EQ(console.unfinished_line(), "tw");
}

TEST(DebugExit, KeepsTheFirstValue) {
  DebugExit exit;
  EXPECT_FALSE(exit.value());
  exit.port_write(0, 0xf4, 4, 7);
  exit.port_write(0, 0xf4, 4, 8);
  EXPECT_EQ(exit.value(), 7u);
}

TEST(TracePort, ReadsTheRecordAndDropsWhatIsNone) {
  Ram ram = *Ram::create(16 << 20);
  std::vector<uint16_t> types;
  TracePort port(ram, [&](unsigned, const trace_abi::TraceRecord& record) { types.push_back(record.type); });
  trace_abi::TraceRecord record{};
  record.abi_version = trace_abi::kTraceAbiVersion;
  record.type = 3;
  std::memcpy(ram.host(0x2000), &record, sizeof record);
  port.port_write(0, 0xb00, 4, 0x2000);
  record.abi_version = 99;
  std::memcpy(ram.host(0x3000), &record, sizeof record);
  port.port_write(0, 0xb00, 4, 0x3000);
  port.port_write(0, 0xb00, 4, 0xfffffff0);
  port.port_write(0, 0xb00, 4, (16 << 20) - 64);  // ends beyond RAM
  port.port_write(0, 0xb00, 2, 0x2000);
  EXPECT_EQ(types, std::vector<uint16_t>{3});
  EXPECT_EQ(port.dropped(), 4u);
}

TEST(HostConsole, ReadsAgainAfterSeekAndEndsForGood) {
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  ASSERT_EQ(write(pipe_fds[1], "xy", 2), 2);
  close(pipe_fds[1]);
  FdConsoleSource source(pipe_fds[0]);
  EXPECT_EQ(source.get(), 'x');
  const uint64_t position = source.position();
  EXPECT_EQ(source.get(), 'y');
  EXPECT_EQ(source.get(), std::nullopt);
  source.seek(position);
  EXPECT_EQ(source.get(), 'y');
  EXPECT_EQ(source.get(), std::nullopt);
  close(pipe_fds[0]);
}

TEST(HostConsole, RemembersThatWritingFailed) {
  FdConsoleSink sink(-1);
  sink.put('x');
  EXPECT_EQ(sink.error(), 0);
  sink.flush();
  EXPECT_EQ(sink.error(), EBADF);
}

// A pipe that holds `text` and nothing more.
int pipe_with(const std::string& text) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  EXPECT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  return ends[0];
}

std::string rest_of(ConsoleSource& source) {
  std::string text;
  while (const auto byte = source.get()) text += static_cast<char>(*byte);
  return text;
}

TEST(HostConsole, AFreshOneBeginsWhereItIsToldTo) {
  const std::string text =
      "a\x04"
      "b\x16\x16"
      "c";
  const int whole = pipe_with(text);
  FdConsoleSource source(whole);
  const std::string quoted = rest_of(source);
  EXPECT_EQ(quoted,
            "a\x16\x04"
            "b\x16\x16\x16\x16"
            "c");
  EXPECT_EQ(source.consumed(), text.size());
  // Wherever the first reader stopped, between a byte and its quote too: another one that is given what the
  // first has not consumed goes on with the same.
  for (size_t given = 0; given <= quoted.size(); ++given) {
    source.seek(0);
    for (size_t i = 0; i < given; ++i) (void)source.get();
    const int part = pipe_with(text.substr(source.consumed()));
    FdConsoleSource other(part);
    other.seek(source.position());
    EXPECT_EQ(other.position(), source.position());
    EXPECT_EQ(rest_of(other), quoted.substr(given)) << given;
    EXPECT_EQ(other.consumed(), text.size());
    EXPECT_EQ(other.get(), std::nullopt);
    ::close(part);
  }
  ::close(whole);
}

}  // namespace
}  // namespace mmuscope
