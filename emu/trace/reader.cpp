// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/reader.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "trace/crc32.h"

namespace mmuscope::trace {

Expected<Reader> Reader::open(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return fail(ErrorKind::kUsage, path + ": is a directory");
  errno = 0;
  auto stream = std::make_unique<std::ifstream>(path, std::ios::binary);
  if (!*stream) return fail(ErrorKind::kUsage, path + ": " + std::strerror(errno != 0 ? errno : EIO));
  return create(std::move(stream), path);
}

Expected<Reader> Reader::create(std::unique_ptr<std::istream> stream, std::string name) {
  Reader reader(std::move(stream), std::move(name));
  if (auto done = reader.read_header(); !done) return std::unexpected(done.error());
  return reader;
}

Expected<void> Reader::read_header() {
  struct {
    char magic[8];
    uint16_t format, abi;
    uint32_t bytes;
  } header{};
  static_assert(sizeof header == kFileHeaderBytes);
  if (read(&header, sizeof header) < 12 || std::memcmp(header.magic, kMagic, 8) != 0)
    return fail(ErrorKind::kData, name_ + ": not a trace of mmuscope");
  if (header.format > kFormatVersion || header.abi > trace_abi::kTraceAbiVersion)
    return fail(ErrorKind::kData,
                fmt::format("{}: written by a newer mmuscope (format {}.{}, this one reads {}.{})", name_,
                            header.format, header.abi, kFormatVersion, trace_abi::kTraceAbiVersion));
  uint32_t crc = 0;
  if (header.bytes > kLargestInfo || !read_payload(header.bytes) || read(&crc, sizeof crc) != sizeof crc)
    return damaged("the header is cut off");
  const auto* bytes = reinterpret_cast<const uint8_t*>(&header);
  if (header.format == 0 || crc != crc32(payload_, crc32({bytes, sizeof header})) ||
      !TraceInfo::decode(payload_, info_))
    return damaged("the header is damaged");
  return {};
}

Expected<bool> Reader::next(Event& event) {
  while (events_left_ == 0) {
    if (decoder_ && !decoder_->at_end())
      return damaged(fmt::format("there is more than events before event {}", next_event_));
    decoder_.reset();
    if (finished_) return false;
    if (auto more = next_block(); !more) {
      finished_ = true;
      return more;
    } else if (!*more) {
      finished_ = true;
      return false;
    }
  }
  if (!decoder_->decode(event)) {
    finished_ = true;
    events_left_ = 0;
    decoder_.reset();
    return damaged(fmt::format("event {} is no event", next_event_));
  }
  event.seq = next_event_++;
  --events_left_;
  return true;
}

// Reads one block. False at the end.
Expected<bool> Reader::next_block() {
  BlockHeader header;
  const size_t got = read(&header, sizeof header);
  if (got != sizeof header) return stops_here("the trace has no end");
  const bool known = header.kind == BlockKind::kEvents || header.kind == BlockKind::kSymbols ||
                     header.kind == BlockKind::kEnd;
  if (!known || header.bytes > kLargestBlock)
    return damaged(fmt::format("no block follows event {}", next_event_ - 1));
  if (!read_payload(header.bytes)) return stops_here("its last block is cut off");
  if (header.crc != block_crc(header, payload_)) {
    // The block that a killed or full disk left behind may have its length but not its bytes.
    const bool last = header.kind != BlockKind::kEnd && stream_->peek() == std::istream::traits_type::eof();
    if (last) return stops_here("its last block is damaged");
    return damaged(fmt::format("the block after event {} has a wrong checksum", next_event_ - 1));
  }
  switch (header.kind) {
    case BlockKind::kEvents:
      if (header.first_event != next_event_)
        return damaged(fmt::format("event {} follows event {}", header.first_event, next_event_ - 1));
      decoder_.emplace(payload_);
      events_left_ = header.events;
      return true;
    case BlockKind::kSymbols: {
      ByteReader bytes(payload_);
      size_t length = 0;
      bytes.number(length);
      std::string path(std::min(length, bytes.left()), '\0');
      bytes.text(path.data(), length);
      if (!SymbolTable::decode(bytes, (*images_)[path]) || !bytes.at_end())
        return damaged("its symbols are damaged");
      return true;
    }
    case BlockKind::kEnd:
      if (header.first_event != next_event_)
        return damaged(fmt::format("it ends before event {} and has none after {}", header.first_event,
                                   next_event_ - 1));
      end_.emplace();
      if (!RunEnd::decode(payload_, *end_)) {
        end_.reset();
        return damaged("its end is damaged");
      }
      if (stream_->peek() != std::istream::traits_type::eof()) return damaged("something follows its end");
      return false;
  }
  return damaged("unknown block");
}

Expected<bool> Reader::stops_here(const std::string& why) {
  warning_ = fmt::format("{}: {} (was its run killed?); read up to event {}", name_, why, next_event_ - 1);
  return false;
}

size_t Reader::read(void* bytes, size_t size) {
  stream_->read(static_cast<char*>(bytes), static_cast<std::streamsize>(size));
  return static_cast<size_t>(stream_->gcount());
}

// In pieces, so that a length that is a lie costs nothing.
bool Reader::read_payload(uint32_t size) {
  constexpr size_t kPiece = 1 << 20;
  payload_.clear();
  while (payload_.size() < size) {
    const size_t have = payload_.size();
    const size_t piece = std::min<size_t>(kPiece, size - have);
    payload_.resize(have + piece);
    if (read(payload_.data() + have, piece) != piece) return false;
  }
  return true;
}

std::unexpected<Error> Reader::damaged(const std::string& what) const {
  return fail(ErrorKind::kData, fmt::format("{}: damaged trace: {}", name_, what));
}

}  // namespace mmuscope::trace
