// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/gdb/server.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "debug/gdb/connection.h"

namespace mmuscope::debug::gdb {

Expected<std::unique_ptr<Server>> Server::listen(std::string_view where) {
  auto listener = listen_at(where);
  if (!listener) return std::unexpected(listener.error());
  Fd stop_event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_event)
    return fail(ErrorKind::kHost, fmt::format("no event for the gdb server: {}", std::strerror(errno)));
  return std::unique_ptr<Server>(new Server(std::move(*listener), std::move(stop_event)));
}

Server::~Server() {
  if (!listener_.unix_path.empty()) unlink(listener_.unix_path.c_str());
}

Expected<Server::Ending> Server::serve(Target& target, const SessionOptions& options, Clients clients) {
  for (;;) {
    auto client = wait_for_client();
    if (!client) return std::unexpected(client.error());
    if (!*client) return Ending::kStopped;
    const auto ending = serve_client(std::move(*client), target, options);
    if (!ending || clients == Clients::kOne || *ending == Ending::kKilled || *ending == Ending::kStopped)
      return ending;
  }
}

Expected<Fd> Server::wait_for_client() {
  for (;;) {
    std::array<pollfd, 2> fds{pollfd{stop_event_.get(), POLLIN, 0}, pollfd{listener_.fd.get(), POLLIN, 0}};
    const int ready = poll(fds.data(), fds.size(), -1);
    if (ready > 0 && fds[0].revents) return Fd();
    if (ready < 0 && errno != EINTR) break;
    if (ready <= 0) continue;
    Fd client(accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client) return client;
    // Who went away again before it was accepted is no reason to stop.
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) break;
  }
  return fail(ErrorKind::kHost, fmt::format("cannot wait for gdb any longer: {}", std::strerror(errno)));
}

Expected<Server::Ending> Server::serve_client(Fd client, Target& target, const SessionOptions& options) {
  const auto connection = Connection::make(std::move(client), listener_.fd.get(), stop_event_.get());
  if (!connection) return std::unexpected(connection.error());
  Session session(target, **connection, options);
  while (session.state() == Session::State::kOpen) {
    const auto bytes = (*connection)->receive();
    if (!bytes) return (*connection)->stopped() ? Ending::kStopped : Ending::kDisconnected;
    session.receive(*bytes);
  }
  return session.state() == Session::State::kKilled ? Ending::kKilled : Ending::kDetached;
}

void Server::stop() noexcept {
  const int interrupted_errno = errno;  // what a signal handler must not change
  eventfd_write(stop_event_.get(), 1);
  errno = interrupted_errno;
}

}  // namespace mmuscope::debug::gdb
