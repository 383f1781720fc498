// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/splice.h"

#include <linux/fs.h>
#include <linux/poll.h>

#include "arch/x86_64/memory_layout.h"
#include "mm/gup.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

bool nonblocking(unsigned flags) { return flags & kSpliceNonblock; }

// One page at a time: a reference that finds no free slot would have been taken for nothing, and may have
// cost a copy.
long push_user_page(Pipe& pipe, UserBuffer part) {
  size_t within = part.address % kPageSize;
  size_t bytes = min(part.size, kPageSize - within);
  PageRef page;
  long got = get_own_pages(part.address, 1, kFollGet, &page);
  if (got < 0) return got;
  Ref<UserPage> shared = make<UserPage>(page);
  if (!shared) {
    put_user_page(page);
    return -ENOMEM;
  }
  PipeSlot slot;
  slot.page = shared.release();
  slot.kind = PipeSlot::Kind::kUserPage;
  slot.offset = static_cast<uint16_t>(within);
  slot.length = static_cast<uint16_t>(bytes);
  pipe.push(slot);
  return static_cast<long>(bytes);
}

}  // namespace

long user_pages_to_pipe(Pipe& pipe, UserParts& parts, unsigned flags) {
  while (true) {
    if (long waited = pipe.wait_for_room(nonblocking(flags)); waited < 0) return waited;
    MutexGuard guard(pipe.mutex());
    if (pipe.full()) continue;  // somebody else was faster
    long done = 0;
    long moved = 0;
    while (!pipe.full() && parts.left() > 0) {
      UserBuffer part;
      moved = parts.next(part) ? push_user_page(pipe, part) : -EFAULT;
      if (moved <= 0) break;
      parts.advance(static_cast<size_t>(moved));
      done += moved;
    }
    if (done > 0) pipe.changed().wake();
    return done > 0 ? done : moved;
  }
}

long pipe_to_user(Pipe& pipe, UserParts& parts, unsigned flags) {
  return pipe.read(nonblocking(flags), parts, false);
}

namespace {

// The page of a mappable file that `offset` is in, without making one of a hole. The file has been found to
// reach beyond.
long cached_slot(File& file, uint64_t offset, PipeSlot& slot) {
  Inode& inode = file.inode();
  slot.offset = static_cast<uint16_t>(offset % kPageSize);
  bool hole = inode.seek_data_or_hole(offset, false) != static_cast<long>(offset);
  if (hole) {
    slot.kind = PipeSlot::Kind::kZeros;
    return 0;
  }
  Result<Pfn> page = inode.get_page(offset / kPageSize);
  if (!page.ok()) return page.error() == -ENXIO ? -EIO : page.error();
  slot.frame = *page;
  return 0;
}

// A new frame with a copy of what is there (Linux's copy_splice_read).
long copied_slot(File& file, uint64_t offset, size_t bytes, PipeSlot& slot) {
  Pfn frame = alloc_frame();
  if (frame == 0) return -ENOMEM;
  long got = file.inode().read_kernel(offset, phys_to_virt(frame * kPageSize), bytes);
  if (got <= 0) {
    frame_put(frame);
    return got;
  }
  slot.frame = frame;
  return got;
}

// How much of the file the next slot gets; 0 at its end.
long next_slot(File& file, uint64_t offset, size_t bytes, PipeSlot& slot) {
  Inode& inode = file.inode();
  if (!inode.mappable()) {
    long got = copied_slot(file, offset, min(bytes, size_t{kPageSize}), slot);
    if (got > 0) slot.length = static_cast<uint16_t>(got);
    return got;
  }
  uint64_t size = __atomic_load_n(&inode.size, __ATOMIC_RELAXED);
  if (offset >= size) return 0;
  if (long error = cached_slot(file, offset, slot); error < 0) return error;
  size_t part = min(bytes, static_cast<size_t>(kPageSize - offset % kPageSize));
  slot.length = static_cast<uint16_t>(min(static_cast<uint64_t>(part), size - offset));
  return slot.length;
}

}  // namespace

long file_to_pipe(File& file, uint64_t& offset, Pipe& pipe, size_t bytes, unsigned flags) {
  while (true) {
    if (long waited = pipe.wait_for_room(nonblocking(flags)); waited < 0) return waited;
    if (!file.inode().splices_from()) return -EINVAL;
    size_t done = 0;
    long moved = 0;
    {
      MutexGuard guard(pipe.mutex());
      if (pipe.full()) continue;
      while (done < bytes && !pipe.full()) {
        PipeSlot slot;
        moved = next_slot(file, offset, bytes - done, slot);
        if (moved <= 0) break;
        pipe.push(slot);
        file.inode().advance(offset, moved);
        done += static_cast<size_t>(moved);
      }
      if (done > 0) pipe.changed().wake();
    }
    if (done > 0) return static_cast<long>(done);
    WaitQueue* queue = file.inode().poll_queue();
    if (moved != -EAGAIN || queue == nullptr || file.nonblocking()) return moved;
    // The terminal, an eventfd: read without waiting, because of the mutex.
    long waited =
        sleep_until(*queue, [&] { return (file.inode().poll(file) & (POLLIN | POLLERR | POLLHUP)) != 0; });
    if (waited < 0) return waited;
  }
}

long pipe_to_file(Pipe& pipe, File& file, uint64_t& offset, size_t bytes, unsigned flags) {
  if (!file.inode().splices_to()) return -EINVAL;
  while (true) {
    if (long waited = pipe.wait_for_data(nonblocking(flags)); waited < 0) return waited;
    MutexGuard guard(pipe.mutex());
    if (pipe.empty() && pipe.has_writers()) continue;
    // A regular file's contents have one writer at a time (fs/inode.h); nobody waits for a pipe under that
    // lock.
    Mutex none;
    MutexGuard contents(file.inode().is_regular() ? file.inode().io_lock : none);
    size_t done = 0;
    long moved = 0;
    while (done < bytes && !pipe.empty()) {
      PipeSlot& first = pipe.at(0);
      size_t part = min(bytes - done, static_cast<size_t>(first.length));
      moved = file.inode().write_kernel(file, offset, first.bytes(), part);
      if (moved <= 0) break;
      file.inode().advance(offset, moved);
      done += static_cast<size_t>(moved);
      first.consume(static_cast<size_t>(moved));
      if (first.length == 0) pipe.drop_first();
      if (static_cast<size_t>(moved) < part) break;
    }
    if (done > 0) pipe.changed().wake();
    return done > 0 ? static_cast<long>(done) : moved;
  }
}

namespace {

// The mutexes of two pipes, always in the same order.
class BothMutexes {
 public:
  BothMutexes(Pipe& a, Pipe& b)
      : first_(&a < &b ? a.mutex() : b.mutex()), second_(&a < &b ? b.mutex() : a.mutex()) {}

 private:
  MutexGuard first_;
  MutexGuard second_;
};

// Under both mutexes: as many slots as there are and fit. -ENOMEM when a page can have no more references.
long move_slots(Pipe& from, Pipe& to, size_t bytes, bool keep) {
  size_t done = 0;
  for (uint32_t i = 0; done < bytes && !to.full() && (keep ? i < from.used() : !from.empty()); ++i) {
    PipeSlot& source = from.at(keep ? i : 0);
    size_t part = min(bytes - done, static_cast<size_t>(source.length));
    PipeSlot slot;
    if (!keep && part == source.length) {
      slot = from.take_first();
    } else {
      if (!source.share(slot)) return done > 0 ? static_cast<long>(done) : -ENOMEM;
      slot.length = static_cast<uint16_t>(part);
      if (!keep) source.consume(part);
    }
    to.push(slot);
    done += part;
  }
  return static_cast<long>(done);
}

}  // namespace

long pipe_to_pipe(Pipe& from, Pipe& to, size_t bytes, unsigned flags, bool keep) {
  while (true) {
    if (long waited = from.wait_for_data(nonblocking(flags)); waited < 0) return waited;
    if (long waited = to.wait_for_room(nonblocking(flags)); waited < 0) return waited;
    BothMutexes guard(from, to);
    if (!to.has_readers()) return broken_pipe();
    long done = move_slots(from, to, bytes, keep);
    if (done == 0 && (!from.empty() || from.has_writers())) continue;  // somebody else was faster
    if (done > 0) to.changed().wake();
    if (done > 0 && !keep) from.changed().wake();
    return done;
  }
}

}  // namespace mk
