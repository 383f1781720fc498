// SPDX-License-Identifier: GPL-2.0-or-later
//
// mmuscope gdb: serves the machine to gdb, over a socket, or starts gdb itself.
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "cli/commands.h"
#include "cli/debug_session.h"
#include "cli/help.h"
#include "cli/option_values.h"
#include "debug/gdb/server.h"

namespace mmuscope::cli {
namespace {

using debug::gdb::Server;

struct GdbOptions {
  DebugOptions debug;
  std::string listen;
  bool launch = false;
};

Server* served = nullptr;  // for the signal handler

volatile sig_atomic_t stopped_by = 0;

void stop_serving(int signal) {
  stopped_by = signal;
  served->stop();
}

// While one lives, SIGINT and SIGTERM end serve().
class SignalsStop {
 public:
  explicit SignalsStop(Server& server) {
    served = &server;
    struct sigaction action{};
    action.sa_handler = stop_serving;
    ::sigaction(SIGINT, &action, &interrupt_);
    ::sigaction(SIGTERM, &action, &terminate_);
    ::signal(SIGPIPE, SIG_IGN);
  }
  ~SignalsStop() {
    ::sigaction(SIGINT, &interrupt_, nullptr);
    ::sigaction(SIGTERM, &terminate_, nullptr);
  }
  SignalsStop(const SignalsStop&) = delete;

 private:
  struct sigaction interrupt_{}, terminate_{};
};

// gdb's arguments, one a word.
std::vector<std::string> gdb_words(const DebugSession& session, const std::string& address) {
  std::vector<std::string> words{"gdb", "-q"};
  const auto execute = [&words](std::string command) {
    words.emplace_back("-ex");
    words.push_back(std::move(command));
  };
  // Both are symbol files of ours; gdb must not look for the program through the connection.
  execute("set sysroot /");
  execute("set confirm off");  // about the symbols
  if (session.program_bias() == 0)
    execute("file " + session.program_path());
  else
    execute(fmt::format("add-symbol-file {} -o 0x{:x}", session.program_path(), session.program_bias()));
  execute("add-symbol-file " + session.kernel_path());
  if (const std::string sources = session.kernel_sources(); !sources.empty()) execute("directory " + sources);
  execute("set confirm on");
  execute("target remote " + address);
  return words;
}

std::string quoted(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    const bool plain = word.find_first_not_of(
                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                           "-_./:=+,") == std::string::npos;
    line += plain ? word : "'" + word + "'";
  }
  return line;
}

debug::gdb::SessionOptions session_options(DebugSession& session) {
  return {.exec_file = session.program_bias() == 0 ? session.program_path() : "",
          .monitor = [&session](std::string_view line) { return session.commands().run(line); }};
}

Expected<int> serve(DebugSession& session, const std::string& where) {
  const auto server = Server::listen(where);
  if (!server) return std::unexpected(server.error());
  fmt::print(stderr, "mmuscope: waiting for gdb at {}:\n  {}\n", (*server)->address(),
             quoted(gdb_words(session, (*server)->address())));
  SignalsStop signals(**server);
  const auto ending =
      (*server)->serve(session.target(), session_options(session), Server::Clients::kUntilKilled);
  session.flush_console();
  if (!ending) return std::unexpected(ending.error());
  return *ending == Server::Ending::kStopped ? 128 + stopped_by : 0;
}

// A folder for the socket, gone with it.
struct SocketFolder {
  SocketFolder() { made = ::mkdtemp(path) != nullptr; }
  ~SocketFolder() {
    if (made) ::rmdir(path);
  }
  SocketFolder(const SocketFolder&) = delete;
  char path[32] = "/tmp/mmuscope-gdb-XXXXXX";
  bool made = false;
};

// gdb takes the terminal, and what ^C means: it asks us to stop over the socket.
Expected<pid_t> start_gdb(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGINT);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, "gdb", nullptr, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  if (error != 0)
    return fail(ErrorKind::kHost, fmt::format("gdb cannot be started: {}", std::strerror(error)));
  return pid;
}

Expected<int> launch(DebugSession& session) {
  SocketFolder folder;
  if (!folder.made)
    return fail(ErrorKind::kHost, fmt::format("no folder for a socket in /tmp: {}", std::strerror(errno)));
  const auto server = Server::listen(fmt::format("unix:{}/socket", folder.path));
  if (!server) return std::unexpected(server.error());
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGPIPE, SIG_IGN);
  const auto gdb = start_gdb(gdb_words(session, (*server)->address()));
  if (!gdb) return std::unexpected(gdb.error());
  int status = 0;
  std::thread watcher([&] {
    while (::waitpid(*gdb, &status, 0) < 0 && errno == EINTR) {
    }
    (*server)->stop();
  });
  // gdb may come back after `disconnect`.
  const auto ending =
      (*server)->serve(session.target(), session_options(session), Server::Clients::kUntilKilled);
  session.flush_console();
  watcher.join();
  if (!ending) return std::unexpected(ending.error());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Expected<int> gdb(GdbOptions& options, const CLI::App& command) {
  const auto words = program_words(command);
  if (!words) return std::unexpected(words.error());
  const auto session = DebugSession::create(options.debug, *words);
  if (!session) return std::unexpected(session.error());
  return options.launch ? launch(**session) : serve(**session, options.listen);
}

}  // namespace

void add_gdb(CLI::App& app, int* status) {
  auto options = std::make_shared<GdbOptions>();
  CLI::App* command = app.add_subcommand("gdb", "Serve a machine to gdb, backward steps included");
  command->formatter(std::make_shared<HelpFormatter>(std::vector<std::string>{"PROGRAM [ARGUMENT...]"}));
  auto* listen =
      command
          ->add_option("--listen", options->listen,
                       "Where gdb connects: :PORT (of this host only), ADDRESS:PORT, unix:PATH [:1234]")
          ->type_name("WHERE")
          ->check(not_empty());
  command->add_flag("--launch", options->launch, "Start gdb here, connected and with the symbols loaded")
      ->excludes(listen);
  options->debug.add_to(*command);
  command->callback([options, command, status] {
    if (options->debug.verbose) spdlog::set_level(spdlog::level::info);
    if (options->listen.empty()) options->listen = ":1234";
    const auto done = gdb(*options, *command);
    *status = done ? *done : report(done.error());
  });
}

}  // namespace mmuscope::cli
