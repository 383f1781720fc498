// SPDX-License-Identifier: GPL-2.0-or-later
//
// Sockets under Session: waits at one place for gdb, and serves one at a time. Who comes while one is
// connected is closed at once. A client that goes away, in the middle of a packet or while the machine runs,
// leaves the machine where it stands and the next client welcome. While the machine runs, a second thread
// reads the socket, so that gdb's Ctrl-C, a lost connection or stop() interrupts it within milliseconds.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "debug/gdb/endpoint.h"
#include "debug/gdb/session.h"
#include "debug/target.h"

namespace mmuscope::debug::gdb {

class Server {
 public:
  enum class Ending : uint8_t {
    kDisconnected,  // without a word, or after it was told that the program exited
    kDetached,      // `detach`, or `quit`
    kKilled,        // `kill`: the machine is not wanted any more
    kStopped,       // stop()
  };
  enum class Clients : uint8_t { kOne, kUntilKilled };

  // `where`: see endpoint.h.
  static Expected<std::unique_ptr<Server>> listen(std::string_view where);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // What to type after gdb's `target remote`.
  const std::string& address() const { return listener_.address; }

  // Waits for a client and serves it to its end; with kUntilKilled then for the next, until one kills the
  // machine. How the last one ended. Errors are the host's.
  Expected<Ending> serve(Target& target, const SessionOptions& options, Clients clients = Clients::kOne);

  // Makes serve() return kStopped soon, now and ever after; interrupts the machine if it runs. For other
  // threads and signal handlers.
  void stop() noexcept;

 private:
  Server(Listener listener, Fd stop_event)
      : listener_(std::move(listener)), stop_event_(std::move(stop_event)) {}

  // Nothing: stop().
  Expected<Fd> wait_for_client();
  Expected<Ending> serve_client(Fd client, Target& target, const SessionOptions& options);

  Listener listener_;
  Fd stop_event_;
};

}  // namespace mmuscope::debug::gdb
