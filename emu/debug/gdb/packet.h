// SPDX-License-Identifier: GPL-2.0-or-later
//
// The lowest layer of gdb's remote protocol (gdb manual, appendix E.1 "Overview" and E.9 "Packet
// Acknowledgment"): bytes in, packets out, and back. A packet is `$BODY#CS`; `}` escapes one byte; `+` and
// `-` acknowledge until both sides agree not to (QStartNoAckMode); a byte 0x03 between packets asks to
// interrupt. Pure: no socket, no clock, and no input that it could not read: what is damaged is refused with
// `-`, or dropped where nobody acknowledges any more.
//
// Left out: run-length encoding (never produced; gdb never sends it), notifications (`%`), sequence numbers.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace mmuscope::debug::gdb {

// The longest body, counted as sent, that is accepted; told to gdb in the answer to qSupported. gdb takes no
// more.
inline constexpr size_t kPacketSize = 0x4000;

// `body` with frame, escapes and checksum.
std::string frame(std::string_view body);

// Takes a stream of bytes apart.
class PacketReader {
 public:
  enum class Kind : uint8_t { kPacket, kCorrupt, kTooLong, kAck, kNak, kInterrupt };
  struct Item {
    Kind kind = Kind::kPacket;
    std::string body;  // kPacket: without escapes
  };

  void feed(std::string_view bytes);
  std::optional<Item> next();
  // Whether an interrupt is among what next() has not returned yet; they are all taken out.
  bool take_interrupts();

 private:
  enum class State : uint8_t { kBetween, kBody, kEscaped, kFirstDigit, kSecondDigit };

  void begin_body();
  void take_byte(char byte);
  void take_body_byte(char byte);
  void end_packet(char second_digit);

  State state_ = State::kBetween;
  std::string body_;
  size_t length_ = 0;  // of the body as sent
  uint8_t sum_ = 0;
  char first_digit_ = 0;
  bool damaged_ = false;
  std::deque<Item> items_;
};

// Both directions of one connection, with acknowledgments.
class PacketLink {
 public:
  explicit PacketLink(std::function<void(std::string_view)> output) : output_(std::move(output)) {}

  void feed(std::string_view bytes) { reader_.feed(bytes); }
  // The next intact packet, acknowledged. Interrupts are dropped: nothing runs while somebody asks for
  // packets.
  std::optional<std::string> next();
  void send(std::string_view body);
  // From the next packet on, nothing is acknowledged and no acknowledgment is waited for.
  void stop_acknowledging() { acknowledging_ = false; }
  bool take_interrupts() { return reader_.take_interrupts(); }

 private:
  std::function<void(std::string_view)> output_;
  PacketReader reader_;
  bool acknowledging_ = true;
  std::deque<std::string> unacknowledged_;  // in the order sent, with frames
};

}  // namespace mmuscope::debug::gdb
