// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/console.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <asm/termios.h>
#include <linux/poll.h>

#include "arch/x86_64/clock.h"
#include "arch/x86_64/uart.h"
#include "mm/user_memory.h"
#include "proc/job_control.h"
#include "proc/task.h"

namespace mk {
namespace {

constexpr uint8_t kEndOfInput = 0x04;
constexpr uint8_t kLiteralNext = 0x16;                        // ^V
constexpr size_t kLineMax = 4096;                             // N_TTY_BUF_SIZE
constexpr uint64_t kControllingTerminal = make_device(5, 0);  // /dev/tty: whatever that is for who opens it

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

  // With nothing else to run: somebody waits for input, or may be interrupted by it, and no timer is about to
  // go off.
  bool wants_input() {
    if (!somebody_waits() || has_input()) {
      idle_since_ = kNever;
      return false;
    }
    if (idle_since_ == kNever) idle_since_ = now_ns();
    return now_ns() >= idle_since_ + kPatienceNs || !any_timer_before(now_ns() + kPatienceNs);
  }
  // Takes what has come; `asked`: also when nobody waits for it any more. True: somebody has been woken.
  bool poll(bool asked) {
    bool woken = false;
    int signal = 0;
    uart_start_reading();
    {
      SpinlockGuard guard(lock_);
      bool wanted = asked || somebody_waits();
      for (int byte = 0; wanted && !ready() && signal == 0 && (byte = uart_try_get()) >= 0;)
        signal = take(static_cast<uint8_t>(byte));
      woken = ready();
    }
    uart_stop_reading();
    if (signal != 0) signal_foreground(signal);
    if (!woken) return signal != 0;
    idle_since_ = kNever;
    readers_.wake();
    return true;
  }
  WaitQueue& readers() { return readers_; }
  // What was typed and not read yet is dropped.
  void flush() {
    SpinlockGuard guard(lock_);
    first_ = size_ = 0;
    complete_ = literal_ = false;
  }
  int waiting() {
    SpinlockGuard guard(lock_);
    return canonical() && !complete_ ? 0 : static_cast<int>(size_ - first_);
  }

  termios settings = default_settings();
  winsize size = {.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};

 private:
  static termios default_settings() {
    termios settings = {};
    settings.c_cflag = CS8 | CREAD | CLOCAL | B115200;
    settings.c_lflag = ICANON | IEXTEN;
    settings.c_cc[VEOF] = kEndOfInput;
    settings.c_cc[VLNEXT] = kLiteralNext;
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VINTR] = 0x03;  // ^C ^\ ^Z, with ISIG
    settings.c_cc[VQUIT] = 0x1c;
    settings.c_cc[VSUSP] = 0x1a;
    return settings;
  }

  bool somebody_waits() const { return !readers_.empty() || ((settings.c_lflag & ISIG) && nothing_runs()); }
  bool canonical() const { return settings.c_lflag & ICANON; }
  bool ready() const { return canonical() ? complete_ : size_ > first_ || complete_; }

  // The signal that a byte is; 0: none.
  int signal_of(uint8_t byte) const {
    if (!(settings.c_lflag & ISIG) || literal_ || byte == 0) return 0;
    if (byte == settings.c_cc[VINTR]) return SIGINT;
    if (byte == settings.c_cc[VQUIT]) return SIGQUIT;
    return byte == settings.c_cc[VSUSP] ? SIGTSTP : 0;
  }

  // Gives the signal that the byte is; 0: it is input.
  int take(uint8_t byte) {
    if (int signal = signal_of(byte); signal != 0) {
      if (!(settings.c_lflag & NOFLSH)) first_ = size_ = 0;
      return signal;
    }
    if (canonical() && !literal_ && byte == kLiteralNext) {
      literal_ = true;
      return 0;
    }
    if (canonical() && !literal_ && byte == kEndOfInput) {
      complete_ = true;
      return 0;
    }
    literal_ = false;
    line_[size_++] = byte;
    if (byte == '\n' || size_ == kLineMax) complete_ = true;
    return 0;
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
    long error = check_foreground(SIGTTIN);
    if (error == 0 && file.nonblocking() && !terminal.has_input() && !terminal.poll(true)) return -EAGAIN;
    if (error == 0) error = terminal.wait();
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
    if (terminal.settings.c_lflag & TOSTOP)
      if (long error = check_foreground(SIGTTOU); error < 0) return error;
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

  long open(File&) override {
    return device == kControllingTerminal && !has_controlling_terminal() ? -ENXIO : 0;
  }

  long ioctl(File&, unsigned command, uint64_t argument) override {
    switch (command) {
      case TCGETS:
        return put_user(argument, terminal.settings) ? 0 : -EFAULT;
      case TIOCGWINSZ:
        return put_user(argument, terminal.size) ? 0 : -EFAULT;
      case TIOCSWINSZ:
        return get_user(terminal.size, argument) ? 0 : -EFAULT;
      case TIOCINQ:
        return put_user(argument, terminal.waiting()) ? 0 : -EFAULT;
      case TIOCOUTQ:
        return put_user(argument, 0) ? 0 : -EFAULT;
    }
    long result = change_ioctl(command, argument);
    return result == -ENOTTY ? job_ioctl(command, argument) : result;
  }

  short poll(File&) override {
    return static_cast<short>(POLLOUT | POLLWRNORM | (terminal.has_input() ? POLLIN | POLLRDNORM : 0));
  }
  WaitQueue* poll_queue() override { return &terminal.readers(); }
  bool splices_from() const override { return true; }
  bool splices_to() const override { return true; }
  bool can_signal() const override { return true; }
  void look_for_input() override { terminal.poll(true); }

 private:
  // What only the foreground may do.
  static long change_ioctl(unsigned command, uint64_t argument) {
    switch (command) {
      case TCSETS:
      case TCSETSW:
      case TCSETSF:
      case TCFLSH:
      case TCSBRK:
      case TCSBRKP:
      case TCXONC:
        break;
      default:
        return -ENOTTY;
    }
    if (long error = check_foreground(SIGTTOU); error < 0) return error;
    if (command == TCSETS || command == TCSETSW || command == TCSETSF)
      if (!get_user(terminal.settings, argument)) return -EFAULT;
    if (command == TCSETSF || (command == TCFLSH && argument != TCOFLUSH)) terminal.flush();
    return 0;
  }

  static long job_ioctl(unsigned command, uint64_t argument) {
    switch (command) {
      case TIOCSCTTY:
        return take_terminal(argument == 1);
      case TIOCNOTTY:
        return give_terminal_up();
      case TIOCGPGRP:
        return put_number(argument, foreground_group());
      case TIOCGSID:
        return put_number(argument, terminal_session());
      case TIOCSPGRP: {
        int group;
        if (!get_user(group, argument)) return -EFAULT;
        return set_foreground_group(group);
      }
    }
    return -ENOTTY;
  }
  static long put_number(uint64_t address, const Result<int>& number) {
    if (!number.ok()) return number.error();
    return put_user(address, *number) ? 0 : -EFAULT;
  }
};

}  // namespace

bool console_wants_input() { return terminal.wants_input(); }
bool poll_console() { return terminal.poll(false); }

Ref<Inode> make_console(uint64_t device) { return Ref<Inode>(make<Console>(device)); }

}  // namespace mk
