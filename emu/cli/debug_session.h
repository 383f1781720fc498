// SPDX-License-Identifier: GPL-2.0-or-later
//
// What `mmuscope gdb` and `mmuscope debug` work on: a machine that has not run yet, its timeline, symbols of
// kernel and program, and the monitor commands. What the guest prints goes to standard output, once.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/boot_options.h"
#include "cli/kernel_log.h"
#include "cli/machine_options.h"
#include "debug/commands.h"
#include "debug/elf_file.h"
#include "debug/inspection_commands.h"
#include "debug/machine_target.h"
#include "devices/host_console.h"

namespace mmuscope::cli {

struct DebugOptions {
  BootOptions boot;
  MachineOptions machine;
  std::string input;           // --input: the guest's console input; empty: none
  timeline::Options timeline;  // --history, --checkpoint-every
  bool verbose = false;

  void add_to(CLI::App& command);
};

class DebugSession {
 public:
  // `words`: PROGRAM ARGUMENT... kUsage, kData.
  static Expected<std::unique_ptr<DebugSession>> create(const DebugOptions& options,
                                                        const std::vector<std::string>& words);

  debug::MachineTarget& target() { return *target_; }
  debug::Inspection& inspection() { return *inspection_; }
  debug::Commands& commands() { return commands_; }
  // Of the host, absolute.
  const std::string& kernel_path() const { return kernel_path_; }
  // The kernel's debug information names its sources relative to this folder, which is next door to a build
  // folder; empty where it is not there.
  std::string kernel_sources() const;
  const std::string& program_path() const { return program_path_; }
  const std::vector<uint8_t>& kernel_elf() const { return kernel_; }
  const std::vector<uint8_t>& program_elf() const { return program_; }
  // What is added to the addresses that the program was linked at: 0 unless it is position-independent.
  uint64_t program_bias() const { return program_bias_; }
  void flush_console() { console_.flush(); }

 private:
  DebugSession(int input_fd, bool owns_input);
  uint64_t find_bias();

  struct Input {
    int fd = -1;
    bool owned = false;
    ~Input();
  };

  Input input_fd_;
  FdConsoleSink console_;
  FdConsoleSource input_;
  KernelLog log_{[this](const std::string&) { return read_symbols(program_); }};
  timeline::Gate output_gate_, log_gate_;
  timeline::GatedConsole gated_console_{output_gate_, console_};
  std::vector<uint8_t> kernel_, program_;
  std::string kernel_path_, program_path_;
  uint64_t program_bias_ = 0;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<debug::MachineTarget> target_;
  std::unique_ptr<debug::Inspection> inspection_;
  debug::Commands commands_;
};

}  // namespace mmuscope::cli
