// SPDX-License-Identifier: GPL-2.0-or-later
//
// Snapshot files of `run`: those it writes on its way (--snapshot-at) and the one it goes on from (--from).
// Positions are instructions of all processors since boot.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "timeline/snapshot_file.h"
#include "trace/preface.h"

namespace mmuscope::cli {

// kUsage when it cannot be read, kData when it is none; the message names the file.
Expected<timeline::Snapshot> read_snapshot(const std::string& path);

class SnapshotWriter {
 public:
  using Requests = std::vector<std::pair<uint64_t, std::string>>;  // position, file

  // For a run that begins at `start`. kUsage for a position before it, a file named twice, and one that
  // cannot be written as far as that can be told without writing.
  static Expected<SnapshotWriter> create(Requests requests, uint64_t start);

  bool empty() const { return requests_.empty(); }
  // Where the run must stop next for a snapshot; ~0 when nowhere.
  uint64_t next() const;
  // Writes what is wanted of where the machine stands. What fails is reported by finish().
  void write_due(Machine& machine, const BootImage& image, const trace::Preface& preface);
  // After the run, which ended at `icount`: reports every file that was not written. The exit status of that,
  // 0 when there are none.
  int finish(uint64_t icount) const;

 private:
  Requests requests_;  // by position
  size_t done_ = 0;
  std::vector<Error> errors_;
};

}  // namespace mmuscope::cli
