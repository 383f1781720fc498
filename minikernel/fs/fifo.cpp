// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/fifo.h"

#include <asm/ioctls.h>
#include <linux/fcntl.h>
#include <linux/poll.h>

#include "fs/pipe.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {
namespace {

// That an open file has been counted, and how many writers there had been when it was opened without waiting
// for one: before the next comes, there is nobody to hang up.
class FifoUse final : public OpenState {
 public:
  uint32_t writers_before = 0;
};

class Fifo final : public Inode {
 public:
  explicit Fifo(uint32_t permissions) : Inode(S_IFIFO | permissions) {}

  long open(File& file) override;
  void closed(File& file) override;

  // A file that is open has the pipe.
  Pipe* pipe() override { return pipe_.raw(); }
  WaitQueue* poll_queue() override { return &pipe_->changed(); }
  bool can_signal() const override { return true; }
  long read_parts(File& file, Parts& to) override { return pipe_->read(file.nonblocking(), to); }
  long write_parts(File& file, Parts& from) override { return pipe_->write(file, from); }
  long ioctl(File&, unsigned command, uint64_t argument) override {
    if (command != FIONREAD) return -ENOTTY;
    return put_user(argument, static_cast<int>(pipe_->bytes())) ? 0 : -EFAULT;
  }
  long pipe_control(unsigned command, uint64_t argument) override {
    return command == F_SETPIPE_SZ ? pipe_->resize(argument) : pipe_->capacity();
  }
  short poll(File& file) override;

 private:
  long use_pipe();
  void leave_pipe();
  long wait_for(const uint32_t& count, uint32_t before);

  Spinlock lock_;  // guards all of it; pipe_ stays the same while users_ is not 0
  Ref<Pipe> pipe_;
  uint32_t users_ = 0;
  // How often an end was opened: who waits for a partner is content with one that has gone again.
  uint32_t readers_so_far_ = 0;
  uint32_t writers_so_far_ = 0;
};

long Fifo::use_pipe() {
  Ref<Pipe> fresh = make<Pipe>();
  if (!fresh || !fresh->init()) return -ENOMEM;
  SpinlockGuard guard(lock_);
  if (users_++ == 0) pipe_.swap(fresh);
  return 0;
}

void Fifo::leave_pipe() {
  Ref<Pipe> last;  // dropped without the lock
  SpinlockGuard guard(lock_);
  if (--users_ == 0) pipe_.swap(last);
}

long Fifo::wait_for(const uint32_t& count, uint32_t before) {
  return sleep_until(pipe_->changed(), [&] { return __atomic_load_n(&count, __ATOMIC_ACQUIRE) != before; });
}

long Fifo::open(File& file) {
  if (long error = use_pipe(); error < 0) return error;
  Ref<FifoUse> use = make<FifoUse>();
  bool refused = use && !file.readable() && file.nonblocking() && !pipe_->has_readers();
  if (!use || refused) {
    leave_pipe();
    return use ? -ENXIO : -ENOMEM;
  }
  file.set_state(Ref<OpenState>(use.raw()));  // from here on closed() undoes it
  uint32_t readers_before, writers_before;
  {
    SpinlockGuard guard(lock_);
    readers_before = readers_so_far_;
    writers_before = writers_so_far_;
    if (file.readable()) __atomic_store_n(&readers_so_far_, readers_before + 1, __ATOMIC_RELEASE);
    if (file.writable()) __atomic_store_n(&writers_so_far_, writers_before + 1, __ATOMIC_RELEASE);
    if (file.readable()) pipe_->count_readers(1);
    if (file.writable()) pipe_->count_writers(1);
  }
  if (!file.writable() && !pipe_->has_writers()) {
    if (!file.nonblocking()) return wait_for(writers_so_far_, writers_before);
    use->writers_before = writers_before;
  } else if (!file.readable() && !pipe_->has_readers()) {
    return wait_for(readers_so_far_, readers_before);
  }
  return 0;
}

void Fifo::closed(File& file) {
  if (!file.state()) return;  // O_PATH, or it could not be opened
  if (file.readable()) pipe_->count_readers(-1);
  if (file.writable()) pipe_->count_writers(-1);
  leave_pipe();
}

short Fifo::poll(File& file) {
  short events = 0;
  if (file.readable()) {
    Ref<OpenState> state = file.state();
    uint32_t before = static_cast<const FifoUse*>(state.raw())->writers_before;
    if (!pipe_->empty()) events |= POLLIN | POLLRDNORM;
    if (!pipe_->has_writers() && __atomic_load_n(&writers_so_far_, __ATOMIC_ACQUIRE) != before)
      events |= POLLHUP;
  }
  if (file.writable()) {
    if (!pipe_->full()) events |= POLLOUT | POLLWRNORM;
    if (!pipe_->has_readers()) events |= POLLERR;
  }
  return events;
}

}  // namespace

Ref<Inode> make_fifo(uint32_t permissions) { return make<Fifo>(permissions); }

}  // namespace mk
