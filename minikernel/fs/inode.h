// SPDX-License-Identifier: GPL-2.0-or-later
//
// A file's identity and what can be done to it. One class per kind of file derives from Inode and overrides
// what the kind can do; the defaults are the errors Linux gives. User memory is named by address and copied
// inside the operation, so an operation may fault and must hold no spinlock. Offsets and sizes are bytes.
// Operations return a byte count (or 0) or -errno.
//
// io_lock, which may sleep, makes changes of a regular file's contents one step each (Linux's i_rwsem):
// whoever calls write(), append() or write_kernel() holds it, truncate() and allocate() take it. Pipes and
// devices do without.
//
// Pages: a mappable file gives page frames by get_page(), with a reference for the caller. Whoever shortens a
// file changes its size first and then takes the pages out of page tables (unmap_mapping_range, which takes
// each mmap_lock for writing): a fault holds its mmap_lock from get_page() until the entry stands, and can
// therefore never leave a page mapped that the file has lost.
#pragma once

#include <asm/errno.h>
#include <asm/stat.h>
#include <linux/stat.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/dir_entry.h"
#include "lib/ref.h"
#include "lib/result.h"
#include "mm/frame_allocator.h"
#include "proc/wait_queue.h"

namespace mk {

class Dentry;
class Epoll;
class File;
class Parts;
class Pipe;
class Ring;
class Inode;
class Process;
class TextBuffer;

struct UserBuffer {
  uint64_t address;
  size_t size;
};

inline constexpr uint64_t make_device(uint32_t major, uint32_t minor) {
  return (static_cast<uint64_t>(major & 0xfff) << 8) | (minor & 0xff);
}

// Which file system a file seems to be in: st_dev, statfs, and what can be created in its directories.
// kNameless: memory (memfd); kAnonymous: pipes and all else that only descriptors lead to.
enum class FileSystem : uint8_t { kRoot, kProc, kSys, kNameless, kAnonymous };

// Takes pages [first, first + count) of a file out of every page table; with `even_cows` also the copies that
// private mappings made of them (truncation, Linux's unmap_mapping_range). Called without a spinlock held.
void unmap_mapping_range(Inode& inode, uint64_t first, uint64_t count, bool even_cows);

class Inode : public RefCounted {
 public:
  explicit Inode(uint32_t file_mode);
  virtual ~Inode() = default;

  bool is_directory() const { return S_ISDIR(mode); }
  bool is_regular() const { return S_ISREG(mode); }
  bool is_symlink() const { return S_ISLNK(mode); }

  Mutex io_lock;

  virtual long read(File&, uint64_t, UserBuffer) { return is_directory() ? -EISDIR : -EINVAL; }
  virtual long write(File&, uint64_t, UserBuffer) { return -EINVAL; }
  // Files whose transfers are messages, without a position: all parts of a readv or writev in one operation
  // (Linux's read_iter and write_iter). kPartByPart: read() and write() do it.
  static constexpr long kPartByPart = -4096;  // no errno
  virtual long read_parts(File&, Parts&) { return kPartByPart; }
  virtual long write_parts(File&, Parts&) { return kPartByPart; }
  // O_APPEND: writes at the end; `end` becomes the end of what was written.
  virtual long append(File& file, uint64_t& end, UserBuffer buffer);
  virtual long ioctl(File&, unsigned, uint64_t) { return -ENOTTY; }
  virtual short poll(File&);  // POLLIN, POLLOUT: what would not block
  // What wakes when poll() may say something else; null: it never does.
  virtual WaitQueue* poll_queue() { return nullptr; }
  virtual bool can_poll() { return poll_queue() != nullptr; }  // be in an epoll set (Linux's file_can_poll)
  // A program asks without waiting: a look for input that would otherwise be taken when nothing else runs.
  virtual void look_for_input() {}
  virtual long pipe_control(unsigned, uint64_t) { return -EBADF; }  // F_SETPIPE_SZ, F_GETPIPE_SZ
  virtual Pipe* pipe() { return nullptr; }                          // what it is an end of
  virtual Ring* io_ring() { return nullptr; }                       // whose file it is
  virtual Epoll* epoll() { return nullptr; }                        // that it is
  virtual bool is_event_fd() const { return false; }
  virtual bool seekable() const { return is_regular() || is_directory(); }
  // lseek says 0 and changes nothing, and no transfer moves the position (Linux's null_lseek, noop_llseek).
  virtual bool stays_at_start() const { return false; }
  void advance(uint64_t& position, long bytes) const {
    if (!stays_at_start()) position += static_cast<uint64_t>(bytes);
  }
  virtual void describe(TextBuffer&) {}                     // more lines for /proc/PID/fdinfo
  virtual bool is_timer() const { return false; }           // timerfd
  virtual Process* process() { return nullptr; }            // that a pidfd refers to
  virtual bool has_end() const { return !is_directory(); }  // for lseek's SEEK_END and those below
  // lseek's SEEK_DATA and SEEK_HOLE. By default all is data up to the end.
  virtual long seek_data_or_hole(uint64_t offset, bool hole);

  // splice and sendfile from and to it (Linux's splice_read and splice_write).
  virtual bool splices_from() const { return is_regular(); }
  virtual bool splices_to() const { return is_regular(); }
  virtual bool can_signal() const { return false; }  // O_ASYNC (Linux's fasync)
  virtual bool can_direct() const { return false; }  // O_DIRECT (Linux's FMODE_CAN_ODIRECT)
  // Contents for the kernel's own use; short at the end of the file.
  virtual long read_kernel(uint64_t, void*, size_t) { return -EINVAL; }
  virtual long write_kernel(File&, uint64_t, const void*, size_t) { return -EINVAL; }
  virtual long truncate(uint64_t) { return -EINVAL; }
  // fallocate(2) with FALLOC_FL_* `fl_mode`, arguments checked.
  virtual long allocate(int, uint64_t, uint64_t) { return -ENODEV; }
  virtual uint64_t blocks() const { return 0; }  // of 512 bytes
  // fcntl's F_GET_SEALS and F_ADD_SEALS.
  virtual long get_seals() { return -EINVAL; }
  virtual long add_seals(uint32_t) { return -EINVAL; }

  // The target of a symbolic link, not terminated; at most `size` bytes.
  virtual long readlink(char*, size_t) { return -EINVAL; }
  // A link of /proc that leads to an open file or directory, whatever its text says (nd_jump_link).
  virtual bool is_magic_link() const { return false; }
  virtual Result<Ref<Dentry>> jump();

  // Names of a directory that are not in the tree of names but made when asked for (/proc/PID).
  virtual Result<Ref<Inode>> lookup(const char*, size_t) { return Errno{ENOENT}; }
  // The first such name at `entry.position` or above: fills `entry`, its position included. False: no more.
  virtual bool next_entry(DirEntry&) { return false; }

  virtual bool mappable() const { return false; }
  // Whether a mapping may begin at an offset. -errno.
  virtual long check_mapping(uint64_t) { return 0; }
  // What is mapped is the kernel's: never executed (Linux's path_noexec, of all anonymous inodes), and no
  // longer than it was made (VM_DONTEXPAND).
  virtual bool maps_kernel_memory() const { return false; }
  // Mapping it privately gives anonymous memory (/dev/zero).
  virtual bool maps_as_anonymous() const { return false; }
  // The frame of page `index`, with a reference for the caller. ENXIO: beyond the end of the file (SIGBUS);
  // ENOMEM. May be called with a page-table lock held.
  virtual Result<Pfn> get_page(uint64_t index);
  // The frame in the cache now, without a reference; 0 when there is none.
  virtual Pfn cached_page(uint64_t) const { return 0; }
  bool page_cached(uint64_t index) const { return cached_page(index) != 0; }

  // What userfaultfd needs of a file's pages; only files of which all is in memory have it (Linux's shmem).
  virtual bool is_shmem() const { return false; }
  virtual bool has_page(uint64_t index) const { return page_cached(index); }  // it is no hole
  // Fills a hole; takes over the caller's reference. -EEXIST; -EFAULT: beyond the end; -ENOMEM. May be called
  // with a page-table lock held.
  virtual long add_page(uint64_t, Pfn) { return -EINVAL; }

  // Memory of a device: how many pages of it can be mapped (0: the file is none), and their frames, which
  // nobody counts.
  virtual uint64_t device_pages() const { return 0; }
  virtual Pfn device_page(uint64_t) const { return 0; }

  // For mmap(MAP_SHARED) with or without PROT_WRITE: -EPERM when a seal forbids it; else whether the area may
  // become writable later (VM_MAYWRITE), which is never more than the open file allows.
  virtual Result<bool> map_shared(bool) { return true; }
  // Areas with VM_SHARED and VM_MAYWRITE are counted: one call for each that comes to be (mmap, fork, split)
  // and one for each that ends. -EPERM: sealed since map_shared; never for the copy or part of a counted one.
  virtual long writable_mapping_added() { return 0; }
  virtual void writable_mapping_removed() {}

  // A new open file, before it gets a descriptor: may refuse it.
  virtual long open(File&) { return 0; }
  virtual void opened(File&) {}
  virtual void closed(File&) {}
  // For the end of the machine: drops what can be had again or is not needed any more.
  virtual void forget_contents() {}

  // Linux's i_writecount: a file is open for writing, or being executed, not both. -ETXTBSY.
  long get_write_access() { return change_writers(1); }
  void put_write_access() { __atomic_fetch_sub(&writers_, 1, __ATOMIC_RELAXED); }
  long deny_write_access() { return change_writers(-1); }
  void allow_write_access() { __atomic_fetch_add(&writers_, 1, __ATOMIC_RELAXED); }

  uint64_t number;
  uint32_t mode;
  uint32_t links = 1;     // guarded by tree_lock (fs/dentry.h)
  bool linkable = false;  // without a name, and may still get one (O_TMPFILE)
  uint32_t uid = 0;
  uint32_t gid = 0;
  FileSystem file_system = FileSystem::kRoot;
  uint64_t size = 0;
  uint64_t device = 0;                             // of a device file
  uint32_t flock_shared = 0, flock_exclusive = 0;  // locks held; guarded by fs/flock.cpp
  uint64_t accessed_ns, modified_ns, changed_ns;   // since 1970

 private:
  long change_writers(int by);

  int writers_ = 0;
};

}  // namespace mk
