// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/pipe.h"

#include <asm/ioctls.h>
#include <linux/fcntl.h>
#include <linux/poll.h>

#include "arch/x86_64/memory_layout.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {

long broken_pipe() {
  if (current().thread_function != nullptr) return -EPIPE;
  siginfo_t info = {};
  info.si_signo = SIGPIPE;
  info.si_code = SI_USER;
  info.si_pid = current().tgid;
  send_signal(current(), info);
  return -EPIPE;
}

Pipe::~Pipe() {
  while (!empty()) drop_first();
  kfree(slots_);
}

PipeSlot* Pipe::new_slots(uint32_t count) {
  return static_cast<PipeSlot*>(kmalloc(count * sizeof(PipeSlot)));
}

void Pipe::count(uint32_t& number, int change) {
  __atomic_fetch_add(&number, static_cast<uint32_t>(change), __ATOMIC_ACQ_REL);
  changed_.wake();
}

void Pipe::push(const PipeSlot& filled) {
  slot(head_) = filled;
  __atomic_store_n(&head_, head_ + 1, __ATOMIC_RELEASE);
}

PipeSlot Pipe::take_first() {
  PipeSlot first = slot(tail_);
  __atomic_store_n(&tail_, tail_ + 1, __ATOMIC_RELEASE);
  return first;
}

long Pipe::wait_for_data(bool nonblocking) {
  auto done = [this] { return !empty() || !has_writers(); };
  if (nonblocking) return done() ? 0 : -EAGAIN;
  return sleep_until(changed_, done);
}

long Pipe::wait_for_room(bool nonblocking) {
  auto done = [this] { return !full() || !has_readers(); };
  long slept = nonblocking ? (done() ? 0 : -EAGAIN) : sleep_until(changed_, done);
  return slept == 0 && !has_readers() ? broken_pipe() : slept;
}

// What is there and fits; a packet alone. A slot stays as it is when not all of it that is wanted can be
// handed over (Linux's pipe_read).
long Pipe::take_out(Parts& to, bool by_packets) {
  long done = 0;
  bool packet = false;
  while (to.left() > 0 && !packet && !empty()) {
    PipeSlot& first = slot(tail_);
    size_t part = min(to.left(), static_cast<size_t>(first.length));
    if (to.copy_out(first.bytes(), part) < part) return done > 0 ? done : -EFAULT;
    done += static_cast<long>(part);
    first.consume(part);
    packet = by_packets && first.is_packet;
    if (first.length == 0 || packet) drop_first();
  }
  return done;
}

long Pipe::read(bool nonblocking, Parts& to, bool by_packets) {
  while (to.left() > 0) {
    {
      MutexGuard guard(mutex_);
      bool was_full = full();
      long done = take_out(to, by_packets);
      if (was_full && !full()) changed_.wake();
      if (done != 0) return done;
    }
    if (empty() && !has_writers()) break;
    if (long waited = wait_for_data(nonblocking); waited < 0) return waited;
  }
  return 0;
}

// Into the page of the last slot, if it takes all of it.
long Pipe::merge(size_t size, Parts& from) {
  if (empty() || size == 0) return 0;
  PipeSlot& last = slot(head_ - 1);
  if (!last.may_merge || size > last.room()) return 0;
  if (from.copy_in(last.bytes() + last.length, size) < size) return -EFAULT;
  last.length = static_cast<uint16_t>(last.length + size);
  return static_cast<long>(size);
}

// A page, whole or not at all.
long Pipe::append(bool packet, Parts& from) {
  PipeSlot filled;
  filled.frame = alloc_frame();
  if (filled.frame == 0) return -ENOMEM;
  size_t part = min(from.left(), size_t{kPageSize});
  if (from.copy_in(filled.bytes(), part) < part) {
    filled.drop();
    return -EFAULT;
  }
  filled.length = static_cast<uint16_t>(part);
  filled.may_merge = !packet;
  filled.is_packet = packet;
  push(filled);
  return static_cast<long>(part);
}

long Pipe::write(const File& file, Parts& from) {
  long done = 0;
  // What does not fill a page goes into the page that is there (Linux's pipe_write).
  bool may_merge = true;
  while (from.left() > 0) {
    {
      MutexGuard guard(mutex_);
      long moved = 0;
      if (!has_readers()) {
        broken_pipe();
        return done > 0 ? done : -EPIPE;
      }
      if (may_merge) {
        moved = merge(from.left() % kPageSize, from);
        if (moved > 0) done += moved;
        may_merge = false;
      }
      while (moved >= 0 && from.left() > 0 && !full()) {
        moved = append(file.flags & O_DIRECT, from);
        if (moved > 0) done += moved;
      }
      if (done > 0) changed_.wake();
      if (moved < 0) return done > 0 ? done : moved;
      if (from.left() == 0) break;
    }
    if (file.nonblocking()) return done > 0 ? done : -EAGAIN;
    long slept = sleep_until(changed_, [this] { return !full() || !has_readers(); });
    if (slept < 0) return done > 0 ? done : slept;
  }
  return done;
}

long Pipe::bytes() {
  MutexGuard guard(mutex_);
  long sum = 0;
  for (uint32_t i = tail_; i != head_; ++i) sum += slot(i).length;
  return sum;
}

// Linux's pipe_set_size(): a power of two of pages, not below what is in it.
long Pipe::resize(uint64_t bytes) {
  if (bytes > kMostSlots * kPageSize) return bytes > INT32_MAX ? -EINVAL : -EPERM;
  uint32_t wanted = 1;
  while (wanted * kPageSize < bytes) wanted *= 2;
  PipeSlot* slots = new_slots(wanted);
  if (slots == nullptr) return -ENOMEM;
  MutexGuard guard(mutex_);
  if (head_ - tail_ > wanted) {
    kfree(slots);
    return -EBUSY;
  }
  for (uint32_t i = tail_; i != head_; ++i) slots[i % wanted] = slot(i);
  kfree(slots_);
  slots_ = slots;
  __atomic_store_n(&slot_count_, wanted, __ATOMIC_RELEASE);
  changed_.wake();
  return capacity();
}

namespace {

class PipeEnd : public Inode {
 public:
  explicit PipeEnd(Ref<Pipe> pipe) : Inode(S_IFIFO | 0600), pipe_(pipe) {}
  Pipe* pipe() override { return pipe_.raw(); }
  WaitQueue* poll_queue() override { return &pipe_->changed(); }
  bool can_signal() const override { return true; }
  long ioctl(File&, unsigned command, uint64_t argument) override {
    if (command != FIONREAD) return -ENOTTY;
    return put_user(argument, static_cast<int>(pipe_->bytes())) ? 0 : -EFAULT;
  }
  long pipe_control(unsigned command, uint64_t argument) override {
    return command == F_SETPIPE_SZ ? pipe_->resize(argument) : pipe_->capacity();
  }

 protected:
  Ref<Pipe> pipe_;
};

class ReadEnd final : public PipeEnd {
 public:
  using PipeEnd::PipeEnd;
  long read_parts(File& file, Parts& to) override { return pipe_->read(file.nonblocking(), to); }
  void opened(File&) override { pipe_->count_readers(1); }
  void closed(File&) override { pipe_->count_readers(-1); }
  short poll(File&) override {
    return static_cast<short>((pipe_->empty() ? 0 : POLLIN | POLLRDNORM) |
                              (pipe_->has_writers() ? 0 : POLLHUP));
  }
};

class WriteEnd final : public PipeEnd {
 public:
  using PipeEnd::PipeEnd;
  long write_parts(File& file, Parts& from) override { return pipe_->write(file, from); }
  void opened(File&) override { pipe_->count_writers(1); }
  void closed(File&) override { pipe_->count_writers(-1); }
  short poll(File&) override {
    return static_cast<short>((pipe_->full() ? 0 : POLLOUT | POLLWRNORM) |
                              (pipe_->has_readers() ? 0 : POLLERR));
  }
};

}  // namespace

Result<PipeEnds> make_pipe(unsigned flags) {
  Ref<Pipe> pipe = make<Pipe>();
  if (!pipe || !pipe->init()) return Errno{ENOMEM};
  Ref<Inode> reader = Ref<Inode>(make<ReadEnd>(pipe));
  Ref<Inode> writer = Ref<Inode>(make<WriteEnd>(pipe));
  if (!reader || !writer) return Errno{ENOMEM};
  writer->number = reader->number;
  char name[40];
  format_text(name, sizeof(name), "pipe:[%lu]", reader->number);
  // Who writes makes packets; who reads takes them as they are (Linux's create_pipe_files).
  Result<Ref<File>> read_file = open_nameless(reader, name, O_RDONLY | (flags & O_NONBLOCK));
  if (!read_file.ok()) return read_file.failure();
  Result<Ref<File>> write_file = open_nameless(writer, name, O_WRONLY | flags);
  if (!write_file.ok()) return write_file.failure();
  return PipeEnds{*read_file, *write_file};
}

}  // namespace mk
