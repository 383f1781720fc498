// SPDX-License-Identifier: GPL-2.0-or-later
//
// The page walk of SDM vol. 3, 4.5 (4-level and 5-level paging), 4.6 (access rights), 4.7 (page faults)
// and 4.8 (accessed and dirty flags): one loop over the levels, each check its own named reason. Pure: reads
// entries through PagingMemory, changes nothing but accessed and dirty flags, and those by compare-exchange
// as hardware does, starting over when an entry changed underneath. It does not know TLBs, does not check
// canonicality (that is #GP or #SS, the caller's) and does not do 32-bit or PAE paging: minikernel turns
// paging on only in long mode (CAVEATS.md).
#pragma once

#include <array>
#include <cstdint>
#include <expected>

#include "x86/address.h"
#include "x86/control_registers.h"
#include "x86/cpu_state.h"
#include "x86/page_fault.h"

namespace mmuscope::x86 {

// How the walker sees memory. Entries are 8-byte aligned. Where there is no memory, reads give all ones
// (which fail as a reserved bit, or miss as hardware's would) and compare_exchange succeeds without effect.
class PagingMemory {
 public:
  virtual ~PagingMemory() = default;
  virtual uint64_t read_entry(PhysicalAddress address) = 0;
  // Stores `desired` if the entry still is `expected`; false otherwise.
  virtual bool compare_exchange_entry(PhysicalAddress address, uint64_t expected, uint64_t desired) = 0;
};

// Everything outside memory that a walk depends on.
struct PagingContext {
  uint64_t cr3 = 0;
  uint32_t pkru = 0;
  uint8_t physical_address_bits = 40;
  bool paging = true;  // CR0.PG; without it every linear address is physical and everything is allowed
  bool la57 = false, wp = false, smep = false, smap = false, pke = false, nxe = false, pages_1g = true;
  bool ac = false;   // EFLAGS.AC
  bool pge = false;  // CR4.PGE: without it G in an entry is ignored

  static PagingContext of(const CpuState& state, const CpuFeatures& features);
};

// One entry as the walk met it, top level first; before == after unless the walk set A or D.
struct WalkStep {
  PhysicalAddress entry_address = 0;
  uint64_t entry_before = 0;
  uint64_t entry_after = 0;
  uint8_t level = 0;  // 5..1
};

// The entries of one walk, in order. At most five, plus none repeated when the walk started over.
struct WalkTrace {
  std::array<WalkStep, 5> steps;
  uint8_t count = 0;

  void push(const WalkStep& step) { steps[count++] = step; }
  const WalkStep& last() const { return steps[count - 1]; }
  const WalkStep* begin() const { return steps.data(); }
  const WalkStep* end() const { return steps.data() + count; }
};

// SDM 4.5.4: a PTE always maps a page; a PDE or PDPTE does with PS=1. (PS in a PML4E or PML5E is reserved.)
bool maps_page(uint64_t entry, unsigned level);
// The bits that must be 0 in a present entry: SDM 4.5.4, tables 4-14 to 4-20, summed up in figure 4-11.
uint64_t reserved_bits(uint64_t entry, unsigned level, const PagingContext& context);

// What paging says about the page that holds an address: the combined rights of the path (SDM 4.6) before
// CR0.WP, SMEP, SMAP and PKRU are applied. This is what a TLB entry holds.
struct Translation {
  LinearAddress linear_base = 0;      // of the page
  PhysicalAddress physical_base = 0;  // of the page
  PageSize size = PageSize::k4K;
  bool writable = false;    // R/W=1 on the whole path
  bool user = false;        // U/S=1 on the whole path
  bool executable = false;  // XD=0 on the whole path, or NXE=0
  bool global = false;
  bool dirty = false;  // D of the entry that maps the page
  uint8_t key = 0;     // protection key

  PhysicalAddress physical(LinearAddress linear) const {
    return physical_base | (linear & (page_bytes(size) - 1));
  }
  bool operator==(const Translation&) const = default;
};

// SDM 4.6: may this access use a page with these rights? nullopt-like: kAllowed, else the first failing
// check. Used by the walker and for TLB hits, so that both judge alike.
enum class Verdict : uint8_t { kAllowed, kDenied };
struct AccessCheck {
  Verdict verdict = Verdict::kAllowed;
  FaultReason reason = FaultReason::kNotPresent;  // valid when denied
};
AccessCheck check_access(const Translation& page, const Access& access, const PagingContext& context);

// Walks, checks, and sets A (and D for a write) on success. On a fault no flag of the failing access is set:
// SDM 4.8 also allows A to be set in the entries above the failing one, and processors differ; none is the
// choice here. `trace`, when given, receives every entry read.
std::expected<Translation, PageFault> walk(const PagingContext& context, const Access& access,
                                           PagingMemory& memory, WalkTrace* trace = nullptr);

// The same without any side effect: for debuggers, checkers and statistics. Translation::dirty is D as it is
// now.
std::expected<Translation, PageFault> peek_walk(const PagingContext& context, const Access& access,
                                                PagingMemory& memory, WalkTrace* trace = nullptr);

}  // namespace mmuscope::x86
