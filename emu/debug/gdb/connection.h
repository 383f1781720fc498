// SPDX-License-Identifier: GPL-2.0-or-later
//
// The transport of one client of the server (private to server.cpp): its socket, and what must be looked at
// besides, the server's listening socket and its stop event.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "debug/gdb/endpoint.h"
#include "debug/gdb/session.h"

namespace mmuscope::debug::gdb {

class Connection : public Transport {
 public:
  // `listener` and `stop_event` are the server's and outlive this.
  static Expected<std::unique_ptr<Connection>> make(Fd client, int listener, int stop_event);

  // Waits for bytes. Nothing: the client is gone, or stopped().
  std::optional<std::string> receive();
  bool stopped() const { return stopped_; }

  void send(std::string_view bytes) override;
  void run_watched(const std::function<void()>& work, const std::function<void()>& interrupt) override;

 private:
  Connection(Fd client, Fd wake, int listener, int stop_event)
      : client_(std::move(client)), wake_(std::move(wake)), listener_(listener), stop_event_(stop_event) {}

  bool over() const { return lost_ || stopped_; }
  // Looks once, for `timeout_ms` at most (-1: no limit), and reads what there is. False: it was woken.
  bool look(int timeout_ms);
  void watch(const std::function<void()>& interrupt);
  void read_client();

  Fd client_;
  Fd wake_;  // an eventfd: the work is done
  int listener_;
  int stop_event_;
  std::string pending_;  // read, and not yet returned by receive()
  bool lost_ = false;
  bool stopped_ = false;
};

// Accepts and closes whoever waits at `listener`.
void refuse_clients(int listener);

}  // namespace mmuscope::debug::gdb
