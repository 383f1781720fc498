// SPDX-License-Identifier: GPL-2.0-or-later
//
// Vcpu: translation. The engine asks (fill) and gets only what the TLB already knows; everything else - a
// walk, a fault, a page changing between code and data - happens in resolve(), between runs.
#include <atomic>
#include <cstring>

#include "base/check.h"
#include "machine/vcpu.h"
#include "x86/segment.h"

namespace mmuscope {

using x86::Access;
using x86::AccessType;
using x86::Event;
using x86::PhysicalAddress;
using x86::TlbCause;

namespace {

// A denial that resolve() finds no reason for may repeat a few times (an engine that asks on behalf of
// something else); more means that engine and TLB disagree.
constexpr uint8_t kMostStuck = 64;

// How many of `bytes` from `linear` on lie in its page.
constexpr unsigned part_in_page(x86::LinearAddress linear, unsigned bytes) {
  return static_cast<unsigned>(std::min<uint64_t>(bytes, x86::kPageSize - (linear & (x86::kPageSize - 1))));
}

}  // namespace

uint16_t Vcpu::pcid() const { return (state_.cr4 & x86::cr4::kPcide) ? state_.cr3 & x86::cr3::kPcidMask : 0; }

x86::PagingContext Vcpu::paging_context(const Access& access) {
  x86::PagingContext context = x86::PagingContext::of(state_, core_.features);
  // RFLAGS lives in the engine; AC matters only to supervisor data accesses under SMAP.
  context.ac = context.smap && !access.user && access.type != AccessType::kFetch &&
               (engine_->rflags() & x86::rflags::kAc) != 0;
  return context;
}

bool Vcpu::may_use(const x86::TlbEntry& entry, const Access& access) {
  if (x86::check_access(entry.page, access, paging_context(access)).verdict != x86::Verdict::kAllowed)
    return false;
  return access.type != AccessType::kWrite || entry.page.dirty;
}

Fill Vcpu::fill(const Access& asked) {
  Access access = asked;
  if (implicit_access_ && in_descriptor_table(access))
    access = {.linear = asked.linear, .type = asked.type, .user = false, .implicit = true};
  PhysicalAddress page = access.linear & x86::kPageMask;
  bool writable = true;
  if (state_.cr0 & x86::cr0::kPg) {
    x86::TlbEntry* entry = tlb_.lookup(access.linear, pcid());
    if (entry == nullptr || !may_use(*entry, access)) return {};
    page = entry->page.physical(access.linear) & x86::kPageMask;
    Access store = access;
    store.type = AccessType::kWrite;
    writable =
        access.type == AccessType::kWrite || (access.type == AccessType::kRead && may_use(*entry, store));
  }
  if (!core_.bus.is_ram(page))
    return {.kind = access.type == AccessType::kFetch ? Fill::Kind::kDenied : Fill::Kind::kTrapped,
            .page = page};
  const bool code = core_.code_pages.is_code(page);
  if (access.type == AccessType::kFetch)
    return {.kind = code ? Fill::Kind::kRam : Fill::Kind::kDenied, .page = page};
  if (core_.watched(page) || core_.debug_watched(access.linear, page))
    return {.kind = Fill::Kind::kTrapped, .page = page};
  if (code && access.type == AccessType::kWrite)
    return {.kind = page == own_code_page_ ? Fill::Kind::kTrapped : Fill::Kind::kDenied, .page = page};
  writable = writable && !code;
  if (writable) {
    core_.ram.mark_dirty(page);
    core_.code_pages.set_writable(page);
  }
  return {.kind = Fill::Kind::kRam, .writable = writable, .page = page};
}

std::optional<PhysicalAddress> Vcpu::translated(x86::LinearAddress linear) const {
  if (!(state_.cr0 & x86::cr0::kPg)) return linear;
  const x86::TlbEntry* entry = tlb_.peek(linear, pcid());
  return entry != nullptr ? std::optional(entry->page.physical(linear)) : std::nullopt;
}

const uint8_t* Vcpu::code(x86::LinearAddress linear, PhysicalAddress* page) {
  PhysicalAddress physical = linear;
  if (state_.cr0 & x86::cr0::kPg) {
    const x86::TlbEntry* entry = tlb_.peek(linear, pcid());
    if (entry == nullptr) return nullptr;
    physical = entry->page.physical(linear);
  }
  *page = physical & x86::kPageMask;
  return core_.ram.host(physical);
}

// ---- between runs

// The engine could not go on because of `access`, by the instruction at RIP.
void Vcpu::resolve(Access access, bool stack) {
  EMU_CHECK(++stuck_ < kMostStuck, "engine and TLB disagree about a page");
  if (!(state_.cr0 & x86::cr0::kPg)) return resolve_unpaged(access);
  if (!x86::is_canonical(access.linear, state_.cr4 & x86::cr4::kLa57)) return raise(non_canonical(stack));
  const auto instruction = access.user && !implicit_access_ && in_descriptor_table(access)
                               ? engine_->current_instruction()
                               : std::nullopt;
  if (instruction && instruction->loads_segment) {
    // A segment load at CPL 3 reads the descriptor table as a supervisor: run the instruction once more,
    // knowing that.
    implicit_access_ = true;
    const Access system{.linear = access.linear, .type = access.type, .user = false, .implicit = true};
    if (auto done = translate(system); !done) {
      implicit_access_ = false;
      return raise(done.error());
    }
    const Stop stop = engine_->run({.instructions = 1});
    implicit_access_ = false;
    engine_->forget_page(access.linear);
    account();
    return handle(stop);
  }
  x86::TlbEntry* entry = tlb_.lookup(access.linear, pcid());
  if (entry != nullptr &&
      x86::check_access(entry->page, access, paging_context(access)).verdict == x86::Verdict::kAllowed) {
    if (access.type == AccessType::kWrite && !entry->page.dirty) {
      drop_entries(access.linear, TlbCause::kDirtyUpgrade);
      entry = nullptr;
    } else {
      const PhysicalAddress page = entry->page.physical(access.linear) & x86::kPageMask;
      if (!settle_code_page(page, access)) engine_->forget_page(access.linear);
      return;
    }
  }
  x86::WalkTrace trace;
  if (entry != nullptr) {
    const x86::PageFault fault = refused_by_tlb(*entry, access, trace);
    drop_entries(access.linear, TlbCause::kPageFault);
    return raise_page_fault(fault, trace);
  }
  const auto walked = walk_and_insert(access, trace);
  if (!walked) raise_page_fault(walked.error(), trace);
}

void Vcpu::resolve_unpaged(const Access& access) {
  const PhysicalAddress page = access.linear & x86::kPageMask;
  if (!settle_code_page(page, access))
    core_.end(EndReason::kTripleFault, "the CPU fetches from physical address " +
                                           std::to_string(access.linear) + ", where there is no RAM");
}

// Whether the instruction at RIP lies in this page, or reaches into it: such a page cannot become data before
// the instruction is done.
bool Vcpu::executes_in(PhysicalAddress page) {
  constexpr unsigned kLongest = 15;
  for (const uint64_t at : {engine_->rip(), engine_->rip() + kLongest - 1}) {
    PhysicalAddress here = 0;
    if (code(at, &here) != nullptr && here == page) return true;
  }
  return false;
}

// True when the denial was about a page changing between code and data.
bool Vcpu::settle_code_page(PhysicalAddress page, const Access& access) {
  if (!core_.bus.is_ram(page)) {
    if (access.type == AccessType::kFetch && (state_.cr0 & x86::cr0::kPg))
      core_.end(EndReason::kInternal,
                "the guest fetches instructions from a device or from no memory at all");
    return false;
  }
  const bool code = core_.code_pages.is_code(page);
  if (access.type == AccessType::kFetch && !code)
    core_.make_code(page);
  else if (access.type == AccessType::kWrite && code && executes_in(page))
    own_code_page_ = page;  // the engine comes back for the same store, and executes it alone
  else if (access.type == AccessType::kWrite && code)
    core_.make_data(page);
  else
    return false;
  return true;
}

std::expected<x86::TlbEntry*, x86::PageFault> Vcpu::walk_and_insert(const Access& access,
                                                                    x86::WalkTrace& trace) {
  const auto translation = x86::walk(paging_context(access), access, *this, &trace);
  if (!translation) return std::unexpected(translation.error());
  x86::TlbEntry& entry = tlb_.insert(*translation, pcid());
  if (core_.observed()) {
    const Moment now = moment();
    core_.tell([&](MachineObserver& o) { o.on_tlb_insert(now, entry, access, trace); });
  }
  return &entry;
}

// A TLB entry says no: the fault is the processor's word, even when the tables would say yes by now. Level
// and entry are those of the tables as they are, for the reader.
x86::PageFault Vcpu::refused_by_tlb(const x86::TlbEntry& entry, const Access& access, x86::WalkTrace& trace) {
  const x86::PagingContext context = paging_context(access);
  const auto tables = x86::peek_walk(context, access, *this, &trace);
  x86::PageFault fault;
  if (!tables) fault = tables.error();
  fault.access = access;
  fault.reason = x86::check_access(entry.page, access, context).reason;
  fault.fetch_reported = context.nxe || context.smep;
  if (tables && trace.count > 0) {
    const x86::WalkStep& leaf = trace.steps[trace.count - 1];
    fault.level = leaf.level;
    fault.entry_address = leaf.entry_address;
    fault.entry_value = leaf.entry_before;
  }
  return fault;
}

void Vcpu::drop_entries(x86::LinearAddress linear, TlbCause cause) {
  const Moment now = moment();
  bool large = false;  // the engine keeps a large page in pieces of 4 KiB
  tlb_.invalidate_page(linear, pcid(), [&](const x86::TlbEntry& entry) {
    large = large || entry.page.size != x86::PageSize::k4K;
    core_.tell([&](MachineObserver& o) { o.on_tlb_remove(now, entry, cause); });
  });
  if (large)
    engine_->forget_all();
  else
    engine_->forget_page(linear);
}

// Translation for accesses that no engine makes.
std::expected<PhysicalAddress, Event> Vcpu::translate(const Access& access) {
  if (!(state_.cr0 & x86::cr0::kPg)) return access.linear;
  if (!x86::is_canonical(access.linear, state_.cr4 & x86::cr4::kLa57))
    return std::unexpected(non_canonical(false));
  x86::TlbEntry* entry = tlb_.lookup(access.linear, pcid());
  if (entry != nullptr && may_use(*entry, access)) return entry->page.physical(access.linear);
  x86::WalkTrace trace;
  x86::PageFault fault;
  if (entry != nullptr) {
    const bool allowed =
        x86::check_access(entry->page, access, paging_context(access)).verdict == x86::Verdict::kAllowed;
    if (!allowed) fault = refused_by_tlb(*entry, access, trace);
    drop_entries(access.linear, allowed ? TlbCause::kDirtyUpgrade : TlbCause::kPageFault);
    if (!allowed)
      return std::unexpected(Event{.kind = x86::EventKind::kException,
                                   .vector = x86::vector::kPageFault,
                                   .error_code = fault.error_code(),
                                   .page_fault = fault});
  }
  const auto walked = walk_and_insert(access, trace);
  if (walked) return (*walked)->page.physical(access.linear);
  return std::unexpected(Event{.kind = x86::EventKind::kException,
                               .vector = x86::vector::kPageFault,
                               .error_code = walked.error().error_code(),
                               .page_fault = walked.error()});
}

// Does it lie in a page of the GDT or the LDT? Only for an instruction that loads a segment does that mean
// anything.
bool Vcpu::in_descriptor_table(const Access& access) {
  if (access.type == AccessType::kFetch) return false;
  x86::CpuState now = state_;
  engine_->read_state(now);
  const auto within = [&](uint64_t base, uint64_t limit) {
    return (access.linear | ~x86::kPageMask) >= base && (access.linear & x86::kPageMask) <= base + limit;
  };
  const bool has_ldt = now.ldtr.present() && !x86::is_null_selector(now.ldtr.selector);
  return within(now.gdtr.base, now.gdtr.limit) || (has_ldt && within(now.ldtr.base, now.ldtr.limit));
}

Event Vcpu::non_canonical(bool stack) {
  // SDM vol. 1, 3.3.7.1: #SS for stack references, #GP for everything else.
  return {.kind = x86::EventKind::kException,
          .vector = stack ? x86::vector::kStackFault : x86::vector::kGeneralProtection,
          .error_code = 0,
          .page_fault = std::nullopt};
}

// ---- memory as walker and event delivery see it

uint64_t Vcpu::read_entry(PhysicalAddress address) {
  const uint8_t* host = core_.ram.host(address);
  if (host == nullptr) return ~uint64_t{0};
  return std::atomic_ref(*reinterpret_cast<uint64_t*>(const_cast<uint8_t*>(host)))
      .load(std::memory_order_relaxed);
}

bool Vcpu::compare_exchange_entry(PhysicalAddress address, uint64_t expected, uint64_t desired) {
  uint8_t* host = core_.ram.host(address);
  if (host == nullptr) return true;
  core_.wrote(address);
  core_.watch_access(*this, std::nullopt, address, 8, true, core_.position());
  return std::atomic_ref(*reinterpret_cast<uint64_t*>(host)).compare_exchange_strong(expected, desired);
}

std::expected<uint64_t, Event> Vcpu::read(x86::LinearAddress linear, unsigned size) {
  uint64_t value = 0;
  for (unsigned done = 0; done < size;) {
    const x86::LinearAddress at = linear + done;
    const unsigned here = part_in_page(at, size - done);
    const auto physical =
        translate({.linear = at, .type = AccessType::kRead, .user = false, .implicit = true});
    if (!physical) return std::unexpected(physical.error());
    core_.watch_access(*this, at, *physical, here, false, core_.position());
    uint64_t part = ~uint64_t{0};  // where no memory answers
    if (const uint8_t* host = core_.ram.host(*physical)) {
      part = 0;
      std::memcpy(&part, host, here);
    }
    value |= part << (8 * done);
    done += here;
  }
  return size == 8 ? value : value & ((uint64_t{1} << (8 * size)) - 1);
}

std::expected<void, Event> Vcpu::write(x86::LinearAddress linear, unsigned size, uint64_t value) {
  for (unsigned done = 0; done < size;) {
    const x86::LinearAddress at = linear + done;
    const unsigned here = part_in_page(at, size - done);
    const auto physical =
        translate({.linear = at, .type = AccessType::kWrite, .user = false, .implicit = true});
    if (!physical) return std::unexpected(physical.error());
    core_.wrote(*physical);
    core_.watch_access(*this, at, *physical, here, true, core_.position());
    const uint64_t part = value >> (8 * done);
    if (uint8_t* host = core_.ram.host(*physical)) std::memcpy(host, &part, here);
    done += here;
  }
  return {};
}

// ---- devices and watched RAM

uint64_t Vcpu::trapped_read(PhysicalAddress address, unsigned size) {
  // An instruction's 8 bytes arrive as two halves, low first; together they are one access.
  if (!trapped_.empty() && !trapped_.back().write &&
      trapped_.back().address + trapped_.back().size == address)
    trapped_.back().size += size;
  else
    trapped_.push_back({address, size, false});
  return core_.bus.read(index_, address, size);
}

void Vcpu::trapped_write(PhysicalAddress address, unsigned size, uint64_t value) {
  if (!trapped_.empty() && trapped_.back().write && trapped_.back().address + trapped_.back().size == address)
    trapped_.back().size += size;
  else
    trapped_.push_back({address, size, true});
  core_.bus.write(index_, address, size, value);
}

}  // namespace mmuscope
