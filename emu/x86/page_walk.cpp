// SPDX-License-Identifier: GPL-2.0-or-later
#include "x86/page_walk.h"

#include "base/check.h"
#include "x86/paging_entry.h"

namespace mmuscope::x86 {
namespace {

// One CPU runs at a time, so an entry changes under a walk at most because the walk met it twice (a recursive
// mapping). A memory that never lets a compare-exchange through is a defect, not a guest's doing.
constexpr int kMaxRestarts = 1000;

constexpr uint64_t bits(unsigned high, unsigned low) { return (uint64_t{2} << high) - (uint64_t{1} << low); }

// SDM 4.6: rights are the combination of all entries of the path; the rest comes from the entry that maps the
// page.
Translation combine(const WalkTrace& path, LinearAddress linear, const PagingContext& context) {
  Translation page{.writable = true, .user = true, .executable = true};
  for (const WalkStep& step : path) {
    page.writable &= (step.entry_before & pte::kWritable) != 0;
    page.user &= (step.entry_before & pte::kUser) != 0;
    page.executable &=
        (step.entry_before & pte::kExecuteDisable) == 0;  // with NXE=0 it would have been reserved
  }
  const WalkStep& leaf = path.last();
  page.size = static_cast<PageSize>(leaf.level - 1);
  page.linear_base = page_base(linear, page.size);
  page.physical_base =
      page_base(leaf.entry_before & pte::address_mask(context.physical_address_bits), page.size);
  page.global = context.pge && (leaf.entry_before & pte::kGlobal);  // 4.10.2.4: G is ignored with CR4.PGE=0
  page.dirty = (leaf.entry_before & pte::kDirty) != 0;
  page.key = static_cast<uint8_t>(pte::protection_key(leaf.entry_before));
  return page;
}

// The topmost entry that denied the access. SMEP, SMAP and keys deny what the whole path allows: there the
// entry that maps the page stands for all.
const WalkStep& deciding_step(const WalkTrace& path, FaultReason reason) {
  for (const WalkStep& step : path) {
    const uint64_t entry = step.entry_before;
    if (reason == FaultReason::kWriteProtected && !(entry & pte::kWritable)) return step;
    if (reason == FaultReason::kSupervisorPage && !(entry & pte::kUser)) return step;
    if (reason == FaultReason::kExecuteDisable && (entry & pte::kExecuteDisable)) return step;
  }
  return path.last();
}

std::unexpected<PageFault> fault(FaultReason reason, const WalkStep& step, const Access& access,
                                 const PagingContext& context) {
  return std::unexpected(PageFault{.access = access,
                                   .reason = reason,
                                   .level = step.level,
                                   .entry_address = step.entry_address,
                                   .entry_value = step.entry_before,
                                   .fetch_reported = context.nxe || context.smep});
}

// Reads and judges; changes nothing. `path` receives every entry read.
std::expected<Translation, PageFault> translate(const PagingContext& context, const Access& access,
                                                PagingMemory& memory, WalkTrace& path) {
  path.count = 0;
  PhysicalAddress table = context.cr3 & pte::address_mask(context.physical_address_bits);
  for (unsigned level = context.la57 ? 5 : 4;; --level) {  // SDM 4.5.1, 4.5.2
    const PhysicalAddress entry_address = table + 8 * pte::index_of(access.linear, level);
    const uint64_t entry = memory.read_entry(entry_address);
    path.push({entry_address, entry, entry, static_cast<uint8_t>(level)});
    // SDM 4.7: P=0 hides every other bit, and each entry is judged before the next one is read.
    if (!(entry & pte::kPresent)) return fault(FaultReason::kNotPresent, path.last(), access, context);
    if (entry & reserved_bits(entry, level, context)) {
      return fault(FaultReason::kReservedBit, path.last(), access, context);
    }
    if (maps_page(entry, level)) break;
    table = entry & pte::address_mask(context.physical_address_bits);
  }
  const Translation page = combine(path, access.linear, context);
  const AccessCheck check = check_access(page, access, context);
  if (check.verdict == Verdict::kDenied) {
    return fault(check.reason, deciding_step(path, check.reason), access, context);
  }
  return page;
}

// SDM 4.8: A in every entry used, D in the one that maps the page when it is written. False when an entry is
// no longer what was read: the walk must start over.
bool set_accessed_and_dirty(WalkTrace& path, const Access& access, PagingMemory& memory) {
  for (unsigned i = 0; i < path.count; ++i) {
    WalkStep& step = path.steps[i];
    const bool leaf = i + 1 == path.count;
    uint64_t wanted = step.entry_before | pte::kAccessed;
    if (leaf && access.type == AccessType::kWrite) wanted |= pte::kDirty;
    if (wanted == step.entry_before) continue;
    if (!memory.compare_exchange_entry(step.entry_address, step.entry_before, wanted)) return false;
    step.entry_after = wanted;
  }
  return true;
}

// SDM 4.1.1: with CR0.PG=0 linear addresses are physical. Presented as 4-KByte pages that allow everything.
Translation identity(LinearAddress linear) {
  const uint64_t base = page_base(linear, PageSize::k4K);
  return {.linear_base = base,
          .physical_base = base,
          .writable = true,
          .user = true,
          .executable = true,
          .dirty = true};
}

}  // namespace

bool maps_page(uint64_t entry, unsigned level) {
  return level == 1 || (level <= 3 && (entry & pte::kPageSize));
}

uint64_t reserved_bits(uint64_t entry, unsigned level, const PagingContext& context) {
  uint64_t reserved = pte::kAddressMask52 & ~pte::address_mask(context.physical_address_bits);
  if (!context.nxe) reserved |= pte::kExecuteDisable;
  if (level >= 4 || (level == 3 && !context.pages_1g)) reserved |= pte::kPageSize;
  if (level == 3 && (entry & pte::kPageSize)) reserved |= bits(29, 13);
  if (level == 2 && (entry & pte::kPageSize)) reserved |= bits(20, 13);
  return reserved;
}

PagingContext PagingContext::of(const CpuState& state, const CpuFeatures& features) {
  return {.cr3 = state.cr3,
          .pkru = state.pkru,
          .physical_address_bits = features.physical_address_bits,
          .paging = (state.cr0 & cr0::kPg) != 0,
          .la57 = (state.cr4 & cr4::kLa57) != 0,
          .wp = (state.cr0 & cr0::kWp) != 0,
          .smep = (state.cr4 & cr4::kSmep) != 0,
          .smap = (state.cr4 & cr4::kSmap) != 0,
          .pke = (state.cr4 & cr4::kPke) != 0,
          .nxe = (state.efer & efer::kNxe) != 0,
          .pages_1g = features.pages_1g,
          .ac = (state.rflags & rflags::kAc) != 0,
          .pge = (state.cr4 & cr4::kPge) != 0};
}

AccessCheck check_access(const Translation& page, const Access& access, const PagingContext& context) {
  if (!context.paging) return {};
  const auto denied = [](FaultReason reason) { return AccessCheck{Verdict::kDenied, reason}; };
  const bool write = access.type == AccessType::kWrite;
  const bool fetch = access.type == AccessType::kFetch;
  const bool write_protect = access.user || context.wp;  // 4.6.1: CR0.WP=0 frees supervisor writes only

  // 4.6.2: keys govern data accesses to user-mode addresses, by whatever mode. First, because PK in the error
  // code is set whenever a key denies (4.7). The SDM names no order for the others, and the error code cannot
  // tell them apart.
  if (context.pke && page.user && !fetch) {
    const unsigned rights = context.pkru >> (2 * page.key);
    if (rights & 1) return denied(FaultReason::kProtectionKeyRead);
    if ((rights & 2) && write && write_protect) return denied(FaultReason::kProtectionKeyWrite);
  }
  // 4.6.1: who may touch whose pages.
  if (access.user && !page.user) return denied(FaultReason::kSupervisorPage);
  if (!access.user && page.user) {
    if (fetch && context.smep) return denied(FaultReason::kSmep);
    if (!fetch && context.smap && (access.implicit || !context.ac)) return denied(FaultReason::kSmap);
  }
  // 4.6.1: what may be done to the page.
  if (write && !page.writable && write_protect) return denied(FaultReason::kWriteProtected);
  if (fetch && !page.executable) return denied(FaultReason::kExecuteDisable);
  return {};
}

std::expected<Translation, PageFault> walk(const PagingContext& context, const Access& access,
                                           PagingMemory& memory, WalkTrace* trace) {
  WalkTrace own;
  WalkTrace& path = trace ? *trace : own;
  path.count = 0;
  if (!context.paging) return identity(access.linear);
  for (int restarts = 0; restarts < kMaxRestarts; ++restarts) {
    auto page = translate(context, access, memory, path);
    if (!page) return page;
    if (set_accessed_and_dirty(path, access, memory)) {
      page->dirty = (path.last().entry_after & pte::kDirty) != 0;
      return page;
    }
  }
  EMU_CHECK(false, "a paging-structure entry changes whenever it is looked at");
}

std::expected<Translation, PageFault> peek_walk(const PagingContext& context, const Access& access,
                                                PagingMemory& memory, WalkTrace* trace) {
  WalkTrace own;
  WalkTrace& path = trace ? *trace : own;
  path.count = 0;
  if (!context.paging) return identity(access.linear);
  return translate(context, access, memory, path);
}

}  // namespace mmuscope::x86
