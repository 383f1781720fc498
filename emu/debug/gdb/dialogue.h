// SPDX-License-Identifier: GPL-2.0-or-later
//
// Dialogues as tests: lines `> packet` are what gdb says, lines `< packet` what the session answers. speak()
// says the one and returns the whole, so that a test compares a text with itself. Packets stand without frame
// and acknowledgment; `\xNN` is a byte.
#pragma once

#include <string>
#include <string_view>

#include "debug/gdb/fake_target.h"
#include "debug/gdb/session.h"

namespace mmuscope::debug::gdb {

// Keeps what the session sends.
class FakeTransport : public Transport {
 public:
  void send(std::string_view bytes) override { sent += bytes; }
  void run_watched(const std::function<void()>& work, const std::function<void()>& interrupt) override {
    if (interrupts) interrupt();
    runs++;
    work();
  }

  std::string sent;
  unsigned runs = 0;
  bool interrupts = false;  // as if 0x03 came at once, whenever the machine runs
};

struct Dialogue {
  explicit Dialogue(unsigned cpus = 2, SessionOptions options = {})
      : target(cpus), session(target, transport, std::move(options)) {}

  std::string speak(std::string_view text);

  FakeTarget target;
  FakeTransport transport;
  Session session;
};

std::string with_escapes(std::string_view bytes);
std::string without_escapes(std::string_view text);

}  // namespace mmuscope::debug::gdb
