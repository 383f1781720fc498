// SPDX-License-Identifier: GPL-2.0-or-later
//
// Descriptors that are about memory. memfd_create(2): Linux mm/memfd.c; huge pages are not there (EINVAL, as
// where Linux has no hugetlbfs). userfaultfd(2).
#include <linux/fcntl.h>
#include <linux/memfd.h>

#include "fs/shmem.h"
#include "fs/userfaultfd.h"
#include "sys/syscall.h"

namespace mk {
namespace {

constexpr unsigned kNoExecSeal = 0x8;  // MFD_NOEXEC_SEAL and MFD_EXEC (6.3)
constexpr unsigned kExec = 0x10;
constexpr size_t kNameMaxBytes = 249;  // NAME_MAX without "memfd:"

}  // namespace

long sys_memfd_create(UserAddress name_address, unsigned flags) {
  if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | kNoExecSeal | kExec)) return -EINVAL;
  if ((flags & kNoExecSeal) && (flags & kExec)) return -EINVAL;
  char name[kNameMaxBytes + 1];
  long length = strncpy_from_user(name, name_address, sizeof(name));
  if (length < 0) return -EFAULT;
  if (length > static_cast<long>(kNameMaxBytes)) return -EINVAL;
  // MFD_NOEXEC_SEAL implies that seals can be added.
  uint32_t seals = flags & kNoExecSeal ? kSealExec : flags & MFD_ALLOW_SEALING ? 0 : F_SEAL_SEAL;
  Result<Ref<File>> file = memfd_open(name, flags & kNoExecSeal ? 0666 : 0777, seals);
  if (!file.ok()) return file.error();
  return install(*file, flags & MFD_CLOEXEC);
}

// All programs are root's: vm.unprivileged_userfaultfd binds nobody.
long sys_userfaultfd(unsigned flags) { return new_userfaultfd(flags); }

}  // namespace mk
