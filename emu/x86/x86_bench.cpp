// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a softmmu miss, and a flush, cost here: `build/x86_bench`. Not a test.
#include <benchmark/benchmark.h>

#include <vector>

#include "x86/page_walk.h"
#include "x86/paging_entry.h"
#include "x86/tlb.h"

namespace mmuscope::x86 {
namespace {

// Page tables of 64 MiB in 4-KByte pages at linear 0, in an array that stands for physical memory.
class Tables final : public PagingMemory {
 public:
  static constexpr uint64_t kPages = 16384;
  Tables() : words_(512 * (3 + kPages / 512)) {
    constexpr uint64_t kAll = pte::kPresent | pte::kWritable | pte::kUser;
    words_[0] = 0x1000 | kAll;
    words_[512] = 0x2000 | kAll;
    for (uint64_t i = 0; i < kPages / 512; ++i) words_[1024 + i] = (0x3000 + (i << 12)) | kAll;
    for (uint64_t i = 0; i < kPages; ++i) words_[1536 + i] = (0x1'0000'0000 + (i << 12)) | kAll;
  }
  uint64_t read_entry(PhysicalAddress address) override { return words_[address / 8]; }
  bool compare_exchange_entry(PhysicalAddress address, uint64_t expected, uint64_t desired) override {
    uint64_t& word = words_[address / 8];
    if (word != expected) return false;
    word = desired;
    return true;
  }

 private:
  std::vector<uint64_t> words_;
};

// A cheap walk over pages that no prefetcher guesses.
class Addresses {
 public:
  explicit Addresses(uint64_t pages) : pages_(pages) {}
  LinearAddress next() { return (page_ = (page_ * 5 + 12345) % pages_) << 12; }

 private:
  uint64_t pages_;
  uint64_t page_ = 0;
};

Translation page_at(LinearAddress linear, bool global = false) {
  return {.linear_base = linear, .physical_base = linear, .writable = true, .global = global};
}

void walk_4_levels(benchmark::State& state) {
  Tables tables;
  const PagingContext context{.nxe = true};
  Addresses addresses(Tables::kPages);
  for (auto _ : state) {
    const Access access{.linear = addresses.next(), .type = AccessType::kWrite, .user = true};
    benchmark::DoNotOptimize(walk(context, access, tables));
  }
}
BENCHMARK(walk_4_levels);

void tlb_hit(benchmark::State& state) {
  Tlb tlb;
  const auto entries = static_cast<uint64_t>(state.range(0));
  for (uint64_t i = 0; i < entries; ++i) tlb.insert(page_at(i << 12), 1);
  tlb.insert(page_at(uint64_t{1} << 47, true), 1);  // so that the global chain is looked at too
  Addresses addresses(entries);
  for (auto _ : state) benchmark::DoNotOptimize(tlb.lookup(addresses.next(), 1));
}
BENCHMARK(tlb_hit)->Arg(64)->Arg(4096)->Arg(65536);

void tlb_miss(benchmark::State& state) {
  Tlb tlb;
  for (uint64_t i = 0; i < 4096; ++i) tlb.insert(page_at(i << 12, i % 8 == 0), 1);
  Addresses addresses(4096);
  for (auto _ : state) benchmark::DoNotOptimize(tlb.lookup(addresses.next() + (uint64_t{1} << 40), 1));
}
BENCHMARK(tlb_miss);

// A task's time slice: some pages are filled, then MOV CR3, while others' entries stay.
void tlb_insert_and_flush_pcid(benchmark::State& state) {
  Tlb tlb;
  for (uint64_t i = 0; i < 10'000; ++i) tlb.insert(page_at(i << 12), 2);
  const auto pages = static_cast<uint64_t>(state.range(0));
  uint64_t removed = 0;
  const Tlb::Removed count = [&](const TlbEntry&) { ++removed; };
  for (auto _ : state) {
    for (uint64_t i = 0; i < pages; ++i) tlb.insert(page_at(i << 12), 1);
    tlb.flush_pcid(1, count);
  }
  benchmark::DoNotOptimize(removed);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * pages));
}
BENCHMARK(tlb_insert_and_flush_pcid)->Arg(0)->Arg(16)->Arg(1024);

}  // namespace
}  // namespace mmuscope::x86

BENCHMARK_MAIN();
