// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/machine_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "abi/trace_port.h"
#include "debug/inspector.h"
#include "trace/printers.h"

namespace mmuscope::debug {

using timeline::Timeline;
using Reached = Timeline::Reached;

namespace {

std::vector<timeline::Gate*> with(std::vector<timeline::Gate*> gates, timeline::Gate* more) {
  gates.push_back(more);
  return gates;
}

// Calls act(address, part) for what of `bytes`, which begin at `address`, lies in each page, until it returns
// false. How many bytes it accepted.
template <typename Byte, typename F>
size_t by_pages(uint64_t address, std::span<Byte> bytes, F&& act) {
  size_t done = 0;
  while (done < bytes.size()) {
    const uint64_t at = address + done;
    const size_t part = std::min<size_t>(bytes.size() - done, x86::kPageSize - (at & ~x86::kPageMask));
    if (!act(at, bytes.subspan(done, part))) break;
    done += part;
  }
  return done;
}

Watch entry_watch(const Catch& entry) {
  return {.address = entry.address, .bytes = 8, .reads = false, .writes = true, .physical = true};
}

}  // namespace

MachineTarget::MachineTarget(Machine& machine, std::vector<timeline::Gate*> gates,
                             const timeline::Options& options)
    : machine_(machine),
      catches_(machine),
      timeline_(machine, with(std::move(gates), &event_gate_), options) {
  tap_.add(catches_);
  tap_.add(counter_);
  machine_.add_observer(tap_);
}

MachineTarget::~MachineTarget() { machine_.remove_observer(tap_); }

// ---- looking

std::optional<x86::PhysicalAddress> MachineTarget::translate(unsigned cpu, uint64_t address) {
  x86::PagingContext context = machine_.paging_context(cpu);
  if (!context.paging) return address;
  context.smap = context.pke = false;  // rights are not asked for
  if (!x86::is_canonical(address, context.la57)) return std::nullopt;
  TargetMemory memory(*this);
  const x86::Access access{.linear = address, .type = x86::AccessType::kRead, .user = false};
  const auto page = x86::peek_walk(context, access, memory);
  return page ? std::optional(page->physical(address)) : std::nullopt;
}

size_t MachineTarget::read_physical(uint64_t address, std::span<uint8_t> bytes) {
  return by_pages(address, bytes, [&](uint64_t at, std::span<uint8_t> part) {
    const uint8_t* host = machine_.ram().host(at);
    if (host != nullptr) std::memcpy(part.data(), host, part.size());
    return host != nullptr;
  });
}

size_t MachineTarget::read(unsigned cpu, uint64_t address, std::span<uint8_t> bytes) {
  return by_pages(address, bytes, [&](uint64_t at, std::span<uint8_t> part) {
    const auto physical = translate(cpu, at);
    return physical && read_physical(*physical, part) == part.size();
  });
}

// ---- changing

Expected<void> MachineTarget::set_state(unsigned cpu, const x86::CpuState& state) {
  const x86::CpuState now = machine_.cpu_state(cpu);
  x86::CpuState allowed = now;
  allowed.gpr = state.gpr;
  allowed.rip = state.rip;
  allowed.rflags = state.rflags;
  for (const auto name : {x86::SegmentName::kFs, x86::SegmentName::kGs})
    allowed.segment(name).base = state.segment(name).base;
  if (allowed != state)
    return fail(ErrorKind::kUsage,
                "only general registers, rip, eflags, fs_base and gs_base can be changed by hand");
  if (state == now) return {};
  machine_.set_cpu_state(cpu, state);
  changed();
  return {};
}

Expected<void> MachineTarget::set_fpu(unsigned cpu, const FxsaveImage& image) {
  machine_.set_fpu(cpu, image);
  changed();
  return {};
}

Expected<void> MachineTarget::write_pages(uint64_t address, std::span<const uint8_t> bytes, const char* kind,
                                          const std::function<std::optional<uint64_t>(uint64_t)>& physical) {
  std::vector<std::pair<x86::PhysicalAddress, std::span<const uint8_t>>> parts;
  const size_t possible = by_pages(address, bytes, [&](uint64_t at, std::span<const uint8_t> part) {
    const auto place = physical(at);
    if (!place || machine_.ram().host(*place) == nullptr) return false;
    parts.emplace_back(*place, part);
    return true;
  });
  if (possible < bytes.size())
    return fail(ErrorKind::kUsage, fmt::format("there is no memory at {} 0x{:x}", kind, address + possible));
  for (const auto& [place, part] : parts) machine_.write_ram(place, part);
  if (!bytes.empty()) changed();
  return {};
}

Expected<void> MachineTarget::write_physical(uint64_t address, std::span<const uint8_t> bytes) {
  return write_pages(address, bytes, "physical address", [](uint64_t at) { return std::optional(at); });
}

Expected<void> MachineTarget::write(unsigned cpu, uint64_t address, std::span<const uint8_t> bytes) {
  return write_pages(address, bytes, "address", [&](uint64_t at) { return translate(cpu, at); });
}

void MachineTarget::flush_tlbs() {
  settle();
  for (unsigned cpu = 0; cpu < cpu_count(); ++cpu) machine_.flush_tlb(cpu);
  changed();
}

// Several changes at one place are one new beginning.
void MachineTarget::settle() {
  if (changed_) timeline_.restart_history();
  changed_ = false;
}

// ---- stops

void MachineTarget::add_breakpoint(uint64_t address) { machine_.debug_control().breakpoints.insert(address); }

void MachineTarget::remove_breakpoint(uint64_t address) {
  machine_.debug_control().breakpoints.erase(address);
}

void MachineTarget::add_watch(const Watch& watch) {
  if (std::ranges::find(watches_, watch) == watches_.end()) watches_.push_back(watch);
  set_watches();
}

void MachineTarget::remove_watch(const Watch& watch) {
  std::erase(watches_, watch);
  set_watches();
}

unsigned MachineTarget::add_catch(Catch wanted) {
  const unsigned number = catches_.add(std::move(wanted));
  set_watches();
  return number;
}

bool MachineTarget::remove_catch(unsigned number) {
  const bool removed = catches_.remove(number);
  set_watches();
  return removed;
}

// Those of the front end first: where both mean the same store, they tell it.
void MachineTarget::set_watches() {
  std::vector<Watch>& all = machine_.debug_control().watches;
  all = watches_;
  for (const auto& [number, entry] : catches_.all())
    if (entry.kind == Catch::Kind::kEntry) all.push_back(entry_watch(entry));
  machine_.watches_changed();
}

void MachineTarget::remember_entries() {
  entry_values_.clear();
  for (const auto& [number, entry] : catches_.all()) {
    if (entry.kind == Catch::Kind::kEntry)
      entry_values_[number] = TargetMemory(*this).read_entry(entry.address);
  }
}

// ---- moving

StopReport MachineTarget::resume(Direction direction) { return run(direction); }

StopReport MachineTarget::step(unsigned cpu, Direction direction) {
  DebugControl& debug = machine_.debug_control();
  debug.step_cpu = cpu;
  StopReport report = run(direction);
  debug.step_cpu.reset();
  return report;
}

StopReport MachineTarget::step_over_kernel(unsigned cpu, Direction direction) {
  using StepOnly = DebugControl::StepOnly;
  DebugControl& debug = machine_.debug_control();
  debug.step_only = direction == Direction::kForward ? StepOnly::kEndsAtCpl3 : StepOnly::kBeginsAtCpl3;
  StopReport report = step(cpu, direction);
  // Back from behind a fault is in front of it, at an instruction that was not executed yet.
  while (direction == Direction::kBackward && report.kind == StopReport::Kind::kArrived && last_was_event_)
    report = step(cpu, direction);
  debug.step_only = StepOnly::kAll;
  return report;
}

StopReport MachineTarget::run(Direction direction) {
  settle();
  remember_entries();
  timeline_.clear_interrupt();
  if (direction == Direction::kForward) {
    const Reached reached = timeline_.run_to(Timeline::kForever, true);
    return report(reached, machine_.debug_control().hit, direction);
  }
  Reached reached{};
  const std::optional<DebugHit> hit = timeline_.run_back(&reached);
  last_was_event_ = hit && hit->event;
  return report(reached, hit, direction);
}

StopReport MachineTarget::go_to(uint64_t icount) {
  settle();
  timeline_.clear_interrupt();
  const Position wanted{icount, 0};
  const bool there = wanted >= timeline_.start();
  const Reached reached = timeline_.go_to(there ? wanted : timeline_.start());
  StopReport stop = report(reached, std::nullopt, Direction::kForward);
  if (reached == Reached::kTarget && there) stop.kind = StopReport::Kind::kArrived;
  return stop;
}

StopReport MachineTarget::report(Reached reached, const std::optional<DebugHit>& hit, Direction direction) {
  StopReport stop;
  stop.cpu = current_cpu();
  switch (reached) {
    case Reached::kHit:
      return report_hit(*hit, direction);
    case Reached::kEnded:
      return report_end();
    case Reached::kInterrupted:
      stop.kind = StopReport::Kind::kInterrupted;
      return stop;
    case Reached::kTarget:
      stop.kind = StopReport::Kind::kHistoryStart;
      return stop;
  }
  return stop;
}

StopReport MachineTarget::report_hit(const DebugHit& hit, Direction direction) {
  StopReport stop;
  stop.cpu = hit.cpu;
  switch (hit.kind) {
    case DebugHit::Kind::kBreakpoint:
      stop.kind = StopReport::Kind::kBreakpoint;
      break;
    case DebugHit::Kind::kEvent:
      stop.kind = StopReport::Kind::kCaught;
      stop.text = hit.text;
      break;
    case DebugHit::Kind::kStep:
      stop.kind = StopReport::Kind::kArrived;
      break;
    case DebugHit::Kind::kWatch:
      stop.kind = StopReport::Kind::kWatchpoint;
      stop.watch = hit.watch;
      stop.address = hit.address;
      if (std::ranges::find(watches_, hit.watch) != watches_.end()) break;
      stop.kind = StopReport::Kind::kCaught;
      for (const auto& [number, entry] : catches_.all())
        if (entry.kind == Catch::Kind::kEntry && entry_watch(entry) == hit.watch)
          stop.text = entry_text(number, entry, hit, direction);
      break;
  }
  return stop;
}

// The other side of the store is where the machine came from: nothing else stored there in between.
std::string MachineTarget::entry_text(unsigned number, const Catch& entry, const DebugHit& hit,
                                      Direction direction) {
  const uint64_t here = TargetMemory(*this).read_entry(entry.address);
  const auto there = entry_values_.find(number);
  uint64_t before = there == entry_values_.end() ? here : there->second;
  uint64_t after = here;
  if (direction == Direction::kBackward) std::swap(before, after);
  const bool processor = (before ^ after) != 0 && ((before ^ after) & ~uint64_t{0x60}) == 0;
  return fmt::format("Catchpoint {}: {} 0x{:x} -> 0x{:x} ({} -> {}){}, cpu {}", number, entry.about, before,
                     after, trace::describe_entry(before, true), trace::describe_entry(after, true),
                     processor ? ", accessed and dirty bits only" : "", hit.cpu);
}

StopReport MachineTarget::report_end() {
  const RunResult end = machine_.run(machine_.icount());  // ended machines tell again
  StopReport stop;
  stop.kind = StopReport::Kind::kEnded;
  stop.cpu = current_cpu();
  if (end.reason != EndReason::kExit) {
    stop.text = end.report;
  } else if ((end.exit_value & trace_abi::kExitPanic) != 0) {
    stop.exit_value = end.exit_value;
    stop.text = "The kernel panicked: its report is on the console.";
  } else {
    stop.exit_value = end.exit_value;
    stop.text = fmt::format("The program ended with status {}.", end.exit_value & 0xff);
  }
  return stop;
}

namespace {

class Collector final : public trace::EventSink {
 public:
  void put(const trace::Event& event) override { events.push_back(event); }
  std::vector<trace::Event> events;
};

}  // namespace

Expected<std::vector<trace::Event>> MachineTarget::events_since(uint64_t icount) {
  settle();
  timeline_.clear_interrupt();
  Collector collector;
  trace::EventTap tap;
  tap.add(collector);
  const bool whole = timeline_.replay({icount, 0}, tap, [&] { tap.count_from(event_gate_.count()); });
  if (!whole) return fail(ErrorKind::kUsage, "interrupted");
  return std::move(collector.events);
}

}  // namespace mmuscope::debug
