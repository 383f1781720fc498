// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/task.h"

#include "arch/x86_64/clock.h"
#include "lib/string.h"
#include "mm/user_memory.h"

namespace mk {

Task::Task() {
  fpu_init(fpu);
  start_ns = now_ns();
}

void Task::set_name(const char* path) {
  const char* base = path;
  for (const char* at = path; *at != 0; ++at)
    if (*at == '/') base = at + 1;
  memset(name, 0, sizeof(name));
  memcpy(name, base, strnlen(base, kNameSize - 1));
}

uint64_t Task::run_time_ns() const {
  return run_ns + (__atomic_load_n(&on_cpu, __ATOMIC_RELAXED) ? now_ns() - switched_in : 0);
}

void take_files(Task& task, Ref<FileTable> files) {
  SpinlockGuard guard(tasks_lock);
  task.files.swap(files);
}

void take_place(Task& task, Ref<FileSystemContext> fs) {
  SpinlockGuard guard(tasks_lock);
  task.fs.swap(fs);
}

int Task::descriptor_limit() const {
  return static_cast<int>(min(limit(RLIMIT_NOFILE), static_cast<uint64_t>(FileTable::kMaxFiles)));
}

}  // namespace mk
