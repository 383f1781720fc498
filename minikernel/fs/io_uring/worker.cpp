// SPDX-License-Identifier: GPL-2.0-or-later
//
// A ring's thread: waits for all that is in flight, by the wait queues of the files and one timer, and
// executes what has become ready, oldest first.
#include <linux/poll.h>

#include "arch/x86_64/clock.h"
#include "fs/io_uring/ring.h"
#include "lib/log.h"
#include "proc/kernel_thread.h"
#include "proc/task.h"

namespace mk {

bool Ring::start_thread() {
  if (has_thread_) return true;
  char name[Task::kNameSize];
  format_text(name, sizeof(name), "iou-wrk-%d", current().pid);
  get();  // the thread's own
  has_thread_ = start_kernel_thread(name, thread_main, this);
  if (!has_thread_) put();
  return has_thread_;
}

void Ring::thread_main(void* ring) {
  current().nowait = true;
  Ref<Ring> own = Ref<Ring>::adopt(static_cast<Ring*>(ring));
  own->work();
}

void Ring::work() {
  while (!__atomic_load_n(&closing_, __ATOMIC_ACQUIRE)) {
    sleep_until(work_, [this] { return has_work(); }, Sleep::kDeaf, next_deadline());
    if (Request* request = take_ready()) run(request, true);
    close_dropped_files();
    schedule_if_needed();
  }
  drop_all();
}

// The ring's file is closed: nobody submits any more.
void Ring::drop_all() {
  Request* in_flight = nullptr;
  {
    SpinlockGuard guard(lock_);
    in_flight = first_;
    first_ = last_ = nullptr;
    counting_ = 0;
    for (Request* request = in_flight; request != nullptr; request = request->next) request->unwatch();
  }
  post_cancelled(in_flight);
  resources_.clear();
}

// With lock_ held. A file that was ready and then refused is asked again when it has woken those who wait for
// it.
bool Ring::is_ready(const Request& request) const {
  if (request.target != 0 && static_cast<int32_t>(posted() - request.target) >= 0) return true;
  if (now_ns() >= request.deadline) return true;
  if (!request.file) return false;
  Inode& inode = request.file->inode();
  const WaitQueue* queue = inode.poll_queue();
  if (request.tried && queue != nullptr && queue->wakes() == request.tried_at) return false;
  return inode.poll(*request.file) & (request.events | POLLERR | POLLHUP);
}

bool Ring::has_work() {
  SpinlockGuard guard(lock_);
  if (closing_) return true;
  for (const Request* request = first_; request != nullptr; request = request->next)
    if (!request->adopted || is_ready(*request)) return true;
  return false;
}

uint64_t Ring::next_deadline() {
  SpinlockGuard guard(lock_);
  uint64_t first = kNever;
  for (const Request* request = first_; request != nullptr; request = request->next)
    if (request->deadline < first) first = request->deadline;
  return first;
}

// Also gets to know what is new, so that it is watched before it is looked at. Null: nothing is ready.
Request* Ring::take_ready() {
  SpinlockGuard guard(lock_);
  for (Request* request = first_; request != nullptr; request = request->next) {
    WaitQueue* queue = request->file ? request->file->inode().poll_queue() : nullptr;
    request->watch(queue);
    request->adopted = true;
    if (!is_ready(*request)) continue;
    request->tried = true;
    request->tried_at = queue != nullptr ? queue->wakes() : 0;
    remove(request);
    running_ = request;
    return request;
  }
  return nullptr;
}

}  // namespace mk
