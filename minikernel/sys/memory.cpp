// SPDX-License-Identifier: GPL-2.0-or-later
//
// Memory: the arguments that name files or user memory; the rest is mm/.
#include <asm/mman.h>
#include <asm/unistd.h>
#include <linux/mman.h>

#include "arch/x86_64/memory_layout.h"
#include "sys/syscall.h"

namespace mk {

long sys_mmap(uint64_t address, uint64_t length, uint64_t prot, uint64_t flags, int fd, uint64_t offset) {
  if (!page_aligned(offset)) return -EINVAL;
  Ref<File> file;
  if (!(flags & MAP_ANONYMOUS)) {
    file = current().files->get(fd);
    if (!file || file->path_only()) return -EBADF;
  } else {
    offset = 0;
  }
  if (flags & MAP_HUGETLB) {
    log_unimplemented(__NR_mmap, "MAP_HUGETLB");
    return -EINVAL;
  }
  return current().mm->mmap(address, length, prot, flags, file, offset);
}

long sys_munmap(uint64_t address, uint64_t length) { return current().mm->munmap(address, length); }

long sys_mprotect(uint64_t address, uint64_t length, uint64_t prot) {
  return current().mm->mprotect(address, length, prot);
}

long sys_mremap(uint64_t address, uint64_t old_length, uint64_t new_length, uint64_t flags,
                uint64_t new_address) {
  return current().mm->mremap(address, old_length, new_length, flags, new_address);
}

long sys_brk(uint64_t address) { return current().mm->brk(address); }

long sys_madvise(uint64_t address, uint64_t length, int advice) {
  return current().mm->madvise(address, length, advice);
}

long sys_mincore(uint64_t address, uint64_t length, UserAddress vector) {
  if (!page_aligned(address)) return -EINVAL;
  if (address > kUserEnd || length > kUserEnd - address) return -ENOMEM;
  uint64_t pages = page_align_up(length) / kPageSize;
  for (uint64_t i = 0; i < pages; ++i) {
    long resident = current().mm->mincore(address + i * kPageSize);
    if (resident < 0) return resident;
    if (!put_user(vector + i, static_cast<uint8_t>(resident))) return -EFAULT;
  }
  return 0;
}

long sys_msync(uint64_t address, uint64_t length, int flags) {
  return current().mm->msync(address, length, flags);
}

long sys_mlock(uint64_t address, uint64_t length) { return current().mm->mlock(address, length, kVmLocked); }

long sys_mlock2(uint64_t address, uint64_t length, int flags) {
  if (flags & ~MLOCK_ONFAULT) return -EINVAL;
  uint64_t lock = kVmLocked | (flags & MLOCK_ONFAULT ? kVmLockOnFault : 0);
  return current().mm->mlock(address, length, lock);
}

long sys_munlock(uint64_t address, uint64_t length) { return current().mm->mlock(address, length, 0); }

long sys_mlockall(int flags) { return current().mm->mlockall(static_cast<unsigned>(flags)); }

long sys_munlockall() { return current().mm->munlockall(); }

long sys_mseal(uint64_t address, uint64_t length, uint64_t flags) {
  return flags != 0 ? -EINVAL : current().mm->mseal(address, length);
}

// Protection keys, as on a processor without them.
long sys_pkey_alloc(uint64_t flags, uint64_t rights) {
  if (flags != 0 || (rights & ~static_cast<uint64_t>(PKEY_ACCESS_MASK))) return -EINVAL;
  return -ENOSPC;
}

long sys_pkey_free(int) { return -EINVAL; }

long sys_pkey_mprotect(uint64_t address, uint64_t length, uint64_t prot, int key) {
  return key == -1 ? sys_mprotect(address, length, prot) : -EINVAL;
}

}  // namespace mk
