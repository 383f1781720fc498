// SPDX-License-Identifier: GPL-2.0-or-later
//
// A task: one thread of a program, with what it shares (address space, files, signal handlers) behind
// references. The running task of a CPU is current(). Issue 2 has one task; nothing here knows that.
#pragma once

#include <asm/resource.h>
#include <stdint.h>

#include "arch/x86_64/fpu.h"
#include "arch/x86_64/percpu.h"
#include "arch/x86_64/trap_frame.h"
#include "fs/file_table.h"
#include "lib/ref.h"
#include "lib/spinlock.h"
#include "mm/address_space.h"
#include "proc/signal.h"

namespace mk {

// Where a process is in the tree of files.
class FileSystemContext : public RefCounted {
 public:
  // By these when other threads may run.
  Ref<Dentry> working_directory() {
    SpinlockGuard guard(lock_);
    return directory;
  }
  void set_working_directory(Ref<Dentry> wanted) {
    SpinlockGuard guard(lock_);
    directory.swap(wanted);
  }

  Ref<Dentry> directory;  // the working directory
  uint32_t umask = 022;

 private:
  Spinlock lock_;
};

struct Limit {
  uint64_t soft;
  uint64_t hard;
};

struct Task {
  static constexpr size_t kNameSize = 16;  // with the NUL, as PR_SET_NAME has it

  Task();

  uint64_t limit(int resource) const { return limits[resource].soft; }
  void set_name(const char* path);

  int pid = 0;
  int tgid = 0;
  char name[kNameSize] = {};
  Ref<AddressSpace> mm;
  Ref<FileTable> files;
  Ref<FileSystemContext> fs;
  Ref<SignalHandlers> handlers;
  SignalState signals;
  Limit limits[RLIM_NLIMITS];
  FpuState fpu;
  uint64_t fs_base = 0;  // the values while the task does not run; the CPU has them while it does
  uint64_t gs_base = 0;
  uint64_t clear_child_tid = 0;
  TrapFrame* frame = nullptr;  // of the system call that is running
  uint64_t start_ns = 0;
  uint64_t minor_faults = 0;
  uint64_t unimplemented_logged[8] = {};  // a bit for each system call that this program was told is missing
};

// The task that runs on this CPU.
inline Task& current() { return *this_cpu().current; }

// Ends the running task; `status` as wait4 shows it: exit code << 8, or the signal that killed it.
[[noreturn]] void do_exit(int status);

}  // namespace mk
