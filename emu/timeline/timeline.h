// SPDX-License-Identifier: GPL-2.0-or-later
//
// A machine that can go back: checkpoints are made while it runs forward, and any earlier position is reached
// by restoring one and running again, which gives the same run (rr's idea). Guest-visible state goes back;
// what has left the machine does not come out again (gates.h). Debugger state (DebugControl) is no part of
// it: stops hold while the past is run again to look for them, and are off while a known position is
// approached.
//
// Checkpoints are Options::spacing instructions apart; when they need more memory than Options::memory_bytes,
// every second one is given up and the spacing doubles. The first one and the last one always stay. Near a
// position that was gone back to, a few more are kept for a while, because who steps back once does it again.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "machine/machine.h"
#include "timeline/gates.h"
#include "timeline/page_history.h"

namespace mmuscope::timeline {

struct Options {
  uint64_t spacing = 10'000'000;         // instructions
  uint64_t memory_bytes = 512ull << 20;  // for checkpoints
};

class Timeline {
 public:
  enum class Reached : uint8_t {
    kTarget,       // the position asked for
    kHit,          // debug_control().hit says which
    kEnded,        // the machine ended before
    kInterrupted,  // interrupt() was called
  };
  static constexpr Position kForever{~uint64_t{0}, 0};

  // History begins here. The machine must outlive it, and be run by nobody else from now on; nothing of what
  // `gates` count may have happened yet.
  Timeline(Machine& machine, std::vector<Gate*> gates, const Options& options = {});

  Machine& machine() { return machine_; }
  Position position() const { return machine_.position(); }
  Position start() const { return checkpoints_.begin()->first; }

  // Forward, with stops. `leaving`: a breakpoint where the machine stands does not count.
  Reached run_to(Position target, bool leaving);
  // Forward or backward, without stops. A position between events must be one that was there.
  Reached go_to(Position target);
  // Backward: to the last position from which a stop is met before the present one, which is `before` of the
  // hit returned; nothing: to the start of history, or, interrupted, as far as was looked.
  std::optional<DebugHit> run_back(Reached* reached);
  // Runs the way from a checkpoint at or before `from` to the present position again, without stops, and
  // tells `observer`; `begin` is called at the checkpoint. False when interrupted; the position is the same
  // in any case.
  bool replay(Position from, MachineObserver& observer, const std::function<void()>& begin);

  // Registers or memory were changed by hand: the past led somewhere else, and is given up.
  void restart_history();

  // Ends what runs soon, with kInterrupted, and whatever is called until clear_interrupt(). From a signal
  // handler or another thread.
  void interrupt() { interrupted_ = true; }
  void clear_interrupt() { interrupted_ = false; }

  struct Usage {
    uint64_t checkpoints = 0, bytes = 0, spacing = 0;
  };
  Usage usage() const;

 private:
  struct Checkpoint {
    std::vector<uint8_t> state;  // without RAM
    std::vector<uint64_t> gates;
    bool near = false;  // made on the way back
    uint64_t made = 0;  // by age
  };
  using Checkpoints = std::map<Position, Checkpoint>;

  Reached advance(Position target);
  void settle_at(Position target);
  void add_checkpoint(bool near);
  void fill(Checkpoints::iterator checkpoint, const std::vector<uint64_t>& changed);
  void remove_checkpoint(Checkpoints::iterator checkpoint);
  void keep_to_budget();
  void drop_old_near();
  Position last_far() const;
  void restore(Position at);
  Position latest_before(Position position) const;  // at < position
  void approach(Position target);
  void arm(bool armed);

  Machine& machine_;
  std::vector<Gate*> gates_;
  Options options_;
  Checkpoints checkpoints_;
  PageHistory pages_;
  Position basis_;  // the checkpoint since which dirty pages are those that changed
  uint64_t made_ = 0, state_bytes_ = 0;
  std::atomic<bool> interrupted_ = false;
  bool settling_ = false;
};

}  // namespace mmuscope::timeline
