// SPDX-License-Identifier: GPL-2.0-or-later
//
// A machine in a file: docs/snapshot-format.md. Nothing else is needed to go on from where it stood, and what
// follows is the same, event by event. Equal machines give equal files.
//
// Reading takes any bytes: sizes are bounded by the file's, and what is damaged, cut off, newer or made for
// another machine is kData with one sentence that does not name the file. Checksums find accidents, not
// intent: the state is the inside of an emulator (CAVEATS.md), so files are to be trusted like programs.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "machine/machine.h"
#include "trace/preface.h"

namespace mmuscope::timeline {

// How a file begins: a line for people.
inline constexpr std::string_view kSnapshotMagic = "mmuscope snapshot\n";
// Goes up whenever the layout of a part changes; the machine's state (Machine::save) is one of them.
inline constexpr uint16_t kSnapshotVersion = 2;

struct Snapshot {
  MachineConfig config;
  uint64_t icount = 0;  // where the machine stands
  BootImage image;      // what it was booted with
  trace::Preface::Records preface;
  std::vector<uint8_t> state;  // of Machine::save
};

// Of a machine that was made with `image` and stands between two runs.
Snapshot take_snapshot(Machine& machine, BootImage image, trace::Preface::Records preface);

std::vector<uint8_t> encode_snapshot(const Snapshot& snapshot);
// kData.
Expected<Snapshot> decode_snapshot(std::span<const uint8_t> file);

// A machine that stands where the snapshot was taken; `source` begins there, too (ConsoleSource::seek).
// kData, kHost.
Expected<std::unique_ptr<Machine>> restore_snapshot(const Snapshot& snapshot, ConsoleSink& sink,
                                                    ConsoleSource& source, DebugConsole::LineSink kernel_log);

}  // namespace mmuscope::timeline
