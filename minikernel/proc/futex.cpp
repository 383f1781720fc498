// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/futex.h"

#include <asm/errno.h>
#include <linux/futex.h>

#include "lib/assert.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {
namespace {

struct Bucket;

// A waiting task; lives on its stack. Who takes it out of its bucket, under the bucket's lock, has woken it.
struct FutexWaiter {
  FutexKey key;
  uint32_t bits = 0;
  Task* task = nullptr;
  Bucket* bucket = nullptr;  // null: woken. Changes under the bucket's lock, and when requeued under both
  FutexWaiter* next = nullptr;
  FutexWaiter* previous = nullptr;
};

struct Bucket {
  Spinlock lock;
  FutexWaiter* first = nullptr;
  FutexWaiter* last = nullptr;

  void add(FutexWaiter& waiter) {
    waiter.previous = last;
    waiter.next = nullptr;
    (last != nullptr ? last->next : first) = &waiter;
    last = &waiter;
    __atomic_store_n(&waiter.bucket, this, __ATOMIC_RELEASE);
  }
  void remove(FutexWaiter& waiter) {
    (waiter.previous != nullptr ? waiter.previous->next : first) = waiter.next;
    (waiter.next != nullptr ? waiter.next->previous : last) = waiter.previous;
  }
  void wake(FutexWaiter& waiter) {
    remove(waiter);
    Ref<Task> task(waiter.task);
    __atomic_store_n(&waiter.bucket, nullptr, __ATOMIC_RELEASE);
    wake_task(*task);  // the waiter itself may be gone by now
  }
};

constexpr size_t kBuckets = 256;
Bucket buckets[kBuckets];

Bucket& bucket_of(const FutexKey& key) {
  uint64_t hash = (reinterpret_cast<uint64_t>(key.object) ^ key.offset) * 0x9e3779b97f4a7c15;
  return buckets[hash >> 56];
}

long key_of(uint64_t word, bool is_private, FutexKey& key) {
  if (word % sizeof(uint32_t) != 0) return -EINVAL;
  if (word >= kUserEnd) return -EFAULT;
  return current().mm->futex_key(word, is_private, key);
}

// Takes the waiter out if nobody has woken it; false: somebody has.
bool leave(FutexWaiter& waiter) {
  while (true) {
    Bucket* bucket = __atomic_load_n(&waiter.bucket, __ATOMIC_ACQUIRE);
    if (bucket == nullptr) return false;
    SpinlockGuard guard(bucket->lock);
    if (waiter.bucket != bucket) continue;
    bucket->remove(waiter);
    waiter.bucket = nullptr;
    return true;
  }
}

long wake_key(const FutexKey& key, uint32_t most, uint32_t bits) {
  Bucket& bucket = bucket_of(key);
  SpinlockGuard guard(bucket.lock);
  uint32_t woken = 0;
  FutexWaiter* next;
  for (FutexWaiter* waiter = bucket.first; waiter != nullptr && woken < most; waiter = next) {
    next = waiter->next;
    if (!(waiter->key == key) || !(waiter->bits & bits)) continue;
    bucket.wake(*waiter);
    ++woken;
  }
  return woken;
}

// The two locks in the order of their addresses.
class TwoBuckets {
 public:
  TwoBuckets(Bucket& a, Bucket& b) : first_(&a < &b ? a : b), second_(&a < &b ? b : a) {
    first_.lock.lock();
    if (&first_ != &second_) second_.lock.lock();
  }
  ~TwoBuckets() {
    if (&first_ != &second_) second_.lock.unlock();
    first_.lock.unlock();
  }
  TwoBuckets(const TwoBuckets&) = delete;

 private:
  Bucket& first_;
  Bucket& second_;
};

// With the locks of both.
long move_waiters(Bucket& source, Bucket& target, const FutexKey& from, const FutexKey& to, uint32_t wake,
                  uint32_t move) {
  uint32_t done = 0;
  FutexWaiter* next;
  FutexWaiter* last = source.last;
  for (FutexWaiter* waiter = source.first; waiter != nullptr && done - wake != move; waiter = next) {
    next = waiter == last ? nullptr : waiter->next;
    if (!(waiter->key == from)) continue;
    if (done++ < wake) {
      source.wake(*waiter);
    } else {
      source.remove(*waiter);
      waiter->key = to;
      target.add(*waiter);
    }
  }
  return static_cast<long>(done);
}

}  // namespace

long futex_wait(const FutexWait& wait) {
  if (wait.bits == 0) return -EINVAL;
  FutexWaiter waiter;
  if (long error = key_of(wait.word, wait.is_private, waiter.key); error < 0) return error;
  waiter.bits = wait.bits;
  waiter.task = &current();
  Bucket& bucket = bucket_of(waiter.key);
  {
    SpinlockGuard guard(bucket.lock);
    bucket.add(waiter);
  }
  // Looked at while already queued, so that no wake is missed; and without the lock, because it may fault.
  uint32_t now;
  bool readable = get_user(now, wait.word);
  if (!readable || now != wait.value) {
    // A wake that came to us although we do not wait is somebody else's.
    if (!leave(waiter)) wake_key(waiter.key, 1, wait.bits);
    return readable ? -EAGAIN : -EFAULT;
  }
  static WaitQueue nobody_wakes_this_one;  // wake_task() is called on the task itself
  long slept = sleep_until(
      nobody_wakes_this_one, [&] { return __atomic_load_n(&waiter.bucket, __ATOMIC_ACQUIRE) == nullptr; },
      Sleep::kInterruptible, wait.end);
  if (!leave(waiter)) return 0;
  return slept;
}

long futex_wake(uint64_t word, uint32_t most, uint32_t bits, bool is_private) {
  if (bits == 0) return -EINVAL;
  FutexKey key;
  if (long error = key_of(word, is_private, key); error < 0) return error;
  return wake_key(key, most, bits);
}

long futex_requeue(uint64_t word, uint64_t word2, uint32_t wake, uint32_t move, const uint32_t* compare,
                   bool is_private) {
  FutexKey from, to;
  if (long error = key_of(word, is_private, from); error < 0) return error;
  if (long error = key_of(word2, is_private, to); error < 0) return error;
  Bucket& source = bucket_of(from);
  Bucket& target = bucket_of(to);
  while (true) {
    uint32_t now;
    {
      TwoBuckets guard(source, target);
      if (compare == nullptr) return move_waiters(source, target, from, to, wake, move);
      // Under the locks: who comes to wait once the word has changed must not be moved.
      if (get_user_if_present(now, word))
        return now == *compare ? move_waiters(source, target, from, to, wake, move) : -EAGAIN;
    }
    if (!get_user(now, word)) return -EFAULT;  // so that the page is there
  }
}

namespace {

uint32_t apply(uint32_t operation, uint32_t old) {
  // Of 12 bits, with a sign.
  auto argument = static_cast<uint32_t>(static_cast<int32_t>(operation << 8) >> 20);
  if (operation >> 28 & FUTEX_OP_OPARG_SHIFT) argument = 1u << (argument & 31);
  switch (operation >> 28 & 7) {
    case FUTEX_OP_SET:
      return argument;
    case FUTEX_OP_ADD:
      return old + argument;
    case FUTEX_OP_OR:
      return old | argument;
    case FUTEX_OP_ANDN:
      return old & ~argument;
    default:
      return old ^ argument;
  }
}

bool compares(uint32_t operation, uint32_t old_value) {
  auto old = static_cast<int32_t>(old_value);
  auto argument = static_cast<int32_t>(operation << 20) >> 20;
  switch (operation >> 24 & 15) {
    case FUTEX_OP_CMP_EQ:
      return old == argument;
    case FUTEX_OP_CMP_NE:
      return old != argument;
    case FUTEX_OP_CMP_LT:
      return old < argument;
    case FUTEX_OP_CMP_LE:
      return old <= argument;
    case FUTEX_OP_CMP_GT:
      return old > argument;
    default:
      return old >= argument;
  }
}

// Linux's handle_futex_death(): the word of a lock that its owner never let go.
bool mark_owner_died(uint64_t word, int tid) {
  uint32_t seen;
  if (!get_user(seen, word)) return false;
  while ((seen & FUTEX_TID_MASK) == static_cast<uint32_t>(tid)) {
    uint32_t expected = seen;
    if (!compare_exchange_user(word, expected, (seen & FUTEX_WAITERS) | FUTEX_OWNER_DIED)) return false;
    if (expected == seen) {
      if (seen & FUTEX_WAITERS) futex_wake(word, 1, ~0u, false);
      return true;
    }
    seen = expected;
  }
  return true;
}

// Linux's exit_robust_list(). Bit 0 of an entry tells of priority inheritance, which is not there.
void exit_robust_list(const Task& task) {
  struct Head {
    uint64_t first;
    int64_t futex_offset;
    uint64_t pending;
  } head;
  if (task.robust_list == 0 || !get_user(head, task.robust_list)) return;
  constexpr int kMostEntries = ROBUST_LIST_LIMIT;
  uint64_t entry = head.first & ~1ul;
  for (int i = 0; i < kMostEntries && entry != task.robust_list; ++i) {
    uint64_t next;
    bool more = get_user(next, entry);
    if (entry != (head.pending & ~1ul) &&
        !mark_owner_died(entry + static_cast<uint64_t>(head.futex_offset), task.pid))
      return;
    if (!more) return;
    entry = next & ~1ul;
  }
  if ((head.pending & ~1ul) != 0)
    mark_owner_died((head.pending & ~1ul) + static_cast<uint64_t>(head.futex_offset), task.pid);
}

}  // namespace

long futex_wake_op(uint64_t word, uint64_t word2, uint32_t wake, uint32_t wake2, uint32_t operation,
                   bool is_private) {
  constexpr uint32_t kMostOperation = FUTEX_OP_XOR, kMostComparison = FUTEX_OP_CMP_GE;
  if ((operation >> 28 & 7) > kMostOperation || (operation >> 24 & 15) > kMostComparison) return -ENOSYS;
  FutexKey key, key2;
  if (long error = key_of(word, is_private, key); error < 0) return error;
  if (long error = key_of(word2, is_private, key2); error < 0) return error;
  uint32_t old;
  if (!get_user(old, word2)) return -EFAULT;
  while (true) {
    uint32_t expected = old;
    if (!compare_exchange_user(word2, expected, apply(operation, old))) return -EFAULT;
    if (expected == old) break;
    old = expected;
  }
  long woken = wake_key(key, wake, ~0u);
  if (compares(operation, old)) woken += wake_key(key2, wake2, ~0u);
  return woken;
}

void exit_futexes(Task& task) {
  if (!task.mm) return;
  exit_robust_list(task);
  task.robust_list = 0;
  if (task.clear_child_tid == 0) return;
  // Nobody is there to see it when the memory goes with the thread.
  if (task.mm->is_shared()) {
    put_user(task.clear_child_tid, 0);
    futex_wake(task.clear_child_tid, 1, ~0u, false);
  }
  task.clear_child_tid = 0;
}

}  // namespace mk
