// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the monitor of another program is told of changes of its map: Linux's
// userfaultfd_event_wait_completion and its callers.
#include "lib/assert.h"
#include "mm/address_space.h"
#include "mm/userfaultfd.h"

namespace mk {

bool Userfaultfd::add_event(UserfaultWait& wait) {
  {
    SpinlockGuard guard(lock_);
    if (released_) return false;
    wait.state_ = UserfaultWait::State::kPending;
    events_.add(wait);
  }
  changed_.wake();
  return true;
}

long UserfaultEvents::add(const Ref<Userfaultfd>& context, const uffd_msg& message,
                          const Ref<Userfaultfd>& child) {
  Event* event = create<Event>();
  if (event == nullptr) return -ENOMEM;
  event->wait.context_ = context;
  event->wait.message_ = message;
  event->wait.child_ = child;
  __atomic_fetch_add(&context->mmap_changing_, 1, __ATOMIC_ACQ_REL);
  (last_ != nullptr ? last_->next : first_) = event;
  last_ = event;
  return 0;
}

// The whole range is told, once, however many areas of the context are in it.
long UserfaultEvents::add_unmap(const Ref<Userfaultfd>& context, uint64_t start, uint64_t end) {
  if (!context || !context->has(UFFD_FEATURE_EVENT_UNMAP)) return 0;
  for (const Event* event = first_; event != nullptr; event = event->next) {
    const uffd_msg& seen = event->wait.message_;
    if (event->wait.context_ == context && seen.event == UFFD_EVENT_UNMAP && seen.arg.remove.start == start &&
        seen.arg.remove.end == end)
      return 0;
  }
  uffd_msg message = {};
  message.event = UFFD_EVENT_UNMAP;
  message.arg.remove.start = start;
  message.arg.remove.end = end;
  return add(context, message);
}

long UserfaultEvents::add_remove(const Ref<Userfaultfd>& context, uint64_t start, uint64_t end) {
  if (!context || !context->has(UFFD_FEATURE_EVENT_REMOVE)) return 0;
  uffd_msg message = {};
  message.event = UFFD_EVENT_REMOVE;
  message.arg.remove.start = start;
  message.arg.remove.end = end;
  return add(context, message);
}

long UserfaultEvents::add_remap(const Ref<Userfaultfd>& context, uint64_t from, uint64_t to,
                                uint64_t length) {
  if (!context || !context->has(UFFD_FEATURE_EVENT_REMAP)) return 0;
  uffd_msg message = {};
  message.event = UFFD_EVENT_REMAP;
  message.arg.remap.from = from;
  message.arg.remap.to = to;
  message.arg.remap.len = length;
  return add(context, message);
}

long UserfaultEvents::add_fork(const Ref<Userfaultfd>& context, AddressSpace& child,
                               Ref<Userfaultfd>& of_child) {
  if (!context || !context->has(UFFD_FEATURE_EVENT_FORK)) return 0;
  for (const Event* event = first_; event != nullptr; event = event->next) {
    if (event->wait.context_ != context) continue;
    of_child = event->wait.child_;
    return 0;
  }
  Ref<Userfaultfd> made = make<Userfaultfd>(child, context->flags());
  if (!made) return -ENOMEM;
  made->features_ = context->features_;
  uffd_msg message = {};
  message.event = UFFD_EVENT_FORK;
  long error = add(context, message, made);
  if (error == 0) of_child = made;
  return error;
}

void UserfaultEvents::tell_one(UserfaultWait& wait) {
  using State = UserfaultWait::State;
  Userfaultfd& context = *wait.context_;
  if (!context.add_event(wait)) return;
  auto is_over = [&] {
    return wait.state() == State::kTold || (context.released() && wait.state() != State::kTaken);
  };
  sleep_until(wait.woken_, is_over, Sleep::kKillable);
}

void UserfaultEvents::tell() {
  while (Event* event = first_) {
    UserfaultWait& wait = event->wait;
    Ref<Userfaultfd> context = wait.context_;
    tell_one(wait);
    // A child that nobody was told of has nobody to ask.
    bool told = wait.leave() == UserfaultWait::State::kTold;
    if (wait.child_ && !told)
      if (Ref<AddressSpace> child = wait.child_->mm()) child->release_userfaultfd(*wait.child_);
    __atomic_fetch_sub(&context->mmap_changing_, 1, __ATOMIC_ACQ_REL);
    first_ = event->next;
    destroy(event);
  }
  last_ = nullptr;
}

void UserfaultEvents::cancel_remap() {
  if (last_ == nullptr || last_->wait.message_.event != UFFD_EVENT_REMAP) return;
  Event** link = &first_;
  Event* before = nullptr;
  for (; *link != last_; link = &(*link)->next) before = *link;
  __atomic_fetch_sub(&last_->wait.context_->mmap_changing_, 1, __ATOMIC_ACQ_REL);
  destroy(last_);
  *link = nullptr;
  last_ = before;
}

void UserfaultEvents::cancel() {
  while (Event* event = first_) {
    __atomic_fetch_sub(&event->wait.context_->mmap_changing_, 1, __ATOMIC_ACQ_REL);
    first_ = event->next;
    destroy(event);
  }
  last_ = nullptr;
}

}  // namespace mk
