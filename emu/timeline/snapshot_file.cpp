// SPDX-License-Identifier: GPL-2.0-or-later
#include "timeline/snapshot_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

#include "trace/crc32.h"

namespace mmuscope::timeline {
namespace {

using Bytes = std::span<const uint8_t>;
using Kind = std::array<char, 4>;

constexpr Kind kConfig{'C', 'O', 'N', 'F'}, kBoot{'B', 'O', 'O', 'T'}, kPreface{'P', 'R', 'E', 'F'},
    kState{'S', 'T', 'A', 'T'}, kEnd{'E', 'N', 'D', '!'};
constexpr size_t kPartHeaderBytes = 4 + 8 + 4;

// Kind and length of a part count too.
uint32_t part_crc(Bytes header, Bytes payload) {
  return trace::crc32(payload, trace::crc32(header.first(12)));
}

std::unexpected<Error> damaged(const std::string& what) {
  return fail(ErrorKind::kData, "damaged snapshot: " + what);
}

// ---- writing

void append(std::vector<uint8_t>& out, Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

void append_part(std::vector<uint8_t>& out, Kind kind, Bytes payload) {
  StateWriter header;
  for (const char letter : kind) header.put(letter);
  header.put(static_cast<uint64_t>(payload.size()));
  header.put(part_crc(header.bytes(), payload));
  append(out, header.bytes());
  append(out, payload);
}

std::vector<uint8_t> encode_config(const Snapshot& snapshot) {
  StateWriter writer;
  writer.put(static_cast<uint32_t>(snapshot.config.cpus));
  writer.put(snapshot.config.memory_bytes);
  writer.put(static_cast<uint8_t>(snapshot.config.la57));
  writer.put(snapshot.config.quantum);
  writer.put(static_cast<uint8_t>(snapshot.config.count_watched_ranges));
  writer.put(snapshot.icount);
  return writer.take();
}

std::vector<uint8_t> encode_image(const BootImage& image) {
  StateWriter writer;
  writer.put_bytes(image.kernel);
  writer.put_bytes({reinterpret_cast<const uint8_t*>(image.command_line.data()), image.command_line.size()});
  writer.put_bytes(image.initramfs);
  return writer.take();
}

// ---- reading

class Parts {
 public:
  explicit Parts(Bytes rest) : rest_(rest) {}

  // The next part's payload; it must be of this kind.
  Expected<Bytes> take(Kind kind) {
    const std::string name(kind.data(), kind.size());
    if (rest_.size() < kPartHeaderBytes) return damaged("it is cut off before part " + name);
    StateReader reader(rest_.first(kPartHeaderBytes));
    const Kind found = reader.get<Kind>();
    const auto size = reader.get<uint64_t>();
    const auto crc = reader.get<uint32_t>();
    if (found != kind) return damaged("part " + name + " is missing");
    if (size > rest_.size() - kPartHeaderBytes) return damaged("it is cut off in part " + name);
    const Bytes payload = rest_.subspan(kPartHeaderBytes, size);
    if (part_crc(rest_, payload) != crc) return damaged("part " + name + " has a wrong checksum");
    rest_ = rest_.subspan(kPartHeaderBytes + size);
    return payload;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  Bytes rest_;
};

Expected<void> decode_config(Bytes payload, Snapshot& snapshot) {
  StateReader reader(payload);
  MachineConfig& config = snapshot.config;
  config.cpus = reader.get<uint32_t>();
  reader.get(config.memory_bytes);
  const auto la57 = reader.get<uint8_t>();
  reader.get(config.quantum);
  const auto counting = reader.get<uint8_t>();
  reader.get(snapshot.icount);
  config.la57 = la57 != 0;
  config.count_watched_ranges = counting != 0;
  const bool possible = reader.ok() && reader.at_end() && config.cpus >= 1 && config.cpus <= 8 &&
                        Ram::possible(config.memory_bytes) && config.quantum > 0 && la57 <= 1 &&
                        counting <= 1;
  if (!possible) return damaged("it describes no machine");
  return {};
}

Expected<void> decode_image(Bytes payload, BootImage& image) {
  StateReader reader(payload);
  image.kernel = reader.get_bytes();
  const std::vector<uint8_t> line = reader.get_bytes();
  image.command_line.assign(line.begin(), line.end());
  image.initramfs = reader.get_bytes();
  if (!reader.ok() || !reader.at_end()) return damaged("what was booted is not as it says");
  return {};
}

Expected<void> decode_preface(Bytes payload, trace::Preface::Records& records) {
  using Record = trace_abi::TraceRecord;
  if (payload.size() % sizeof(Record) != 0) return damaged("its preface is no list of records");
  records.resize(payload.size() / sizeof(Record));
  if (!payload.empty()) std::memcpy(records.data(), payload.data(), payload.size());
  return {};
}

}  // namespace

Snapshot take_snapshot(Machine& machine, BootImage image, trace::Preface::Records preface) {
  StateWriter writer;
  machine.save(writer);
  return {.config = machine.config(),
          .icount = machine.icount(),
          .image = std::move(image),
          .preface = std::move(preface),
          .state = writer.take()};
}

std::vector<uint8_t> encode_snapshot(const Snapshot& snapshot) {
  std::vector<uint8_t> out(kSnapshotMagic.begin(), kSnapshotMagic.end());
  StateWriter version;
  version.put(kSnapshotVersion);
  append(out, version.bytes());
  append_part(out, kConfig, encode_config(snapshot));
  append_part(out, kBoot, encode_image(snapshot.image));
  append_part(out, kPreface,
              {reinterpret_cast<const uint8_t*>(snapshot.preface.data()),
               snapshot.preface.size() * sizeof(trace_abi::TraceRecord)});
  append_part(out, kState, snapshot.state);
  append_part(out, kEnd, {});
  return out;
}

Expected<Snapshot> decode_snapshot(Bytes file) {
  if (file.size() < kSnapshotMagic.size() ||
      std::memcmp(file.data(), kSnapshotMagic.data(), kSnapshotMagic.size()) != 0)
    return fail(ErrorKind::kData, "not a snapshot of mmuscope");
  StateReader reader(file.subspan(kSnapshotMagic.size()));
  const auto version = reader.get<uint16_t>();
  if (!reader.ok()) return damaged("it is cut off in its header");
  if (version > kSnapshotVersion)
    return fail(ErrorKind::kData,
                fmt::format("snapshot of format {}, written by a newer mmuscope: this one reads format {}",
                            version, kSnapshotVersion));
  if (version == 0) return damaged("there is no format 0");
  if (version < kSnapshotVersion)
    return fail(ErrorKind::kData,
                fmt::format("snapshot of format {}, written by an older mmuscope: this one reads format {}",
                            version, kSnapshotVersion));

  Snapshot snapshot;
  Parts parts(file.subspan(kSnapshotMagic.size() + sizeof version));
  const auto read = [&](Kind kind, auto&& decode) -> Expected<void> {
    const auto payload = parts.take(kind);
    if (!payload) return std::unexpected(payload.error());
    return decode(*payload);
  };
  auto done = read(kConfig, [&](Bytes payload) { return decode_config(payload, snapshot); });
  if (done) done = read(kBoot, [&](Bytes payload) { return decode_image(payload, snapshot.image); });
  if (done) done = read(kPreface, [&](Bytes payload) { return decode_preface(payload, snapshot.preface); });
  if (done)
    done = read(kState, [&](Bytes payload) -> Expected<void> {
      snapshot.state.assign(payload.begin(), payload.end());
      return {};
    });
  if (done)
    done = read(kEnd, [](Bytes payload) -> Expected<void> {
      if (!payload.empty()) return damaged("its end is not empty");
      return {};
    });
  if (!done) return std::unexpected(done.error());
  if (!parts.at_end()) return damaged("something follows its end");
  return snapshot;
}

Expected<std::unique_ptr<Machine>> restore_snapshot(const Snapshot& snapshot, ConsoleSink& sink,
                                                    ConsoleSource& source,
                                                    DebugConsole::LineSink kernel_log) {
  auto machine = Machine::create(snapshot.config, snapshot.image, sink, source, std::move(kernel_log));
  if (!machine) {
    // Nobody here asked for anything: what cannot be used as asked is the file's fault.
    if (machine.error().kind == ErrorKind::kHost) return std::unexpected(machine.error());
    return damaged(machine.error().message);
  }
  if (const auto restored = (*machine)->restore(snapshot.state); !restored)
    return damaged(restored.error().message);
  if ((*machine)->icount() != snapshot.icount) return damaged("its machine stands elsewhere than it says");
  return machine;
}

}  // namespace mmuscope::timeline
