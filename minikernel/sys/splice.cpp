// SPDX-License-Identifier: GPL-2.0-or-later
//
// splice, tee and vmsplice: Linux fs/splice.c's system calls, with their checks in its order.
#include "fs/splice.h"

#include <linux/fcntl.h>

#include "fs/transfer.h"
#include "sys/syscall.h"

namespace mk {
namespace {

constexpr unsigned kAllFlags = kSpliceMove | kSpliceNonblock | kSpliceMore | kSpliceGift;

unsigned with_mode_of(unsigned flags, const File& file) {
  return flags | (file.flags & O_NONBLOCK ? kSpliceNonblock : 0);
}

// The file's end of a splice: where it begins, and where the next one does. What the program's pointer says
// is read before anything else is looked at.
class FileEnd {
 public:
  explicit FileEnd(UserAddress address) : address_(address) {}

  bool get_offset() { return address_ == 0 || get_user(offset, address_); }
  long begin(File& file, uint64_t bytes) {
    if (address_ == 0) offset = file.inode().seekable() ? file.position : 0;
    if (address_ != 0 && !file.inode().seekable()) return -EINVAL;
    return check_range(offset, bytes);
  }
  // False: the program's offset cannot be written.
  bool put_offset(File& file) {
    if (address_ != 0) return put_user(address_, offset);
    if (file.inode().seekable()) file.position = offset;
    return true;
  }

  uint64_t offset = 0;

 private:
  UserAddress address_;
};

long splice_from_file(File& from, FileEnd& end, Pipe& pipe, uint64_t bytes, unsigned flags) {
  if (long error = end.begin(from, bytes); error < 0) return error;
  long done = file_to_pipe(from, end.offset, pipe, min(bytes, kMaxTransfer), flags);
  return done >= 0 && !end.put_offset(from) ? -EFAULT : done;
}

long splice_to_file(Pipe& pipe, File& to, FileEnd& end, uint64_t bytes, unsigned flags) {
  if (to.appends()) return -EINVAL;
  if (long error = end.begin(to, bytes); error < 0) return error;
  long done = pipe_to_file(pipe, to, end.offset, min(bytes, kMaxTransfer), flags);
  return done >= 0 && !end.put_offset(to) ? -EFAULT : done;
}

}  // namespace

long sys_splice(int in, UserAddress in_offset, int out, UserAddress out_offset, uint64_t bytes,
                unsigned flags) {
  if (bytes == 0) return 0;
  if (flags & ~kAllFlags) return -EINVAL;
  Ref<File> from = current().files->get(in);
  Ref<File> to = current().files->get(out);
  if (!from || !to || from->path_only() || to->path_only()) return -EBADF;
  Pipe* source = from->inode().pipe();
  Pipe* target = to->inode().pipe();
  if ((source != nullptr && in_offset != 0) || (target != nullptr && out_offset != 0)) return -ESPIPE;
  FileEnd in_end(in_offset), out_end(out_offset);
  if (!out_end.get_offset() || !in_end.get_offset()) return -EFAULT;
  if (!from->readable() || !to->writable()) return -EBADF;
  if (source != nullptr && target != nullptr) {
    if (source == target) return -EINVAL;
    return pipe_to_pipe(*source, *target, bytes, with_mode_of(with_mode_of(flags, *from), *to), false);
  }
  if (source != nullptr) return splice_to_file(*source, *to, out_end, bytes, with_mode_of(flags, *from));
  if (target != nullptr) return splice_from_file(*from, in_end, *target, bytes, with_mode_of(flags, *to));
  return -EINVAL;
}

long sys_tee(int in, int out, uint64_t bytes, unsigned flags) {
  if (flags & ~kAllFlags) return -EINVAL;
  if (bytes == 0) return 0;
  Ref<File> from = current().files->get(in);
  Ref<File> to = current().files->get(out);
  if (!from || !to || !from->readable() || !to->writable()) return -EBADF;
  Pipe* source = from->inode().pipe();
  Pipe* target = to->inode().pipe();
  if (source == nullptr || target == nullptr || source == target) return -EINVAL;
  return pipe_to_pipe(*source, *target, bytes, with_mode_of(with_mode_of(flags, *from), *to), true);
}

long sys_vmsplice(int fd, UserAddress vector, uint64_t count, unsigned flags) {
  if (flags & ~kAllFlags) return -EINVAL;
  Ref<File> file = current().files->get(fd);
  if (!file || (!file->readable() && !file->writable())) return -EBADF;
  UserParts parts;
  if (long error = parts.import(vector, count); error < 0) return error;
  if (parts.left() == 0) return 0;
  Pipe* pipe = file->inode().pipe();
  if (pipe == nullptr) return -EBADF;
  return file->writable() ? user_pages_to_pipe(*pipe, parts, flags) : pipe_to_user(*pipe, parts, flags);
}

}  // namespace mk
