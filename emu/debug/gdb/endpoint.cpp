// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/gdb/endpoint.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>

namespace mmuscope::debug::gdb {
namespace {

constexpr int kBacklog = 4;
constexpr int kSocketFlags = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

struct HostAndPort {
  std::string host;
  std::string port;
};

std::optional<HostAndPort> split(std::string_view where) {
  const size_t colon = where.rfind(':');
  if (colon == where.npos) return std::nullopt;
  std::string_view host = where.substr(0, colon);
  const std::string_view port = where.substr(colon + 1);
  uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size()) return std::nullopt;
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != host.npos) {
    return std::nullopt;  // IPv6 without brackets: which colon is the port's?
  }
  return HostAndPort{std::string(host.empty() ? "127.0.0.1" : host), std::string(port)};
}

std::unexpected<Error> cannot_listen(std::string_view where, int error) {
  if (error == EADDRINUSE) {
    return fail(ErrorKind::kUsage, fmt::format("{} is in use already: choose another for gdb", where));
  }
  return fail(ErrorKind::kUsage, fmt::format("cannot wait for gdb at {}: {}", where, std::strerror(error)));
}

// What the host made of it: the port, if it was to choose one.
std::string bound_address(int fd, const sockaddr* address, socklen_t length) {
  sockaddr_storage bound{};
  socklen_t bound_length = sizeof bound;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &bound_length) != 0) {
    bound_length = std::min<socklen_t>(length, sizeof bound);
    std::memcpy(&bound, address, bound_length);
  }
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (getnameinfo(reinterpret_cast<sockaddr*>(&bound), bound_length, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "?";
  }
  return bound.ss_family == AF_INET6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

Expected<Listener> listen_tcp(std::string_view where) {
  const auto parts = split(where);
  if (!parts) {
    return fail(
        ErrorKind::kUsage,
        fmt::format("`{}` is no place to wait for gdb: give :PORT, ADDRESS:PORT or unix:PATH", where));
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | AI_PASSIVE;
  addrinfo* list = nullptr;
  if (const int error = getaddrinfo(parts->host.c_str(), parts->port.c_str(), &hints, &list); error != 0) {
    return fail(ErrorKind::kUsage, fmt::format("no address `{}`: {}", parts->host, gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
  int error = EADDRNOTAVAIL;
  for (const addrinfo* info = list; info != nullptr; info = info->ai_next) {
    Fd fd(socket(info->ai_family, kSocketFlags, info->ai_protocol));
    // A port whose last connection the host still remembers is free all the same.
    const int yes = 1;
    if (fd) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd && bind(fd.get(), info->ai_addr, info->ai_addrlen) == 0 && listen(fd.get(), kBacklog) == 0) {
      std::string address = bound_address(fd.get(), info->ai_addr, info->ai_addrlen);
      return Listener{std::move(fd), std::move(address), {}};
    }
    error = errno;
  }
  return cannot_listen(where, error);
}

// A socket that a program left behind when it died is in nobody's use: connecting tells.
bool is_left_behind(const sockaddr_un& address) {
  struct stat status;
  if (lstat(address.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  const Fd probe(socket(AF_UNIX, kSocketFlags, 0));
  return connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
         errno == ECONNREFUSED;
}

Expected<Listener> listen_unix(std::string_view where, std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path || path.find('\0') != path.npos) {
    return fail(ErrorKind::kUsage,
                fmt::format("`{}`: a socket's path has 1 to {} bytes", where, sizeof address.sun_path - 1));
  }
  std::ranges::copy(path, address.sun_path);
  if (is_left_behind(address)) unlink(address.sun_path);
  Fd fd(socket(AF_UNIX, kSocketFlags, 0));
  if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    return cannot_listen(where, errno);
  }
  return Listener{std::move(fd), std::string(path), std::string(path)};
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

Expected<Listener> listen_at(std::string_view where) {
  constexpr std::string_view kUnix = "unix:";
  return where.starts_with(kUnix) ? listen_unix(where, where.substr(kUnix.size())) : listen_tcp(where);
}

}  // namespace mmuscope::debug::gdb
