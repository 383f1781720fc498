// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the system is: names, memory figures, random bytes.
#include <linux/random.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

#include "arch/x86_64/clock.h"
#include "fs/dev.h"
#include "lib/string.h"
#include "mm/frame_allocator.h"
#include "sys/syscall.h"

namespace mk {

long sys_uname(UserAddress out) {
  // glibc refuses to start below the release it was configured for, so the release is one every libc accepts.
  static const new_utsname kName = {.sysname = "Linux",
                                    .nodename = "mmuscope",
                                    .release = "6.1.0-minikernel",
                                    .version = "#1 minikernel",
                                    .machine = "x86_64",
                                    .domainname = "(none)"};
  return put_user(out, kName) ? 0 : -EFAULT;
}

long sys_sysinfo(UserAddress out) {
  struct sysinfo info;
  memset(&info, 0, sizeof(info));
  info.uptime = static_cast<long>(now_ns() / 1'000'000'000);
  info.totalram = total_frame_count() * 4096;
  info.freeram = free_frame_count() * 4096;
  info.procs = 1;
  info.mem_unit = 1;
  return put_user(out, info) ? 0 : -EFAULT;
}

long sys_getrandom(UserAddress buffer, uint64_t size, unsigned flags) {
  if (flags & ~static_cast<unsigned>(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) return -EINVAL;
  if ((flags & (GRND_INSECURE | GRND_RANDOM)) == (GRND_INSECURE | GRND_RANDOM)) return -EINVAL;
  return random_to_user(UserBuffer{buffer, min(size, static_cast<uint64_t>(INT32_MAX))});
}

}  // namespace mk
