// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/gdb/connection.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

namespace mmuscope::debug::gdb {
namespace {

constexpr char kInterruptByte = 0x03;
constexpr int kRepeatMs = 5;

}  // namespace

Expected<std::unique_ptr<Connection>> Connection::make(Fd client, int listener, int stop_event) {
  Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake)
    return fail(ErrorKind::kHost, fmt::format("no event for the gdb server: {}", std::strerror(errno)));
  // Each packet is waited for; without this the host waits for a second one. Fails on a unix socket, which
  // needs it not.
  const int yes = 1;
  setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return std::unique_ptr<Connection>(
      new Connection(std::move(client), std::move(wake), listener, stop_event));
}

std::optional<std::string> Connection::receive() {
  while (pending_.empty() && !over()) look(-1);
  if (stopped_ || pending_.empty()) return std::nullopt;
  return std::exchange(pending_, {});
}

void Connection::send(std::string_view bytes) {
  while (!bytes.empty() && !over()) {
    const ssize_t sent = ::send(client_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      // A client that does not read: wait for it, but not for ever when the server is stopped.
      std::array<pollfd, 2> fds{pollfd{client_.get(), POLLOUT, 0}, pollfd{stop_event_, POLLIN, 0}};
      if (poll(fds.data(), fds.size(), -1) > 0 && fds[1].revents) stopped_ = true;
    } else if (errno != EINTR) {
      lost_ = true;
    }
  }
}

void Connection::run_watched(const std::function<void()>& work, const std::function<void()>& interrupt) {
  std::jthread watcher([&] { watch(interrupt); });
  // Wakes the watcher, whichever way `work` ends, before its thread is joined.
  struct Waker {
    int fd;
    ~Waker() { eventfd_write(fd, 1); }
  };
  {
    const Waker waker{wake_.get()};
    work();
  }
  watcher.join();
  eventfd_t count;
  eventfd_read(wake_.get(), &count);
}

void Connection::watch(const std::function<void()>& interrupt) {
  bool interrupting = over();  // gone before the machine started: nothing more would wake us
  while (look(interrupting ? kRepeatMs : -1)) {
    // While the machine runs gdb sends acknowledgments and this byte, no packet in which it could be data.
    interrupting = interrupting || over() || pending_.find(kInterruptByte) != pending_.npos;
    if (interrupting) interrupt();
  }
}

bool Connection::look(int timeout_ms) {
  // poll() skips negative descriptors: what is over would be ready all the time.
  std::array<pollfd, 4> fds{pollfd{wake_.get(), POLLIN, 0}, pollfd{lost_ ? -1 : client_.get(), POLLIN, 0},
                            pollfd{stopped_ ? -1 : stop_event_, POLLIN, 0},
                            pollfd{lost_ ? -1 : listener_, POLLIN, 0}};
  if (poll(fds.data(), fds.size(), timeout_ms) <= 0) return true;
  if (fds[0].revents) return false;
  // Before somebody new is refused: whoever was connected may be gone by now, and then there is place.
  if (fds[1].revents || fds[3].revents) read_client();
  if (fds[2].revents) stopped_ = true;
  if (fds[3].revents && !lost_) refuse_clients(listener_);
  return true;
}

void Connection::read_client() {
  constexpr size_t kMostPending = 64 * kPacketSize;  // who floods a running machine is gone
  std::array<char, 64 * 1024> bytes;
  while (!lost_) {
    const ssize_t count = recv(client_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count > 0) pending_.append(bytes.data(), static_cast<size_t>(count));
    lost_ = count <= 0 || pending_.size() > kMostPending;
  }
}

void refuse_clients(int listener) {
  for (;;) {
    const Fd refused(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!refused) return;
  }
}

}  // namespace mmuscope::debug::gdb
