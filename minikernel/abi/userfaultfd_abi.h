// SPDX-License-Identifier: GPL-2.0-or-later
//
// <linux/userfaultfd.h> as of Linux 6.18: what the installed header is too old for. Numbers and layouts are
// the kernel's interface to programs.
#pragma once

#include <linux/ioctl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>

namespace mk::uffd {

inline constexpr uint64_t kFeatureSigbus = UFFD_FEATURE_SIGBUS;
inline constexpr uint64_t kFeatureWpUnpopulated = 1 << 13;
inline constexpr uint64_t kFeaturePoison = 1 << 14;
inline constexpr uint64_t kFeatureWpAsync = 1 << 15;
inline constexpr uint64_t kFeatureMove = 1 << 16;
inline constexpr uint64_t kFeatures =
    UFFD_API_FEATURES | kFeatureWpUnpopulated | kFeaturePoison | kFeatureWpAsync | kFeatureMove;

inline constexpr uint64_t bit(unsigned number) { return 1ul << number; }
inline constexpr unsigned kMoveNumber = 0x05;
inline constexpr unsigned kPoisonNumber = 0x08;
inline constexpr uint64_t kRangeIoctls = bit(_UFFDIO_WAKE) | bit(_UFFDIO_COPY) | bit(_UFFDIO_ZEROPAGE) |
                                         bit(kMoveNumber) | bit(_UFFDIO_WRITEPROTECT) |
                                         bit(_UFFDIO_CONTINUE) | bit(kPoisonNumber);

inline constexpr uint64_t kContinueModeWp = 1 << 1;
inline constexpr uint64_t kMoveModeDontWake = 1 << 0;
inline constexpr uint64_t kMoveModeAllowHoles = 1 << 1;
inline constexpr uint64_t kPoisonModeDontWake = 1 << 0;

struct Move {
  uint64_t dst, src, len, mode;
  int64_t move;
};
struct Poison {
  uffdio_range range;
  uint64_t mode;
  int64_t updated;
};

inline constexpr unsigned kIoctlMove = _IOWR(UFFDIO, kMoveNumber, Move);
inline constexpr unsigned kIoctlPoison = _IOWR(UFFDIO, kPoisonNumber, Poison);
inline constexpr unsigned kIoctlNew = _IO(0xAA, 0x00);  // of /dev/userfaultfd

}  // namespace mk::uffd
