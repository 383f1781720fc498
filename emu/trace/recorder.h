// SPDX-License-Identifier: GPL-2.0-or-later
//
// Writes a trace while the machine runs. Blocks are appended whole: after kBlockBytes, and whenever guest
// time enters another stretch of kEpoch instructions (advance() says so when no event does), so that a run
// which is killed leaves everything up to a moment ago. Symbols go in with the first tracepoint that says
// their program was executed. The first write that fails is remembered and ends the writing, not the run;
// close() reports it.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/error.h"
#include "trace/codec.h"
#include "trace/format.h"
#include "trace/symbol_table.h"

namespace mmuscope::trace {

class Recorder final : public EventSink {
 public:
  static constexpr size_t kBlockBytes = 64 << 10;
  static constexpr unsigned kEpochShift = 24;

  // The symbols of the program at a path of the guest; empty when there are none. May be null.
  using ImageSource = std::function<SymbolTable(const std::string& path)>;

  // Creates or overwrites the file. kUsage when that cannot be done, or another run is writing it.
  static Expected<std::unique_ptr<Recorder>> create(const std::string& path, const TraceInfo& info,
                                                    const SymbolTable& kernel, ImageSource images);
  ~Recorder() override;
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  void put(const Event& event) override;
  // Guest time came to `icount`, whether or not anything happened.
  void advance(uint64_t icount) {
    if (events_ > 0 && icount >> kEpochShift != epoch_) seal();
  }
  // Writes the end and closes the file. kHost when anything could not be written.
  Expected<void> close(const RunEnd& end);

 private:
  Recorder(int fd, std::string path, ImageSource images);
  void add_image(const std::string& path, const SymbolTable& symbols);
  void seal();
  void write_block(BlockKind kind, uint64_t first_event, uint32_t events, std::span<const uint8_t> payload);
  void write(std::span<const uint8_t> bytes);

  int fd_;
  std::string path_;
  ImageSource images_;
  std::set<std::string> known_images_;
  EventEncoder encoder_;
  std::vector<uint8_t> payload_;
  uint64_t first_event_ = 1;  // of the block that is being filled
  uint32_t events_ = 0;
  uint64_t epoch_ = 0;
  int error_ = 0;  // errno of the first write that failed
};

}  // namespace mmuscope::trace
