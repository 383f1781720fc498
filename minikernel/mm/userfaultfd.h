// SPDX-License-Identifier: GPL-2.0-or-later
//
// userfaultfd: page faults, and changes of the map, that a program handles itself (Linux fs/userfaultfd.c).
// A Userfaultfd is what one descriptor stands for: Linux's userfaultfd_ctx. It belongs to one address space;
// areas that are registered with it refer to it (Vma::userfaultfd), and each area to one at most.
//
// A fault that it is told of becomes a message in a queue, with the faulting thread behind it. The thread
// waits without any lock and then repeats its access; whether that is right is found out by the next fault.
// The message is queued under the lock of the entry's page table, and whoever resolves a fault changes the
// entry under the same lock before it wakes: no wake is lost.
//
// A change of the map that the monitor wants to hear of (fork, mremap, munmap, madvise) is told by the thread
// that makes it, which waits until the message has been read. It is announced under mmap_lock held for
// writing and told after (UserfaultEvents); in between nothing can be filled in (mmap_changing: EAGAIN).
//
// Locks: lock_ (a spinlock) guards the queues; it nests inside page-table locks. mm_ is guarded by a lock of
// all, because either of the two may end first.
#pragma once

#include <stdint.h>

#include "abi/userfaultfd_abi.h"
#include "lib/ref.h"
#include "lib/spinlock.h"
#include "proc/wait_queue.h"

namespace mk {

class AddressSpace;
class Userfaultfd;

// A thread that waits for a monitor: in a queue of `context` while that is set. Lives where the thread can
// keep it without a lock: on its stack, or in a list of UserfaultEvents.
class UserfaultWait {
 public:
  // Of an access at `address`, of the program itself or of the kernel on its behalf.
  UserfaultWait(uint64_t address, bool from_user) : address_(address), from_user_(from_user) {}
  ~UserfaultWait() { leave(); }
  UserfaultWait(const UserfaultWait&) = delete;

  bool from_user() const { return from_user_; }
  void set_address(uint64_t address) { address_ = address; }
  // Until somebody has dealt with the fault; 0, or -ERESTARTSYS for a signal. Without a lock.
  long sleep(Sleep kind);

 private:
  friend class Userfaultfd;
  friend class UserfaultEvents;
  enum class State : uint8_t {
    kIdle,
    kPending,  // in a queue, not read
    kTaken,    // somebody is reading it (fork events)
    kTold,     // read: a fault waits on, an event is over
    kWoken,
  };
  State state() const { return __atomic_load_n(&state_, __ATOMIC_ACQUIRE); }
  // What it was. A reader that is at it is waited for whatever happens: it makes a descriptor, which does not
  // take long.
  State leave();
  State leave_queue();

  uint64_t address_;
  bool from_user_;
  State state_ = State::kIdle;
  uffd_msg message_ = {};
  Ref<Userfaultfd> context_;
  Ref<Userfaultfd> child_;  // of a fork event
  WaitQueue woken_;
  UserfaultWait* next_ = nullptr;
  UserfaultWait* previous_ = nullptr;
};

class Userfaultfd : public RefCounted {
 public:
  // `flags`: UFFD_USER_MODE_ONLY, O_NONBLOCK and O_CLOEXEC as it was made with: a fork's child gets the same.
  Userfaultfd(AddressSpace& mm, unsigned flags);
  ~Userfaultfd();

  unsigned flags() const { return flags_; }
  bool user_mode_only() const { return flags_ & UFFD_USER_MODE_ONLY; }
  Ref<AddressSpace> mm();  // empty: it has ended
  bool belongs_to(const AddressSpace& mm) const { return mm_ == &mm; }
  // For the end of an address space.
  static void forget(AddressSpace& mm);

  // UFFDIO_API: once. False: it was chosen before.
  bool choose_features(uint64_t features);
  uint64_t features() const { return load_features(); }  // with a bit more once they are chosen
  bool initialized() const { return load_features() & kInitialized; }
  bool has(uint64_t feature) const { return (load_features() & feature) != 0; }

  // A fault of the running task, with the page-table lock held. `reason`: UFFD_PAGEFAULT_FLAG_WP, _MINOR or 0
  // (missing).
  void add_fault(UserfaultWait& wait, bool write, unsigned reason);
  // Ends the waiting for [start, start + length); of all with length 0.
  void wake(uint64_t start, uint64_t length);

  // For read(2): the next message; fork events make a descriptor of the reader's. 0, -EAGAIN: none is there.
  long take_message(uffd_msg& message);
  bool has_message();
  WaitQueue& changed() { return changed_; }
  // The last descriptor is gone: nobody waits from now on.
  void release();
  bool released() const { return __atomic_load_n(&released_, __ATOMIC_ACQUIRE); }

  bool mmap_changing() const { return __atomic_load_n(&mmap_changing_, __ATOMIC_ACQUIRE) != 0; }
  // How many wait: those not yet read, and all.
  void count_waiting(unsigned long& pending, unsigned long& total);

 private:
  friend class UserfaultWait;
  friend class UserfaultEvents;
  static constexpr uint64_t kInitialized = 1ul << 31;

  struct Queue {
    UserfaultWait* first = nullptr;
    UserfaultWait* last = nullptr;
    void add(UserfaultWait& wait);
    void remove(UserfaultWait& wait);
  };
  uint64_t load_features() const { return __atomic_load_n(&features_, __ATOMIC_ACQUIRE); }
  Queue& queue_of(const UserfaultWait& wait);
  bool add_event(UserfaultWait& wait);  // false: released
  void end_wait(UserfaultWait& wait, UserfaultWait::State state);
  long take_fork(UserfaultWait& event, Ref<Userfaultfd> child, uffd_msg& message);

  const unsigned flags_;
  uint64_t features_ = 0;
  uint32_t mmap_changing_ = 0;
  bool released_ = false;

  Spinlock lock_;
  WaitQueue changed_;  // for readers
  Queue pending_;      // faults that nobody has read
  Queue told_;         // faults that wait for the monitor
  Queue events_;

  AddressSpace* mm_;  // this and the links: guarded by a lock of all
  Userfaultfd* next_of_mm_ = nullptr;
};

// What a system call has to tell when it has let go of mmap_lock, in this order. add_* are called with
// mmap_lock held for writing; -ENOMEM. Nothing is told by an address space that has nothing registered.
class UserfaultEvents {
 public:
  UserfaultEvents() = default;
  ~UserfaultEvents() { cancel(); }
  UserfaultEvents(const UserfaultEvents&) = delete;

  // Each takes the area's context and adds nothing unless that one asked for such events.
  long add_unmap(const Ref<Userfaultfd>& context, uint64_t start, uint64_t end);
  long add_remove(const Ref<Userfaultfd>& context, uint64_t start, uint64_t end);
  long add_remap(const Ref<Userfaultfd>& context, uint64_t from, uint64_t to, uint64_t length);
  // The context of the child's copy of an area; empty: the area is not registered there.
  long add_fork(const Ref<Userfaultfd>& context, AddressSpace& child, Ref<Userfaultfd>& of_child);

  bool empty() const { return first_ == nullptr; }
  // The area has not moved after all; right after add_remap() only.
  void cancel_remap();
  // Waits until each has been read, its reader is gone, or this task is killed.
  void tell();
  // The call has failed: nothing is told.
  void cancel();

 private:
  struct Event {
    UserfaultWait wait{0, false};
    Event* next = nullptr;
  };
  long add(const Ref<Userfaultfd>& context, const uffd_msg& message, const Ref<Userfaultfd>& child = nullptr);
  static void tell_one(UserfaultWait& wait);

  Event* first_ = nullptr;
  Event* last_ = nullptr;
};

}  // namespace mk
