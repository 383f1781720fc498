// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/snapshots.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <limits>
#include <set>

#include "cli/commands.h"
#include "cli/files.h"

namespace mmuscope::cli {
namespace {

namespace fs = std::filesystem;

// Files are replaced by renaming: what is no file would be gone, and the folder must take new names.
Expected<void> check_writable(const std::string& path) {
  const auto refuse = [&](const char* why) {
    return fail(ErrorKind::kUsage, fmt::format("cannot write snapshot {}: {}", path, why));
  };
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  if (fs::is_directory(status)) return refuse(std::strerror(EISDIR));
  if (fs::exists(status) && !fs::is_regular_file(status)) return refuse("it is there and no regular file");
  const fs::path folder = fs::path(path).parent_path();
  if (::access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) != 0) return refuse(std::strerror(errno));
  return {};
}

}  // namespace

Expected<timeline::Snapshot> read_snapshot(const std::string& path) {
  const auto bytes = read_file(path, timeline::kSnapshotMagic);
  if (!bytes) return std::unexpected(bytes.error());
  auto snapshot = timeline::decode_snapshot(*bytes);
  if (!snapshot) return fail(snapshot.error().kind, path + ": " + snapshot.error().message);
  return snapshot;
}

Expected<SnapshotWriter> SnapshotWriter::create(Requests requests, uint64_t start) {
  std::set<std::string> files;
  for (const auto& [icount, path] : requests) {
    if (icount < start)
      return fail(ErrorKind::kUsage,
                  fmt::format("--snapshot-at {} {}: the run begins at instruction {}", icount, path, start));
    if (!files.insert(path).second)
      return fail(ErrorKind::kUsage, fmt::format("--snapshot-at: {} is named twice", path));
    if (const auto writable = check_writable(path); !writable) return std::unexpected(writable.error());
  }
  SnapshotWriter writer;
  writer.requests_ = std::move(requests);
  std::ranges::sort(writer.requests_);
  return writer;
}

uint64_t SnapshotWriter::next() const {
  return done_ < requests_.size() ? requests_[done_].first : std::numeric_limits<uint64_t>::max();
}

void SnapshotWriter::write_due(Machine& machine, const BootImage& image, const trace::Preface& preface) {
  if (done_ >= requests_.size() || next() != machine.icount()) return;
  const std::vector<uint8_t> bytes =
      timeline::encode_snapshot(timeline::take_snapshot(machine, image, preface.records()));
  for (; next() == machine.icount() && done_ < requests_.size(); ++done_) {
    const std::string& path = requests_[done_].second;
    const auto written = write_file(path, bytes);
    if (!written)
      errors_.push_back({ErrorKind::kHost, "cannot write snapshot " + written.error().message});
    else
      spdlog::info("snapshot {} at instruction {}", path, machine.icount());
  }
}

int SnapshotWriter::finish(uint64_t icount) const {
  int status = 0;
  for (const Error& error : errors_) status = report(error);
  for (size_t i = done_; i < requests_.size(); ++i)
    status =
        report({ErrorKind::kUsage, fmt::format("no snapshot {}: the run ended at instruction {}, before {}",
                                               requests_[i].second, icount, requests_[i].first)});
  return status;
}

}  // namespace mmuscope::cli
