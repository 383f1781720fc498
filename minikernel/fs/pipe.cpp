// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/pipe.h"

#include <asm/ioctls.h>
#include <linux/fcntl.h>
#include <linux/poll.h>

#include "arch/x86_64/memory_layout.h"
#include "lib/log.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {
namespace {

constexpr uint32_t kDefaultSlots = 16;
constexpr uint32_t kMostSlots = 256;  // pipe-max-size is 1 MiB

class Pipe : public RefCounted {
 public:
  ~Pipe() {
    while (!empty()) drop_first();
    kfree(slots_);
  }
  bool init() { return (slots_ = new_slots(kDefaultSlots)) != nullptr; }

  long read(const File& file, UserBuffer buffer);
  long write(const File& file, UserBuffer buffer);
  long bytes();
  long resize(uint64_t bytes);
  long capacity() const { return static_cast<long>(slot_count_ * kPageSize); }

  bool empty() const { return load(head_) == load(tail_); }
  bool full() const { return load(head_) - load(tail_) >= load(slot_count_); }
  bool has_readers() const { return load(readers_) != 0; }
  bool has_writers() const { return load(writers_) != 0; }
  void count_readers(int change) { count(readers_, change); }
  void count_writers(int change) { count(writers_, change); }
  WaitQueue& changed() { return changed_; }

 private:
  struct Slot {
    uint32_t frame;
    uint16_t offset;
    uint16_t length;  // of the page; what follows may be filled by the next write
  };
  static Slot* new_slots(uint32_t count) { return static_cast<Slot*>(kmalloc(count * sizeof(Slot))); }
  static uint32_t load(const uint32_t& word) { return __atomic_load_n(&word, __ATOMIC_ACQUIRE); }

  void count(uint32_t& number, int change) {
    __atomic_fetch_add(&number, static_cast<uint32_t>(change), __ATOMIC_ACQ_REL);
    changed_.wake();
  }
  Slot& slot(uint32_t index) { return slots_[index % slot_count_]; }
  static char* bytes_of(const Slot& slot) { return static_cast<char*>(phys_to_virt(slot.frame * kPageSize)); }
  void drop_first() {
    frame_put(slot(tail_).frame);
    __atomic_store_n(&tail_, tail_ + 1, __ATOMIC_RELEASE);
  }
  long append(UserBuffer buffer);
  long merge(UserBuffer buffer);

  Mutex mutex_;  // of slots; who changes them or copies
  WaitQueue changed_;
  Slot* slots_ = nullptr;
  uint32_t slot_count_ = kDefaultSlots;
  uint32_t head_ = 0;  // of the next slot to fill
  uint32_t tail_ = 0;  // the first full one
  uint32_t readers_ = 0;
  uint32_t writers_ = 0;
};

long Pipe::read(const File& file, UserBuffer buffer) {
  size_t done = 0;
  while (done < buffer.size) {
    {
      MutexGuard guard(mutex_);
      bool was_full = full();
      while (done < buffer.size && !empty()) {
        Slot& first = slot(tail_);
        size_t part = min(buffer.size - done, static_cast<size_t>(first.length));
        long copied = copy_out_some(buffer.address + done, bytes_of(first) + first.offset, part);
        if (copied < 0) return done > 0 ? static_cast<long>(done) : copied;
        done += static_cast<size_t>(copied);
        first.offset = static_cast<uint16_t>(first.offset + copied);
        first.length = static_cast<uint16_t>(first.length - copied);
        if (first.length == 0) drop_first();
        if (static_cast<size_t>(copied) < part) return static_cast<long>(done);
      }
      if (was_full && !full()) changed_.wake();
    }
    if (done > 0 || !has_writers()) break;
    if (file.flags & O_NONBLOCK) return -EAGAIN;
    long slept = sleep_until(changed_, [this] { return !empty() || !has_writers(); });
    if (slept < 0) return slept;
  }
  return static_cast<long>(done);
}

// Into the page of the last slot, if it takes all of it.
long Pipe::merge(UserBuffer buffer) {
  if (empty() || buffer.size == 0) return 0;
  Slot& last = slot(head_ - 1);
  size_t end = static_cast<size_t>(last.offset) + last.length;
  if (end + buffer.size > kPageSize) return 0;
  long copied = copy_in_some(bytes_of(last) + end, buffer.address, buffer.size);
  if (copied > 0) last.length = static_cast<uint16_t>(last.length + copied);
  return copied;
}

long Pipe::append(UserBuffer buffer) {
  Pfn frame = alloc_frame();
  if (frame == 0) return -ENOMEM;
  long copied =
      copy_in_some(phys_to_virt(frame * kPageSize), buffer.address, min(buffer.size, size_t{kPageSize}));
  if (copied < 0) {
    frame_put(frame);
    return copied;
  }
  slot(head_) = {static_cast<uint32_t>(frame), 0, static_cast<uint16_t>(copied)};
  __atomic_store_n(&head_, head_ + 1, __ATOMIC_RELEASE);
  return copied;
}

long Pipe::write(const File& file, UserBuffer buffer) {
  size_t done = 0;
  // What does not fill a page goes into the page that is there (Linux's pipe_write).
  bool may_merge = true;
  while (done < buffer.size) {
    {
      MutexGuard guard(mutex_);
      long error = 0;
      if (!has_readers()) {
        siginfo_t info = {};
        info.si_signo = SIGPIPE;
        info.si_code = SI_USER;
        info.si_pid = current().tgid;
        send_signal(current(), info);
        return done > 0 ? static_cast<long>(done) : -EPIPE;
      }
      if (may_merge) {
        error = merge({buffer.address, buffer.size % kPageSize});
        if (error > 0) done += static_cast<size_t>(error);
        may_merge = false;
      }
      while (error >= 0 && done < buffer.size && !full()) {
        error = append({buffer.address + done, buffer.size - done});
        if (error > 0) done += static_cast<size_t>(error);
      }
      if (done > 0) changed_.wake();
      if (error < 0) return done > 0 ? static_cast<long>(done) : error;
      if (done == buffer.size) break;
    }
    if (file.flags & O_NONBLOCK) return done > 0 ? static_cast<long>(done) : -EAGAIN;
    changed_.wake();
    long slept = sleep_until(changed_, [this] { return !full() || !has_readers(); });
    if (slept < 0) return done > 0 ? static_cast<long>(done) : slept;
  }
  return static_cast<long>(done);
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
  Slot* slots = new_slots(wanted);
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

class PipeEnd : public Inode {
 public:
  explicit PipeEnd(Ref<Pipe> pipe) : Inode(S_IFIFO | 0600), pipe_(pipe) {}
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
  long read(File& file, uint64_t, UserBuffer buffer) override { return pipe_->read(file, buffer); }
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
