// SPDX-License-Identifier: GPL-2.0-or-later
//
// What everything that reads traces does with any bytes. The first byte selects: a whole file as it is, a
// file whose checksums are made right first (few mutations survive them), or one of the decoders alone.
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <streambuf>

#include "trace/crc32.h"
#include "trace/fault_rows.h"
#include "trace/printers.h"
#include "trace/reader.h"
#include "trace/stats.h"
#include "trace/symbolizer.h"

namespace mmuscope::trace {
namespace {

class Nowhere final : public std::streambuf {
 protected:
  int overflow(int c) override { return c; }
  std::streamsize xsputn(const char*, std::streamsize size) override { return size; }
};

// All commands at once.
class Consumers {
 public:
  explicit Consumers(std::shared_ptr<const Images> images) : symbolizer_(std::move(images)) {}

  void put(const Event& event) {
    symbolizer_.see(event);
    rows_.put(event);
    stats_.put(event);
    for (const Format format : {Format::kTable, Format::kJson}) {
      TlbPrinter(out_, format, symbolizer_).print(event);
      (void)print_walk(out_, format, event, symbolizer_);
    }
  }
  void finish() {
    rows_.finish();
    stats_.finish();
    for (const bool counted : {false, true}) {
      print_stats(out_, Format::kTable, stats_, counted);
      print_stats(out_, Format::kJson, stats_, counted);
    }
  }

 private:
  Nowhere nowhere_;
  std::ostream out_{&nowhere_};
  Symbolizer symbolizer_;
  FaultRows rows_{&symbolizer_, [this](const FaultRow& row) {
                    FaultPrinter(out_, Format::kTable).print(row);
                    FaultPrinter(out_, Format::kJson).print(row);
                  }};
  Stats stats_;
};

void read_file(std::string file) {
  auto reader = Reader::create(std::make_unique<std::istringstream>(std::move(file)), "fuzz");
  if (!reader) return;
  Consumers consumers(reader->images());
  Event event;
  for (auto more = reader->next(event); more && *more; more = reader->next(event)) consumers.put(event);
  consumers.finish();
}

// Puts right checksums where the header and the blocks say that they end.
std::string with_checksums(std::string file) {
  const auto at = [&](size_t offset) { return reinterpret_cast<uint8_t*>(file.data()) + offset; };
  if (file.size() < kFileHeaderBytes) return file;
  uint32_t bytes = 0;
  std::memcpy(&bytes, at(12), sizeof bytes);
  size_t offset = kFileHeaderBytes + size_t{bytes};
  if (offset + 4 > file.size()) return file;
  uint32_t crc = crc32({at(0), offset});
  std::memcpy(at(offset), &crc, sizeof crc);
  offset += 4;
  while (offset + kBlockHeaderBytes <= file.size()) {
    BlockHeader header;
    std::memcpy(&header, at(offset), sizeof header);
    if (header.bytes > file.size() - offset - kBlockHeaderBytes) break;
    header.crc = block_crc(header, {at(offset + kBlockHeaderBytes), header.bytes});
    std::memcpy(at(offset), &header, sizeof header);
    offset += kBlockHeaderBytes + header.bytes;
  }
  return file;
}

// Whatever is read as events is written and read as the same.
void read_events(std::span<const uint8_t> bytes) {
  Consumers consumers(std::make_shared<Images>());
  EventDecoder decoder(bytes);
  EventEncoder encoder, again_encoder;
  std::vector<uint8_t> once, twice;
  Event event;
  uint64_t events = 0;
  while (!decoder.at_end() && decoder.decode(event)) {
    event.seq = ++events;
    consumers.put(event);
    encoder.encode(event, once);
  }
  consumers.finish();
  EventDecoder again(once);
  while (!again.at_end()) {
    if (!again.decode(event)) std::abort();
    again_encoder.encode(event, twice);
    --events;
  }
  if (events != 0 || once != twice) std::abort();
}

void read_symbols(std::span<const uint8_t> bytes) {
  ByteReader reader(bytes);
  SymbolTable table;
  if (!SymbolTable::decode(reader, table)) return;
  for (const Symbol& symbol : table.symbols()) (void)table.describe(symbol.address + 1);
  std::vector<uint8_t> encoded;
  if (!table.encode(encoded)) std::abort();
  ByteReader again(encoded);
  SymbolTable same;
  if (!SymbolTable::decode(again, same) || same != table) std::abort();
}

}  // namespace
}  // namespace mmuscope::trace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mmuscope::trace;
  if (size == 0) return 0;
  const std::span<const uint8_t> rest(data + 1, size - 1);
  TraceInfo info;
  RunEnd end;
  switch (data[0] % 6) {
    case 0:
      read_file({rest.begin(), rest.end()});
      break;
    case 1:
      read_file(with_checksums({rest.begin(), rest.end()}));
      break;
    case 2:
      read_events(rest);
      break;
    case 3:
      (void)TraceInfo::decode(rest, info);
      break;
    case 4:
      read_symbols(rest);
      break;
    case 5:
      (void)RunEnd::decode(rest, end);
      break;
  }
  return 0;
}
