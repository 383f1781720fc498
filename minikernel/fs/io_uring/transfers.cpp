// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reads and writes of io_uring (Linux io_uring/rw.c). There are two ways to the memory: by references that
// were taken at submission (registered buffers; files open with O_DIRECT, for which Linux up to 6.x takes
// FOLL_GET references) the bytes go to the frames, as a device's do; else they go where the program's page
// table leads when they are there.
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/uio.h>

#include "fs/io_uring/operations.h"
#include "fs/io_uring/ring.h"
#include "fs/transfer.h"
#include "lib/string.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {
namespace {

Direction direction_of(const Request& request) {
  switch (request.sqe.opcode) {
    case IORING_OP_READ:
    case IORING_OP_READV:
    case IORING_OP_READ_FIXED:
      return Direction::kRead;
  }
  return Direction::kWrite;
}

long add_vector(Request& request) {
  uint32_t count = request.sqe.len;
  if (count > UIO_MAXIOV) return -EINVAL;
  if (long error = request.parts.resize(count); error < 0) return error;
  for (uint32_t i = 0; i < count; ++i) {
    iovec part;
    if (!get_user(part, request.sqe.addr + i * sizeof(part))) return -EFAULT;
    if (static_cast<int64_t>(part.iov_len) < 0) return -EINVAL;
    request.parts[i].address = reinterpret_cast<uint64_t>(part.iov_base);
    request.parts[i].bytes = part.iov_len;
  }
  return 0;
}

// Of a registered buffer.
long use_buffer(Ring& ring, Request& request, TransferPart& part) {
  Ref<PinnedPages> pages = ring.resources().buffer(request.sqe.buf_index);
  if (!pages || !pages->contains(part.address, part.bytes)) return -EFAULT;
  part.pages = pages;
  return 0;
}

long take_pages(const Request& request, TransferPart& part) {
  if (part.bytes == 0) return 0;
  unsigned flags = kFollGet | (direction_of(request) == Direction::kRead ? kFollWrite : 0);
  Result<Ref<PinnedPages>> pages = PinnedPages::take(*current().mm, part.address, part.bytes, flags);
  if (!pages.ok()) return pages.error();
  part.pages = *pages;
  return 0;
}

// The memory of all parts, as far as it is known by frames.
long find_memory(Ring& ring, Request& request) {
  bool fixed = request.sqe.opcode == IORING_OP_READ_FIXED || request.sqe.opcode == IORING_OP_WRITE_FIXED;
  bool direct = request.file && (request.file->flags & O_DIRECT);
  for (uint32_t i = 0; i < request.parts.count(); ++i) {
    TransferPart& part = request.parts[i];
    long error = fixed ? use_buffer(ring, request, part) : direct ? take_pages(request, part) : 0;
    if (error < 0) return error;
  }
  if (!fixed && !direct) request.mm = current().mm;
  return 0;
}

bool appends(Direction direction, const Request& request) {
  return appends(direction, *request.file, static_cast<int>(request.sqe.rw_flags));
}

unsigned follow_flags(Direction direction) {
  return kFollGet | (direction == Direction::kRead ? kFollWrite : 0);
}

// To or from another task's memory, page by page: each is had before data is taken for it, so that none is
// lost.
long transfer_to_mm(Direction direction, Request& request, const TransferPart& part, uint64_t* position) {
  size_t done = 0;
  while (done < part.bytes) {
    uint64_t at = part.address + done;
    size_t piece = min(part.bytes - done, static_cast<size_t>(kPageSize - at % kPageSize));
    PageRef page;
    long moved = get_user_pages(*request.mm, at, 1, follow_flags(direction), &page);
    if (moved == 1) {
      moved = transfer_kernel(direction, *request.file, static_cast<char*>(page_bytes(page)) + at % kPageSize,
                              piece, position, appends(direction, request));
      put_user_page(page);
    }
    if (moved < 0) return done > 0 ? static_cast<long>(done) : moved;
    done += static_cast<size_t>(moved);
    if (static_cast<size_t>(moved) < piece) break;
  }
  return static_cast<long>(done);
}

long transfer_to_frames(Direction direction, Request& request, const TransferPart& part, uint64_t* position) {
  size_t done = 0;
  while (done < part.bytes) {
    size_t piece = part.bytes - done;
    char* memory = part.pages->piece(part.address + done, piece);
    long moved =
        transfer_kernel(direction, *request.file, memory, piece, position, appends(direction, request));
    if (moved < 0) return done > 0 ? static_cast<long>(done) : moved;
    done += static_cast<size_t>(moved);
    if (static_cast<size_t>(moved) < piece) break;
  }
  return static_cast<long>(done);
}

long transfer_part(Direction direction, Request& request, const TransferPart& part, uint64_t* position) {
  if (part.pages) return transfer_to_frames(direction, request, part, position);
  if (request.mm == current().mm)
    return transfer(direction, *request.file, UserBuffer{part.address, part.bytes}, position,
                    appends(direction, request));
  return transfer_to_mm(direction, request, part, position);
}

// All of a request's memory, for files that want it whole. Who takes it may hold a lock that others wait for:
// of another address space (in flight) only what is there is moved, no monitor of userfaultfd is waited for.
class RequestParts final : public Parts {
 public:
  RequestParts(Request& request, Direction direction) : request_(request), direction_(direction) {
    for (uint32_t i = 0; i < request.parts.count(); ++i) left_ += request.parts[i].bytes;
  }
  size_t copy_in(void* to, size_t bytes) override { return move(static_cast<char*>(to), bytes); }
  size_t copy_out(const void* from, size_t bytes) override {
    return move(static_cast<char*>(const_cast<void*>(from)), bytes);  // which is only read
  }
  // The page that was not there; 0: all were.
  uint64_t missing() const { return missing_; }

 private:
  size_t move(char* kernel, size_t bytes) {
    size_t done = 0;
    while (done < bytes) {
      TransferPart& part = request_.parts[index_];
      size_t piece = min(bytes - done, part.bytes - within_);
      size_t moved = move_piece(part, part.address + within_, kernel + done, piece);
      if (moved == 0 && piece > 0) break;
      done += moved;
      left_ -= moved;
      within_ += moved;
      if (within_ == part.bytes) {
        ++index_;
        within_ = 0;
      }
    }
    return done;
  }
  // As much of it as lies in one frame or, of the program that runs, can be touched.
  size_t move_piece(TransferPart& part, uint64_t at, char* kernel, size_t piece) {
    if (piece == 0) return 0;
    bool reads = direction_ == Direction::kRead;
    if (part.pages) {
      char* memory = part.pages->piece(at, piece);
      copy(memory, kernel, piece);
      return piece;
    }
    if (request_.mm == current().mm) {
      long moved = reads ? copy_out_some(at, kernel, piece) : copy_in_some(kernel, at, piece);
      return static_cast<size_t>(max(moved, 0l));
    }
    piece = min(piece, static_cast<size_t>(kPageSize - at % kPageSize));
    PageRef page;
    if (get_user_pages(*request_.mm, at, 1, follow_flags(direction_) | kFollNoWait, &page) != 1) {
      missing_ = at;
      return 0;
    }
    copy(static_cast<char*>(page_bytes(page)) + at % kPageSize, kernel, piece);
    put_user_page(page);
    return piece;
  }
  void copy(char* memory, char* kernel, size_t bytes) const {
    if (direction_ == Direction::kRead) {
      memcpy(memory, kernel, bytes);
    } else {
      memcpy(kernel, memory, bytes);
    }
  }

  Request& request_;
  Direction direction_;
  uint32_t index_ = 0;
  size_t within_ = 0;
  uint64_t missing_ = 0;
};

// Without locks: waits for who brings a page.
bool fault_in(Request& request, Direction direction, uint64_t address) {
  PageRef page;
  if (get_user_pages(*request.mm, address, 1, follow_flags(direction), &page) != 1) return false;
  put_user_page(page);
  return true;
}

// As a message. A file that is read gives up what the memory does not take: the first page is there before
// (Linux's fault_in_iov_iter_writeable), others are brought when they turn out to be missing.
long transfer_whole(Direction direction, Request& request) {
  Inode& inode = request.file->inode();
  bool brings = request.mm != current().mm && inode.poll_queue() != nullptr && request.parts.count() > 0;
  const TransferPart* first = brings ? &request.parts[0] : nullptr;
  if (brings && !first->pages && first->bytes > 0 && !fault_in(request, direction, first->address))
    return -EFAULT;
  while (true) {
    RequestParts all(request, direction);
    long whole = direction == Direction::kRead ? inode.read_parts(*request.file, all)
                                               : inode.write_parts(*request.file, all);
    if (whole != -EFAULT || all.missing() == 0) return whole;
    if (!fault_in(request, direction, all.missing())) return -EFAULT;
  }
}

// A part after the other, until one is not done in full.
long transfer_parts(Direction direction, Request& request, uint64_t* position) {
  if (long whole = transfer_whole(direction, request); whole != Inode::kPartByPart) return whole;
  TransferGuard guard(direction, *request.file, position == nullptr);
  uint64_t done = 0;
  for (uint32_t i = 0; i < request.parts.count() && done < kMaxTransfer; ++i) {
    const TransferPart& part = request.parts[i];
    if (part.bytes == 0 && request.parts.count() > 1) continue;
    long moved = transfer_part(direction, request, part, position);
    if (moved < 0) return done > 0 ? static_cast<long>(done) : moved;
    done += static_cast<uint64_t>(moved);
    if (static_cast<size_t>(moved) < part.bytes) break;
  }
  return static_cast<long>(done);
}

uint64_t wanted_bytes(Request& request) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < request.parts.count(); ++i) sum += request.parts[i].bytes;
  return sum;
}

}  // namespace

long prepare_transfer(Ring& ring, Request& request) {
  const io_uring_sqe& sqe = request.sqe;
  bool vector = sqe.opcode == IORING_OP_READV || sqe.opcode == IORING_OP_WRITEV;
  request.events = direction_of(request) == Direction::kRead ? POLLIN : POLLOUT;
  if (vector) {
    if (long error = add_vector(request); error < 0) return error;
  } else {
    if (long error = request.parts.resize(1); error < 0) return error;
    request.parts[0].address = sqe.addr;
    request.parts[0].bytes = sqe.len;
  }
  constexpr int kHints = RWF_HIPRI | RWF_DSYNC | RWF_SYNC;
  constexpr int kAppends = RWF_APPEND | kRwfNoAppend;
  int flags = static_cast<int>(sqe.rw_flags);
  if (flags & ~(kHints | RWF_NOWAIT | kAppends)) request.result = -EOPNOTSUPP;
  if (request.result == 0 && (flags & kAppends) == kAppends) request.result = -EINVAL;
  if (request.result == 0) request.result = find_memory(ring, request);
  return 0;
}

long execute_transfer(Ring&, Request& request) {
  if (!request.file) return -EBADF;
  File& file = *request.file;
  Inode& inode = file.inode();
  Direction direction = direction_of(request);
  if (direction == Direction::kRead ? !file.readable() : !file.writable()) return -EBADF;
  if (inode.io_ring() != nullptr) return -EINVAL;  // it wakes those who poll, and has nothing to read
  if (request.result < 0) return request.result;
  if ((request.sqe.rw_flags & RWF_NOWAIT) && inode.is_regular()) return -EOPNOTSUPP;  // as tmpfs says
  // O_NONBLOCK does not count for what can be waited for (Linux's io_rw_init_file).
  bool waits = inode.poll_queue() != nullptr && !(request.sqe.rw_flags & RWF_NOWAIT);
  uint64_t wanted = wanted_bytes(request);
  if (waits && wanted > 0 && !(inode.poll(file) & (request.events | POLLERR | POLLHUP))) return kInFlight;
  // Offset -1 is the file's own position; what has none knows no offsets either.
  uint64_t offset = request.sqe.off;
  bool own = offset == UINT64_MAX || !inode.seekable();
  if (!own && static_cast<int64_t>(offset) < 0) return -EINVAL;
  long done = transfer_parts(direction, request, own ? nullptr : &offset);
  if (done == -EAGAIN && waits) return kInFlight;
  request.failed = done < 0 || static_cast<uint64_t>(done) != wanted;
  return done;
}

}  // namespace mk
