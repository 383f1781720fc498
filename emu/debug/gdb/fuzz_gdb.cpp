// SPDX-License-Identifier: GPL-2.0-or-later
//
// A gdb that says anything, to a session over the toy machine. The input is bytes as they are, or, when it
// begins with `P`, lines that are framed here, so that the fuzzer need not find out checksums. What the
// session says must be packets.
#include <string_view>

#include "base/check.h"
#include "debug/gdb/dialogue.h"

namespace {

using namespace mmuscope::debug::gdb;

void check_sent(std::string_view sent) {
  PacketReader reader;
  reader.feed(sent);
  while (const auto item = reader.next()) {
    EMU_CHECK(item->kind != PacketReader::Kind::kCorrupt, "the session sent a damaged packet");
    EMU_CHECK(item->kind != PacketReader::Kind::kTooLong, "the session sent a packet that is too long");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  FakeTarget target;
  target.accesses[20] = {FakeTarget::kCode + 0x800, true};
  FakeTransport transport;
  {
    Session session(target, transport,
                    {"/bin/program", [](std::string_view said) { return std::string(said); }});
    if (text.starts_with('P')) {
      text.remove_prefix(1);
      while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        session.receive(frame(line));
      }
    } else {
      session.receive(text);
    }
  }
  check_sent(transport.sent);
  EMU_CHECK(!target.has_stops(), "the session left stops behind");
  return 0;
}
