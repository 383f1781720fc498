// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/gdb/packet.h"

#include "debug/gdb/hex.h"

namespace mmuscope::debug::gdb {
namespace {

constexpr char kInterruptByte = 0x03;
constexpr char kEscapeBit = 0x20;

// `*` would be read as a run length by gdb.
bool needs_escape(char byte) { return byte == '$' || byte == '#' || byte == '}' || byte == '*'; }

}  // namespace

std::string frame(std::string_view body) {
  std::string packet = "$";
  packet.reserve(body.size() + 4);
  for (const char byte : body) {
    if (needs_escape(byte)) packet += '}';
    packet += needs_escape(byte) ? static_cast<char>(byte ^ kEscapeBit) : byte;
  }
  uint8_t sum = 0;
  for (const char byte : std::string_view(packet).substr(1)) sum += static_cast<uint8_t>(byte);
  packet += '#';
  packet += to_hex({&sum, 1});
  return packet;
}

void PacketReader::feed(std::string_view bytes) {
  for (const char byte : bytes) take_byte(byte);
}

std::optional<PacketReader::Item> PacketReader::next() {
  if (items_.empty()) return std::nullopt;
  Item item = std::move(items_.front());
  items_.pop_front();
  return item;
}

bool PacketReader::take_interrupts() {
  return std::erase_if(items_, [](const Item& item) { return item.kind == Kind::kInterrupt; }) != 0;
}

void PacketReader::begin_body() {
  state_ = State::kBody;
  body_.clear();
  length_ = 0;
  sum_ = 0;
  damaged_ = false;
}

void PacketReader::take_byte(char byte) {
  // `$` is escaped inside a body: the packet before it was cut off, and is forgotten.
  if (byte == '$') return begin_body();
  switch (state_) {
    case State::kBetween:
      if (byte == '+') items_.push_back({Kind::kAck, {}});
      if (byte == '-') items_.push_back({Kind::kNak, {}});
      if (byte == kInterruptByte) items_.push_back({Kind::kInterrupt, {}});
      return;
    case State::kBody:
    case State::kEscaped:
      return take_body_byte(byte);
    case State::kFirstDigit:
      first_digit_ = byte;
      state_ = State::kSecondDigit;
      return;
    case State::kSecondDigit:
      return end_packet(byte);
  }
}

void PacketReader::take_body_byte(char byte) {
  if (byte == '#') {
    damaged_ = state_ == State::kEscaped;
    state_ = State::kFirstDigit;
    return;
  }
  sum_ += static_cast<uint8_t>(byte);
  if (length_ > kPacketSize) return;  // too long already: not kept, so that nobody can fill the memory
  length_++;
  if (state_ == State::kBody && byte == '}') {
    state_ = State::kEscaped;
    return;
  }
  body_ += state_ == State::kEscaped ? static_cast<char>(byte ^ kEscapeBit) : byte;
  state_ = State::kBody;
}

void PacketReader::end_packet(char second_digit) {
  state_ = State::kBetween;
  const auto high = hex_digit(first_digit_);
  const auto low = hex_digit(second_digit);
  if (damaged_ || !high || !low || (*high << 4 | *low) != sum_) {
    items_.push_back({Kind::kCorrupt, {}});
  } else if (length_ > kPacketSize) {
    items_.push_back({Kind::kTooLong, {}});
  } else {
    items_.push_back({Kind::kPacket, std::move(body_)});
  }
  body_ = {};
}

std::optional<std::string> PacketLink::next() {
  while (auto item = reader_.next()) {
    switch (item->kind) {
      case PacketReader::Kind::kAck:
        if (!unacknowledged_.empty()) unacknowledged_.pop_front();
        break;
      case PacketReader::Kind::kNak:
        if (!unacknowledged_.empty()) output_(unacknowledged_.front());
        break;
      case PacketReader::Kind::kInterrupt:
        break;
      case PacketReader::Kind::kCorrupt:
        if (acknowledging_) output_("-");
        break;
      case PacketReader::Kind::kTooLong:
        // It arrived intact: `-` would only make gdb send it again.
        if (acknowledging_) output_("+");
        send("E.the packet is longer than PacketSize");
        break;
      case PacketReader::Kind::kPacket:
        // Who asks the next thing has heard the answer to the last.
        unacknowledged_.clear();
        if (acknowledging_) output_("+");
        return std::move(item->body);
    }
  }
  return std::nullopt;
}

void PacketLink::send(std::string_view body) {
  std::string packet = frame(body);
  output_(packet);
  if (acknowledging_) unacknowledged_.push_back(std::move(packet));
}

}  // namespace mmuscope::debug::gdb
