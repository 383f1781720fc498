// SPDX-License-Identifier: GPL-2.0-or-later
//
// From file to file inside the kernel: sendfile(2) and copy_file_range(2). Data passes through a page of the
// kernel; sendfile into a pipe is a splice.
#include <linux/fcntl.h>
#include <linux/fs.h>

#include "fs/file.h"
#include "fs/splice.h"
#include "fs/transfer.h"
#include "sys/syscall.h"

namespace mk {
namespace {

constexpr size_t kPart = 4096;

// An end of a transfer: at an offset the caller gave, or at the file's own position.
struct End {
  File& file;
  uint64_t offset;
  bool own;

  void finish(UserAddress out) const {
    if (own) {
      __atomic_store_n(&file.position, offset, __ATOMIC_RELAXED);
    } else {
      put_user(out, offset);
    }
  }
};

long copy(End& from, End& to, uint64_t bytes) {
  char* buffer = static_cast<char*>(kmalloc(kPart));
  if (buffer == nullptr) return -ENOMEM;
  Mutex* contents = to.file.inode().is_regular() ? &to.file.inode().io_lock : nullptr;
  if (contents != nullptr) contents->lock();
  uint64_t done = 0;
  long moved = 0;
  while (done < bytes) {
    moved = from.file.inode().read_kernel(from.offset, buffer, min(bytes - done, kPart));
    if (moved <= 0) break;
    long read = moved;
    moved = to.file.inode().write_kernel(to.file, to.offset, buffer, static_cast<size_t>(read));
    if (moved <= 0) break;
    from.file.inode().advance(from.offset, moved);
    to.file.inode().advance(to.offset, moved);
    done += static_cast<uint64_t>(moved);
    if (moved < read) break;
  }
  if (contents != nullptr) contents->unlock();
  kfree(buffer);
  return done > 0 ? static_cast<long>(done) : moved;
}

// False when the address cannot be read; a null address is the file's own position.
bool get_offset(UserAddress address, const File& file, uint64_t& offset) {
  offset = file.position;
  return address == 0 || get_user(offset, address);
}

// Linux's do_sendfile() once both ends are known.
long send(End& from, End& to, uint64_t bytes) {
  Inode& source = from.file.inode();
  if (Pipe* pipe = to.file.inode().pipe())
    return file_to_pipe(from.file, from.offset, *pipe, bytes,
                        to.file.flags & O_NONBLOCK ? kSpliceNonblock : 0);
  if (to.file.appends()) return -EINVAL;
  if (!source.seekable() && !source.stays_at_start()) return -EINVAL;
  if (bytes > 0 && !(source.splices_from() && to.file.inode().splices_to())) return -EINVAL;
  return copy(from, to, bytes);
}

}  // namespace

long sys_sendfile(int out, int in, UserAddress offset_address, uint64_t count) {
  uint64_t offset = 0;
  if (offset_address != 0 && !get_user(offset, offset_address)) return -EFAULT;
  Ref<File> from = current().files->get(in);
  if (!from || !from->readable()) return -EBADF;
  if (offset_address == 0) offset = from->position;
  if (offset_address != 0 && !from->inode().seekable()) return -ESPIPE;
  if (long error = check_range(offset, count); error < 0) return error;
  Ref<File> to = current().files->get(out);
  if (!to || !to->writable()) return -EBADF;
  End source{*from, offset, offset_address == 0};
  End target{*to, to->position, true};
  long done = send(source, target, min(count, kMaxTransfer));
  if (done > 0) {
    source.finish(offset_address);
    if (to->inode().seekable()) target.finish(0);
  }
  return done;
}

long sys_copy_file_range(int in, UserAddress in_address, int out, UserAddress out_address, uint64_t count,
                         unsigned flags) {
  Ref<File> from = current().files->get(in);
  Ref<File> to = current().files->get(out);
  if (!from || !to || from->path_only() || to->path_only()) return -EBADF;
  uint64_t from_offset = 0, to_offset = 0;
  if (!get_offset(in_address, *from, from_offset) || !get_offset(out_address, *to, to_offset)) return -EFAULT;
  if (flags != 0) return -EINVAL;
  if (from->inode().is_directory() || to->inode().is_directory()) return -EISDIR;
  if (!from->inode().is_regular() || !to->inode().is_regular()) return -EINVAL;
  if (!from->readable() || !to->writable() || to->appends()) return -EBADF;
  if (from_offset + count < from_offset || to_offset + count < to_offset) return -EOVERFLOW;
  if (static_cast<int64_t>(from_offset | to_offset) < 0) return -EINVAL;
  uint64_t size = from->inode().size;
  count = from_offset >= size ? 0 : min(count, size - from_offset);
  bool overlap = from_offset < to_offset + count && to_offset < from_offset + count;
  if (&from->inode() == &to->inode() && overlap) return -EINVAL;
  End source{*from, from_offset, in_address == 0};
  End target{*to, to_offset, out_address == 0};
  long done = copy(source, target, min(count, kMaxTransfer));
  if (done > 0) {
    source.finish(in_address);
    target.finish(out_address);
  }
  return done;
}

}  // namespace mk
