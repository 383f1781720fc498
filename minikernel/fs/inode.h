// SPDX-License-Identifier: GPL-2.0-or-later
//
// A file's identity and what can be done to it. One class per kind of file derives from Inode and overrides
// what the kind can do; the defaults are the errors Linux gives. User memory is named by address and copied
// inside the operation, so an operation may fault and must hold no spinlock. Offsets and sizes are bytes.
// Operations return a byte count (or 0) or -errno.
//
// Pages: a mappable file gives page frames from its page cache by page(). The cache holds one reference for
// each; the caller takes its own. The cache lives as long as somebody has the file open or mapped
// (opened/closed), so that nothing is left when the last process is gone.
#pragma once

#include <asm/errno.h>
#include <asm/stat.h>
#include <linux/stat.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ref.h"
#include "lib/result.h"
#include "mm/frame_allocator.h"

namespace mk {

class File;

struct UserBuffer {
  uint64_t address;
  size_t size;
};

inline constexpr uint64_t make_device(uint32_t major, uint32_t minor) {
  return (static_cast<uint64_t>(major & 0xfff) << 8) | (minor & 0xff);
}

class Inode;

// Takes pages [first, first + count) of a file out of every page table; with `even_cows` also the copies that
// private mappings made of them (truncation, Linux's unmap_mapping_range). Called without a spinlock held.
void unmap_mapping_range(Inode& inode, uint64_t first, uint64_t count, bool even_cows);

class Inode : public RefCounted {
 public:
  explicit Inode(uint32_t file_mode) : mode(file_mode) {
    static uint64_t last_number = 0;
    number = __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED);
  }
  virtual ~Inode() = default;

  bool is_directory() const { return S_ISDIR(mode); }
  bool is_regular() const { return S_ISREG(mode); }
  bool is_symlink() const { return S_ISLNK(mode); }

  virtual long read(File&, uint64_t, UserBuffer) { return is_directory() ? -EISDIR : -EINVAL; }
  virtual long write(File&, uint64_t, UserBuffer) { return -EINVAL; }
  virtual long ioctl(File&, unsigned, uint64_t) { return -ENOTTY; }
  virtual short poll(File&);  // POLLIN, POLLOUT: what would not block
  virtual bool seekable() const { return is_regular() || is_directory(); }

  // Contents for the kernel's own use; short at the end of the file.
  virtual long read_kernel(uint64_t, void*, size_t) { return -EINVAL; }
  // The target of a symbolic link, not terminated; at most `size` bytes.
  virtual long readlink(char*, size_t) { return -EINVAL; }

  virtual bool mappable() const { return false; }
  // Mapping it privately gives anonymous memory (/dev/zero).
  virtual bool maps_as_anonymous() const { return false; }
  // The frame that holds page `index`, which lies inside the file, with a reference for the caller; 0 when
  // memory is out.
  virtual Pfn page(uint64_t index);
  virtual bool page_cached(uint64_t) const { return false; }
  // The same as an answer. ENXIO: beyond the end of the file (SIGBUS); ENOMEM.
  Result<Pfn> get_page(uint64_t index) {
    if (index >= (size + 4095) / 4096) return Errno{ENXIO};
    Pfn pfn = page(index);
    if (pfn == 0) return Errno{ENOMEM};
    return pfn;
  }
  // The frame in the cache now, without a reference; 0 when there is none.
  virtual Pfn cached_page(uint64_t) const { return 0; }

  // For mmap(MAP_SHARED) with or without PROT_WRITE: -EPERM when a seal forbids it; else whether the area may
  // become writable later (VM_MAYWRITE), which is never more than the open file allows.
  virtual Result<bool> map_shared(bool) { return true; }
  // Areas with VM_SHARED and VM_MAYWRITE are counted: one call for each that comes to be (mmap, fork, split)
  // and one for each that ends. -EPERM: sealed since map_shared; never for the copy or part of a counted one.
  virtual long writable_mapping_added() { return 0; }
  virtual void writable_mapping_removed() {}
  // fallocate(2) with FALLOC_FL_* `fl_mode`, arguments checked.
  virtual long allocate(int, uint64_t, uint64_t) { return -ENODEV; }

  virtual void opened() {}
  virtual void closed() {}

  uint64_t number;
  uint32_t mode;
  uint32_t links = 1;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t size = 0;
  uint64_t device = 0;   // of a device file
  int64_t modified = 0;  // seconds since 1970
};

}  // namespace mk
