// SPDX-License-Identifier: GPL-2.0-or-later
#include "timeline/page_history.h"

#include <algorithm>

#include "base/check.h"

namespace mmuscope::timeline {

PageHistory::Stored PageHistory::keep(Contents contents) {
  if (std::ranges::all_of(contents, [](uint8_t byte) { return byte == 0; })) return nullptr;
  ++*live_;
  return {new Page(contents.begin(), contents.end()), [live = live_](const Page* page) {
            --*live;
            delete page;
          }};
}

// The newest version up to `at`.
PageHistory::Stored PageHistory::find(Position at, uint64_t page) const {
  const auto versions = versions_.find(page);
  if (versions == versions_.end()) return nullptr;
  auto next = versions->second.upper_bound(at);
  return next == versions->second.begin() ? nullptr : std::prev(next)->second;
}

void PageHistory::put(Position at, uint64_t page, Stored contents) {
  points_[at].insert(page);
  versions_[page].insert_or_assign(at, std::move(contents));
}

void PageHistory::insert(Position at, const std::vector<uint64_t>& changed,
                         const std::function<Contents(uint64_t page)>& read) {
  const auto [point, inserted] = points_.try_emplace(at);
  EMU_CHECK(inserted, "a point of its own");
  const auto next = std::next(point);
  for (const uint64_t page : changed) {
    const Stored before = find(at, page);
    const Contents now = read(page);
    const bool zero = std::ranges::all_of(now, [](uint8_t byte) { return byte == 0; });
    if (before ? std::ranges::equal(*before, now) : zero) continue;
    // The next point left out what it had in common with the one before it: `before`.
    if (next != points_.end() && !next->second.contains(page)) put(next->first, page, before);
    put(at, page, zero ? nullptr : keep(now));
  }
}

void PageHistory::remove(Position at) {
  const auto point = points_.find(at);
  EMU_CHECK(point != points_.end(), "a point that is there");
  const auto next = std::next(point);
  for (const uint64_t page : point->second) {
    auto& versions = versions_[page];
    const auto version = versions.find(at);
    if (next != points_.end() && !next->second.contains(page)) put(next->first, page, version->second);
    versions.erase(at);
    if (versions.empty()) versions_.erase(page);
  }
  points_.erase(point);
}

PageHistory::Contents PageHistory::at(Position at, uint64_t page) const {
  const Stored stored = find(at, page);
  return stored ? Contents(*stored) : Contents();
}

void PageHistory::changed_between(Position first, Position last, std::set<uint64_t>& pages) const {
  for (auto point = points_.upper_bound(first); point != points_.end() && point->first <= last; ++point)
    pages.insert(point->second.begin(), point->second.end());
}

void PageHistory::all(std::set<uint64_t>& pages) const {
  for (const auto& [page, versions] : versions_) pages.insert(page);
}

}  // namespace mmuscope::timeline
