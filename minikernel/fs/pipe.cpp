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

template <typename Copy>
long Pipe::read_by(bool nonblocking, size_t size, Copy copy) {
  size_t done = 0;
  while (done < size) {
    {
      MutexGuard guard(mutex_);
      bool was_full = full();
      bool packet = false;
      long error = 0;
      bool cut_short = false;  // the program's memory took a part only
      while (done < size && !packet && !cut_short && !empty()) {
        PipeSlot& first = slot(tail_);
        size_t part = min(size - done, static_cast<size_t>(first.length));
        long copied = copy(done, first.bytes(), part);
        if (copied < 0) {
          error = copied;
          break;
        }
        done += static_cast<size_t>(copied);
        first.consume(static_cast<size_t>(copied));
        packet = first.is_packet;
        if (first.length == 0 || packet) drop_first();
        cut_short = static_cast<size_t>(copied) < part;
      }
      if (was_full && !full()) changed_.wake();
      if (error < 0 || cut_short) return done > 0 ? static_cast<long>(done) : error;
    }
    if (done > 0 || (empty() && !has_writers())) break;
    if (long waited = wait_for_data(nonblocking); waited < 0) return waited;
  }
  return static_cast<long>(done);
}

// Into the page of the last slot, if it takes all of it.
template <typename Copy>
long Pipe::merge(size_t size, Copy copy) {
  if (empty() || size == 0) return 0;
  PipeSlot& last = slot(head_ - 1);
  if (!last.may_merge || size > last.room()) return 0;
  long copied = copy(0, last.bytes() + last.length, size);
  if (copied > 0) last.length = static_cast<uint16_t>(last.length + copied);
  return copied;
}

template <typename Copy>
long Pipe::append(bool packet, size_t done, size_t size, Copy copy) {
  PipeSlot filled;
  filled.frame = alloc_frame();
  if (filled.frame == 0) return -ENOMEM;
  long copied = copy(done, filled.bytes(), min(size - done, size_t{kPageSize}));
  if (copied <= 0) {
    filled.drop();
    return copied;
  }
  filled.length = static_cast<uint16_t>(copied);
  filled.may_merge = !packet;
  filled.is_packet = packet;
  push(filled);
  return copied;
}

template <typename Copy>
long Pipe::write_by(const File& file, size_t size, Copy copy) {
  size_t done = 0;
  // What does not fill a page goes into the page that is there (Linux's pipe_write).
  bool may_merge = true;
  bool packet = file.flags & O_DIRECT;
  while (done < size) {
    {
      MutexGuard guard(mutex_);
      long error = 0;
      if (!has_readers()) {
        broken_pipe();
        return done > 0 ? static_cast<long>(done) : -EPIPE;
      }
      if (may_merge) {
        error = merge(size % kPageSize, copy);
        if (error > 0) done += static_cast<size_t>(error);
        may_merge = false;
      }
      while (error >= 0 && done < size && !full()) {
        error = append(packet, done, size, copy);
        if (error > 0) done += static_cast<size_t>(error);
      }
      if (done > 0) changed_.wake();
      if (error < 0) return done > 0 ? static_cast<long>(done) : error;
      if (done == size) break;
    }
    if (file.nonblocking()) return done > 0 ? static_cast<long>(done) : -EAGAIN;
    long slept = sleep_until(changed_, [this] { return !full() || !has_readers(); });
    if (slept < 0) return done > 0 ? static_cast<long>(done) : slept;
  }
  return static_cast<long>(done);
}

long Pipe::read(bool nonblocking, UserBuffer buffer) {
  return read_by(nonblocking, buffer.size, [&](size_t done, const char* from, size_t part) {
    return copy_out_some(buffer.address + done, from, part);
  });
}

long Pipe::write(const File& file, UserBuffer buffer) {
  return write_by(file, buffer.size, [&](size_t done, char* to, size_t part) {
    return copy_in_some(to, buffer.address + done, part);
  });
}

long Pipe::read_kernel(void* destination, size_t bytes) {
  return read_by(true, bytes, [&](size_t done, const char* from, size_t part) {
    memcpy(static_cast<char*>(destination) + done, from, part);
    return static_cast<long>(part);
  });
}

long Pipe::write_kernel(const File& file, const void* source, size_t bytes) {
  return write_by(file, bytes, [&](size_t done, char* to, size_t part) {
    memcpy(to, static_cast<const char*>(source) + done, part);
    return static_cast<long>(part);
  });
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
  long read(File& file, uint64_t, UserBuffer buffer) override {
    return pipe_->read(file.nonblocking(), buffer);
  }
  long read_kernel(uint64_t, void* destination, size_t bytes) override {
    return pipe_->read_kernel(destination, bytes);
  }
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
  long write(File& file, uint64_t, UserBuffer buffer) override { return pipe_->write(file, buffer); }
  long write_kernel(File& file, uint64_t, const void* source, size_t bytes) override {
    return pipe_->write_kernel(file, source, bytes);
  }
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
  Result<Ref<File>> read_file = open_nameless(reader, name, O_RDONLY | flags);
  if (!read_file.ok()) return read_file.failure();
  Result<Ref<File>> write_file = open_nameless(writer, name, O_WRONLY | flags);
  if (!write_file.ok()) return write_file.failure();
  return PipeEnds{*read_file, *write_file};
}

}  // namespace mk
