// SPDX-License-Identifier: GPL-2.0-or-later
//
// The PVH boot protocol (xen/include/public/arch-x86/hvm/start_info.h): an ELF64 kernel with Xen note 18 is
// loaded at its physical addresses and entered in 32-bit protected mode without paging, EBX pointing at
// hvm_start_info, which names command line, initramfs, memory map and ACPI tables. What the machine adds is
// as little as a kernel needs to find its processors: RSDP, XSDT and MADT.
//
//   0x000e0000   RSDP, XSDT, MADT
//   0x00090000   hvm_start_info, module list, memory map, command line
//   top of low RAM, page-aligned: initramfs
#pragma once

#include "base/error.h"
#include "machine/machine.h"
#include "memory/ram.h"
#include "x86/cpu_state.h"

namespace mmuscope {

// Writes everything into `ram` and returns the boot processor's first state. kData for a kernel that is none,
// or that does not fit.
Expected<x86::CpuState> load_boot_image(const BootImage& image, const MachineConfig& config, Ram& ram);

}  // namespace mmuscope
