// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/gdb/fake_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace mmuscope::debug::gdb {
namespace {

std::string name(const Watch& watch) {
  return fmt::format("{}{}{} {:#x}+{}", watch.reads ? "r" : "", watch.writes ? "w" : "",
                     watch.physical ? " physical" : "", watch.address, watch.bytes);
}

}  // namespace

FakeTarget::FakeTarget(unsigned cpus) : memory(0x1000, 0x90), states_(cpus), fpus_(cpus) {
  for (unsigned cpu = 0; cpu < cpus; cpu++) {
    x86::CpuState& state = states_[cpu];
    state.rip = kCode + 0x100 * cpu;
    state.reg(x86::Gpr::kRsp) = kCode + memory.size() - 0x100 * (cpu + 1);
    state.cpl = cpu == 0 ? 3 : 0;
    // 64-bit code, as gdb's disassembler expects it.
    state.segment(x86::SegmentName::kCs) = {0, 0xffffffff, 0x33, 0xa0fb};
    fpus_[cpu][0] = 0x7f;
    fpus_[cpu][1] = 0x03;
  }
  end_report.kind = StopReport::Kind::kEnded;
  end_report.text = "the program exited";
  end_report.exit_value = 7;
}

std::string FakeTarget::take_calls() { return std::exchange(calls_, {}); }

void FakeTarget::record(std::string call) {
  if (!calls_.empty()) calls_ += "; ";
  calls_ += call;
}

Expected<void> FakeTarget::set_state(unsigned cpu, const x86::CpuState& state) {
  record(fmt::format("set_state {}", cpu));
  if (state.cr3 != states_.at(cpu).cr3) return fail(ErrorKind::kUsage, "CR3 cannot be changed");
  states_[cpu] = state;
  history_start_ = icount_;
  return {};
}

Expected<void> FakeTarget::set_fpu(unsigned cpu, const FxsaveImage& image) {
  record(fmt::format("set_fpu {}", cpu));
  fpus_.at(cpu) = image;
  history_start_ = icount_;
  return {};
}

size_t FakeTarget::read(unsigned, uint64_t address, std::span<uint8_t> bytes) {
  return read_physical(address - kCode, bytes);
}

size_t FakeTarget::read_physical(uint64_t address, std::span<uint8_t> bytes) {
  if (address >= memory.size()) return 0;
  const size_t count = std::min<size_t>(bytes.size(), memory.size() - address);
  std::copy_n(memory.begin() + static_cast<ptrdiff_t>(address), count, bytes.begin());
  return count;
}

Expected<void> FakeTarget::write(unsigned cpu, uint64_t address, std::span<const uint8_t> bytes) {
  record(fmt::format("write {} {:#x}+{}", cpu, address, bytes.size()));
  return write_physical(address - kCode, bytes);
}

Expected<void> FakeTarget::write_physical(uint64_t address, std::span<const uint8_t> bytes) {
  if (address > memory.size() || bytes.size() > memory.size() - address)
    return fail(ErrorKind::kUsage, "no page");
  std::ranges::copy(bytes, memory.begin() + static_cast<ptrdiff_t>(address));
  history_start_ = icount_;
  return {};
}

void FakeTarget::add_breakpoint(uint64_t address) {
  record(fmt::format("break {:#x}", address));
  breakpoints_.insert(address);
}

void FakeTarget::remove_breakpoint(uint64_t address) {
  record(fmt::format("unbreak {:#x}", address));
  breakpoints_.erase(address);
}

void FakeTarget::add_watch(const Watch& watch) {
  record("watch " + name(watch));
  watches_.push_back(watch);
}

void FakeTarget::remove_watch(const Watch& watch) {
  record("unwatch " + name(watch));
  std::erase(watches_, watch);
}

StopReport FakeTarget::report(StopReport::Kind kind, unsigned cpu) const {
  StopReport report;
  report.kind = kind;
  report.cpu = cpu;
  return report;
}

std::optional<StopReport> FakeTarget::watched(uint64_t at) const {
  const auto access = accesses.find(at);
  if (access == accesses.end()) return std::nullopt;
  for (const Watch& watch : watches_) {
    const bool meant = access->second.write ? watch.writes : watch.reads;
    if (!meant || access->second.address - watch.address >= watch.bytes) continue;
    StopReport stop = report(StopReport::Kind::kWatchpoint, static_cast<unsigned>(at % cpu_count()));
    stop.watch = watch;
    stop.address = access->second.address;
    return stop;
  }
  return std::nullopt;
}

std::optional<StopReport> FakeTarget::forward() {
  if (icount_ >= end) {
    StopReport stop = end_report;
    stop.cpu = current_cpu();
    return stop;
  }
  const auto access = accesses.find(icount_);
  if (access != accesses.end() && access->second.write && access->second.address - kCode < memory.size()) {
    memory[access->second.address - kCode]++;
  }
  states_[current_cpu()].rip++;
  icount_++;
  return watched(icount_ - 1);
}

std::optional<StopReport> FakeTarget::backward() {
  if (icount_ <= history_start_) return report(StopReport::Kind::kHistoryStart, current_cpu());
  icount_--;
  const auto access = accesses.find(icount_);
  if (access != accesses.end() && access->second.write && access->second.address - kCode < memory.size()) {
    memory[access->second.address - kCode]--;
  }
  states_[current_cpu()].rip--;
  return watched(icount_);
}

std::optional<StopReport> FakeTarget::scripted() {
  if (script.empty()) return std::nullopt;
  StopReport next = script.front();
  script.pop_front();
  return next;
}

StopReport FakeTarget::wait_for_interrupt() {
  running_ = true;
  while (!interrupted_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  running_ = false;
  interrupted_ = false;
  return report(StopReport::Kind::kInterrupted, current_cpu());
}

StopReport FakeTarget::resume(Direction direction) {
  const bool forwards = direction == Direction::kForward;
  record(forwards ? "resume" : "resume back");
  if (const auto stop = scripted()) return *stop;
  if (endless) {
    interrupted_ = false;  // as a machine may that looks at its flag only when it runs
    return wait_for_interrupt();
  }
  for (;;) {
    if (const auto stop = forwards ? forward() : backward()) return *stop;
    if (breakpoints_.contains(states_[current_cpu()].rip))
      return report(StopReport::Kind::kBreakpoint, current_cpu());
  }
}

StopReport FakeTarget::step(unsigned cpu, Direction direction) {
  const bool forwards = direction == Direction::kForward;
  record(fmt::format("step {}{}", cpu, forwards ? "" : " back"));
  if (const auto stop = scripted()) return *stop;
  for (;;) {
    const unsigned before = current_cpu();
    if (const auto stop = forwards ? forward() : backward()) return *stop;
    if ((forwards ? before : current_cpu()) == cpu) return report(StopReport::Kind::kArrived, cpu);
  }
}

StopReport FakeTarget::go_to(uint64_t icount) {
  record(fmt::format("go_to {}", icount));
  while (icount_ < icount && icount_ < end) forward();
  while (icount_ > icount && icount_ > history_start_) backward();
  return report(StopReport::Kind::kArrived, current_cpu());
}

}  // namespace mmuscope::debug::gdb
