// SPDX-License-Identifier: GPL-2.0-or-later
//
// The TLB as SDM vol. 3, 4.10 describes it: the table of what each invalidation removes, by example; then
// everything at once against a model that is a plain list.
#include "x86/tlb.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace mmuscope::x86 {
namespace {

constexpr LinearAddress kHere = 0x0000'7f12'3456'7000;
constexpr LinearAddress kElsewhere = 0x0000'0000'8000'0000;
constexpr uint16_t kOwn = 5, kOther = 6;

Translation page_at(LinearAddress linear, PageSize size = PageSize::k4K, bool global = false) {
  return {.linear_base = page_base(linear, size),
          .physical_base = page_base(0x12'4000'0000, size),
          .size = size,
          .writable = true,
          .user = true,
          .global = global};
}

std::vector<TlbEntry> entries_of(const Tlb& tlb) {
  std::vector<TlbEntry> entries;
  tlb.for_each([&](const TlbEntry& entry) { entries.push_back(entry); });
  return entries;
}

// --- The table
// ----------------------------------------------------------------------------------------------------------

// One column per combination: where the entry is (h: the address given, e: elsewhere), whose PCID (o: the one
// given, x: another), l: local, g: global. '-': must leave, '+': must stay.
//                                             ho  ho  hx  hx  eo  eo  ex  ex
//                                             l   g   l   g   l   g   l   g
struct Operation {
  const char* name;
  void (*apply)(Tlb&, const Tlb::Removed&);
  const char* survivors;
};
const Operation kOperations[] = {
    {"INVLPG", [](Tlb& tlb, const Tlb::Removed& r) { tlb.invalidate_page(kHere + 0x123, kOwn, r); },
     "--+-++++"},
    {"INVPCID 0", [](Tlb& tlb, const Tlb::Removed& r) { tlb.invalidate_address(kHere, kOwn, r); },
     "-+++++++"},
    {"MOV CR3, INVPCID 1", [](Tlb& tlb, const Tlb::Removed& r) { tlb.flush_pcid(kOwn, r); }, "-+++-+++"},
    {"INVPCID 2", [](Tlb& tlb, const Tlb::Removed& r) { tlb.flush_all(r); }, "--------"},
    {"INVPCID 3", [](Tlb& tlb, const Tlb::Removed& r) { tlb.flush_non_global(r); }, "-+-+-+-+"},
};

TEST(TlbSemantics, WhatEachInvalidationRemoves) {
  for (const Operation& operation : kOperations) {
    for (const PageSize size : {PageSize::k4K, PageSize::k2M, PageSize::k1G}) {
      for (unsigned column = 0; column < 8; ++column) {
        const LinearAddress linear = column & 4 ? kElsewhere : kHere;
        const uint16_t pcid = column & 2 ? kOther : kOwn;
        Tlb tlb;
        const TlbEntry kept = tlb.insert(page_at(linear, size, column & 1), pcid);
        std::vector<TlbEntry> told;
        operation.apply(tlb, [&](const TlbEntry& entry) { told.push_back(entry); });
        const bool survives = operation.survivors[column] == '+';
        SCOPED_TRACE(std::string(operation.name) + " column " + std::to_string(column) + " size " +
                     std::to_string(static_cast<int>(size)));
        EXPECT_EQ(tlb.size(), survives ? 1u : 0u);
        EXPECT_EQ(tlb.lookup(linear, pcid) != nullptr, survives);
        EXPECT_EQ(told, survives ? std::vector<TlbEntry>{} : std::vector<TlbEntry>{kept});
      }
    }
  }
}

// 4.10.2.4: a global entry translates under every PCID, another one only under its own.
TEST(TlbSemantics, WhoMayUseAnEntry) {
  for (const bool global : {false, true}) {
    Tlb tlb;
    tlb.insert(page_at(kHere, PageSize::k4K, global), kOwn);
    EXPECT_NE(tlb.lookup(kHere + 0xfff, kOwn), nullptr);
    EXPECT_EQ(tlb.lookup(kHere, kOther) != nullptr, global);
    EXPECT_EQ(tlb.lookup(kHere + 0x1000, kOwn), nullptr);
    EXPECT_EQ(tlb.lookup(kHere - 1, kOwn), nullptr);
  }
}

TEST(TlbSemantics, EntriesKeepTheirPageSize) {
  Tlb tlb;
  tlb.insert(page_at(kHere, PageSize::k2M), kOwn);
  EXPECT_EQ(tlb.size(), 1u);
  const LinearAddress base = page_base(kHere, PageSize::k2M);
  EXPECT_EQ(tlb.lookup(base, kOwn), tlb.lookup(base + 0x1f'ffff, kOwn));
  EXPECT_EQ(tlb.lookup(base + 0x20'0000, kOwn), nullptr);
  tlb.invalidate_page(base + 0x5000, kOwn, {});  // one address of it: all of it goes
  EXPECT_EQ(tlb.lookup(base, kOwn), nullptr);
}

TEST(TlbSemantics, OverlappingSizesSmallestWinsAndInvlpgTakesAll) {
  Tlb tlb;
  for (const PageSize size : {PageSize::k1G, PageSize::k4K, PageSize::k2M})
    tlb.insert(page_at(kHere, size), kOwn);
  EXPECT_EQ(tlb.lookup(kHere, kOwn)->page.size, PageSize::k4K);
  EXPECT_EQ(tlb.lookup(kHere + 0x1000, kOwn)->page.size, PageSize::k2M);
  EXPECT_EQ(tlb.lookup(kHere + 0x20'0000, kOwn)->page.size, PageSize::k1G);
  std::vector<uint64_t> serials;
  tlb.invalidate_page(kHere, kOwn, [&](const TlbEntry& entry) { serials.push_back(entry.serial); });
  EXPECT_EQ(serials, (std::vector<uint64_t>{1, 2, 3}));  // oldest first
  EXPECT_EQ(tlb.size(), 0u);
}

TEST(TlbSemantics, InsertReplacesTheSamePageQuietlyAndMakesItYoungest) {
  Tlb tlb;
  tlb.insert(page_at(kHere), kOwn);
  tlb.insert(page_at(kElsewhere), kOwn);
  Translation upgraded =
      page_at(kHere, PageSize::k4K, true);  // as global: still the same page, size and PCID
  upgraded.dirty = true;
  tlb.insert(upgraded, kOwn);
  const auto entries = entries_of(tlb);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].serial, 2u);
  EXPECT_EQ(entries[1].serial, 3u);
  EXPECT_TRUE(tlb.lookup(kHere, kOwn)->page.dirty);
}

TEST(TlbSemantics, OwnEntryGoesBeforeAGlobalOne) {
  Tlb tlb;
  tlb.insert(page_at(kHere, PageSize::k4K, true), kOther);
  tlb.insert(page_at(kHere), kOwn);
  EXPECT_EQ(tlb.lookup(kHere, kOwn)->serial, 2u);
  EXPECT_EQ(tlb.lookup(kHere, kOther)->serial, 1u);
  EXPECT_EQ(tlb.lookup(kHere, 0)->serial, 1u);
  EXPECT_EQ(tlb.peek(kHere, 0), tlb.lookup(kHere, 0));
}

TEST(Tlb, EmptyCallbackIsAllowed) {
  Tlb tlb;
  tlb.insert(page_at(kHere), kOwn);
  tlb.flush_all({});
  EXPECT_EQ(tlb.size(), 0u);
  tlb.flush_all(nullptr);
}

// --- Against a list
// -------------------------------------------------------------------------------------------------------

class ListModel {
 public:
  const TlbEntry* lookup(LinearAddress linear, uint16_t pcid) const {
    for (const PageSize size : {PageSize::k4K, PageSize::k2M, PageSize::k1G}) {
      for (const TlbEntry& e : entries) {
        if (covers(e, linear) && e.page.size == size && !e.page.global && e.pcid == pcid) return &e;
      }
      for (const TlbEntry& e : entries) {
        if (covers(e, linear) && e.page.size == size && e.page.global) return &e;
      }
    }
    return nullptr;
  }
  void insert(const Translation& page, uint16_t pcid) {
    std::erase_if(entries, [&](const TlbEntry& e) {
      return e.page.size == page.size && e.page.linear_base == page.linear_base && e.pcid == pcid;
    });
    entries.push_back({.page = page, .pcid = pcid, .serial = ++inserts});
  }
  template <typename Leaves>
  std::vector<TlbEntry> remove(Leaves leaves) {
    std::vector<TlbEntry> removed;
    std::copy_if(entries.begin(), entries.end(), std::back_inserter(removed), leaves);
    std::erase_if(entries, leaves);
    return removed;
  }
  static bool covers(const TlbEntry& e, LinearAddress linear) {
    return linear - e.page.linear_base < page_bytes(e.page.size);
  }
  std::vector<TlbEntry> entries;
  uint64_t inserts = 0;
};

class Comparison {
 public:
  explicit Comparison(uint64_t seed, unsigned pages) : random_(seed), pages_(pages) {}

  void step() {
    const LinearAddress linear = some_address();
    const auto pcid = static_cast<uint16_t>(random_() % 4);
    std::vector<TlbEntry> told, expected;
    const Tlb::Removed tell = [&](const TlbEntry& entry) { told.push_back(entry); };
    const auto choice = random_() % 1000;
    if (choice < 700) {
      insert(linear, pcid);
    } else if (choice < 850) {
      tlb_.invalidate_page(linear, pcid, tell);
      expected = model_.remove([&](const TlbEntry& e) {
        return ListModel::covers(e, linear) && (e.pcid == pcid || e.page.global);
      });
    } else if (choice < 970) {
      tlb_.invalidate_address(linear, pcid, tell);
      expected = model_.remove([&](const TlbEntry& e) {
        return ListModel::covers(e, linear) && e.pcid == pcid && !e.page.global;
      });
    } else if (choice < 990) {
      tlb_.flush_pcid(pcid, tell);
      expected = model_.remove([&](const TlbEntry& e) { return e.pcid == pcid && !e.page.global; });
    } else if (choice < 997) {
      tlb_.flush_non_global(tell);
      expected = model_.remove([&](const TlbEntry& e) { return !e.page.global; });
    } else {
      tlb_.flush_all(tell);
      expected = model_.remove([](const TlbEntry&) { return true; });
    }
    ASSERT_EQ(told, expected);
    compare_lookup();
  }

  void compare_all() { ASSERT_EQ(entries_of(tlb_), model_.entries); }

  // The rest of the test goes on with the restored one.
  void save_and_restore() {
    StateWriter writer;
    tlb_.save(writer);
    Tlb other;
    other.insert(page_at(0x1234000), 9);  // must be gone afterwards
    StateReader reader(writer.bytes());
    other.restore(reader);
    ASSERT_TRUE(reader.ok()) << reader.problem();
    ASSERT_TRUE(reader.at_end());
    tlb_ = other;
    StateWriter again;
    tlb_.save(again);
    ASSERT_EQ(again.take(), writer.take());
  }

 private:
  LinearAddress some_address() {
    return (random_() % 3 << 30) + (random_() % 3 << 21) + (random_() % pages_ << 12);
  }
  void insert(LinearAddress linear, uint16_t pcid) {
    const auto size = static_cast<PageSize>(random_() % 8 < 6 ? 0 : 1 + random_() % 2);
    Translation page = page_at(linear, size, random_() % 4 == 0);
    page.key = random_() % 16;
    page.executable = random_() % 2;
    model_.insert(page, pcid);
    ASSERT_EQ(tlb_.insert(page, pcid), model_.entries.back());
  }
  void compare_lookup() {
    const LinearAddress linear = some_address() + random_() % 4096;
    const auto pcid = static_cast<uint16_t>(random_() % 4);
    TlbEntry* found = tlb_.lookup(linear, pcid);
    const TlbEntry* expected = model_.lookup(linear, pcid);
    ASSERT_EQ(found != nullptr, expected != nullptr);
    ASSERT_EQ(tlb_.size(), model_.entries.size());
    if (found) {
      ASSERT_EQ(*found, *expected);
    }
  }

  std::mt19937_64 random_;
  unsigned pages_;
  Tlb tlb_;
  ListModel model_;
};

TEST(Tlb, BehavesAsTheListModel) {
  for (const unsigned pages : {3u, 40u, 512u}) {  // few pages: much overlap; many: the table grows
    Comparison comparison(pages, pages);
    for (int i = 0; i < 30'000 && !testing::Test::HasFatalFailure(); ++i) {
      comparison.step();
      if (i % 100 == 0) comparison.compare_all();
      if (i % 1000 == 0) comparison.save_and_restore();
    }
  }
}

TEST(Tlb, GrowsToManyEntriesAndForgetsThem) {
  Tlb tlb;
  for (uint64_t i = 0; i < 100'000; ++i) tlb.insert(page_at(i << 12), i % 8);
  EXPECT_EQ(tlb.size(), 100'000u);
  for (uint64_t i = 0; i < 100'000; ++i) ASSERT_EQ(tlb.lookup(i << 12, i % 8)->serial, i + 1);
  uint64_t last = 0;
  tlb.flush_pcid(3, [&](const TlbEntry& entry) {
    ASSERT_EQ(entry.pcid, 3);
    ASSERT_GT(entry.serial, last);
    last = entry.serial;
  });
  EXPECT_EQ(tlb.size(), 87'500u);
}

// --- Snapshots from strangers
// ---------------------------------------------------------------------------------------------

TEST(TlbRestore, RefusesWhatCannotHaveBeenSaved) {
  Tlb tlb;
  tlb.insert(page_at(kHere), kOwn);
  tlb.insert(page_at(kElsewhere), kOther);
  StateWriter writer;
  tlb.save(writer);
  const std::vector<uint8_t> good = writer.take();
  for (size_t length = 0; length < good.size(); ++length) {
    StateReader reader({good.data(), length});
    Tlb().restore(reader);
    EXPECT_FALSE(reader.ok()) << length;
  }
  const auto damaged = [&](size_t offset, uint8_t value) {
    auto bytes = good;
    bytes.at(offset) = value;
    StateReader reader(bytes);
    Tlb restored;
    restored.restore(reader);
    return !reader.ok();
  };
  constexpr size_t kFirst = 20;             // after tag, serial and count
  EXPECT_TRUE(damaged(0, 'X'));             // tag
  EXPECT_TRUE(damaged(kFirst, 1));          // linear base not aligned
  EXPECT_TRUE(damaged(kFirst + 8, 1));      // physical base not aligned
  EXPECT_TRUE(damaged(kFirst + 16, 3));     // page size
  EXPECT_TRUE(damaged(kFirst + 22, 16));    // key
  EXPECT_TRUE(damaged(kFirst + 24, 0x10));  // PCID of more than 12 bits
  EXPECT_TRUE(damaged(kFirst + 26, 2));     // serial not rising
  EXPECT_TRUE(damaged(19, 0xff));           // count beyond the end
}

TEST(TlbCauseName, NamesAll) {
  for (int cause = 1; cause <= 14; ++cause) EXPECT_STRNE(tlb_cause_name(static_cast<TlbCause>(cause)), "?");
  // A fault drops what denied it, whatever the tables then say.
  EXPECT_STREQ(tlb_cause_name(TlbCause::kPageFault), "page-fault");
}

}  // namespace
}  // namespace mmuscope::x86
