// SPDX-License-Identifier: GPL-2.0-or-later
#include "cpu/unicorn/context_layout.h"

#include <memory>
#include <vector>

namespace mmuscope {
namespace {

constexpr uint64_t kMarker = 0x5ca1ab1e'0ddba11aull;

std::unexpected<Error> unknown(const char* what) {
  unsigned major = 0, minor = 0;
  const unsigned version = uc_version(&major, &minor);
  return fail(ErrorKind::kHost, "this Unicorn (" + std::to_string(major) + "." + std::to_string(minor) + "." +
                                    std::to_string((version >> 8) & 0xff) +
                                    ") keeps its CPU state differently: " + what +
                                    " not found; use 2.1.1 (tools/setup installs it)");
}

std::vector<uint8_t> snapshot(uc_engine* uc, uc_context* context, size_t size) {
  uc_context_save(uc, context);
  const auto* bytes = reinterpret_cast<const uint8_t*>(context);
  return {bytes, bytes + size};
}

// The only place of an 8-byte value, or 0.
size_t find_value(const std::vector<uint8_t>& bytes, uint64_t value) {
  size_t found = 0;
  for (size_t at = 4; at + 8 <= bytes.size(); at += 4) {
    uint64_t here = 0;
    std::memcpy(&here, &bytes[at], 8);
    if (here != value) continue;
    if (found != 0) return 0;
    found = at;
  }
  return found;
}

constexpr int kGeneralRegisters[16] = {UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX,
                                       UC_X86_REG_RSP, UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI,
                                       UC_X86_REG_R8,  UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
                                       UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15};

// General registers, RIP and segments lie where QEMU has them, relative to RAX.
bool check_fixed_part(uc_engine* uc, const std::vector<uint8_t>& bytes, const ContextLayout& layout) {
  auto u64 = [&](size_t at) {
    uint64_t value = 0;
    if (at + 8 <= bytes.size()) std::memcpy(&value, &bytes[at], 8);
    return value;
  };
  for (unsigned i = 0; i < 16; ++i)
    if (u64(layout.regs() + 8 * i) != kMarker + i) return false;
  uint64_t cr0 = 0;
  uc_reg_read(uc, UC_X86_REG_CR0, &cr0);
  const uint32_t hflags = static_cast<uint32_t>(u64(layout.hflags()));
  return u64(layout.rip()) == kMarker + 16 &&
         u64(layout.segments() + 4 * ContextLayout::kSegmentBytes + 8) == kMarker + 17 &&
         u64(layout.segments() + 5 * ContextLayout::kSegmentBytes + 8) == kMarker + 18 &&
         u64(layout.cr()) == cr0 && (hflags & hflags::kLma) && (hflags & hflags::kCs64) &&
         (hflags & hflags::kPe);
}

size_t find_msr(uc_engine* uc, uc_context* context, size_t size, uint32_t number, uint64_t value) {
  uc_x86_msr msr{.rid = number, .value = value};
  uc_reg_write(uc, UC_X86_REG_MSR, &msr);
  return find_value(snapshot(uc, context, size), value);
}

bool provoked_fill(uc_engine*, uint64_t linear, uc_mem_type type, uc_tlb_entry* result, void*) {
  result->paddr = linear & ~uint64_t{0xfff};
  result->perms = type == UC_MEM_FETCH ? UC_PROT_EXEC : UC_PROT_READ;
  return true;
}

void provoked_interrupt(uc_engine* uc, uint32_t vector, void* seen) {
  *static_cast<uint32_t*>(seen) = vector;
  uc_emu_stop(uc);
}

// `mov ds, ax` with a selector beyond the empty GDT: #GP with the selector as error code.
bool find_exception_fields(uc_engine* uc, uc_context* context, ContextLayout& layout) {
  constexpr uint32_t kSelector = 0x5a50;
  alignas(4096) static uint8_t page[4096];  // handed to the engine only during this call
  const uint8_t code[] = {0x8e, 0xd8, 0xf4};
  std::memcpy(page, code, sizeof code);
  uc_hook fill = 0, interrupt = 0;
  uint32_t vector = ~0u;
  if (uc_mem_map_ptr(uc, 0x1000, 4096, UC_PROT_ALL, page) != UC_ERR_OK) return false;
  uc_hook_add(uc, &fill, UC_HOOK_TLB_FILL, reinterpret_cast<void*>(provoked_fill), nullptr, 1, 0);
  uc_hook_add(uc, &interrupt, UC_HOOK_INTR, reinterpret_cast<void*>(provoked_interrupt), &vector, 1, 0);
  const uint64_t rax = kSelector;
  uc_reg_write(uc, UC_X86_REG_RAX, &rax);
  uc_emu_start(uc, 0x1000, 0, 0, 0);
  uc_hook_del(uc, fill);
  uc_hook_del(uc, interrupt);
  uc_mem_unmap(uc, 0x1000, 4096);
  if (vector != 13) return false;
  const std::vector<uint8_t> bytes = snapshot(uc, context, layout.size);
  for (size_t at = layout.kernel_gs_base; at + 116 <= bytes.size(); at += 4) {
    uint32_t value = 0, latch = 0;
    std::memcpy(&value, &bytes[at], 4);
    std::memcpy(&latch, &bytes[at + 112], 4);
    if (value != kSelector || latch != 13) continue;
    if (layout.error_code != 0) return false;
    layout.error_code = at;
    layout.old_exception = at + 112;
  }
  return layout.error_code != 0;
}

}  // namespace

Expected<ContextLayout> ContextLayout::find(uc_engine* uc) {
  uc_context* raw = nullptr;
  if (uc_context_alloc(uc, &raw) != UC_ERR_OK)
    return fail(ErrorKind::kHost, "Unicorn has no memory for a context");
  const std::unique_ptr<uc_context, void (*)(uc_context*)> context(raw,
                                                                   [](uc_context* c) { uc_context_free(c); });

  for (unsigned i = 0; i < 16; ++i) {
    const uint64_t value = kMarker + i;
    uc_reg_write(uc, kGeneralRegisters[i], &value);
  }
  const uint64_t rip = kMarker + 16, fs = kMarker + 17, gs = kMarker + 18;
  uc_reg_write(uc, UC_X86_REG_RIP, &rip);
  uc_reg_write(uc, UC_X86_REG_FS_BASE, &fs);
  uc_reg_write(uc, UC_X86_REG_GS_BASE, &gs);

  ContextLayout layout;
  layout.size = uc_context_size(uc);
  const std::vector<uint8_t> bytes = snapshot(uc, raw, layout.size);
  layout.base = find_value(bytes, kMarker);
  if (layout.base == 0 || !check_fixed_part(uc, bytes, layout)) return unknown("the general registers");

  struct Msr {
    uint32_t number;
    size_t ContextLayout::* where;
  };
  const Msr msrs[] = {{0xc0000081, &ContextLayout::star},
                      {0xc0000082, &ContextLayout::lstar},
                      {0xc0000083, &ContextLayout::cstar},
                      {0xc0000084, &ContextLayout::sfmask},
                      {0xc0000102, &ContextLayout::kernel_gs_base}};
  uint64_t value = kMarker + 32;
  for (const Msr& msr : msrs) {
    layout.*(msr.where) = find_msr(uc, raw, layout.size, msr.number, value++);
    if (layout.*(msr.where) == 0) return unknown("a SYSCALL register");
  }
  uint64_t efer = 0;  // in UC_MODE_64 it holds LME and LMA
  std::memcpy(&efer, &bytes[layout.efer()], 8);
  if (efer != 0x500) return unknown("EFER");

  if (!find_exception_fields(uc, raw, layout)) return unknown("the exception latch");
  return layout;
}

}  // namespace mmuscope
