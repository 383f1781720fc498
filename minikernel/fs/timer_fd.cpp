// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/timer_fd.h"

#include <linux/poll.h>

#include "arch/x86_64/clock.h"
#include "fs/parts.h"
#include "fs/text_file.h"
#include "mm/user_memory.h"
#include "proc/wait_queue.h"

namespace mk {
namespace {

class TimerFd final : public Inode {
 public:
  explicit TimerFd(bool realtime) : Inode(0600), realtime(realtime) {
    timer_.owner = this;
    timer_.timer.function = [](Timer& timer) { return reinterpret_cast<Owned&>(timer).owner->expired(); };
  }
  ~TimerFd() { stop_timer(timer_.timer); }

  long read_parts(File& file, Parts& to) override {
    if (to.left() < sizeof(uint64_t)) return -EINVAL;
    uint64_t count = 0;
    auto take = [&] { return (count = take_ticks()) != 0; };
    if (file.nonblocking()) {
      if (!take()) return -EAGAIN;
    } else if (long slept = sleep_until(changed_, take); slept < 0) {
      return slept;
    }
    {
      SpinlockGuard setting(setting_);
      start_locked();
    }
    return to.copy_out(&count, sizeof(count)) == sizeof(count) ? static_cast<long>(sizeof(count)) : -EFAULT;
  }
  short poll(File&) override {
    SpinlockGuard guard(lock_);
    return ticks_ > 0 ? POLLIN | POLLRDNORM : 0;
  }
  WaitQueue* poll_queue() override { return &changed_; }
  bool stays_at_start() const override { return true; }
  void describe(TextBuffer& out) override {
    TimerState now = get();
    out.print("clockid: %d\nticks: %lu\n", realtime ? 0 : 1, ticks_);
    out.print("it_value: (%lu, %lu)\n", now.left_ns / 1'000'000'000, now.left_ns % 1'000'000'000);
    out.print("it_interval: (%lu, %lu)\n", now.interval_ns / 1'000'000'000, now.interval_ns % 1'000'000'000);
  }
  bool is_timer() const override { return true; }

  TimerState get() {
    SpinlockGuard guard(lock_);
    return state_locked();
  }
  TimerState set(uint64_t expires, uint64_t interval_ns) {
    SpinlockGuard setting(setting_);
    stop_timer(timer_.timer);
    TimerState old;
    {
      SpinlockGuard guard(lock_);
      old = state_locked();
      ticks_ = 0;
      waits_for_read_ = false;
      expires_ = expires;
      interval_ns_ = interval_ns;
    }
    start_locked();
    return old;
  }

  const bool realtime;

 private:
  struct Owned {
    Timer timer;  // first, so that its function finds the owner
    TimerFd* owner;
  };

  // From the timer interrupt.
  uint64_t expired() {
    {
      SpinlockGuard guard(lock_);
      ++ticks_;
      waits_for_read_ = true;
    }
    changed_.wake();
    return kNever;
  }

  // A periodic timer that has expired is as far as it would be had it run on.
  void catch_up_locked() {
    if (!waits_for_read_ || interval_ns_ == 0) return;
    uint64_t missed = (now_ns() - expires_) / interval_ns_;
    ticks_ += missed;
    expires_ += (missed + 1) * interval_ns_;
    waits_for_read_ = false;
  }
  uint64_t take_ticks() {
    SpinlockGuard guard(lock_);
    if (ticks_ == 0) return 0;
    catch_up_locked();
    uint64_t taken = ticks_;
    ticks_ = 0;
    return taken;
  }
  TimerState state_locked() {
    uint64_t next = expires_;
    uint64_t now = now_ns();
    if (next == kNever || (waits_for_read_ && interval_ns_ == 0)) return {0, interval_ns_};
    if (next <= now && interval_ns_ != 0) next += ((now - next) / interval_ns_ + 1) * interval_ns_;
    return {next > now ? next - now : 1, interval_ns_};
  }
  void start_locked() {
    uint64_t next = kNever;
    {
      SpinlockGuard guard(lock_);
      if (!waits_for_read_) next = expires_;
    }
    if (next != kNever) start_timer(timer_.timer, next);
  }

  Spinlock setting_;  // who starts and stops the timer; before the timers' lists
  Spinlock lock_;     // after them
  WaitQueue changed_;
  Owned timer_;
  uint64_t expires_ = kNever;
  uint64_t interval_ns_ = 0;
  uint64_t ticks_ = 0;
  bool waits_for_read_ = false;  // it has expired and not been started again
};

TimerFd& timer_of(File& file) { return static_cast<TimerFd&>(file.inode()); }

}  // namespace

Result<Ref<File>> make_timer_fd(unsigned flags, bool realtime) {
  Ref<Inode> inode = Ref<Inode>(make<TimerFd>(realtime));
  if (!inode) return Errno{ENOMEM};
  return open_nameless(inode, "anon_inode:[timerfd]", O_RDWR | flags);
}

bool is_timer_fd(File& file) { return !file.path_only() && file.inode().is_timer(); }
bool timer_fd_is_realtime(File& file) { return timer_of(file).realtime; }
TimerState get_timer_fd(File& file) { return timer_of(file).get(); }
TimerState set_timer_fd(File& file, uint64_t expires, uint64_t interval_ns) {
  return timer_of(file).set(expires, interval_ns);
}

}  // namespace mk
