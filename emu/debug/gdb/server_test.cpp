// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/gdb/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "debug/gdb/fake_target.h"
#include "debug/gdb/packet.h"
#include "debug/gdb/temporary_folder.h"

namespace mmuscope::debug::gdb {
namespace {

constexpr int kPatienceMs = 20'000;  // far more than anything takes; a test that needs it fails

// A client that says bytes and hears bytes.
class Client {
 public:
  explicit Client(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connected = connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  void say(std::string_view bytes) {
    EXPECT_EQ(send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), ssize_t(bytes.size()));
  }
  // Up to `count` bytes; fewer when the other side closed.
  std::string hear(size_t count) {
    std::string heard;
    while (heard.size() < count) {
      pollfd ready{fd_.get(), POLLIN, 0};
      if (poll(&ready, 1, kPatienceMs) <= 0) return heard + " and then nothing";
      char bytes[4096];
      const ssize_t got = recv(fd_.get(), bytes, std::min(sizeof bytes, count - heard.size()), 0);
      if (got <= 0) break;
      heard.append(bytes, static_cast<size_t>(got));
    }
    return heard;
  }
  std::string ask(std::string_view packet, std::string_view answer) {
    say(frame(packet));
    return hear(1 + frame(answer).size());
  }
  void leave() { fd_ = Fd(); }

  bool connected = false;

 private:
  Fd fd_;
};

std::string answer(std::string_view body) { return "+" + frame(body); }

class GdbServer : public testing::Test {
 protected:
  void serve(Server::Clients clients) {
    auto made = Server::listen("unix:" + path);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    server = std::move(*made);
    thread = std::jthread([this, clients] {
      const auto result = server->serve(target, {}, clients);
      if (result) ending = *result;
      done = true;
    });
  }
  Server::Ending finish() {
    for (int ms = 0; ms < kPatienceMs && !done; ms++)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (!done) server->stop();
    thread.join();
    return ending.load();
  }
  void wait_until_running() {
    while (!target.running() && !done) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ~GdbServer() override {
    if (server) server->stop();
  }

  TemporaryFolder folder;
  std::string path = folder.path() + "/gdb";
  FakeTarget target;
  std::unique_ptr<Server> server;
  std::atomic<Server::Ending> ending = Server::Ending::kStopped;
  std::atomic<bool> done = false;
  std::jthread thread;
};

TEST_F(GdbServer, ServesOneClient) {
  serve(Server::Clients::kOne);
  Client client(path);
  EXPECT_EQ(client.ask("m401000,2", "9090"), answer("9090"));
  EXPECT_EQ(client.ask("D", "OK"), answer("OK"));
  EXPECT_EQ(client.hear(1), "");
  EXPECT_EQ(finish(), Server::Ending::kDetached);
}

TEST_F(GdbServer, RefusesASecondClient) {
  serve(Server::Clients::kOne);
  Client first(path);
  EXPECT_EQ(first.ask("qC", "QC1"), answer("QC1"));
  Client second(path);
  EXPECT_TRUE(second.connected);
  EXPECT_EQ(second.hear(1), "");
  EXPECT_EQ(first.ask("qC", "QC1"), answer("QC1"));
  first.say(frame("k"));
  EXPECT_EQ(finish(), Server::Ending::kKilled);
}

TEST_F(GdbServer, RefusesASecondClientWhileTheMachineRuns) {
  target.endless = true;
  serve(Server::Clients::kOne);
  Client first(path);
  first.say(frame("c"));
  wait_until_running();
  Client second(path);
  EXPECT_EQ(second.hear(1), "");
  EXPECT_TRUE(target.running());
  first.say("\x03");
  EXPECT_EQ(first.hear(1 + frame("T02thread:1;").size()), answer("T02thread:1;"));
}

TEST_F(GdbServer, InterruptsWithinMilliseconds) {
  target.endless = true;
  serve(Server::Clients::kOne);
  Client client(path);
  auto fastest = std::chrono::steady_clock::duration::max();
  for (int i = 0; i < 10; i++) {
    client.say(frame("c"));
    wait_until_running();
    const auto before = std::chrono::steady_clock::now();
    client.say("+\x03");
    EXPECT_EQ(client.hear(1 + frame("T02thread:1;").size()), answer("T02thread:1;"));
    fastest = std::min(fastest, std::chrono::steady_clock::now() - before);
  }
  EXPECT_LT(fastest, std::chrono::milliseconds(1000)) << "the host may be busy, but not ten times";
}

// The byte may come before the machine looks for it: it must not be lost.
TEST_F(GdbServer, AnInterruptRightBehindThePacketIsNotLost) {
  target.endless = true;
  serve(Server::Clients::kOne);
  Client client(path);
  for (int i = 0; i < 50; i++) {
    client.say(frame("c"));
    client.say("\x03");
    EXPECT_EQ(client.hear(1 + frame("T02thread:1;").size()), answer("T02thread:1;"));
  }
}

TEST_F(GdbServer, TheNextClientFindsTheMachineAsItWas) {
  serve(Server::Clients::kUntilKilled);
  {
    Client client(path);
    EXPECT_EQ(client.ask("s", "T05thread:1;"), answer("T05thread:1;"));
    EXPECT_EQ(client.ask("Z0,401000,1", "OK"), answer("OK"));
    client.say("$m401000");  // and gone
  }
  Client client(path);
  EXPECT_EQ(client.ask("Hg1", "OK"), answer("OK"));
  EXPECT_EQ(client.ask("p10", "0110400000000000"), answer("0110400000000000"));
  EXPECT_FALSE(target.has_stops());
  client.say(frame("k"));
  EXPECT_EQ(finish(), Server::Ending::kKilled);
}

TEST_F(GdbServer, AClientThatGoesWhileTheMachineRunsStopsIt) {
  target.endless = true;
  serve(Server::Clients::kUntilKilled);
  {
    Client client(path);
    client.say(frame("c"));
    wait_until_running();
  }
  {
    Client client(path);
    client.say(frame("c"));  // and gone at once
  }
  Client client(path);
  EXPECT_EQ(client.ask("qC", "QC1"), answer("QC1"));
  EXPECT_FALSE(target.running());
}

// Answers that nobody reads must not end the process (SIGPIPE).
TEST_F(GdbServer, SurvivesWhoDoesNotListen) {
  serve(Server::Clients::kUntilKilled);
  std::string many;
  for (int i = 0; i < 2000; i++) many += frame("g");
  for (int i = 0; i < 3; i++) {
    Client client(path);
    client.say(many.substr(0, 8000));
  }
  Client client(path);
  EXPECT_EQ(client.ask("qC", "QC1"), answer("QC1"));
}

TEST_F(GdbServer, StopsWhileItWaitsServesOrRuns) {
  serve(Server::Clients::kOne);
  server->stop();
  EXPECT_EQ(finish(), Server::Ending::kStopped);
  server.reset();

  done = false;
  target.endless = true;
  serve(Server::Clients::kUntilKilled);
  Client client(path);
  client.say(frame("c"));
  wait_until_running();
  server->stop();
  EXPECT_EQ(finish(), Server::Ending::kStopped);
  EXPECT_FALSE(target.running());
}

TEST(GdbListen, LoopbackUnlessAskedOtherwise) {
  const auto server = Server::listen(":0");
  ASSERT_TRUE(server.has_value()) << server.error().message;
  const std::string address = (*server)->address();
  EXPECT_TRUE(address.starts_with("127.0.0.1:")) << address;
  const auto second = Server::listen(address);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().kind, ErrorKind::kUsage);
  EXPECT_EQ(second.error().message, address + " is in use already: choose another for gdb");
}

TEST(GdbListen, SaysWhatIsWrong) {
  for (const char* where : {"", "1234", "localhost", ":", ":x", ":65536", ":-1", "::1:5",
                            "unix:", "unix:/no/such/folder/s", "192.0.2.1:0"}) {
    const auto server = Server::listen(where);
    ASSERT_FALSE(server.has_value()) << where;
    EXPECT_EQ(server.error().kind, ErrorKind::kUsage) << where;
  }
  EXPECT_FALSE(Server::listen("unix:" + std::string(200, 'a')).has_value());
}

TEST(GdbListen, TakesOverASocketThatWasLeftBehindAndNothingElse) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/gdb";
  {
    const Fd dead(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  {
    const auto server = Server::listen("unix:" + path);
    ASSERT_TRUE(server.has_value()) << server.error().message;
    EXPECT_EQ((*server)->address(), path);
    EXPECT_FALSE(Server::listen("unix:" + path).has_value()) << "one that lives is not taken over";
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  const Fd file(open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  EXPECT_FALSE(Server::listen("unix:" + path).has_value());
  EXPECT_TRUE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace mmuscope::debug::gdb
