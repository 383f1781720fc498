// SPDX-License-Identifier: GPL-2.0-or-later
//
// io_uring: Linux io_uring/io_uring.c. A ring takes submissions from shared memory (ring_memory.h), executes
// them (operations.h), and posts their completions there.
//
// Who does what. A submission is tried at once, by the task that submits it, without waiting. What would have
// to wait goes into the list of what is in flight. A thread of the kernel for each ring, started for its
// first such request, waits for all of them together and finishes those whose file is ready or whose time has
// come, in the order in which they were submitted. It has no user memory of its own: it writes by frames.
//
// Ends. A request is cancelled when its program asks for it, when the task that submitted it ends or executes
// another program, and when the ring's file is closed. It is the thread that drops files then, and ends; a
// ring without a thread has none. A request may keep alive the address space that maps the ring, whose file
// keeps the request's ring alive: the end of its task is what breaks that circle.
//
// Locks, in this order: submit_mutex (sleeps); lock_, of the list in flight, under which files are asked
// whether they are ready; post_lock_, of completions. User memory is touched under the first only.
#pragma once

#include "fs/io_uring/request.h"
#include "fs/io_uring/resources.h"
#include "fs/io_uring/ring_memory.h"
#include "proc/wait_queue.h"

namespace mk {

class Ring : public RefCounted {
 public:
  Ring();
  ~Ring();
  // Rings that are there, for the end of a task: as AddressSpace::next_in_list.
  static Ref<Ring> next_in_list(const Ring* after);

  RingMemory& memory() { return memory_; }
  Resources& resources() { return resources_; }
  Mutex& submit_mutex() { return submit_mutex_; }

  // Takes up to so many submissions of the running task; how many it took, and whether memory ended it.
  uint32_t submit(uint32_t most, bool& no_memory);
  // Until the program has so many completions to take. 0; -EINTR, -ETIME when there is none at all.
  long wait(uint32_t completions, uint64_t end);
  // Moves completions that found no room into the ring, as far as there is room now.
  void flush_overflow();

  // Which requests in flight to cancel.
  struct Match {
    const Task* owner = nullptr;
    const File* file = nullptr;
    const uint64_t* user_data = nullptr;
    int opcode = -1;
    bool all = false;  // not just the first

    bool fits(const Request& request) const;
  };
  // How many it cancelled; -EALREADY when the only one is being executed, -ENOENT when there is none.
  long cancel(const Match& match);
  // The last user of the ring's file has gone.
  void close();

  // Before the ring holds references to files: only the thread may drop the last one. With the submit mutex.
  // False: memory is out.
  bool start_thread();

  WaitQueue& completed() { return completed_; }
  // Completions so far, those of timeouts not counted.
  uint32_t posted() const { return __atomic_load_n(&posted_, __ATOMIC_RELAXED); }

 private:
  struct Chain;
  struct Settled {
    bool waits = false;
    long result = 0;
    Request* next = nullptr;
    Request* cancelled = nullptr;
  };
  void begin(Chain& chain);
  void run(Request* request, bool by_thread);
  Settled settle(Request* request, long result, bool by_thread);
  void post(Request* request, long result);
  bool post_locked(const Request& request);
  void post_chain(Request* chain);
  void post_cancelled(Request* list);
  void tell_event_fd();

  // The thread (worker.cpp).
  static void thread_main(void* ring);
  void work();
  void drop_all();
  bool has_work();
  bool is_ready(const Request& request) const;
  Request* take_ready();
  uint64_t next_deadline();

  // These need lock_.
  void add_last(Request* request);
  void add_first(Request* request);
  void remove(Request* request);

  RingMemory memory_;
  Resources resources_;
  Mutex submit_mutex_;

  Spinlock lock_;
  Request* first_ = nullptr;  // in flight, oldest first
  Request* last_ = nullptr;
  Request* running_ = nullptr;  // what the thread executes
  bool closing_ = false;
  bool has_thread_ = false;
  uint32_t counting_ = 0;  // timeouts that count completions
  WaitQueue work_;         // of the thread

  Spinlock post_lock_;
  WaitQueue completed_;
  Request* overflow_first_ = nullptr;  // completions without room
  Request* overflow_last_ = nullptr;
  uint32_t posted_ = 0;

  Ring* previous_in_list_ = nullptr;
  Ring* next_in_list_ = nullptr;
};

// Cancels what the running task has in flight: it ends, or executes another program.
void io_uring_task_ends(Task& task);

// A ring's file. ENOMEM.
Result<Ref<File>> make_ring(uint32_t entries, uint32_t completions, io_uring_params& params);

}  // namespace mk
