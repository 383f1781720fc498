// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/userfaultfd.h"

#include "fs/userfaultfd.h"
#include "lib/assert.h"
#include "mm/address_space.h"
#include "mm/vmstat.h"
#include "proc/task.h"

namespace mk {
namespace {

Spinlock owners_lock;  // of Userfaultfd::mm_ and AddressSpace::userfaultfds, of all

}  // namespace

Userfaultfd::Userfaultfd(AddressSpace& mm, unsigned flags) : flags_(flags), mm_(&mm) {
  SpinlockGuard guard(owners_lock);
  next_of_mm_ = mm.userfaultfds;
  mm.userfaultfds = this;
}

Userfaultfd::~Userfaultfd() {
  KASSERT(pending_.first == nullptr && told_.first == nullptr && events_.first == nullptr);
  SpinlockGuard guard(owners_lock);
  if (mm_ == nullptr) return;
  Userfaultfd** link = &mm_->userfaultfds;
  while (*link != this) link = &(*link)->next_of_mm_;
  *link = next_of_mm_;
}

Ref<AddressSpace> Userfaultfd::mm() {
  SpinlockGuard guard(owners_lock);
  return Ref<AddressSpace>::adopt(mm_ != nullptr && mm_->try_get() ? mm_ : nullptr);
}

void Userfaultfd::forget(AddressSpace& mm) {
  SpinlockGuard guard(owners_lock);
  for (Userfaultfd* one = mm.userfaultfds; one != nullptr; one = one->next_of_mm_) one->mm_ = nullptr;
  mm.userfaultfds = nullptr;
}

bool Userfaultfd::choose_features(uint64_t features) {
  uint64_t none = 0;
  return __atomic_compare_exchange_n(&features_, &none, features | kInitialized, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE);
}

void Userfaultfd::Queue::add(UserfaultWait& wait) {
  wait.previous_ = last;
  wait.next_ = nullptr;
  (last != nullptr ? last->next_ : first) = &wait;
  last = &wait;
}

void Userfaultfd::Queue::remove(UserfaultWait& wait) {
  (wait.previous_ != nullptr ? wait.previous_->next_ : first) = wait.next_;
  (wait.next_ != nullptr ? wait.next_->previous_ : last) = wait.previous_;
}

Userfaultfd::Queue& Userfaultfd::queue_of(const UserfaultWait& wait) {
  if (wait.message_.event != UFFD_EVENT_PAGEFAULT) return events_;
  return wait.state_ == UserfaultWait::State::kPending ? pending_ : told_;
}

void Userfaultfd::add_fault(UserfaultWait& wait, bool write, unsigned reason) {
  uffd_msg& message = wait.message_;
  message.event = UFFD_EVENT_PAGEFAULT;
  message.arg.pagefault.flags = reason | (write ? UFFD_PAGEFAULT_FLAG_WRITE : 0);
  message.arg.pagefault.address =
      has(UFFD_FEATURE_EXACT_ADDRESS) ? wait.address_ : page_align_down(wait.address_);
  if (has(UFFD_FEATURE_THREAD_ID)) message.arg.pagefault.feat.ptid = static_cast<uint32_t>(current().pid);
  count_vm_event(reason & UFFD_PAGEFAULT_FLAG_WP      ? VmEvent::kUffdWp
                 : reason & UFFD_PAGEFAULT_FLAG_MINOR ? VmEvent::kUffdMinor
                                                      : VmEvent::kUffdMissing);
  {
    SpinlockGuard guard(lock_);
    KASSERT(wait.state_ == UserfaultWait::State::kIdle);
    wait.context_ = Ref<Userfaultfd>(this);
    wait.state_ = UserfaultWait::State::kPending;
    pending_.add(wait);
  }
  changed_.wake();
}

// Under lock_: the waiting thread may go as soon as that is let go.
void Userfaultfd::end_wait(UserfaultWait& wait, UserfaultWait::State state) {
  if (wait.state_ != UserfaultWait::State::kTaken) queue_of(wait).remove(wait);
  __atomic_store_n(&wait.state_, state, __ATOMIC_RELEASE);
  wait.woken_.wake();
}

void Userfaultfd::wake(uint64_t start, uint64_t length) {
  SpinlockGuard guard(lock_);
  Queue* const queues[] = {&pending_, &told_};
  for (Queue* queue : queues) {
    for (UserfaultWait *wait = queue->first, *next; wait != nullptr; wait = next) {
      next = wait->next_;
      uint64_t address = wait->message_.arg.pagefault.address;
      if (length != 0 && (address < start || address - start >= length)) continue;
      end_wait(*wait, UserfaultWait::State::kWoken);
    }
  }
}

long UserfaultWait::sleep(Sleep kind) {
  long result = sleep_until(woken_, [this] { return state() == State::kWoken; }, kind);
  leave();
  return result;
}

UserfaultWait::State UserfaultWait::leave() {
  if (!context_) return State::kIdle;
  State was;
  while ((was = leave_queue()) == State::kTaken) {
    sleep_until(woken_, [this] { return state() != State::kTaken; }, Sleep::kDeaf);
  }
  context_.reset();
  return was;
}

// Only under the lock it is certain that no reader takes the event meanwhile.
UserfaultWait::State UserfaultWait::leave_queue() {
  SpinlockGuard guard(context_->lock_);
  State was = state_;
  if (was == State::kTaken) return was;
  bool queued = was == State::kPending || (was == State::kTold && message_.event == UFFD_EVENT_PAGEFAULT);
  if (queued) context_->queue_of(*this).remove(*this);
  state_ = State::kIdle;
  return was;
}

bool Userfaultfd::has_message() {
  SpinlockGuard guard(lock_);
  return pending_.first != nullptr || events_.first != nullptr;
}

void Userfaultfd::count_waiting(unsigned long& pending, unsigned long& total) {
  SpinlockGuard guard(lock_);
  pending = total = 0;
  for (const UserfaultWait* wait = pending_.first; wait != nullptr; wait = wait->next_) ++pending;
  for (const UserfaultWait* wait = told_.first; wait != nullptr; wait = wait->next_) ++total;
  total += pending;
}

// Faults first, then events, each the oldest first, as Linux's userfaultfd_ctx_read.
long Userfaultfd::take_message(uffd_msg& message) {
  UserfaultWait* event;
  Ref<Userfaultfd> child;
  {
    SpinlockGuard guard(lock_);
    if (UserfaultWait* fault = pending_.first) {
      pending_.remove(*fault);
      fault->state_ = UserfaultWait::State::kTold;
      told_.add(*fault);
      message = fault->message_;
      return 0;
    }
    event = events_.first;
    if (event == nullptr) return -EAGAIN;
    message = event->message_;
    if (message.event != UFFD_EVENT_FORK) {
      end_wait(*event, UserfaultWait::State::kTold);
      return 0;
    }
    events_.remove(*event);
    __atomic_store_n(&event->state_, UserfaultWait::State::kTaken, __ATOMIC_RELEASE);
    child = event->child_;
  }
  return take_fork(*event, child, message);
}

// Making a descriptor may fail; then the event is there for the next reader. Until it is decided the forking
// task waits (UserfaultWait::leave).
long Userfaultfd::take_fork(UserfaultWait& event, Ref<Userfaultfd> child, uffd_msg& message) {
  long fd = install_userfaultfd(child, O_RDONLY);
  if (fd >= 0) message.arg.fork.ufd = static_cast<uint32_t>(fd);
  SpinlockGuard guard(lock_);
  if (fd >= 0) {
    end_wait(event, UserfaultWait::State::kTold);
    return 0;
  }
  __atomic_store_n(&event.state_, UserfaultWait::State::kPending, __ATOMIC_RELEASE);
  events_.add(event);
  event.woken_.wake();
  return fd;
}

// Areas are unregistered already, so no fault comes any more.
void Userfaultfd::release() {
  {
    SpinlockGuard guard(lock_);
    __atomic_store_n(&released_, true, __ATOMIC_RELEASE);
    for (UserfaultWait* event = events_.first; event != nullptr; event = event->next_) event->woken_.wake();
  }
  wake(0, 0);
  changed_.wake();
}

}  // namespace mk
