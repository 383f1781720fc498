// SPDX-License-Identifier: GPL-2.0-or-later
//
// Who a process is: credentials(7). They are remembered and decide about limits; nothing else asks for
// permissions.
#include "mm/user_memory.h"
#include "sys/syscall.h"

namespace mk {
namespace {

constexpr uint32_t kKeep = ~0u;

UserIds& uids() { return current().process->uids; }
UserIds& gids() { return current().process->gids; }
bool is_root() { return uids().effective == 0; }

// The rules of setresuid(2): root may become anybody, others one of those they are already.
long set_all(UserIds& ids, uint32_t real, uint32_t effective, uint32_t saved) {
  SpinlockGuard guard(tasks_lock);
  const uint32_t all[] = {real, effective, saved};
  for (uint32_t wanted : all)
    if (wanted != kKeep && !is_root() && wanted != ids.real && wanted != ids.effective && wanted != ids.saved)
      return -EPERM;
  if (real != kKeep) ids.real = real;
  if (effective != kKeep) ids.effective = effective;
  if (saved != kKeep) ids.saved = saved;
  return 0;
}

long set_one(UserIds& ids, uint32_t wanted) {
  if (wanted == kKeep) return -EINVAL;
  return is_root() ? set_all(ids, wanted, wanted, wanted) : set_all(ids, kKeep, wanted, kKeep);
}

long set_two(UserIds& ids, uint32_t real, uint32_t effective) {
  uint32_t saved = real != kKeep || (effective != kKeep && effective != ids.real)
                       ? effective != kKeep ? effective : ids.effective
                       : kKeep;
  return set_all(ids, real, effective, saved);
}

long tell_all(const UserIds& ids, UserAddress real, UserAddress effective, UserAddress saved) {
  return put_user(real, ids.real) && put_user(effective, ids.effective) && put_user(saved, ids.saved)
             ? 0
             : -EFAULT;
}

}  // namespace

long sys_getuid() { return uids().real; }
long sys_geteuid() { return uids().effective; }
long sys_getgid() { return gids().real; }
long sys_getegid() { return gids().effective; }
long sys_setuid(uint32_t id) { return set_one(uids(), id); }
long sys_setgid(uint32_t id) { return set_one(gids(), id); }
long sys_setreuid(uint32_t real, uint32_t effective) { return set_two(uids(), real, effective); }
long sys_setregid(uint32_t real, uint32_t effective) { return set_two(gids(), real, effective); }
long sys_setresuid(uint32_t real, uint32_t effective, uint32_t saved) {
  return set_all(uids(), real, effective, saved);
}
long sys_setresgid(uint32_t real, uint32_t effective, uint32_t saved) {
  return set_all(gids(), real, effective, saved);
}
long sys_getresuid(UserAddress real, UserAddress effective, UserAddress saved) {
  return tell_all(uids(), real, effective, saved);
}
long sys_getresgid(UserAddress real, UserAddress effective, UserAddress saved) {
  return tell_all(gids(), real, effective, saved);
}
long sys_setgroups(uint64_t, UserAddress) { return is_root() ? 0 : -EPERM; }
long sys_getgroups(int, UserAddress) { return 0; }

}  // namespace mk
