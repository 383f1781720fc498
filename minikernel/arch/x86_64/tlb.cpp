// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/x86_64/tlb.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/memory_layout.h"
#include "arch/x86_64/page_table.h"
#include "arch/x86_64/percpu.h"
#include "arch/x86_64/trap.h"
#include "lib/assert.h"
#include "lib/spinlock.h"
#include "mm/vmstat.h"

namespace mk {
namespace {

constexpr uint64_t kCr4Pcide = 1ul << 17;
constexpr uint32_t kFeaturePcid = 1u << 17;  // CPUID leaf 1, ECX
constexpr uint64_t kCr3KeepEntries = 1ul << 63;

// Page by page up to the number of pages where Linux, too, finds one full flush cheaper
// (tlb_single_page_flush_ceiling).
constexpr uint64_t kSinglePageFlushCeiling = 33;

bool pcid_in_use;

uint64_t bit(unsigned cpu) { return 1ul << cpu; }

void flush_page(uint64_t linear) { asm volatile("invlpg (%0)" : : "r"(linear) : "memory"); }

void write_table(const PageTable& table, unsigned pcid, bool keep) {
  write_cr3(table.root_physical() | (pcid_in_use ? pcid | (keep ? kCr3KeepEntries : 0) : 0));
}

// All entries of the PCID in use that are not global.
void flush_loaded(const CpuTlb& tlb) { write_table(*tlb.loaded, tlb.slot + 1, false); }

// Takes a slot for the context; false: its entries are older than the newest flush, or another's.
bool choose_slot(CpuTlb& tlb, const TlbContext& context) {
  uint64_t generation = __atomic_load_n(&context.generation, __ATOMIC_SEQ_CST);
  if (pcid_in_use) {
    for (unsigned i = 0; i < CpuTlb::kSlots; ++i) {
      if (tlb.slots[i].context != context.id) continue;
      tlb.slot = i;
      bool current = tlb.slots[i].generation == generation;
      tlb.slots[i].generation = generation;
      return current;
    }
  }
  tlb.slot = pcid_in_use ? tlb.next_slot : 0;
  tlb.next_slot = (tlb.slot + 1) % CpuTlb::kSlots;
  tlb.slots[tlb.slot] = {context.id, generation};
  return false;
}

// Linux's flush_tlb_func(): `generation` names the flush that [start, end) is of. When it is not the next
// one, there were others, whose ranges nobody kept: everything goes.
void flush_local(CpuTlb& tlb, const TlbRequest& request) {
  CpuTlb::Slot& slot = tlb.slots[tlb.slot];
  uint64_t newest = __atomic_load_n(&tlb.loaded->tlb.generation, __ATOMIC_SEQ_CST);
  if (slot.generation >= request.generation) return;
  bool partial = request.generation == slot.generation + 1 && newest == request.generation &&
                 (request.end - request.start) / kPageSize <= kSinglePageFlushCeiling;
  if (partial) {
    for (uint64_t linear = request.start; linear < request.end; linear += kPageSize) flush_page(linear);
    count_vm_event(VmEvent::kTlbFlushLocalPage, (request.end - request.start) / kPageSize);
    slot.generation = request.generation;
  } else {
    slot.generation = newest;
    flush_loaded(tlb);
    count_vm_event(VmEvent::kTlbFlushLocalAll);
  }
}

void obey(const TlbRequest& request) {
  CpuTlb& tlb = this_cpu().tlb;
  if (request.table == nullptr) {
    for (uint64_t linear = request.start; linear < request.end; linear += kPageSize) flush_page(linear);
  } else if (tlb.loaded != request.table) {
    return;  // it has moved on, and looks at the generation when it comes back
  } else if (request.leave) {
    KASSERT(tlb.lazy);
    load_page_table(nullptr);
  } else if (!tlb.lazy) {
    flush_local(tlb, request);
  }
}

// Has the CPUs of a mask do this CPU's request, and waits.
void ask(uint64_t targets) {
  PerCpu& self = this_cpu();
  for (unsigned i = 0; i < cpu_count(); ++i) {
    if (!(targets & bit(i))) continue;
    __atomic_fetch_add(&self.tlb.unanswered, 1, __ATOMIC_RELAXED);
    __atomic_fetch_or(&cpu(i).tlb.requests, bit(self.index), __ATOMIC_SEQ_CST);
    apic_send_interrupt(cpu(i).apic_id, kShootdownVector);
  }
  while (__atomic_load_n(&self.tlb.unanswered, __ATOMIC_ACQUIRE) != 0) spin_relax();
}

}  // namespace

void spin_relax() {
  answer_tlb_requests();
  cpu_pause();
}

void init_tlb() {
  if (!(cpuid(1).ecx & kFeaturePcid)) return;
  write_cr4(read_cr4() | kCr4Pcide);
  pcid_in_use = true;
}

void load_page_table(PageTable* table) {
  CpuTlb& tlb = this_cpu().tlb;
  unsigned self = this_cpu().index;
  if (table == tlb.loaded) {
    if (table == nullptr || !tlb.lazy) return;
    __atomic_store_n(&tlb.lazy, false, __ATOMIC_SEQ_CST);
    CpuTlb::Slot& slot = tlb.slots[tlb.slot];
    uint64_t newest = __atomic_load_n(&table->tlb.generation, __ATOMIC_SEQ_CST);
    if (slot.generation == newest) return;
    slot.generation = newest;
    flush_loaded(tlb);
    count_vm_event(VmEvent::kTlbFlushLocalAll);
    return;
  }
  if (tlb.loaded != nullptr) __atomic_fetch_and(&tlb.loaded->tlb.cpus, ~bit(self), __ATOMIC_SEQ_CST);
  tlb.loaded = table;
  __atomic_store_n(&tlb.lazy, false, __ATOMIC_SEQ_CST);
  if (table == nullptr) return write_table(kernel_page_table(), 0, true);
  // Whoever flushes from here on sees this CPU in the mask; what was flushed before shows in the generation.
  __atomic_fetch_or(&table->tlb.cpus, bit(self), __ATOMIC_SEQ_CST);
  bool current = choose_slot(tlb, table->tlb);
  write_table(*table, tlb.slot + 1, current);
}

void enter_lazy_tlb() {
  __atomic_store_n(&this_cpu().tlb.lazy, this_cpu().tlb.loaded != nullptr, __ATOMIC_SEQ_CST);
}

void flush_tlb(PageTable& table, uint64_t start, uint64_t end) {
  PerCpu& self = this_cpu();
  uint64_t generation = __atomic_add_fetch(&table.tlb.generation, 1, __ATOMIC_SEQ_CST);
  self.tlb.request = {&table, start, end, generation, false};
  uint64_t others = __atomic_load_n(&table.tlb.cpus, __ATOMIC_SEQ_CST) & ~bit(self.index);
  for (unsigned i = 0; i < cpu_count(); ++i) {
    if (!(others & bit(i)) || !__atomic_load_n(&cpu(i).tlb.lazy, __ATOMIC_SEQ_CST)) continue;
    others &= ~bit(i);
    count_vm_event(VmEvent::kTlbFlushSkippedLazy);
  }
  if (self.tlb.loaded == &table && !self.tlb.lazy) flush_local(self.tlb, self.tlb.request);
  if (others == 0) return;
  count_vm_event(VmEvent::kTlbFlushRemote);
  ask(others);
}

void flush_kernel_tlb(uint64_t start, uint64_t end) {
  PerCpu& self = this_cpu();
  self.tlb.request = {nullptr, start, end, 0, false};
  obey(self.tlb.request);
  uint64_t others = 0;
  for (unsigned i = 0; i < cpu_count(); ++i)
    if (i != self.index && __atomic_load_n(&cpu(i).online, __ATOMIC_ACQUIRE)) others |= bit(i);
  ask(others);
}

void release_tlb(PageTable& table) {
  PerCpu& self = this_cpu();
  if (self.tlb.loaded == &table) {
    KASSERT(self.tlb.lazy);
    load_page_table(nullptr);
  }
  self.tlb.request = {&table, 0, 0, 0, true};
  ask(__atomic_load_n(&table.tlb.cpus, __ATOMIC_SEQ_CST));
  KASSERT(__atomic_load_n(&table.tlb.cpus, __ATOMIC_SEQ_CST) == 0);
}

void answer_tlb_requests() {
  uint64_t& mine = this_cpu().tlb.requests;
  if (__atomic_load_n(&mine, __ATOMIC_RELAXED) == 0) return;
  uint64_t senders = __atomic_exchange_n(&mine, 0, __ATOMIC_SEQ_CST);
  for (unsigned i = 0; i < cpu_count(); ++i) {
    if (!(senders & bit(i))) continue;
    obey(cpu(i).tlb.request);
    count_vm_event(VmEvent::kTlbFlushRemoteReceived);
    __atomic_fetch_sub(&cpu(i).tlb.unanswered, 1, __ATOMIC_RELEASE);
  }
}

}  // namespace mk
