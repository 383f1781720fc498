// SPDX-License-Identifier: GPL-2.0-or-later
#include "devices/uart16550.h"

namespace mmuscope {

namespace {

constexpr uint8_t kIerReceive = 1, kIerTransmit = 2;
constexpr uint8_t kLcrDivisorLatch = 0x80;
constexpr uint8_t kLsrDataReady = 1, kLsrTransmitterEmpty = 0x60;
constexpr uint8_t kIirNone = 1, kIirTransmit = 2, kIirReceive = 4, kIirFifos = 0xc0;
constexpr uint8_t kEndOfInput = 0x04;

}  // namespace

Uart16550::Uart16550(ConsoleSink& sink, ConsoleSource& source) : sink_(sink), source_(source) {}

void Uart16550::reset() {
  receive_.clear();
  ier_ = fcr_ = lcr_ = mcr_ = scr_ = dlm_ = 0;
  dll_ = 1;
  transmit_interrupt_ = false;
}

uint32_t Uart16550::port_read(unsigned, uint16_t port, unsigned size) {
  uint32_t value = 0;
  for (unsigned i = 0; i < size; ++i) {
    const unsigned offset = port - kBase + i;
    value |= static_cast<uint32_t>(offset < 8 ? read_register(offset) : 0xff) << (8 * i);
  }
  return value;
}

void Uart16550::port_write(unsigned, uint16_t port, unsigned size, uint32_t value) {
  for (unsigned i = 0; i < size; ++i) {
    const unsigned offset = port - kBase + i;
    if (offset < 8) write_register(offset, static_cast<uint8_t>(value >> (8 * i)));
  }
}

void Uart16550::pull() {
  if (!receive_.empty()) return;
  sink_.flush();
  receive_.push_back(source_.get().value_or(kEndOfInput));
}

bool Uart16550::interrupt_line() const {
  return ((ier_ & kIerReceive) && !receive_.empty()) || ((ier_ & kIerTransmit) && transmit_interrupt_);
}

uint8_t Uart16550::read_register(unsigned offset) {
  const bool latch = lcr_ & kLcrDivisorLatch;
  switch (offset) {
    case 0: {
      if (latch) return dll_;
      pull();
      const uint8_t byte = receive_.front();
      receive_.pop_front();
      return byte;
    }
    case 1:
      return latch ? dlm_ : ier_;
    case 2: {
      const uint8_t fifos = fcr_ & 1 ? kIirFifos : 0;
      if ((ier_ & kIerReceive) && !receive_.empty()) return fifos | kIirReceive;
      if ((ier_ & kIerTransmit) && transmit_interrupt_) {
        transmit_interrupt_ = false;  // reading IIR clears the cause it reports
        return fifos | kIirTransmit;
      }
      return fifos | kIirNone;
    }
    case 3:
      return lcr_;
    case 4:
      return mcr_;
    case 5:
      if (ier_ & kIerReceive) pull();
      return static_cast<uint8_t>(kLsrTransmitterEmpty | (receive_.empty() ? 0 : kLsrDataReady));
    case 6:
      return 0xb0;  // CTS, DSR, DCD: somebody is there
    default:
      return scr_;
  }
}

void Uart16550::write_register(unsigned offset, uint8_t value) {
  const bool latch = lcr_ & kLcrDivisorLatch;
  switch (offset) {
    case 0:
      if (latch) {
        dll_ = value;
      } else {
        sink_.put(value);
        transmit_interrupt_ = true;
      }
      break;
    case 1:
      if (latch) {
        dlm_ = value;
      } else {
        if ((value & kIerTransmit) && !(ier_ & kIerTransmit)) transmit_interrupt_ = true;
        ier_ = value & 0x0f;
      }
      break;
    case 2:
      fcr_ = value & 0xc9;
      if (value & 2) receive_.clear();
      break;
    case 3:
      lcr_ = value;
      break;
    case 4:
      mcr_ = value & 0x1f;
      break;
    case 7:
      scr_ = value;
      break;
    default:
      break;
  }
}

void Uart16550::save(StateWriter& writer) const {
  writer.tag("uart");
  for (const uint8_t value : {ier_, fcr_, lcr_, mcr_, scr_, dll_, dlm_}) writer.put(value);
  writer.put(static_cast<uint8_t>(transmit_interrupt_));
  const std::vector<uint8_t> waiting(receive_.begin(), receive_.end());
  writer.put_bytes(waiting);
  writer.put(source_.position());
}

void Uart16550::restore(StateReader& reader) {
  reader.expect_tag("uart");
  for (uint8_t* value : {&ier_, &fcr_, &lcr_, &mcr_, &scr_, &dll_, &dlm_}) reader.get(*value);
  transmit_interrupt_ = reader.get<uint8_t>() != 0;
  const std::vector<uint8_t> waiting = reader.get_bytes();
  receive_.assign(waiting.begin(), waiting.end());
  source_.seek(reader.get<uint64_t>());
}

}  // namespace mmuscope
