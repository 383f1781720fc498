// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/console.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <asm/termios.h>
#include <linux/poll.h>

#include "arch/x86_64/clock.h"
#include "arch/x86_64/uart.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {
namespace {

constexpr uint8_t kEndOfInput = 0x04;
constexpr uint8_t kLiteralNext = 0x16;  // ^V
constexpr size_t kLineMax = 4096;       // N_TTY_BUF_SIZE

// What all names of the terminal share.
class Terminal {
 public:
  // Waits until a read has something to return. -ERESTARTSYS for a signal.
  long wait() {
    return sleep_until(readers_, [this] { return has_input(); });
  }

  // After wait(): up to `size` bytes of the line, which may leave a rest for the next read.
  size_t get(uint8_t* out, size_t size) {
    SpinlockGuard guard(lock_);
    size_t done = 0;
    while (done < size && first_ < size_) out[done++] = line_[first_++];
    if (first_ == size_) {
      first_ = size_ = 0;
      complete_ = false;
    }
    return done;
  }

  // Whether a read would return at once. Does not look for more input: that is done when there is nothing
  // else to do.
  bool has_input() {
    SpinlockGuard guard(lock_);
    return ready();
  }

  // With nothing else to run: somebody waits for input, and no timer is about to go off.
  bool wants_input() {
    if (readers_.empty() || has_input()) {
      idle_since_ = kNever;
      return false;
    }
    if (idle_since_ == kNever) idle_since_ = now_ns();
    return now_ns() >= idle_since_ + kPatienceNs || !any_timer_before(now_ns() + kPatienceNs);
  }
  // Takes what has come. True: somebody has been woken.
  bool poll() {
    bool woken = false;
    uart_start_reading();
    {
      SpinlockGuard guard(lock_);
      for (int byte = 0; !ready() && (byte = uart_try_get()) >= 0;) take(static_cast<uint8_t>(byte));
      woken = ready();
    }
    uart_stop_reading();
    if (!woken) return false;
    idle_since_ = kNever;
    readers_.wake();
    return true;
  }
  WaitQueue& readers() { return readers_; }

  termios settings = default_settings();

 private:
  static termios default_settings() {
    termios settings = {};
    settings.c_cflag = CS8 | CREAD | CLOCAL | B115200;
    settings.c_lflag = ICANON | IEXTEN;
    settings.c_cc[VEOF] = kEndOfInput;
    settings.c_cc[VLNEXT] = kLiteralNext;
    settings.c_cc[VMIN] = 1;
    return settings;
  }

  bool canonical() const { return settings.c_lflag & ICANON; }
  bool ready() const { return canonical() ? complete_ : size_ > first_ || complete_; }

  void take(uint8_t byte) {
    if (canonical() && !literal_ && byte == kLiteralNext) {
      literal_ = true;
      return;
    }
    if (canonical() && !literal_ && byte == kEndOfInput) {
      complete_ = true;
      return;
    }
    literal_ = false;
    line_[size_++] = byte;
    if (byte == '\n' || size_ == kLineMax) complete_ = true;
  }

  // Programs that sleep go first for so long: their time costs nothing, and looking for input may wait for a
  // person.
  static constexpr uint64_t kPatienceNs = 10'000'000'000;

  Spinlock lock_;
  WaitQueue readers_;
  uint64_t idle_since_ = kNever;
  uint8_t line_[kLineMax];
  size_t first_ = 0;
  size_t size_ = 0;
  bool complete_ = false;
  bool literal_ = false;  // the next byte is data, whatever it is
};

Terminal terminal;

class Console final : public Inode {
 public:
  explicit Console(uint64_t number_of_device) : Inode(S_IFCHR | 0620) { device = number_of_device; }

  long read(File& file, uint64_t, UserBuffer buffer) override {
    if (buffer.size == 0) return 0;
    if (file.nonblocking() && !terminal.has_input() && !terminal.poll()) return -EAGAIN;
    long error = terminal.wait();
    if (error < 0) return error;
    size_t done = 0;
    while (done < buffer.size) {
      uint8_t bytes[256];
      size_t part = terminal.get(bytes, min(sizeof(bytes), buffer.size - done));
      if (part == 0) break;
      long copied = copy_out_some(buffer.address + done, bytes, part);
      if (copied < static_cast<long>(part))
        return done + max(copied, 0l) > 0 ? static_cast<long>(done) + max(copied, 0l) : copied;
      done += part;
      if (part < sizeof(bytes)) break;
    }
    return static_cast<long>(done);
  }

  long write(File&, uint64_t, UserBuffer buffer) override {
    size_t done = 0;
    while (done < buffer.size) {
      uint8_t bytes[256];
      long part = copy_in_some(bytes, buffer.address + done, min(sizeof(bytes), buffer.size - done));
      if (part < 0) return done > 0 ? static_cast<long>(done) : part;
      for (long i = 0; i < part; ++i) uart_put(bytes[i]);
      done += static_cast<size_t>(part);
    }
    return static_cast<long>(done);
  }

  long read_kernel(uint64_t, void* to, size_t bytes) override {
    return terminal.has_input() ? static_cast<long>(terminal.get(static_cast<uint8_t*>(to), bytes)) : -EAGAIN;
  }
  long write_kernel(File&, uint64_t, const void* source, size_t bytes) override {
    for (size_t i = 0; i < bytes; ++i) uart_put(static_cast<const uint8_t*>(source)[i]);
    return static_cast<long>(bytes);
  }

  long ioctl(File&, unsigned command, uint64_t argument) override {
    switch (command) {
      case TCGETS:
        return put_user(argument, terminal.settings) ? 0 : -EFAULT;
      case TCSETS:
      case TCSETSW:
      case TCSETSF:
        return get_user(terminal.settings, argument) ? 0 : -EFAULT;
      case TIOCGWINSZ:
        return put_user(argument, winsize{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0})
                   ? 0
                   : -EFAULT;
      case TIOCGPGRP:
        return put_user(argument, current().tgid) ? 0 : -EFAULT;
    }
    return -ENOTTY;
  }

  short poll(File&) override {
    return static_cast<short>(POLLOUT | POLLWRNORM | (terminal.has_input() ? POLLIN | POLLRDNORM : 0));
  }
  WaitQueue* poll_queue() override { return &terminal.readers(); }
  void look_for_input() override { terminal.poll(); }
};

}  // namespace

bool console_wants_input() { return terminal.wants_input(); }
bool poll_console() { return terminal.poll(); }

Ref<Inode> make_console(uint64_t device) { return Ref<Inode>(make<Console>(device)); }

}  // namespace mk
