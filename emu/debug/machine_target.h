// SPDX-License-Identifier: GPL-2.0-or-later
//
// The Target that is a machine: runs it on a timeline, looks into it, stops it. What is read is RAM, through
// the page tables as they are now (x86::peek_walk), not through a TLB.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "debug/catches.h"
#include "debug/target.h"
#include "timeline/timeline.h"
#include "trace/event.h"
#include "trace/event_tap.h"

namespace mmuscope::debug {

class MachineTarget final : public Target {
 public:
  // The machine must not have run yet, or history begins late; it and the gates are not owned, and nobody
  // else may run it from now on. `gates`: what goes back with it (timeline/gates.h).
  explicit MachineTarget(Machine& machine, std::vector<timeline::Gate*> gates = {},
                         const timeline::Options& options = {});
  ~MachineTarget() override;

  unsigned cpu_count() const override { return machine_.cpu_count(); }
  uint64_t icount() const override { return machine_.icount(); }
  unsigned current_cpu() const override { return machine_.current_cpu(); }
  x86::CpuState state(unsigned cpu) override { return machine_.cpu_state(cpu); }
  FxsaveImage fpu(unsigned cpu) override { return machine_.fpu(cpu); }
  Expected<void> set_state(unsigned cpu, const x86::CpuState& state) override;
  Expected<void> set_fpu(unsigned cpu, const FxsaveImage& image) override;
  size_t read(unsigned cpu, uint64_t address, std::span<uint8_t> bytes) override;
  size_t read_physical(uint64_t address, std::span<uint8_t> bytes) override;
  Expected<void> write(unsigned cpu, uint64_t address, std::span<const uint8_t> bytes) override;
  Expected<void> write_physical(uint64_t address, std::span<const uint8_t> bytes) override;
  void add_breakpoint(uint64_t address) override;
  void remove_breakpoint(uint64_t address) override;
  void add_watch(const Watch& watch) override;
  void remove_watch(const Watch& watch) override;
  StopReport resume(Direction direction) override;
  StopReport step(unsigned cpu, Direction direction) override;
  StopReport step_over_kernel(unsigned cpu, Direction direction) override;
  StopReport go_to(uint64_t icount) override;
  void interrupt() override { timeline_.interrupt(); }

  Machine& machine() { return machine_; }
  timeline::Timeline& timeline() { return timeline_; }
  Position position() const { return machine_.position(); }
  uint32_t pid(unsigned cpu) const { return machine_.pid(cpu); }

  unsigned add_catch(Catch wanted);
  bool remove_catch(unsigned number);
  const Catches& catches() const { return catches_; }
  void name_addresses_by(Names names) { catches_.name_addresses_by(std::move(names)); }

  // What happened from about `icount` (at or before it) to the present, numbered as in a trace of the whole
  // run, by running that part again. kUsage when interrupted.
  Expected<std::vector<trace::Event>> events_since(uint64_t icount);
  // Changes the guest, as writing does.
  void flush_tlbs();

 private:
  std::optional<x86::PhysicalAddress> translate(unsigned cpu, uint64_t address);
  Expected<void> write_pages(uint64_t address, std::span<const uint8_t> bytes, const char* kind,
                             const std::function<std::optional<uint64_t>(uint64_t)>& physical);
  void changed() { changed_ = true; }
  void settle();
  void set_watches();
  void remember_entries();
  StopReport report(timeline::Timeline::Reached reached, const std::optional<DebugHit>& hit,
                    Direction direction);
  StopReport report_hit(const DebugHit& hit, Direction direction);
  StopReport report_end();
  std::string entry_text(unsigned number, const Catch& entry, const DebugHit& hit, Direction direction);
  StopReport run(Direction direction);

  Machine& machine_;
  // Counts events, so that going back knows their numbers.
  struct Counter final : trace::EventSink {
    explicit Counter(timeline::Gate& gate) : gate(gate) {}
    void put(const trace::Event&) override { gate.pass(); }
    timeline::Gate& gate;
  };

  Catches catches_;
  trace::EventTap tap_;
  timeline::Gate event_gate_;
  Counter counter_{event_gate_};
  timeline::Timeline timeline_;
  std::vector<Watch> watches_;                 // of the front end; those of catches come on top
  std::map<unsigned, uint64_t> entry_values_;  // of Catch::Kind::kEntry, before the machine moves
  bool last_was_event_ = false;  // of the last run backward: the step was over one, not over an instruction
  bool changed_ = false;         // by hand since the machine last moved
};

}  // namespace mmuscope::debug
