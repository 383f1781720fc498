// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/io_uring/operations.h"

#include <asm/unistd.h>
#include <linux/poll.h>
#include <linux/time_types.h>

#include "arch/x86_64/clock.h"
#include "fs/io_uring/ring.h"
#include "lib/log.h"
#include "mm/user_memory.h"
#include "proc/task.h"
#include "sys/syscall.h"

namespace mk {
namespace {

long prepare_nop(Ring&, Request& request) { return request.sqe.rw_flags != 0 ? -EINVAL : 0; }
long execute_nop(Ring&, Request&) { return 0; }

long prepare_fsync(Ring&, Request& request) {
  const io_uring_sqe& sqe = request.sqe;
  if (sqe.addr != 0 || sqe.buf_index != 0 || sqe.splice_fd_in != 0) return -EINVAL;
  return sqe.fsync_flags & ~IORING_FSYNC_DATASYNC ? -EINVAL : 0;
}
// All of it is memory: there is nothing to do.
long execute_fsync(Ring&, Request& request) {
  if (!request.file) return -EBADF;
  const Inode& inode = request.file->inode();
  return inode.is_regular() || inode.is_directory() ? 0 : -EINVAL;
}

long prepare_poll(Ring&, Request& request) {
  const io_uring_sqe& sqe = request.sqe;
  if (sqe.buf_index != 0 || sqe.off != 0 || sqe.addr != 0) return -EINVAL;
  if (sqe.len != 0) return -EINVAL;  // IORING_POLL_ADD_MULTI and the like
  request.events = static_cast<short>(sqe.poll32_events | POLLERR | POLLHUP);
  return 0;
}
long execute_poll(Ring&, Request& request) {
  if (!request.file) return -EBADF;
  short ready = static_cast<short>(request.file->inode().poll(*request.file) & request.events);
  return ready != 0 ? ready : kInFlight;
}

// Cancels by user_data what one operation has in flight.
long cancel_of_kind(Ring& ring, const Request& request, uint8_t opcode) {
  uint64_t user_data = request.sqe.addr;
  long cancelled = ring.cancel({.user_data = &user_data, .opcode = opcode});
  return cancelled < 0 ? cancelled : 0;
}

long prepare_poll_remove(Ring&, Request& request) {
  const io_uring_sqe& sqe = request.sqe;
  return sqe.buf_index != 0 || sqe.splice_fd_in != 0 || sqe.len != 0 || sqe.off != 0 ? -EINVAL : 0;
}
long execute_poll_remove(Ring& ring, Request& request) {
  return cancel_of_kind(ring, request, IORING_OP_POLL_ADD);
}

long prepare_timeout(Ring&, Request& request) {
  const io_uring_sqe& sqe = request.sqe;
  constexpr uint32_t kFlags = IORING_TIMEOUT_ABS | IORING_TIMEOUT_CLOCK_MASK | IORING_TIMEOUT_ETIME_SUCCESS;
  if (sqe.buf_index != 0 || sqe.len != 1 || sqe.splice_fd_in != 0) return -EINVAL;
  if (sqe.timeout_flags & ~kFlags) return -EINVAL;
  if ((sqe.timeout_flags & IORING_TIMEOUT_CLOCK_MASK) == IORING_TIMEOUT_CLOCK_MASK) return -EINVAL;
  __kernel_timespec time;
  if (!get_user(time, sqe.addr)) return -EFAULT;
  if (time.tv_sec < 0 || time.tv_nsec < 0) return -EINVAL;
  constexpr uint64_t kForEver = 1'000'000'000;  // seconds
  uint64_t wanted =
      min(static_cast<uint64_t>(time.tv_sec), kForEver) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
  if (!(sqe.timeout_flags & IORING_TIMEOUT_ABS)) {
    request.deadline = now_ns() + wanted;
  } else if (sqe.timeout_flags & IORING_TIMEOUT_REALTIME) {
    uint64_t now = wall_clock_ns();
    request.deadline = now_ns() + (wanted > now ? wanted - now : 0);
  } else {
    request.deadline = wanted;
  }
  return 0;
}

// Its time has come, or as many completions as it counts. `target` is set at the first try.
long execute_timeout(Ring& ring, Request& request) {
  uint32_t posted = ring.posted();
  if (request.sqe.off != 0 && request.target == 0) {
    request.target = posted + static_cast<uint32_t>(request.sqe.off);
    if (request.target == 0) request.target = 1;
  }
  if (request.target != 0 && static_cast<int32_t>(posted - request.target) >= 0) return 0;
  if (now_ns() < request.deadline) return kInFlight;
  request.failed = !(request.sqe.timeout_flags & IORING_TIMEOUT_ETIME_SUCCESS);
  return -ETIME;
}

long prepare_timeout_remove(Ring&, Request& request) {
  const io_uring_sqe& sqe = request.sqe;
  return sqe.buf_index != 0 || sqe.len != 0 || sqe.splice_fd_in != 0 || sqe.timeout_flags != 0 ? -EINVAL : 0;
}
long execute_timeout_remove(Ring& ring, Request& request) {
  return cancel_of_kind(ring, request, IORING_OP_TIMEOUT);
}

constexpr uint32_t kCancelFlags = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ANY |
                                  IORING_ASYNC_CANCEL_FD_FIXED | IORING_ASYNC_CANCEL_USERDATA |
                                  IORING_ASYNC_CANCEL_OP;

long prepare_cancel(Ring& ring, Request& request) {
  const io_uring_sqe& sqe = request.sqe;
  uint32_t flags = sqe.cancel_flags;
  if (sqe.off != 0 || sqe.splice_fd_in != 0 || (flags & ~kCancelFlags)) return -EINVAL;
  if ((flags & IORING_ASYNC_CANCEL_ANY) && (flags & (IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_OP)))
    return -EINVAL;
  if (!(flags & IORING_ASYNC_CANCEL_FD)) return 0;
  request.file = flags & IORING_ASYNC_CANCEL_FD_FIXED ? ring.resources().file(static_cast<uint32_t>(sqe.fd))
                                                      : current().files->get(sqe.fd);
  if (!request.file) request.result = -EBADF;
  return 0;
}

long execute_cancel(Ring& ring, Request& request) {
  if (request.result < 0) return request.result;
  uint32_t flags = request.sqe.cancel_flags;
  uint64_t user_data = request.sqe.addr;
  bool any = flags & IORING_ASYNC_CANCEL_ANY;
  bool by_data = (flags & IORING_ASYNC_CANCEL_USERDATA) ||
                 !(flags & (IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_OP | IORING_ASYNC_CANCEL_ANY));
  Ring::Match match;
  match.file = request.file.raw();
  if (by_data && !any) match.user_data = &user_data;
  if (flags & IORING_ASYNC_CANCEL_OP) match.opcode = static_cast<int>(request.sqe.len);
  match.all = any || (flags & IORING_ASYNC_CANCEL_ALL);
  long cancelled = ring.cancel(match);
  if (match.all) return cancelled < 0 ? 0 : cancelled;
  return cancelled < 0 ? cancelled : 0;
}

struct Table {
  Operation operations[kLastOperation + 1];
};

constexpr Operation transfer_operation() {
  return {.prepare = prepare_transfer, .execute = execute_transfer, .takes_file = true, .is_transfer = true};
}
constexpr Operation simple(long (*prepare)(Ring&, Request&), long (*execute)(Ring&, Request&),
                           bool takes_file) {
  return {.prepare = prepare, .execute = execute, .takes_file = takes_file, .is_transfer = false};
}

constexpr uint8_t kTransfers[] = {IORING_OP_READV,       IORING_OP_WRITEV, IORING_OP_READ_FIXED,
                                  IORING_OP_WRITE_FIXED, IORING_OP_READ,   IORING_OP_WRITE};

constexpr Table make_table() {
  Table table = {};
  auto& o = table.operations;
  for (uint8_t opcode : kTransfers) o[opcode] = transfer_operation();
  o[IORING_OP_NOP] = simple(prepare_nop, execute_nop, false);
  o[IORING_OP_FSYNC] = simple(prepare_fsync, execute_fsync, true);
  o[IORING_OP_POLL_ADD] = simple(prepare_poll, execute_poll, true);
  o[IORING_OP_POLL_REMOVE] = simple(prepare_poll_remove, execute_poll_remove, false);
  o[IORING_OP_TIMEOUT] = simple(prepare_timeout, execute_timeout, false);
  o[IORING_OP_TIMEOUT_REMOVE] = simple(prepare_timeout_remove, execute_timeout_remove, false);
  o[IORING_OP_ASYNC_CANCEL] = simple(prepare_cancel, execute_cancel, false);
  return table;
}

constexpr Table kTable = make_table();

}  // namespace

const Operation* operation(uint8_t opcode) {
  if (opcode > kLastOperation || kTable.operations[opcode].execute == nullptr) return nullptr;
  return &kTable.operations[opcode];
}

// Linux's io_init_req(). Of the flags, IOSQE_ASYNC is a hint that nothing here needs.
long prepare_request(Ring& ring, Request& request) {
  const io_uring_sqe& sqe = request.sqe;
  constexpr uint8_t kFlags =
      IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_IO_HARDLINK | IOSQE_ASYNC | IOSQE_CQE_SKIP_SUCCESS;
  if (sqe.opcode > kLastOperation) return -EINVAL;
  const Operation* known = operation(sqe.opcode);
  if (known == nullptr) {
    char detail[32];
    format_text(detail, sizeof(detail), "operation %u", unsigned{sqe.opcode});
    log_unimplemented(__NR_io_uring_enter, detail);
  }
  if (known == nullptr || (sqe.flags & IOSQE_BUFFER_SELECT)) return -EOPNOTSUPP;
  if (sqe.flags & ~kFlags) return -EINVAL;
  if (sqe.ioprio != 0 || sqe.personality != 0) return -EINVAL;
  if (known->takes_file) {
    request.file = sqe.flags & IOSQE_FIXED_FILE ? ring.resources().file(static_cast<uint32_t>(sqe.fd))
                                                : current().files->get(sqe.fd);
    if (request.file && request.file->path_only()) request.file.reset();
  }
  return known->prepare(ring, request);
}

}  // namespace mk
