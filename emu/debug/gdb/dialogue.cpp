// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/gdb/dialogue.h"

#include <fmt/format.h>

#include "debug/gdb/hex.h"

namespace mmuscope::debug::gdb {

std::string with_escapes(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    text += byte >= 0x20 && byte < 0x7f ? std::string(1, byte)
                                        : fmt::format("\\x{:02x}", static_cast<uint8_t>(byte));
  }
  return text;
}

std::string without_escapes(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    if (take(text, "\\x")) {
      bytes += from_hex(text.substr(0, 2)).value();
      text.remove_prefix(2);
    } else {
      bytes += text[0];
      text.remove_prefix(1);
    }
  }
  return bytes;
}

std::string Dialogue::speak(std::string_view text) {
  std::string heard;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!take(line, "> ")) continue;
    fmt::format_to(std::back_inserter(heard), "> {}\n", line);
    transport.sent.clear();
    session.receive(frame(without_escapes(line)));
    PacketReader reader;
    reader.feed(transport.sent);
    while (const auto item = reader.next()) {
      if (item->kind == PacketReader::Kind::kAck) continue;
      fmt::format_to(std::back_inserter(heard), "<{}{}\n", item->body.empty() ? "" : " ",
                     with_escapes(item->body));
    }
    session.receive("+");
  }
  return heard;
}

}  // namespace mmuscope::debug::gdb
