// SPDX-License-Identifier: GPL-2.0-or-later
#include "timeline/page_history.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace mmuscope::timeline {
namespace {

using Memory = std::map<uint64_t, uint8_t>;  // a page is all one byte; 0 when it is not there

std::vector<uint8_t> page_of(uint8_t value) { return std::vector<uint8_t>(x86::kPageSize, value); }

uint8_t byte_at(const Memory& memory, uint64_t page) {
  const auto found = memory.find(page);
  return found == memory.end() ? 0 : found->second;
}

void insert(PageHistory& history, uint64_t at, const Memory& memory, const std::vector<uint64_t>& changed) {
  std::vector<uint8_t> contents;
  history.insert({at, 0}, changed, [&](uint64_t page) {
    contents = page_of(byte_at(memory, page));
    return PageHistory::Contents(contents);
  });
}

uint8_t kept(const PageHistory& history, uint64_t at, uint64_t page) {
  const auto contents = history.at({at, 0}, page);
  return contents.empty() ? 0 : contents[17];
}

TEST(PageHistory, KeepsWhatEachPointHeld) {
  PageHistory history;
  insert(history, 10, {{1, 0xaa}, {2, 0xbb}}, {1, 2, 3});
  insert(history, 20, {{1, 0xaa}, {2, 0xcc}}, {1, 2});
  EXPECT_EQ(kept(history, 10, 2), 0xbb);
  EXPECT_EQ(kept(history, 20, 2), 0xcc);
  EXPECT_EQ(kept(history, 20, 1), 0xaa);
  EXPECT_EQ(kept(history, 20, 3), 0);
  EXPECT_EQ(history.bytes(), 3 * x86::kPageSize) << "page 1 once, page 3 not at all";
  std::set<uint64_t> changed;
  history.changed_between({10, 0}, {20, 0}, changed);
  EXPECT_EQ(changed, std::set<uint64_t>{2});
}

// A page that was b between two points that both held a.
TEST(PageHistory, APointMayComeBetweenTwoThatAgree) {
  PageHistory history;
  insert(history, 10, {{1, 0xaa}}, {1});
  insert(history, 30, {{1, 0xaa}}, {1});
  insert(history, 20, {{1, 0xbb}}, {1});
  EXPECT_EQ(kept(history, 10, 1), 0xaa);
  EXPECT_EQ(kept(history, 20, 1), 0xbb);
  EXPECT_EQ(kept(history, 30, 1), 0xaa);
  history.remove({20, 0});
  EXPECT_EQ(kept(history, 30, 1), 0xaa);
}

TEST(PageHistory, ForgetsContentsThatNoPointNeeds) {
  PageHistory history;
  insert(history, 10, {{1, 0xaa}}, {1});
  insert(history, 20, {{1, 0xbb}}, {1});
  insert(history, 30, {{1, 0xcc}}, {1});
  history.remove({20, 0});
  EXPECT_EQ(history.bytes(), 2 * x86::kPageSize);
  EXPECT_EQ(kept(history, 30, 1), 0xcc);
}

// Against a model that keeps whole memories: points inserted and removed anywhere, in a run that is fixed.
TEST(PageHistory, AgreesWithWholeCopies) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    constexpr uint64_t kSteps = 40, kPages = 6;
    std::array<Memory, kSteps> run;
    std::array<uint64_t, kSteps> written{};
    for (uint64_t step = 1; step < kSteps; ++step) {
      run[step] = run[step - 1];
      written[step] = random() % kPages;
      run[step][written[step]] = static_cast<uint8_t>(random() % 3);
    }
    PageHistory history;
    std::set<uint64_t> points;
    for (int change = 0; change < 60; ++change) {
      const uint64_t at = random() % kSteps;
      if (points.contains(at)) {
        history.remove({at, 0});
        points.erase(at);
      } else {
        // All that was written since some point before, not only since the one directly before.
        std::vector<uint64_t> changed;
        for (uint64_t step = 1; step <= at; ++step) changed.push_back(written[step]);
        insert(history, at, run[at], changed);
        points.insert(at);
      }
      for (const uint64_t point : points)
        for (uint64_t page = 0; page < kPages; ++page)
          ASSERT_EQ(kept(history, point, page), byte_at(run[point], page)) << round << ' ' << point;
      for (const uint64_t first : points)
        for (const uint64_t last : points) {
          std::set<uint64_t> pages;
          history.changed_between({first, 0}, {last, 0}, pages);
          for (uint64_t page = 0; first < last && page < kPages; ++page)
            ASSERT_TRUE(pages.contains(page) || byte_at(run[first], page) == byte_at(run[last], page));
        }
    }
  }
}

}  // namespace
}  // namespace mmuscope::timeline
