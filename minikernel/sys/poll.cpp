// SPDX-License-Identifier: GPL-2.0-or-later
//
// poll and select, with and without a signal mask (Linux fs/select.c); pipes and eventfd, which they are
// mostly used with.
#include "sys/poll.h"

#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/posix_types.h>
#include <linux/time.h>

#include "arch/x86_64/clock.h"
#include "fs/event_fd.h"
#include "fs/pipe.h"
#include "fs/poll_set.h"
#include "lib/string.h"
#include "sys/syscall.h"

namespace mk {

long wait_with_mask(PollSet& set, uint64_t end, uint64_t mask, uint64_t mask_size) {
  if (mask == 0) return set.wait(end);
  SignalSet blocked;
  if (mask_size != sizeof(blocked)) return -EINVAL;
  if (!get_user(blocked, mask)) return -EFAULT;
  Task& task = current();
  SignalSet old = task.signals.blocked;
  set_blocked(task, blocked);
  long ready = set.wait(end);
  // Pending signals that only the old mask holds back must be delivered under the new one: the frame is built
  // on the way out, and gives back the old mask.
  if (ready == -kRestartNoHandler) {
    task.signals.restore_mask(old);
  } else {
    set_blocked(task, old);
  }
  return ready;
}

namespace {

long poll_files(UserAddress fds, unsigned count, uint64_t end, UserAddress mask, uint64_t mask_size) {
  if (count > current().limit(RLIMIT_NOFILE)) return -EINVAL;
  PollSet set;
  for (unsigned i = 0; i < count; ++i) {
    pollfd entry;
    if (!get_user(entry, fds + i * sizeof(pollfd))) return -EFAULT;
    Ref<File> file = entry.fd >= 0 ? current().files->get(entry.fd) : nullptr;
    if (file && file->path_only()) file.reset();
    if (long error = set.add(file, entry.events, entry.fd >= 0 ? POLLNVAL : 0); error < 0) return error;
  }
  long ready = wait_with_mask(set, end, mask, mask_size);
  if (ready < 0) return ready;
  for (unsigned i = 0; i < count; ++i)
    if (!put_user(fds + i * sizeof(pollfd) + offsetof(pollfd, revents), set.result(i))) return -EFAULT;
  return ready;
}

Result<uint64_t> deadline(UserAddress time) {
  if (time == 0) return kNever;
  return user_deadline(time, false, CLOCK_MONOTONIC);
}

}  // namespace

long sys_poll(UserAddress fds, unsigned count, int timeout_ms) {
  uint64_t end = timeout_ms < 0 ? kNever : now_ns() + static_cast<uint64_t>(timeout_ms) * 1'000'000;
  return poll_files(fds, count, timeout_ms == 0 ? 0 : end, 0, 0);
}

long sys_ppoll(UserAddress fds, unsigned count, UserAddress timeout, UserAddress mask, uint64_t mask_size) {
  Result<uint64_t> end = deadline(timeout);
  if (!end.ok()) return end.error();
  return poll_files(fds, count, *end, mask, mask_size);
}

namespace {

constexpr short kSelectIn = POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR;
constexpr short kSelectOut = POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR;
constexpr short kSelectPriority = POLLPRI;

// The three sets of select as bit strings of `count` bits.
class SelectSets {
 public:
  static constexpr unsigned kMostFiles = FileTable::kMaxFiles;

  SelectSets(unsigned count, const UserAddress (&addresses)[3]) : count_(count), addresses_(addresses) {}

  bool read() {
    for (int i = 0; i < 3; ++i)
      if (addresses_[i] != 0 && !copy_from_user(bits_[i], addresses_[i], bytes())) return false;
    return true;
  }
  bool write() {
    for (int i = 0; i < 3; ++i)
      if (addresses_[i] != 0 && !copy_to_user(addresses_[i], bits_[i], bytes())) return false;
    return true;
  }
  bool test(int set, unsigned fd) const { return bits_[set][fd / 64] >> fd % 64 & 1; }
  void keep(int set, unsigned fd, bool value) {
    if (!value) bits_[set][fd / 64] &= ~(1ul << fd % 64);
  }

 private:
  size_t bytes() const { return (count_ + 63) / 64 * 8; }
  unsigned count_;
  const UserAddress (&addresses_)[3];
  uint64_t bits_[3][kMostFiles / 64] = {};
};

long select_files(int count, const UserAddress (&addresses)[3], uint64_t end, UserAddress mask,
                  uint64_t mask_size) {
  if (count < 0) return -EINVAL;
  auto files = min(static_cast<unsigned>(count), SelectSets::kMostFiles);
  SelectSets sets(files, addresses);
  if (!sets.read()) return -EFAULT;
  PollSet polled;
  for (unsigned fd = 0; fd < files; ++fd) {
    short events =
        static_cast<short>((sets.test(0, fd) ? kSelectIn : 0) | (sets.test(1, fd) ? kSelectOut : 0) |
                           (sets.test(2, fd) ? kSelectPriority : 0));
    if (events == 0) continue;
    Ref<File> file = current().files->get(static_cast<int>(fd));
    if (!file || file->path_only()) return -EBADF;
    if (long error = polled.add(file, events); error < 0) return error;
  }
  long ready = wait_with_mask(polled, end, mask, mask_size);
  if (ready < 0) return ready;
  long bits = 0;
  size_t item = 0;
  constexpr short kOf[3] = {kSelectIn, kSelectOut, kSelectPriority};
  for (unsigned fd = 0; fd < files; ++fd) {
    if (!sets.test(0, fd) && !sets.test(1, fd) && !sets.test(2, fd)) continue;
    short result = polled.result(item++);
    for (int set = 0; set < 3; ++set) {
      if (!sets.test(set, fd)) continue;
      bool is_ready = result & kOf[set];
      sets.keep(set, fd, is_ready);
      bits += is_ready;
    }
  }
  return sets.write() ? bits : -EFAULT;
}

}  // namespace

long sys_select(int count, UserAddress in, UserAddress out, UserAddress priority, UserAddress timeout) {
  uint64_t end = kNever;
  if (timeout != 0) {
    __kernel_old_timeval time;
    if (!get_user(time, timeout)) return -EFAULT;
    if (time.tv_sec < 0 || time.tv_usec < 0) return -EINVAL;
    uint64_t seconds = static_cast<uint64_t>(time.tv_sec) + static_cast<uint64_t>(time.tv_usec) / 1'000'000;
    uint64_t wait = min(seconds, 1'000'000'000ul) * 1'000'000'000 +
                    static_cast<uint64_t>(time.tv_usec) % 1'000'000 * 1000;
    end = wait == 0 ? 0 : now_ns() + wait;
  }
  return select_files(count, {in, out, priority}, end, 0, 0);
}

long sys_pselect6(int count, UserAddress in, UserAddress out, UserAddress priority, UserAddress timeout,
                  UserAddress mask_and_size) {
  Result<uint64_t> end = deadline(timeout);
  if (!end.ok()) return end.error();
  struct {
    UserAddress mask;
    uint64_t size;
  } mask = {};
  if (mask_and_size != 0 && !get_user(mask, mask_and_size)) return -EFAULT;
  return select_files(count, {in, out, priority}, *end, mask.mask, mask.size);
}

long sys_pipe2(UserAddress out, int flags) {
  if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) return -EINVAL;
  Result<PipeEnds> ends = make_pipe(static_cast<unsigned>(flags) & (O_NONBLOCK | O_DIRECT));
  if (!ends.ok()) return ends.error();
  FileTable& files = *current().files;
  long reader = install(ends->reader, flags & O_CLOEXEC);
  if (reader < 0) return reader;
  long writer = install(ends->writer, flags & O_CLOEXEC);
  const int numbers[2] = {static_cast<int>(reader), static_cast<int>(writer)};
  if (writer >= 0 && put_user(out, numbers)) return 0;
  files.close(numbers[0]);
  if (writer < 0) return writer;
  files.close(numbers[1]);
  return -EFAULT;
}

long sys_pipe(UserAddress out) { return sys_pipe2(out, 0); }

long sys_eventfd2(unsigned value, int flags) {
  constexpr int kSemaphore = 1;  // EFD_SEMAPHORE
  if (flags & ~(kSemaphore | O_CLOEXEC | O_NONBLOCK)) return -EINVAL;
  Result<Ref<File>> file =
      make_event_fd(value, flags & kSemaphore, static_cast<unsigned>(flags) & O_NONBLOCK);
  if (!file.ok()) return file.error();
  return install(*file, flags & O_CLOEXEC);
}

long sys_eventfd(unsigned value) { return sys_eventfd2(value, 0); }

}  // namespace mk
