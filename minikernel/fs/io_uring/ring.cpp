// SPDX-License-Identifier: GPL-2.0-or-later
//
// Submissions, chains of linked ones, completions, cancelling. The thread is in worker.cpp.
#include "fs/io_uring/ring.h"

#include "fs/io_uring/operations.h"
#include "lib/assert.h"
#include "proc/task.h"

namespace mk {
namespace {

Spinlock list_lock;
Ring* first_in_list;

// The running task's transfers do not wait meanwhile.
class WithoutWaiting {
 public:
  WithoutWaiting() : before_(current().nowait) { current().nowait = true; }
  ~WithoutWaiting() { current().nowait = before_; }
  WithoutWaiting(const WithoutWaiting&) = delete;

 private:
  bool before_;
};

bool links(const Request& request) { return request.sqe.flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK); }

}  // namespace

Ring::Ring() {
  SpinlockGuard guard(list_lock);
  next_in_list_ = first_in_list;
  if (first_in_list != nullptr) first_in_list->previous_in_list_ = this;
  first_in_list = this;
}

Ring::~Ring() {
  {
    SpinlockGuard guard(list_lock);
    (previous_in_list_ != nullptr ? previous_in_list_->next_in_list_ : first_in_list) = next_in_list_;
    if (next_in_list_ != nullptr) next_in_list_->previous_in_list_ = previous_in_list_;
  }
  KASSERT(first_ == nullptr && running_ == nullptr);
  while (overflow_first_ != nullptr) {
    Request* next = overflow_first_->next;
    destroy(overflow_first_);
    overflow_first_ = next;
  }
}

Ref<Ring> Ring::next_in_list(const Ring* after) {
  SpinlockGuard guard(list_lock);
  Ring* ring = after != nullptr ? after->next_in_list_ : first_in_list;
  while (ring != nullptr && !ring->try_get()) ring = ring->next_in_list_;
  return Ref<Ring>::adopt(ring);
}

// Linked requests, up to the first without IOSQE_IO_LINK.
struct Ring::Chain {
  Request* head = nullptr;
  Request* last = nullptr;
  bool failed = false;  // one of them cannot be: none of them happens

  void add(Request* request) {
    (head != nullptr ? last->link : head) = request;
    last = request;
  }
};

uint32_t Ring::submit(uint32_t most, bool& no_memory) {
  MutexGuard guard(submit_mutex_);
  WithoutWaiting scope;
  current().has_used_io_uring = true;
  Chain chain;
  uint32_t taken = 0;
  for (uint32_t left = memory_.submitted(); left > 0 && taken < most; --left) {
    Request* request = create<Request>();
    no_memory = request == nullptr;
    if (no_memory) break;
    if (!memory_.next_entry(request->sqe)) {
      destroy(request);
      break;
    }
    ++taken;
    request->owner = &current();
    long error = prepare_request(*this, *request);
    if (error < 0) {
      request->result = error;
      request->failed = chain.failed = true;
    }
    chain.add(request);
    if (links(*request)) continue;
    begin(chain);
    if (error < 0) break;
  }
  begin(chain);
  return taken;
}

void Ring::begin(Chain& chain) {
  Request* head = chain.head;
  bool failed = chain.failed;
  chain = {};
  if (head == nullptr) return;
  if (failed) {
    post_chain(head);
  } else {
    run(head, false);
  }
}

// Executes a request, then what is linked to it, until one has to wait.
void Ring::run(Request* request, bool by_thread) {
  while (request != nullptr) {
    long result = operation(request->sqe.opcode)->execute(*this, *request);
    if (result == kInFlight && !by_thread && !start_thread()) result = -ENOMEM;
    Settled after = settle(request, result, by_thread);
    if (after.waits) {
      work_.wake();
      return;
    }
    post(request, after.result);
    post_chain(after.cancelled);
    request = after.next;
  }
}

// What becomes of a request that was executed: it waits (and is no longer the caller's), or it is done, and
// what is linked to it is next or will never be.
Ring::Settled Ring::settle(Request* request, long result, bool by_thread) {
  SpinlockGuard guard(lock_);
  Settled after;
  after.result = result;
  bool cancelled = request->cancelled || closing_;
  if (by_thread) running_ = nullptr;
  if (result == kInFlight && !cancelled) {
    after.waits = true;
    by_thread ? add_first(request) : add_last(request);
    return after;
  }
  if (result == kInFlight) after.result = -ECANCELED;
  if (after.result < 0 && request->sqe.opcode != IORING_OP_TIMEOUT) request->failed = true;
  Request* link = request->link;
  request->link = nullptr;
  bool severed = cancelled || (request->failed && !(request->sqe.flags & IOSQE_IO_HARDLINK));
  (severed ? after.cancelled : after.next) = link;
  if (by_thread) running_ = after.next;
  return after;
}

void Ring::add_last(Request* request) {
  request->previous = last_;
  request->next = nullptr;
  (last_ != nullptr ? last_->next : first_) = request;
  last_ = request;
  counting_ += request->target != 0;
}

void Ring::add_first(Request* request) {
  request->previous = nullptr;
  request->next = first_;
  (first_ != nullptr ? first_->previous : last_) = request;
  first_ = request;
  counting_ += request->target != 0;
}

void Ring::remove(Request* request) {
  (request->previous != nullptr ? request->previous->next : first_) = request->next;
  (request->next != nullptr ? request->next->previous : last_) = request->previous;
  counting_ -= request->target != 0;
}

// The request has its result: its completion goes into the ring, or waits for room there. What it held is
// given back before anybody can know.
void Ring::post(Request* request, long result) {
  request->release();
  close_dropped_files();
  bool silent = (request->sqe.flags & IOSQE_CQE_SKIP_SUCCESS) && !request->failed;
  bool kept = false;
  if (!silent) {
    SpinlockGuard guard(post_lock_);
    request->result = result;
    kept = overflow_first_ != nullptr || !post_locked(*request);
    if (kept) {
      request->next = nullptr;
      (overflow_first_ != nullptr ? overflow_last_->next : overflow_first_) = request;
      overflow_last_ = request;
      memory_.set_overflow(true);
    }
    if (request->sqe.opcode != IORING_OP_TIMEOUT) __atomic_fetch_add(&posted_, 1, __ATOMIC_RELAXED);
  }
  if (!kept) destroy(request);
  if (silent) return;
  completed_.wake();
  if (__atomic_load_n(&counting_, __ATOMIC_RELAXED) != 0) work_.wake();
  tell_event_fd();
}

bool Ring::post_locked(const Request& request) {
  io_uring_cqe completion;
  completion.user_data = request.sqe.user_data;
  completion.res = static_cast<int32_t>(request.result);
  completion.flags = 0;
  return memory_.post(completion);
}

// None of these has been or will be executed. Those that could not be have said why.
void Ring::post_chain(Request* chain) {
  while (chain != nullptr) {
    Request* link = chain->link;
    long result = chain->failed ? chain->result : -ECANCELED;
    chain->failed = true;
    post(chain, result);
    chain = link;
  }
}

// Requests that were in flight, by their `next`, with what is linked to each.
void Ring::post_cancelled(Request* list) {
  while (list != nullptr) {
    Request* next = list->next;
    post_chain(list);
    list = next;
  }
}

void Ring::flush_overflow() {
  Request* done = nullptr;
  {
    SpinlockGuard guard(post_lock_);
    while (overflow_first_ != nullptr && post_locked(*overflow_first_)) {
      Request* request = overflow_first_;
      overflow_first_ = request->next;
      request->next = done;
      done = request;
    }
    if (done != nullptr && overflow_first_ == nullptr) memory_.set_overflow(false);
  }
  while (done != nullptr) {
    Request* next = done->next;
    destroy(done);
    done = next;
  }
}

void Ring::tell_event_fd() {
  bool by_thread = current().thread_function != nullptr;
  Ref<File> file = resources_.event_fd(by_thread);
  if (!file || memory_.events_disabled()) return;
  WithoutWaiting scope;
  const uint64_t one = 1;
  file->inode().write_kernel(*file, 0, &one, sizeof(one));
}

long Ring::wait(uint32_t completions, uint64_t end) {
  flush_overflow();
  completions = completions < memory_.completions() ? completions : memory_.completions();
  auto enough = [&] { return memory_.completed() >= completions; };
  long slept = sleep_until(completed_, enough, Sleep::kInterruptible, end);
  flush_overflow();
  if (slept == 0 || memory_.completed() > 0) return 0;
  return slept == -ETIMEDOUT ? -ETIME : -EINTR;
}

bool Ring::Match::fits(const Request& request) const {
  return (owner == nullptr || request.owner == owner) && (file == nullptr || request.file.raw() == file) &&
         (user_data == nullptr || request.sqe.user_data == *user_data) &&
         (opcode < 0 || request.sqe.opcode == opcode);
}

long Ring::cancel(const Match& match) {
  Request* found = nullptr;
  Request** end = &found;
  long count = 0;
  bool running = false;
  {
    SpinlockGuard guard(lock_);
    for (Request *request = first_, *next; request != nullptr; request = next) {
      next = request->next;
      if (!match.fits(*request)) continue;
      remove(request);
      request->unwatch();  // while the thread, which is woken through it, is certainly there
      request->next = nullptr;
      *end = request;
      end = &request->next;
      ++count;
      if (!match.all) break;
    }
    if ((count == 0 || match.all) && running_ != nullptr && match.fits(*running_))
      running = running_->cancelled = true;
  }
  post_cancelled(found);
  return count > 0 ? count : running ? -EALREADY : -ENOENT;
}

// The thread drops what is in flight: it may be looking at that right now.
void Ring::close() {
  resources_.unregister_buffers();
  SpinlockGuard guard(lock_);
  closing_ = true;
  work_.wake();
}

void io_uring_task_ends(Task& task) {
  if (!task.has_used_io_uring) return;
  Ref<Ring> ring;
  while ((ring = Ring::next_in_list(ring.raw()))) ring->cancel({.owner = &task, .all = true});
}

}  // namespace mk
