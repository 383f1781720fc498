// SPDX-License-Identifier: GPL-2.0-or-later
//
// What comes out of a machine that goes back and forth in time comes out once: gates let through what is new
// and count what they have seen before. Their counts go along with checkpoints; everything behind a gate is
// outside the machine and never goes back.
#pragma once

#include <cstdint>

#include "devices/uart16550.h"

namespace mmuscope::timeline {

class Gate {
 public:
  // One more thing comes along: whether it is new.
  bool pass() {
    const bool fresh = count_ == reached_;
    ++count_;
    if (fresh) reached_ = count_;
    return fresh;
  }
  uint64_t count() const { return count_; }
  void go_back_to(uint64_t count) { count_ = count; }
  // The guest was changed: what comes from here on is new.
  void forget_future() { reached_ = count_; }

 private:
  uint64_t count_ = 0, reached_ = 0;
};

// Both must outlive it.
class GatedConsole final : public ConsoleSink {
 public:
  GatedConsole(Gate& gate, ConsoleSink& sink) : gate_(gate), sink_(sink) {}
  void put(uint8_t byte) override {
    if (gate_.pass()) sink_.put(byte);
  }
  void flush() override { sink_.flush(); }

 private:
  Gate& gate_;
  ConsoleSink& sink_;
};

}  // namespace mmuscope::timeline
