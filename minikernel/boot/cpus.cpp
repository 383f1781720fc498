// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/cpus.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/clock.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/memory_layout.h"
#include "arch/x86_64/page_table.h"
#include "arch/x86_64/percpu.h"
#include "boot/boot_info.h"
#include "boot/init_cpu.h"
#include "boot/memory.h"
#include "lib/log.h"
#include "lib/string.h"
#include "proc/scheduler.h"

extern "C" char secondary_start[], secondary_start_end[];
extern "C" uint64_t secondary_stack;
extern "C" uint32_t secondary_index;
uint64_t secondary_stack;
uint32_t secondary_index;

namespace mk {
namespace {

constexpr uint64_t kSecondaryStartPage = 0x8000;
constexpr uint64_t kStartTimeoutNs = 1'000'000'000;
constexpr uint64_t kStartupRetryNs = 1'000'000;

PerCpu per_cpus[kMaxCpus];
unsigned cpus = 1;

// ACPI 6.4: 5.2.5 RSDP, 5.2.6 table header, 5.2.12 MADT.
struct [[gnu::packed]] Rsdp {
  char signature[8];
  uint8_t checksum;
  char oem[6];
  uint8_t revision;
  uint32_t rsdt;
  uint32_t length;
  uint64_t xsdt;
};

struct [[gnu::packed]] TableHeader {
  char signature[4];
  uint32_t length;
  uint8_t rest[28];
};

struct [[gnu::packed]] MadtLocalApic {
  uint8_t type;
  uint8_t length;
  uint8_t processor;
  uint8_t apic_id;
  uint32_t flags;  // bit 0: enabled
};

const TableHeader* table_at(uint64_t physical) {
  if (!boot_info().in_direct_map(physical) || physical == 0) return nullptr;
  return static_cast<const TableHeader*>(phys_to_virt(physical));
}

const TableHeader* find_table(const char* signature) {
  if (boot_info().rsdp == 0) return nullptr;
  const auto* rsdp = static_cast<const Rsdp*>(phys_to_virt(boot_info().rsdp));
  if (memcmp(rsdp->signature, "RSD PTR ", 8) != 0) return nullptr;
  bool extended = rsdp->revision >= 2 && rsdp->xsdt != 0;
  const TableHeader* root = table_at(extended ? rsdp->xsdt : rsdp->rsdt);
  if (root == nullptr) return nullptr;
  size_t entry_bytes = extended ? 8 : 4;
  const auto* entries = reinterpret_cast<const uint8_t*>(root + 1);
  for (size_t at = 0; at + entry_bytes <= root->length - sizeof(TableHeader); at += entry_bytes) {
    uint64_t physical = 0;
    memcpy(&physical, entries + at, entry_bytes);
    const TableHeader* table = table_at(physical);
    if (table != nullptr && memcmp(table->signature, signature, 4) == 0) return table;
  }
  return nullptr;
}

void add_cpu(uint32_t apic_id) {
  if (apic_id == per_cpus[0].apic_id) return;
  if (cpus == kMaxCpus) {
    log("cpu with APIC id %u ignored: more than %u", apic_id, kMaxCpus);
    return;
  }
  per_cpus[cpus].index = cpus;
  per_cpus[cpus].apic_id = apic_id;
  ++cpus;
}

template <typename Condition>
bool wait_for(uint64_t ns, Condition condition) {
  uint64_t end = now_ns() + ns;
  while (!condition()) {
    if (now_ns() > end) return false;
    cpu_pause();
  }
  return true;
}

bool start_cpu(PerCpu& target) {
  BootStacks stacks = make_boot_stacks(target.index);
  prepare_cpu(target, stacks);
  secondary_stack = stacks.kernel;
  secondary_index = target.index;
  auto online = [&] { return __atomic_load_n(&target.online, __ATOMIC_ACQUIRE); };
  apic_send_init(target.apic_id);
  for (uint64_t waited = 0; waited < kStartTimeoutNs; waited += kStartupRetryNs) {
    apic_send_startup(target.apic_id, kSecondaryStartPage >> 12);
    if (wait_for(kStartupRetryNs, online)) return true;
  }
  return false;
}

}  // namespace

PerCpu& cpu(unsigned index) { return per_cpus[index]; }
unsigned cpu_count() { return cpus; }

void find_cpus() {
  per_cpus[0].apic_id = apic_id();
  const TableHeader* madt = find_table("APIC");
  if (madt == nullptr) return;
  const auto* bytes = reinterpret_cast<const uint8_t*>(madt);
  constexpr size_t kEntries = sizeof(TableHeader) + 8;
  for (size_t at = kEntries; at + 2 <= madt->length && bytes[at + 1] >= 2; at += bytes[at + 1]) {
    if (bytes[at] != 0) continue;  // not a local APIC
    MadtLocalApic entry;
    memcpy(&entry, bytes + at, sizeof(entry));
    if (entry.flags & 1) add_cpu(entry.apic_id);
  }
}

void start_other_cpus() {
  if (cpus == 1) return;
  memcpy(phys_to_virt(kSecondaryStartPage), secondary_start,
         static_cast<size_t>(secondary_start_end - secondary_start));
  for (unsigned i = 1; i < cpus; ++i) {
    PerCpu& target = per_cpus[i];
    if (!start_cpu(target)) {
      log("cpu %u did not start", i);
      continue;
    }
    apic_send_interrupt(target.apic_id, kHelloVector);
    bool answered =
        wait_for(kStartTimeoutNs, [&] { return __atomic_load_n(&target.hellos, __ATOMIC_ACQUIRE) == 1; });
    log(answered ? "cpu %u answered an IPI" : "cpu %u does not answer IPIs", i);
  }
}

extern "C" [[noreturn]] void start_secondary_cpu(unsigned index) {
  PerCpu& self = per_cpus[index];
  init_cpu(self);
  __atomic_store_n(&self.online, true, __ATOMIC_RELEASE);
  // Until the boot CPU has memory for tasks.
  while (__atomic_load_n(&self.idle, __ATOMIC_ACQUIRE) == nullptr)
    asm volatile("sti; hlt; cli" : : : "memory");
  idle();
}

}  // namespace mk
