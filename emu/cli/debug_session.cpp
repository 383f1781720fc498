// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/debug_session.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cli/files.h"
#include "cli/option_values.h"
#include "debug/machine_commands.h"

namespace mmuscope::cli {
namespace {

// Stops at the first program that is executed, and says where it was loaded.
class ExecStop final : public MachineObserver {
 public:
  explicit ExecStop(Machine& machine) : machine_(machine) {}
  void on_tracepoint(const Moment& moment, const trace_abi::TraceRecord& record) override {
    if (static_cast<trace_abi::TraceType>(record.type) != trace_abi::TraceType::kExec) return;
    bias = record.args[1];
    machine_.debug_control().request(
        {.kind = DebugHit::Kind::kEvent, .cpu = moment.cpu, .before = machine_.position()});
  }
  uint64_t bias = 0;

 private:
  Machine& machine_;
};

bool position_independent(const std::vector<uint8_t>& elf) {
  return elf.size() >= sizeof(Elf64_Ehdr) &&
         reinterpret_cast<const Elf64_Ehdr*>(elf.data())->e_type == ET_DYN;
}

std::string absolute(const std::string& path) {
  std::error_code error;
  const auto whole = std::filesystem::absolute(path, error);
  return error ? path : whole.lexically_normal().string();
}

}  // namespace

void DebugOptions::add_to(CLI::App& command) {
  machine.add_to(command);
  command
      .add_option("--input", input, "What the guest reads from its console [nothing]; - is standard input")
      ->type_name("FILE")
      ->check(not_empty());
  command
      .add_option("--history", timeline.memory_bytes,
                  "Host memory for going back, with K, M or G [512M]; less makes going back slower")
      ->type_name("SIZE")
      ->transform(byte_size());
  command
      .add_option("--checkpoint-every", timeline.spacing,
                  "Instructions between checkpoints, as long as they fit --history [10000000]")
      ->type_name("N")
      ->transform(whole_number(1000, uint64_t{1} << 48));
  command.add_flag("-v,--verbose", verbose, "Show the kernel's log on standard error");
  boot.add_to(command);
}

DebugSession::Input::~Input() {
  if (owned) ::close(fd);
}

DebugSession::DebugSession(int input_fd, bool owns_input)
    : input_fd_{input_fd, owns_input}, console_(STDOUT_FILENO), input_(input_fd) {}

Expected<std::unique_ptr<DebugSession>> DebugSession::create(const DebugOptions& options,
                                                             const std::vector<std::string>& words) {
  const auto files = make_guest_files(options.boot, words);
  if (!files) return std::unexpected(files.error());
  const auto kernel = read_kernel(options.machine);
  if (!kernel) return std::unexpected(kernel.error());
  auto program = read_file(words[0]);
  if (!program) return std::unexpected(program.error());

  const std::string input = options.input.empty() ? "/dev/null" : options.input;
  const int fd = input == "-" ? STDIN_FILENO : ::open(input.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(ErrorKind::kUsage, fmt::format("--input {}: {}", input, std::strerror(errno)));
  std::unique_ptr<DebugSession> session(new DebugSession(fd, input != "-"));
  session->kernel_ = kernel->bytes;
  session->program_ = std::move(*program);
  session->kernel_path_ = absolute(kernel->path);
  session->program_path_ = absolute(words[0]);

  const BootImage image{
      .kernel = kernel->bytes, .command_line = files->command_line, .initramfs = files->initramfs.pack()};
  auto machine = make_machine(options.machine, *kernel, image, session->gated_console_, session->input_,
                              [session = session.get()](const std::string& line) {
                                if (session->log_gate_.pass()) session->log_.put(line);
                              });
  if (!machine) return std::unexpected(machine.error());
  session->machine_ = std::move(*machine);
  session->machine_->add_observer(session->log_);
  session->target_ = std::make_unique<debug::MachineTarget>(
      *session->machine_, std::vector{&session->output_gate_, &session->log_gate_}, options.timeline);
  x86::CpuFeatures features;
  features.la57 = options.machine.machine.la57;
  session->inspection_ = std::make_unique<debug::Inspection>(*session->target_, session->kernel_, features);
  if (position_independent(session->program_)) session->program_bias_ = session->find_bias();
  debug::Symbols& symbols = session->inspection_->symbols();
  symbols.add(read_symbols(session->program_), session->program_bias_);
  symbols.add_data(read_data_symbols(session->program_), session->program_bias_);
  debug::add_inspection(session->commands_, *session->inspection_);
  debug::add_machine_commands(session->commands_, *session->inspection_, *session->target_);
  return session;
}

std::string DebugSession::kernel_sources() const {
  const auto folder = std::filesystem::path(kernel_path_).parent_path().parent_path() / "minikernel";
  std::error_code error;
  return std::filesystem::exists(folder / "kernel.ld", error) ? folder.string() : "";
}

// Looks into the future; what comes out on the way is nobody's yet.
uint64_t DebugSession::find_bias() {
  ExecStop stop(*machine_);
  timeline::Timeline& timeline = target_->timeline();
  machine_->add_observer(stop);
  timeline.run_to(timeline::Timeline::kForever, true);
  machine_->remove_observer(stop);
  timeline.go_to(timeline.start());
  return stop.bias;
}

}  // namespace mmuscope::cli
