// SPDX-License-Identifier: GPL-2.0-or-later
//
// What RAM held at each of several points in time, by the pages that changed. A point keeps the pages whose
// contents differ from the point before; a page that no point up to P keeps was zero at P. Equal contents are
// kept once where they follow each other, zero pages not at all. Points are named by their owner (timeline.h:
// positions) and may be inserted and removed anywhere.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "machine/debug_control.h"
#include "x86/address.h"

namespace mmuscope::timeline {

class PageHistory {
 public:
  using Contents = std::span<const uint8_t>;  // x86::kPageSize bytes, or none: zeros

  // `changed`: all pages that may differ from the point before `at`, or from zero when there is none. A page
  // that may differ from the point after `at` must be among those with which that one was inserted.
  void insert(Position at, const std::vector<uint64_t>& changed,
              const std::function<Contents(uint64_t page)>& read);
  void remove(Position at);

  // Contents at a point that was inserted.
  Contents at(Position at, uint64_t page) const;
  // Adds to `pages` those that may differ between two points.
  void changed_between(Position first, Position last, std::set<uint64_t>& pages) const;
  // Adds every page that was ever kept.
  void all(std::set<uint64_t>& pages) const;
  // Host memory in use for contents.
  uint64_t bytes() const { return *live_ * x86::kPageSize; }

 private:
  using Page = std::vector<uint8_t>;
  using Stored = std::shared_ptr<const Page>;  // null: zeros
  Stored keep(Contents contents);
  Stored find(Position at, uint64_t page) const;
  void put(Position at, uint64_t page, Stored contents);

  std::map<Position, std::set<uint64_t>> points_;                      // the pages each keeps
  std::unordered_map<uint64_t, std::map<Position, Stored>> versions_;  // of a page
  std::shared_ptr<uint64_t> live_ = std::make_shared<uint64_t>(0);     // pages of contents
};

}  // namespace mmuscope::timeline
