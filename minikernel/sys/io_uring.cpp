// SPDX-License-Identifier: GPL-2.0-or-later
//
// io_uring_setup, io_uring_enter, io_uring_register: their arguments. What a ring does is in fs/io_uring.
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/io_uring.h>
#include <linux/time_types.h>

#include "arch/x86_64/clock.h"
#include "fs/io_uring/operations.h"
#include "fs/io_uring/ring.h"
#include "lib/string.h"
#include "sys/syscall.h"

namespace mk {
namespace {

constexpr uint32_t kFeatures = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
                               IORING_FEAT_RW_CUR_POS | IORING_FEAT_CUR_PERSONALITY | IORING_FEAT_FAST_POLL |
                               IORING_FEAT_EXT_ARG | IORING_FEAT_NATIVE_WORKERS | IORING_FEAT_CQE_SKIP;

uint32_t power_of_two_from(uint32_t number) {
  uint32_t power = 1;
  while (power < number) power *= 2;
  return power;
}

// Linux's io_uring_fill_params(): how many entries the two rings have.
long check_sizes(uint32_t entries, const io_uring_params& params, uint32_t& submissions,
                 uint32_t& completions) {
  bool clamps = params.flags & IORING_SETUP_CLAMP;
  if (entries == 0) return -EINVAL;
  if (entries > RingMemory::kMostEntries) {
    if (!clamps) return -EINVAL;
    entries = RingMemory::kMostEntries;
  }
  submissions = power_of_two_from(entries);
  completions = 2 * submissions;
  if (!(params.flags & IORING_SETUP_CQSIZE)) return 0;
  uint32_t wanted = params.cq_entries;
  if (wanted == 0) return -EINVAL;
  if (wanted > RingMemory::kMostCompletions) {
    if (!clamps) return -EINVAL;
    wanted = RingMemory::kMostCompletions;
  }
  completions = power_of_two_from(wanted);
  return completions < submissions ? -EINVAL : 0;
}

// The ring behind a descriptor, kept by its file. -EBADF, -EOPNOTSUPP.
long find_ring(int fd, Ref<File>& file, Ring*& ring) {
  file = current().files->get(fd);
  if (!file) return -EBADF;
  ring = file->inode().io_ring();
  return ring != nullptr ? 0 : -EOPNOTSUPP;
}

// How long to wait for completions, and with which signals blocked.
struct WaitArguments {
  UserAddress mask = 0;
  uint64_t mask_size = 0;
  uint64_t end = kNever;
};

long get_wait_arguments(unsigned flags, UserAddress argument, uint64_t size, WaitArguments& out) {
  if (!(flags & IORING_ENTER_EXT_ARG)) {
    out.mask = argument;
    out.mask_size = size;
    return 0;
  }
  io_uring_getevents_arg extended;
  if (size != sizeof(extended)) return -EINVAL;
  if (!get_user(extended, argument)) return -EFAULT;
  if (extended.pad != 0) return -EINVAL;
  out.mask = extended.sigmask;
  out.mask_size = extended.sigmask_sz;
  if (extended.ts == 0) return 0;
  Result<uint64_t> end = user_deadline(extended.ts, false, CLOCK_MONOTONIC);
  if (!end.ok()) return end.error();
  out.end = *end;
  return 0;
}

long wait_for_completions(Ring& ring, uint32_t least, const WaitArguments& how) {
  if (how.mask == 0) return ring.wait(least, how.end);
  SignalSet blocked;
  if (how.mask_size != sizeof(blocked)) return -EINVAL;
  if (!get_user(blocked, how.mask)) return -EFAULT;
  Task& task = current();
  SignalSet old = task.signals.blocked;
  set_blocked(task, blocked);
  long result = ring.wait(least, how.end);
  // As ppoll: a signal that only the old mask holds back is delivered before that mask is back.
  if (result == -EINTR) {
    task.signals.restore_mask(old);
  } else {
    set_blocked(task, old);
  }
  return result;
}

}  // namespace

long sys_io_uring_setup(uint32_t entries, UserAddress address) {
  io_uring_params params;
  if (!get_user(params, address)) return -EFAULT;
  for (uint32_t reserved : params.resv)
    if (reserved != 0) return -EINVAL;
  if (params.flags & ~(IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP)) return -EINVAL;
  uint32_t submissions = 0, completions = 0;
  if (long error = check_sizes(entries, params, submissions, completions); error < 0) return error;
  Result<Ref<File>> file = make_ring(submissions, completions, params);
  if (!file.ok()) return file.error();
  params.features = kFeatures;
  if (!put_user(address, params)) return -EFAULT;
  return install(*file, true);
}

long sys_io_uring_enter(int fd, uint32_t to_submit, uint32_t least, unsigned flags, UserAddress argument,
                        uint64_t argument_size) {
  // Without a polling thread there is nothing to wake or to wait for in the submission queue.
  constexpr unsigned kKnown =
      IORING_ENTER_GETEVENTS | IORING_ENTER_SQ_WAKEUP | IORING_ENTER_SQ_WAIT | IORING_ENTER_EXT_ARG;
  if (flags & ~kKnown) return -EINVAL;
  Ref<File> file;
  Ring* ring = nullptr;
  if (long error = find_ring(fd, file, ring); error < 0) return error;
  long submitted = 0;
  if (to_submit > 0) {
    bool no_memory = false;
    submitted = ring->submit(to_submit, no_memory);
    if (submitted == 0 && no_memory) return -EAGAIN;
    if (submitted != to_submit) return submitted;
  }
  if (!(flags & IORING_ENTER_GETEVENTS)) return submitted;
  WaitArguments how;
  long waited = get_wait_arguments(flags, argument, argument_size, how);
  if (waited == 0) waited = wait_for_completions(*ring, least, how);
  return submitted > 0 ? submitted : waited;
}

namespace {

// IORING_REGISTER_PROBE: which operations there are.
long probe(UserAddress address, uint32_t count) {
  constexpr uint32_t kMost = 256;
  if (count > kMost) return -EINVAL;
  count = min(count, uint32_t{kLastOperation} + 1);
  io_uring_probe head;
  if (!get_user(head, address)) return -EFAULT;
  const auto* bytes = reinterpret_cast<const char*>(&head);
  for (size_t i = 0; i < sizeof(head); ++i)
    if (bytes[i] != 0) return -EINVAL;
  head.last_op = kLastOperation;
  head.ops_len = static_cast<uint8_t>(count);
  if (!put_user(address, head)) return -EFAULT;
  for (uint32_t i = 0; i < count; ++i) {
    auto opcode = static_cast<uint8_t>(i);
    io_uring_probe_op one = {};
    one.op = opcode;
    one.flags = operation(opcode) != nullptr ? IO_URING_OP_SUPPORTED : 0;
    if (!put_user(address + sizeof(head) + i * sizeof(one), one)) return -EFAULT;
  }
  return 0;
}

long register_locked(Ring& ring, unsigned opcode, UserAddress argument, uint32_t count) {
  Resources& resources = ring.resources();
  bool keeps_files = opcode == IORING_REGISTER_FILES || opcode == IORING_REGISTER_EVENTFD ||
                     opcode == IORING_REGISTER_EVENTFD_ASYNC;
  if (keeps_files && !ring.start_thread()) return -ENOMEM;
  switch (opcode) {
    case IORING_REGISTER_BUFFERS:
      return argument == 0 ? -EFAULT : resources.register_buffers(argument, count);
    case IORING_UNREGISTER_BUFFERS:
      return argument != 0 || count != 0 ? -EINVAL : resources.unregister_buffers();
    case IORING_REGISTER_FILES:
      return argument == 0 ? -EFAULT : resources.register_files(argument, count);
    case IORING_UNREGISTER_FILES:
      return argument != 0 || count != 0 ? -EINVAL : resources.unregister_files();
    case IORING_REGISTER_FILES_UPDATE:
      return resources.update_files(argument, count);
    case IORING_REGISTER_EVENTFD:
    case IORING_REGISTER_EVENTFD_ASYNC:
      return count != 1 ? -EINVAL
                        : resources.register_event_fd(argument, opcode == IORING_REGISTER_EVENTFD_ASYNC);
    case IORING_UNREGISTER_EVENTFD:
      return argument != 0 || count != 0 ? -EINVAL : resources.unregister_event_fd();
    case IORING_REGISTER_PROBE:
      return argument == 0 ? -EINVAL : probe(argument, count);
  }
  log_unimplemented(__NR_io_uring_register, "this opcode");
  return -EINVAL;
}

}  // namespace

long sys_io_uring_register(int fd, unsigned opcode, UserAddress argument, uint32_t count) {
  if (opcode >= IORING_REGISTER_LAST) return -EINVAL;
  Ref<File> file;
  Ring* ring = nullptr;
  if (long error = find_ring(fd, file, ring); error < 0) return error;
  MutexGuard guard(ring->submit_mutex());
  return register_locked(*ring, opcode, argument, count);
}

}  // namespace mk
