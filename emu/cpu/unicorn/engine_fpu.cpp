// SPDX-License-Identifier: GPL-2.0-or-later
//
// UnicornEngine: x87 and SSE registers, for debuggers, as FXSAVE64 lays them out (SDM vol. 1, table 10-2):
//
//   0 FCW   2 FSW   4 FTW, a bit a register   24 MXCSR   28 MXCSR_MASK   32 ST0-7, 16 bytes each   160
//   XMM0-15
#include <cstring>

#include "cpu/unicorn/unicorn_engine.h"

namespace mmuscope {
namespace {

constexpr size_t kControl = 0, kStatus = 2, kTags = 4, kMxcsr = 24, kMxcsrMask = 28, kSt = 32, kXmm = 160;
constexpr unsigned kEmptyTag = 3;

// Unicorn numbers x87 registers as they are, FXSAVE from the top of the stack.
int fp_register(unsigned top, unsigned i) { return UC_X86_REG_FP0 + static_cast<int>((top + i) & 7); }

}  // namespace

CpuEngine::FxsaveImage UnicornEngine::fpu() {
  FxsaveImage image{};
  uint16_t control = 0, status = 0, tags = 0;
  uint32_t mxcsr = 0;
  uc_reg_read(uc_, UC_X86_REG_FPCW, &control);
  uc_reg_read(uc_, UC_X86_REG_FPSW, &status);
  uc_reg_read(uc_, UC_X86_REG_FPTAG, &tags);
  uc_reg_read(uc_, UC_X86_REG_MXCSR, &mxcsr);
  std::memcpy(&image[kControl], &control, 2);
  std::memcpy(&image[kStatus], &status, 2);
  std::memcpy(&image[kMxcsr], &mxcsr, 4);
  const uint32_t mask = 0xffff;
  std::memcpy(&image[kMxcsrMask], &mask, 4);
  const unsigned top = (status >> 11) & 7;
  for (unsigned i = 0; i < 8; ++i) {
    if (((tags >> (2 * i)) & 3) != kEmptyTag) image[kTags] |= static_cast<uint8_t>(1u << i);
    uint8_t value[16] = {};
    uc_reg_read(uc_, fp_register(top, i), value);
    std::memcpy(&image[kSt + 16 * i], value, 10);
  }
  for (unsigned i = 0; i < 16; ++i)
    uc_reg_read(uc_, UC_X86_REG_XMM0 + static_cast<int>(i), &image[kXmm + 16 * i]);
  return image;
}

void UnicornEngine::set_fpu(const FxsaveImage& image) {
  uint16_t control = 0, status = 0, tags = 0;
  uint32_t mxcsr = 0;
  std::memcpy(&control, &image[kControl], 2);
  std::memcpy(&status, &image[kStatus], 2);
  std::memcpy(&mxcsr, &image[kMxcsr], 4);
  for (unsigned i = 0; i < 8; ++i)
    if (!((image[kTags] >> i) & 1)) tags |= static_cast<uint16_t>(kEmptyTag << (2 * i));
  uc_reg_write(uc_, UC_X86_REG_FPCW, &control);
  uc_reg_write(uc_, UC_X86_REG_FPSW, &status);
  const unsigned top = (status >> 11) & 7;
  for (unsigned i = 0; i < 8; ++i) {
    uint8_t value[16] = {};
    std::memcpy(value, &image[kSt + 16 * i], 10);
    uc_reg_write(uc_, fp_register(top, i), value);
  }
  uc_reg_write(uc_, UC_X86_REG_FPTAG, &tags);
  uc_reg_write(uc_, UC_X86_REG_MXCSR, &mxcsr);
  for (unsigned i = 0; i < 16; ++i)
    uc_reg_write(uc_, UC_X86_REG_XMM0 + static_cast<int>(i), &image[kXmm + 16 * i]);
}

}  // namespace mmuscope
