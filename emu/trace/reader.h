// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reads a trace, block by block, never more of it in memory than one block. A file that is no trace, is newer
// than this program, or is damaged gives a kData error that says so. A trace that just stops (its run was
// killed, the disk was full) is no error: its whole blocks are read and warning() tells.
#pragma once

#include <istream>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "trace/codec.h"
#include "trace/format.h"
#include "trace/symbol_table.h"

namespace mmuscope::trace {

using Images = std::map<std::string, SymbolTable>;

class Reader {
 public:
  static Expected<Reader> open(const std::string& path);  // kUsage when it cannot be opened
  static Expected<Reader> create(std::unique_ptr<std::istream> stream, std::string name);

  const TraceInfo& info() const { return info_; }
  // The symbols met so far; those of a program stand before the event that executes it.
  const std::shared_ptr<const Images> images() const { return images_; }
  // After the last event: how the run ended, or a warning that the trace does not say.
  const std::optional<RunEnd>& end() const { return end_; }
  const std::string& warning() const { return warning_; }

  // The next event; false after the last. Nothing more can be read after an error.
  Expected<bool> next(Event& event);

 private:
  Reader(std::unique_ptr<std::istream> stream, std::string name)
      : stream_(std::move(stream)), name_(std::move(name)) {}
  Expected<void> read_header();
  Expected<bool> next_block();
  Expected<bool> stops_here(const std::string& why);
  size_t read(void* bytes, size_t size);
  bool read_payload(uint32_t size);
  std::unexpected<Error> damaged(const std::string& what) const;

  std::unique_ptr<std::istream> stream_;
  std::string name_;
  TraceInfo info_;
  std::shared_ptr<Images> images_ = std::make_shared<Images>();
  std::vector<uint8_t> payload_;
  std::optional<EventDecoder> decoder_;
  uint32_t events_left_ = 0;  // of this block
  uint64_t next_event_ = 1;
  std::optional<RunEnd> end_;
  std::string warning_;
  bool finished_ = false;
};

}  // namespace mmuscope::trace
