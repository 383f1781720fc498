// SPDX-License-Identifier: GPL-2.0-or-later
#include "timeline/timeline.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace mmuscope::timeline {

namespace {

// Between two looks at interrupt(): below a second even where every access is watched.
constexpr uint64_t kSlice = 200'000;
// Distances from a position gone back to at which checkpoints are kept near it.
constexpr std::array<uint64_t, 5> kNear = {2'000'000, 200'000, 20'000, 2'000, 200};
constexpr size_t kMostNear = 15;

}  // namespace

Timeline::Timeline(Machine& machine, std::vector<Gate*> gates, const Options& options)
    : machine_(machine), gates_(std::move(gates)), options_(options) {
  add_checkpoint(false);
}

// ---- checkpoints

// The machine comes from `basis_`, so what changed since the checkpoint before this position is among what
// changed since `basis_`.
void Timeline::add_checkpoint(bool near) {
  const Position at = position();
  const auto [checkpoint, inserted] = checkpoints_.try_emplace(at);
  if (!inserted) {
    checkpoint->second.near = checkpoint->second.near && near;
    return;
  }
  fill(checkpoint, machine_.take_dirty_pages());
  checkpoint->second.near = near;
  drop_old_near();
  keep_to_budget();
}

// Of where the machine stands. `changed`: as for PageHistory::insert.
void Timeline::fill(Checkpoints::iterator checkpoint, const std::vector<uint64_t>& changed) {
  StateWriter writer;
  machine_.save_without_ram(writer);
  Checkpoint& made = checkpoint->second;
  made = {.state = writer.take(), .gates = {}, .near = false, .made = made_++};
  for (const Gate* gate : gates_) made.gates.push_back(gate->count());
  state_bytes_ += made.state.size();
  const Ram& ram = machine_.ram();
  pages_.insert(checkpoint->first, changed, [&ram](uint64_t page) {
    return PageHistory::Contents(ram.host(ram.page_address(page)), x86::kPageSize);
  });
  basis_ = checkpoint->first;
}

void Timeline::remove_checkpoint(Checkpoints::iterator checkpoint) {
  EMU_CHECK(checkpoint->first != basis_, "not the checkpoint that dirty pages refer to");
  state_bytes_ -= checkpoint->second.state.size();
  pages_.remove(checkpoint->first);
  checkpoints_.erase(checkpoint);
}

void Timeline::drop_old_near() {
  while (std::ranges::count_if(checkpoints_, [](const auto& c) { return c.second.near; }) >
         std::ptrdiff_t{kMostNear}) {
    auto oldest = checkpoints_.end();
    for (auto c = checkpoints_.begin(); c != checkpoints_.end(); ++c)
      if (c->second.near && c->first != basis_ &&
          (oldest == checkpoints_.end() || c->second.made < oldest->second.made))
        oldest = c;
    remove_checkpoint(oldest);
  }
}

void Timeline::keep_to_budget() {
  while (usage().bytes > options_.memory_bytes) {
    const Position last = last_far();
    const size_t before = checkpoints_.size();
    bool keep = true;  // the first one; then every second one
    for (auto c = checkpoints_.begin(); c != checkpoints_.end();) {
      const auto here = c++;
      if (here->first == basis_ || here->first == last) continue;
      const bool near = here->second.near;
      if (near || !keep) remove_checkpoint(here);
      if (!near) keep = !keep;
    }
    if (checkpoints_.size() == before) return;  // nothing that could be given up
    options_.spacing *= 2;
  }
}

Position Timeline::last_far() const {
  auto c = checkpoints_.end();
  while (std::prev(c)->second.near) --c;
  return std::prev(c)->first;
}

Position Timeline::latest_before(Position position) const {
  return std::prev(checkpoints_.lower_bound(position))->first;
}

void Timeline::restore(Position at) {
  const Checkpoint& checkpoint = checkpoints_.at(at);
  std::set<uint64_t> pages;
  for (const uint64_t page : machine_.take_dirty_pages()) pages.insert(page);
  pages_.changed_between(std::min(basis_, at), std::max(basis_, at), pages);
  static constexpr std::array<uint8_t, x86::kPageSize> kZeros{};
  const Ram& ram = machine_.ram();
  for (const uint64_t page : pages) {
    PageHistory::Contents contents = pages_.at(at, page);
    if (contents.empty()) contents = kZeros;
    if (!std::equal(contents.begin(), contents.end(), ram.host(ram.page_address(page))))
      machine_.set_ram_page(page, contents);
  }
  const auto restored = machine_.restore_without_ram(checkpoint.state);
  EMU_CHECK(restored.has_value(), restored ? "" : restored.error().message);
  for (size_t i = 0; i < gates_.size(); ++i) gates_[i]->go_back_to(checkpoint.gates[i]);
  basis_ = at;
}

void Timeline::restart_history() {
  std::set<uint64_t> pages;
  for (const uint64_t page : machine_.take_dirty_pages()) pages.insert(page);
  pages_.all(pages);
  checkpoints_.clear();
  state_bytes_ = 0;
  pages_ = {};
  for (Gate* gate : gates_) gate->forget_future();
  fill(checkpoints_.try_emplace(position()).first, {pages.begin(), pages.end()});
}

Timeline::Usage Timeline::usage() const {
  return {.checkpoints = checkpoints_.size(),
          .bytes = pages_.bytes() + state_bytes_,
          .spacing = options_.spacing};
}

// ---- running

void Timeline::arm(bool armed) {
  DebugControl& debug = machine_.debug_control();
  if (debug.armed == armed) return;
  debug.armed = armed;
  if (!debug.watches.empty()) machine_.watches_changed();
}

Timeline::Reached Timeline::advance(Position target) {
  DebugControl& debug = machine_.debug_control();
  while (true) {
    const Position now = position();
    if (now >= target) return Reached::kTarget;
    if (interrupted_ && !settling_) return Reached::kInterrupted;
    const uint64_t due = last_far().icount + options_.spacing;
    RunResult result;
    if (now.icount < target.icount) {
      uint64_t limit = std::min(target.icount, now.icount + kSlice);
      if (now.icount < due) limit = std::min(limit, due);
      result = machine_.run(limit);
    } else {
      debug.stop_after_event = true;
      result = machine_.run(now.icount + 1);
      debug.stop_after_event = false;
    }
    if (debug.hit) return Reached::kHit;
    if (result.reason != EndReason::kRunning)
      return position() >= target ? Reached::kTarget : Reached::kEnded;
    if (position().icount >= due) add_checkpoint(false);
  }
}

Timeline::Reached Timeline::run_to(Position target, bool leaving) {
  arm(true);
  machine_.debug_control().leaving = leaving;
  return advance(target);
}

Timeline::Reached Timeline::go_to(Position target) {
  EMU_CHECK(target >= start(), "a position of this history");
  if (target < position()) {
    const auto after = checkpoints_.upper_bound(target);
    restore(std::prev(after)->first);
  }
  arm(false);
  const Reached reached = advance(target);
  EMU_CHECK(reached != Reached::kTarget || position() == target, "a position that was there");
  return reached;
}

// go_to() that no interrupt ends: to a position that a caller was promised.
void Timeline::settle_at(Position target) {
  settling_ = true;
  go_to(target);
  settling_ = false;
}

// Stands at a checkpoint; leaves others on the way to `target`, the closer to it the denser.
void Timeline::approach(Position target) {
  arm(false);
  for (const uint64_t distance : kNear) {
    if (target.icount < position().icount + 2 * distance) continue;
    if (advance({target.icount - distance, 0}) != Reached::kTarget) return;
    add_checkpoint(true);
  }
}

std::optional<DebugHit> Timeline::run_back(Reached* reached) {
  DebugControl& debug = machine_.debug_control();
  const Position present = position();
  if (present > start()) {
    restore(latest_before(present));
    approach(present);
  }
  for (Position upper = present; upper > start();) {
    const Position lower = latest_before(upper);
    restore(lower);
    arm(true);
    debug.leaving = false;
    std::optional<DebugHit> last;
    while ((*reached = advance(upper)) == Reached::kHit) {
      if (debug.hit->before < upper) last = debug.hit;
      debug.leaving = debug.hit->kind == DebugHit::Kind::kBreakpoint;
    }
    if (*reached == Reached::kInterrupted) {
      settle_at(upper);
      return std::nullopt;
    }
    if (last) {
      settle_at(last->before);
      *reached = Reached::kHit;
      return last;
    }
    upper = lower;
  }
  settle_at(start());
  *reached = Reached::kTarget;
  return std::nullopt;
}

bool Timeline::replay(Position from, MachineObserver& observer, const std::function<void()>& begin) {
  const Position present = position();
  const auto after = checkpoints_.upper_bound(std::max(from, start()));
  restore(std::prev(after)->first);
  begin();
  machine_.add_observer(observer);
  const Reached reached = go_to(present);
  machine_.remove_observer(observer);
  if (reached != Reached::kInterrupted) return true;
  restore(std::prev(checkpoints_.upper_bound(present))->first);
  settle_at(present);
  return false;
}

}  // namespace mmuscope::timeline
