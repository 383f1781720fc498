// SPDX-License-Identifier: GPL-2.0-or-later
//
// One connected gdb over a Target: bytes in, bytes out, whatever carries them (gdb manual, appendix E "Remote
// Serial Protocol"). All-stop; gdb's threads are the machine's CPUs, thread N being CPU N-1. Addresses are
// linear, as the CPU of the selected thread (Hg) sees them, or physical after `monitor physical on` (or
// QEMU's Qqemu.PhyMemMode:1): then so are memory packets and new watchpoints; breakpoints are always linear.
//
// How a stop is told. Arrived, breakpoint, watchpoint, caught: T05 (a caught event's text goes before it as
// console output; one that ends a step is T1e, SIGUSR1). Interrupted: T02, so that gdb says SIGINT. The start
// of history: T05 with replaylog:begin. The end of the machine: T05 with replaylog:end and its text as
// console output, because gdb drops the connection at a W or X reply, and an ended machine is there to be
// looked at and run backward. Only who continues (not steps) once more at the end gets W and the exit status
// (low 8 bits), or X06 where there is none: the kernel panicked, or the machine never reached its exit port.
//
// Writing what is already there does not reach the target, because a change makes the position the start of
// history. Stops that gdb inserted are removed when the session ends, however it ends.
//
// What steps a program. gdb steps source lines by ranges (vCont;r): from CPL 3 these take what the kernel
// does in between - page faults, interrupts, system calls - as part of a step. So does a step backward, which
// has no ranges. A single step forward (`stepi`) goes into the kernel. `monitor kernel-steps on`: all steps
// do.
//
// Left out: non-stop mode, vCont;t, multiprocess ids, conditions and commands of breakpoints (gdb
// evaluates conditions itself), starting programs (vRun, vAttach, extended-remote), files (vFile),
// tracepoints, qSearch, qCRC, qXfer:siginfo (there is no signal). Stepping one CPU lets the others take their
// turns, whatever scheduler-locking says. Signals to deliver (C, S) are ignored.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "debug/gdb/packet.h"
#include "debug/gdb/registers.h"
#include "debug/target.h"

namespace mmuscope::debug::gdb {

// What carries the bytes.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual void send(std::string_view bytes) = 0;
  // Does `work`, which may run the machine for long, and meanwhile looks for a byte 0x03 from gdb, or that
  // gdb is gone. Then it calls `interrupt`, from any thread, and again every few milliseconds until `work` is
  // done: a first call may come before the machine runs. Bytes read meanwhile are for a later
  // Session::receive().
  virtual void run_watched(const std::function<void()>& work, const std::function<void()>& interrupt) = 0;
};

struct SessionOptions {
  std::string exec_file;  // what gdb is told to load symbols from; empty: it is not told
  // What `monitor TEXT` does and says, except TEXT = `physical ...` and `kernel-steps ...`. It may move the
  // machine; gdb learns of it by its own command `maintenance flush register-cache` only.
  std::function<std::string(std::string_view text)> monitor;
};

class Session {
 public:
  enum class State : uint8_t { kOpen, kDetached, kKilled };

  Session(Target& target, Transport& transport, SessionOptions options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Returns when all complete packets in `bytes` are answered, or the session is no longer open.
  void receive(std::string_view bytes);
  State state() const { return state_; }

 private:
  using Reply = std::string;
  enum class Motion : uint8_t { kContinue, kStep, kStepRange, kContinueBack, kStepBack };
  struct Range {
    uint64_t first, end;
  };
  struct ThreadId {
    enum class Kind : uint8_t { kAll, kAny, kOne } kind = Kind::kAny;
    unsigned cpu = 0;
  };

  // session.cpp
  void answer(std::string_view packet);
  std::optional<Reply> answer_letter(char letter, std::string_view rest);
  Reply select_thread(std::string_view rest);
  Reply thread_alive(std::string_view rest);
  std::optional<ThreadId> take_thread(std::string_view& text) const;
  Reply write_all_registers(std::string_view digits);
  Reply read_register(std::string_view rest);
  Reply write_register(std::string_view rest);
  RegisterFile registers();
  Reply store(const RegisterFile& before, const RegisterFile& after);
  Reply read_memory(std::string_view rest);
  Reply write_memory(std::string_view rest, bool hex);
  size_t read_bytes(uint64_t address, std::span<uint8_t> bytes);
  Reply change_stop(std::string_view rest, bool insert);
  Reply change_breakpoint(uint64_t address, bool hardware, bool insert);
  Reply change_watch(char type, uint64_t address, uint64_t bytes, bool insert);
  void remove_all_stops();

  // session_run.cpp
  Reply answer_vcont(std::string_view actions);
  Reply answer_resume(std::string_view rest, Motion motion, bool signal);
  Reply run(Motion motion, unsigned cpu, Range range = {});
  StopReport move(Motion motion, unsigned cpu, Range range);
  StopReport step_range(unsigned cpu, Range range);
  Reply stop_reply(const StopReport& report, Motion motion);
  std::string stop_reason(const StopReport& report) const;
  std::string breakpoint_reason(const StopReport& report) const;
  void print(std::string_view text);

  // session_queries.cpp
  std::optional<Reply> answer_query(std::string_view packet);
  std::optional<Reply> answer_setting(std::string_view packet);
  Reply answer_supported(std::string_view features);
  Reply answer_transfer(std::string_view rest);
  std::optional<std::string> document(std::string_view object, std::string_view annex);
  std::string describe_thread(unsigned cpu);
  std::string thread_list_xml();
  Reply thread_list() const;
  Reply answer_monitor(std::string_view digits);

  Target& target_;
  Transport& transport_;
  SessionOptions options_;
  PacketLink link_;
  State state_ = State::kOpen;
  bool client_knows_swbreak_ = false;
  bool client_knows_hwbreak_ = false;
  bool physical_ = false;
  bool kernel_steps_ = false;
  unsigned general_cpu_ = 0;                  // Hg; after a stop, the one that stopped (gdb assumes so)
  std::optional<unsigned> continue_cpu_;      // Hc; nothing: any, which is the general one
  std::map<uint64_t, unsigned> breakpoints_;  // address: bit 0 software, bit 1 hardware
  std::vector<Watch> watches_;
  Reply last_stop_;
  std::optional<uint64_t> ended_at_;  // where going forward ended, if that was the last stop
};

}  // namespace mmuscope::debug::gdb
