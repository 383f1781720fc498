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
#include "boot/boot_options.h"
#include "boot/cpus.h"
#include "boot/init_cpu.h"
#include "boot/memory.h"
#include "lib/log.h"
#include "mm/cow/cow_policy.h"

extern "C" void (*constructors_start[])();
extern "C" void (*constructors_end[])();

namespace mk {
namespace {

constexpr uint64_t kCr4Smep = 1ul << 20;
constexpr uint64_t kCr4Smap = 1ul << 21;
constexpr uint32_t kFeatureSmep = 1u << 7;  // CPUID leaf 7, EBX
constexpr uint32_t kFeatureSmap = 1u << 20;

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
  read_boot_options(boot_info().command_line);
  seed_random(boot_options().seed);
  find_cpus();
  start_other_cpus();
  self.online = true;
  log("copy-on-write: %s", cow().name());
  init_frames();
  kernel_main();
}

}  // namespace mk
