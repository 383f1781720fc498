// SPDX-License-Identifier: GPL-2.0-or-later
//
// The kernel's own log, a line at a time. What concerns the program's user is a warning: a system call that
// is not there, memory that ran out, the exception that killed the program (minikernel/sys/table.cpp,
// proc/exceptions.cpp, proc/signal.cpp log them). Why there is no program is an error (minikernel/init.cpp).
// Everything else is for the curious (`run -v`).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "machine/observer.h"
#include "trace/symbol_table.h"
#include "trace/symbolizer.h"

namespace mmuscope::cli {

// Observes which task runs which program, to name the place where it was killed.
class KernelLog final : public MachineObserver {
 public:
  // `symbols`: of the guest's file of that path; asked at most once a line.
  using SymbolSource = std::function<trace::SymbolTable(const std::string& path)>;
  explicit KernelLog(SymbolSource symbols) : symbols_(std::move(symbols)) {}

  void put(const std::string& line) const;
  // What is said of `line` without being asked; nothing of most lines.
  std::optional<std::string> warning(const std::string& line) const;
  // Why the kernel runs no program; nothing of other lines.
  static std::optional<std::string> refusal(const std::string& line);

  // What an address is to the task's program: "main+0x12", or "".
  std::string describe(uint32_t pid, uint64_t address) const;

  void on_tracepoint(const Moment& moment, const trace_abi::TraceRecord& record) override;

 private:
  SymbolSource symbols_;
  trace::Symbolizer programs_{nullptr};  // only who runs which
  trace::Event event_;
};

}  // namespace mmuscope::cli
