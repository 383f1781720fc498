// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/event_fd.h"

#include <linux/poll.h>

#include "fs/parts.h"
#include "lib/string.h"
#include "mm/user_memory.h"
#include "proc/wait_queue.h"

namespace mk {
namespace {

constexpr uint64_t kMostValue = UINT64_MAX - 1;

class EventFd final : public Inode {
 public:
  EventFd(uint64_t value, bool semaphore) : Inode(0600), value_(value), semaphore_(semaphore) {}

  long read_parts(File& file, Parts& to) override {
    if (to.left() < sizeof(uint64_t)) return -EINVAL;
    uint64_t taken = 0;
    long error = wait(file, [&] { return take(taken); });
    if (error < 0) return error;
    changed_.wake();
    return to.copy_out(&taken, sizeof(taken)) == sizeof(taken) ? static_cast<long>(sizeof(taken)) : -EFAULT;
  }
  long write(File& file, uint64_t, UserBuffer buffer) override {
    uint64_t more;
    if (buffer.size != sizeof(more)) return -EINVAL;
    if (!get_user(more, buffer.address)) return -EFAULT;
    return write_kernel(file, 0, &more, sizeof(more));
  }
  long write_kernel(File& file, uint64_t, const void* from, size_t bytes) override {
    uint64_t more = 0;
    if (bytes != sizeof(more)) return -EINVAL;
    memcpy(&more, from, sizeof(more));
    if (more > kMostValue) return -EINVAL;
    if (long error = wait(file, [&] { return add(more); }); error < 0) return error;
    changed_.wake();
    return sizeof(more);
  }
  bool is_event_fd() const override { return true; }
  short poll(File&) override {
    SpinlockGuard guard(lock_);
    return static_cast<short>((value_ > 0 ? POLLIN | POLLRDNORM : 0) |
                              (value_ < kMostValue ? POLLOUT | POLLWRNORM : 0));
  }
  WaitQueue* poll_queue() override { return &changed_; }
  bool stays_at_start() const override { return true; }

 private:
  template <typename Try>
  long wait(const File& file, Try attempt) {
    if (file.nonblocking()) return attempt() ? 0 : -EAGAIN;
    return sleep_until(changed_, attempt);
  }
  bool take(uint64_t& taken) {
    SpinlockGuard guard(lock_);
    if (value_ == 0) return false;
    taken = semaphore_ ? 1 : value_;
    value_ -= taken;
    return true;
  }
  bool add(uint64_t more) {
    SpinlockGuard guard(lock_);
    if (more > kMostValue - value_) return false;
    value_ += more;
    return true;
  }

  Spinlock lock_;
  WaitQueue changed_;
  uint64_t value_;
  const bool semaphore_;
};

}  // namespace

Result<Ref<File>> make_event_fd(uint32_t value, bool semaphore, unsigned flags) {
  Ref<Inode> inode = Ref<Inode>(make<EventFd>(value, semaphore));
  if (!inode) return Errno{ENOMEM};
  return open_nameless(inode, "anon_inode:[eventfd]", O_RDWR | flags);
}

}  // namespace mk
