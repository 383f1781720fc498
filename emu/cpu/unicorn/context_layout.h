// SPDX-License-Identifier: GPL-2.0-or-later
//
// Where things lie in the opaque block of uc_context_save. Unicorn's API cannot read or write CPL, CR3 beyond
// 32 bits, descriptor-table bases, hidden segment parts, the interrupt shadow or an error code; the block
// can. Its inside is the start of QEMU 5.0's CPUX86State, the same in all Unicorn 2.x, behind a header whose
// size is not. find() looks for markers that it wrote by the API and checks what it found; it refuses with
// kHost when anything disagrees, so that a new Unicorn is noticed at start-up and not in a trace. Nothing
// outside cpu/unicorn/ knows of this file.
#pragma once

#include <unicorn/unicorn.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/error.h"

namespace mmuscope {

// Offsets within the bytes of a uc_context.
struct ContextLayout {
  size_t base = 0;  // of CPUX86State; offsets below are absolute
  size_t size = 0;
  size_t regs() const { return base; }
  size_t rip() const { return base + 128; }
  size_t rflags() const { return base + 136; }
  size_t cc_op() const { return base + 168; }
  size_t direction() const { return base + 172; }  // 1 or -1
  size_t hflags() const { return base + 176; }
  size_t segments() const { return base + 184; }  // ES CS SS DS FS GS LDT TR GDT IDT, kSegmentBytes each
  size_t cr() const { return base + 424; }        // 0..4
  size_t efer() const { return base + 560; }
  size_t star = 0, lstar = 0, cstar = 0, sfmask = 0, kernel_gs_base = 0;
  size_t error_code = 0;     // u32, of the last exception
  size_t old_exception = 0;  // i32, -1 when no exception is being delivered

  static constexpr size_t kSegmentBytes = 24;  // u32 selector, pad, u64 base, u32 limit, u32 flags

  // `uc` must be a fresh engine in UC_MODE_64 with UC_TLB_VIRTUAL and exits enabled; its state is spoilt.
  static Expected<ContextLayout> find(uc_engine* uc);
};

// CPUX86State.hflags, QEMU 5.0 target/i386/cpu.h.
namespace hflags {
inline constexpr uint32_t kCplMask = 3, kInhibitIrq = 1u << 3, kCs32 = 1u << 4, kSs32 = 1u << 5,
                          kAddSeg = 1u << 6, kPe = 1u << 7, kMp = 1u << 9, kEm = 1u << 10, kTs = 1u << 11,
                          kLma = 1u << 14, kCs64 = 1u << 15, kOsfxsr = 1u << 22, kSmap = 1u << 23;
}

// A uc_context's bytes with typed access.
class ContextBytes {
 public:
  explicit ContextBytes(uc_context* context) : bytes_(reinterpret_cast<uint8_t*>(context)) {}
  template <typename T>
  T get(size_t offset) const {
    T value;
    std::memcpy(&value, bytes_ + offset, sizeof value);
    return value;
  }
  template <typename T>
  void put(size_t offset, T value) {
    std::memcpy(bytes_ + offset, &value, sizeof value);
  }
  uint8_t* data() { return bytes_; }

 private:
  uint8_t* bytes_;
};

}  // namespace mmuscope
