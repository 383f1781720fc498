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
#include "sys/system_name.h"

namespace mk {

long sys_uname(UserAddress out) {
  new_utsname name = {};
  memcpy(name.sysname, kSystemName, sizeof(kSystemName));
  memcpy(name.nodename, kNodeName, sizeof(kNodeName));
  memcpy(name.release, kRelease, sizeof(kRelease));
  memcpy(name.version, kVersion, sizeof(kVersion));
  memcpy(name.machine, "x86_64", sizeof("x86_64"));
  memcpy(name.domainname, "(none)", sizeof("(none)"));
  return put_user(out, name) ? 0 : -EFAULT;
}

long sys_sysinfo(UserAddress out) {
  struct sysinfo info;
  memset(&info, 0, sizeof(info));
  info.uptime = static_cast<long>(now_ns() / 1'000'000'000);
  info.totalram = total_frame_count() * 4096;
  info.freeram = free_frame_count() * 4096;
  {
    SpinlockGuard guard(tasks_lock);
    info.procs = static_cast<uint16_t>(task_count());
  }
  info.mem_unit = 1;
  return put_user(out, info) ? 0 : -EFAULT;
}

long sys_getrandom(UserAddress buffer, uint64_t size, unsigned flags) {
  if (flags & ~static_cast<unsigned>(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) return -EINVAL;
  if ((flags & (GRND_INSECURE | GRND_RANDOM)) == (GRND_INSECURE | GRND_RANDOM)) return -EINVAL;
  return random_to_user(UserBuffer{buffer, min(size, static_cast<uint64_t>(INT32_MAX))});
}

}  // namespace mk
