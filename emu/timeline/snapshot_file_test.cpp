// SPDX-License-Identifier: GPL-2.0-or-later
#include "timeline/snapshot_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "machine/test_guest.h"
#include "trace/crc32.h"

namespace mmuscope::timeline {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr MachineConfig kTwoCpus{.cpus = 2, .memory_bytes = 32u << 20, .quantum = 50};
constexpr uint64_t kLimit = 20'000;

Bytes state_of(Machine& machine) {
  StateWriter writer;
  machine.save(writer);
  return writer.take();
}

BootImage image_of(const std::string& choice) {
  return {.kernel = test_kernel(), .command_line = choice, .initramfs = {1, 2, 3}};
}

// A file of a guest that stands at `icount`.
Bytes snapshot_at(const std::string& choice, const MachineConfig& config, uint64_t icount,
                  const trace::Preface::Records& preface = {}) {
  Guest guest(choice, config);
  guest.machine->run(icount);
  return encode_snapshot(take_snapshot(*guest.machine, image_of(choice), preface));
}

// The machine of a file, and what it says.
struct Restored {
  explicit Restored(const Bytes& file) {
    const auto snapshot = decode_snapshot(file);
    EXPECT_TRUE(snapshot.has_value()) << (snapshot ? "" : snapshot.error().message);
    if (!snapshot) return;
    auto made = restore_snapshot(*snapshot, sink, source, [](const std::string&) {});
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().message);
    if (made) machine = std::move(*made);
  }
  StringConsoleSink sink;
  StringConsoleSource source;
  std::unique_ptr<Machine> machine;
};

// Runs a guest to its end with a snapshot at `icount`, and another one from there.
void check_the_rest_is_the_same(const std::string& choice, const MachineConfig& config, uint64_t icount) {
  SCOPED_TRACE(choice + " at " + std::to_string(icount));
  Guest plain(choice, config);
  plain.machine->run(icount);
  const Bytes file = encode_snapshot(take_snapshot(*plain.machine, image_of(choice), {}));
  const size_t printed = plain.sink.text().size();
  Transcript of_plain, of_restored;
  plain.machine->add_observer(of_plain);
  const RunResult expected = plain.machine->run(kLimit);

  Restored restored(file);
  ASSERT_NE(restored.machine, nullptr);
  EXPECT_EQ(encode_snapshot(take_snapshot(*restored.machine, image_of(choice), {})), file);
  restored.machine->add_observer(of_restored);
  const RunResult result = restored.machine->run(kLimit);
  EXPECT_EQ(result.reason, expected.reason);
  EXPECT_EQ(result.exit_value, expected.exit_value);
  EXPECT_EQ(of_restored.text, of_plain.text);
  EXPECT_EQ(restored.sink.text(), plain.sink.text().substr(printed));
  EXPECT_EQ(restored.machine->icount(), plain.machine->icount());
  EXPECT_EQ(state_of(*restored.machine), state_of(*plain.machine));
}

TEST(SnapshotFile, WhateverThePositionTheRestIsTheSame) {
  std::mt19937 random(11);
  for (const char* choice : {"p", "u", "t", "i", "w", "c", "3", "h"}) {
    Guest whole(choice, kTwoCpus);
    whole.machine->run(kLimit);
    const uint64_t end = whole.machine->icount();
    for (const uint64_t at : {uint64_t{0}, uint64_t{1}, end / 3, end - 1, end})
      check_the_rest_is_the_same(choice, kTwoCpus, at);
    for (unsigned i = 0; i < 3; ++i) check_the_rest_is_the_same(choice, kTwoCpus, random() % end);
  }
}

TEST(SnapshotFile, TheFileSaysTheConfiguration) {
  const MachineConfig config{
      .cpus = 3, .memory_bytes = 18u << 20, .la57 = true, .quantum = 77, .count_watched_ranges = true};
  trace_abi::TraceRecord record{};
  record.type = 2;
  record.args[6] = 9;
  const auto snapshot = decode_snapshot(snapshot_at("w", config, 100, {record, record}));
  ASSERT_TRUE(snapshot.has_value());
  EXPECT_EQ(snapshot->config.cpus, 3u);
  EXPECT_EQ(snapshot->config.memory_bytes, 18u << 20);
  EXPECT_TRUE(snapshot->config.la57);
  EXPECT_EQ(snapshot->config.quantum, 77u);
  EXPECT_TRUE(snapshot->config.count_watched_ranges);
  EXPECT_EQ(snapshot->icount, 100u);
  EXPECT_EQ(snapshot->image.kernel, test_kernel());
  EXPECT_EQ(snapshot->image.command_line, "w");
  EXPECT_EQ(snapshot->image.initramfs, (Bytes{1, 2, 3}));
  ASSERT_EQ(snapshot->preface.size(), 2u);
  EXPECT_EQ(snapshot->preface[1].args[6], 9u);
}

// In the middle of a window, with counting.
TEST(SnapshotFile, CountsOfWatchedRangesGoOn) {
  MachineConfig config = kTwoCpus;
  config.count_watched_ranges = true;
  Guest whole("w", config);
  Transcript transcript;
  whole.machine->add_observer(transcript);
  whole.machine->run(kLimit);
  ASSERT_EQ(transcript.watched.reads, 9u);
  const uint64_t end = whole.machine->icount();
  for (uint64_t at = end - 40; at < end - 5; at += 3) check_the_rest_is_the_same("w", config, at);
  Restored restored(snapshot_at("w", config, end - 30));
  Transcript rest;
  restored.machine->add_observer(rest);
  restored.machine->run(kLimit);
  EXPECT_EQ(rest.watched.reads, transcript.watched.reads);
  EXPECT_EQ(rest.watched.lines, transcript.watched.lines);
}

TEST(SnapshotFile, BeginsWithALineForPeople) {
  const Bytes file = snapshot_at("p", kTwoCpus, 10);
  EXPECT_EQ(std::string(file.begin(), file.begin() + 18), "mmuscope snapshot\n");
}

// ---- bad files

std::string refusal(const Bytes& file) {
  const auto snapshot = decode_snapshot(file);
  if (snapshot) return "";
  EXPECT_EQ(snapshot.error().kind, ErrorKind::kData);
  EXPECT_EQ(snapshot.error().message.find('\n'), std::string::npos);
  return snapshot.error().message;
}

TEST(SnapshotFile, EveryDamagedByteIsFound) {
  const Bytes good = snapshot_at("p", kTwoCpus, 500);
  std::mt19937 random(5);
  const auto damage = [&](size_t at) {
    Bytes file = good;
    file[at] = static_cast<uint8_t>(file[at] ^ (1 + random() % 255));
    EXPECT_NE(refusal(file), "") << "byte " << at;
  };
  // The header, the first part, and the beginning of the second.
  for (size_t at = 0; at < 18 + 2 + 16 + 30 + 16; ++at) damage(at);
  for (size_t at = good.size() - 16; at < good.size(); ++at) damage(at);
  for (unsigned i = 0; i < 300; ++i) damage(random() % good.size());
}

TEST(SnapshotFile, AFileThatIsCutOffIsRefused) {
  const Bytes good = snapshot_at("p", kTwoCpus, 500);
  std::mt19937 random(6);
  const auto cut = [&](size_t size) {
    EXPECT_NE(refusal(Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(size))), "") << size;
  };
  for (size_t size = 0; size < 120; ++size) cut(size);
  for (size_t left = 1; left < 40; ++left) cut(good.size() - left);
  for (unsigned i = 0; i < 200; ++i) cut(random() % good.size());
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_EQ(refusal(longer), "damaged snapshot: something follows its end");
}

TEST(SnapshotFile, OtherFilesAreNamedAsWhatTheyAre) {
  EXPECT_EQ(refusal({}), "not a snapshot of mmuscope");
  EXPECT_EQ(refusal(Bytes(1000, 'x')), "not a snapshot of mmuscope");
  Bytes newer = snapshot_at("p", kTwoCpus, 10);
  newer[18] = 9;
  EXPECT_EQ(refusal(newer), "snapshot of format 9, written by a newer mmuscope: this one reads format 2");
  Bytes older = newer;
  older[18] = 1;
  EXPECT_EQ(refusal(older), "snapshot of format 1, written by an older mmuscope: this one reads format 2");
  older[18] = 0;
  EXPECT_NE(refusal(older).find("there is no format 0"), std::string::npos) << refusal(older);
}

// With right checksums: what only a program could have done.
void expect_not_restored(const Snapshot& snapshot, const std::string& why) {
  StringConsoleSink sink;
  StringConsoleSource source;
  const auto again = decode_snapshot(encode_snapshot(snapshot));
  ASSERT_TRUE(again.has_value());
  const auto machine = restore_snapshot(*again, sink, source, [](const std::string&) {});
  ASSERT_FALSE(machine.has_value());
  EXPECT_EQ(machine.error().kind, ErrorKind::kData);
  EXPECT_NE(machine.error().message.find(why), std::string::npos) << machine.error().message;
}

TEST(SnapshotFile, PartsThatDoNotBelongTogetherAreRefused) {
  const Snapshot good = *decode_snapshot(snapshot_at("p", kTwoCpus, 500));
  Snapshot bad = good;
  bad.config.cpus = 3;
  expect_not_restored(bad, "another number of CPUs");
  bad = good;
  bad.config.memory_bytes = 34u << 20;
  expect_not_restored(bad, "another memory size");
  bad = good;
  bad.icount++;
  expect_not_restored(bad, "stands elsewhere");
  bad = good;
  bad.image.kernel.resize(100);
  expect_not_restored(bad, "the kernel");
  bad = good;
  bad.image.initramfs.resize(40u << 20);
  expect_not_restored(bad, "does not fit");
  bad = good;
  bad.state.push_back(0);
  expect_not_restored(bad, "longer");
  bad = good;
  bad.config.memory_bytes = 5;
  EXPECT_EQ(refusal(encode_snapshot(bad)), "damaged snapshot: it describes no machine");
  for (size_t size = 0; size < good.state.size(); size += good.state.size() / 9 + 1) {
    bad = good;
    bad.state.resize(size);
    expect_not_restored(bad, "damaged snapshot: ");
  }
}

}  // namespace
}  // namespace mmuscope::timeline
