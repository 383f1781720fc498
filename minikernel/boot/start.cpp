// SPDX-License-Identifier: GPL-2.0-or-later
//
// The boot CPU's way from pvh.S to kernel_main(), in the order in which things need one another.
#include "arch/x86_64/apic.h"
#include "arch/x86_64/clock.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/memory_layout.h"
#include "arch/x86_64/random.h"
#include "arch/x86_64/trap.h"
#include "arch/x86_64/uart.h"
#include "arch/x86_64/user_copy.h"
#include "boot/boot_info.h"
#include "boot/cpus.h"
#include "boot/init_cpu.h"
#include "boot/memory.h"
#include "lib/log.h"
#include "lib/number.h"
#include "lib/string.h"
#include "mm/cow/cow_policy.h"

extern "C" void (*constructors_start[])();
extern "C" void (*constructors_end[])();

namespace mk {
namespace {

constexpr uint64_t kCr4Smep = 1ul << 20;
constexpr uint64_t kCr4Smap = 1ul << 21;
constexpr uint32_t kFeatureSmep = 1u << 7;  // CPUID leaf 7, EBX
constexpr uint32_t kFeatureSmap = 1u << 20;

void seed_from_command_line() {
  char text[24];
  uint64_t seed = 0;
  if (boot_option("seed", text, sizeof(text)) && !parse_number(text, seed))
    log("seed=%s is no number: 0 it is", text);
  seed_random(seed);
}

void choose_policy() {
  char name[32] = "pte";
  boot_option("cow", name, sizeof(name));
  if (!choose_cow_policy(name)) {
    log("cow=%s is no policy: pte it is", name);
    choose_cow_policy("pte");
  }
  log("copy-on-write: %s", cow().name());
  char promise[16] = "coherent";
  boot_option("ro_pin", promise, sizeof(promise));
  ro_pins_are_snapshots = strcmp(promise, "snapshot") == 0;
  if (!ro_pins_are_snapshots && strcmp(promise, "coherent") != 0)
    log("ro_pin=%s is neither coherent nor snapshot: coherent it is", promise);
}

}  // namespace

void prepare_cpu(PerCpu& cpu, const BootStacks& stacks) {
  cpu.self = &cpu;
  cpu.kernel_stack = stacks.kernel;
  fill_descriptor_tables(cpu.tables, stacks.kernel, stacks.double_fault, stacks.nmi);
}

void init_cpu(PerCpu& cpu) {
  load_descriptor_tables(cpu.tables);
  write_msr(kMsrGsBase, reinterpret_cast<uint64_t>(&cpu));
  write_msr(kMsrKernelGsBase, 0);
  uint32_t features = cpuid(0).eax >= 7 ? cpuid(7).ebx : 0;
  write_cr4(read_cr4() | (features & kFeatureSmep ? kCr4Smep : 0) | (features & kFeatureSmap ? kCr4Smap : 0));
  if (features & kFeatureSmap) use_smap();
  load_traps();
  init_tlb();
  init_apic();
}

extern "C" [[noreturn]] void start_boot_cpu(uint64_t start_info) {
  for (auto constructor = constructors_start; constructor != constructors_end; ++constructor)
    (*constructor)();
  PerCpu& self = cpu(0);
  self.self = &self;
  write_msr(kMsrGsBase, reinterpret_cast<uint64_t>(&self));
  init_uart();
  silence_pic();
  make_traps();
  load_traps();
  read_boot_info(start_info);
  log("minikernel, %d-level paging: %s", five_level_paging ? 5 : 4, boot_info().command_line);
  map_kernel_memory();
  prepare_cpu(self, make_boot_stacks(0));
  init_cpu(self);
  init_clock();
  init_apic_timer();
  seed_from_command_line();
  find_cpus();
  start_other_cpus();
  self.online = true;
  choose_policy();
  init_frames();
  kernel_main();
}

}  // namespace mk
