// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the system calls itself, in uname(2) and in /proc.
#pragma once

namespace mk {

inline constexpr char kSystemName[] = "Linux";
inline constexpr char kNodeName[] = "mmuscope";
// glibc refuses to start below the release it was configured for, so the release is one every libc accepts.
inline constexpr char kRelease[] = "6.1.0-minikernel";
inline constexpr char kVersion[] = "#1 minikernel";

}  // namespace mk
