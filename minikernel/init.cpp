// SPDX-License-Identifier: GPL-2.0-or-later
#include "init.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/memory_layout.h"
#include "arch/x86_64/percpu.h"
#include "arch/x86_64/trace.h"
#include "arch/x86_64/trap.h"
#include "arch/x86_64/uart.h"
#include "boot/boot_info.h"
#include "boot/boot_options.h"
#include "boot/init_cpu.h"
#include "fs/dev.h"
#include "fs/initramfs.h"
#include "fs/proc/proc.h"
#include "fs/sysfs.h"
#include "fs/vfs.h"
#include "lib/assert.h"
#include "lib/fault_injection.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/vmstat.h"
#include "proc/exec.h"
#include "proc/fork.h"
#include "proc/kernel_stack.h"
#include "proc/kernel_thread.h"
#include "proc/task.h"

namespace mk {
namespace {

// As a shell has it: wrong words, what could not be executed, and what was not found.
constexpr int kExitUsage = 2;
constexpr int kExitNotExecutable = 126;
constexpr int kExitNotFound = 127;

size_t free_at_start;
// Of init: 0 while it lives, else its status and kEnded.
constexpr uint32_t kEnded = 0x100;
uint32_t init_status;

// The strings of a file such as /etc/init.argv: terminated, one after the other. -ENOENT, -E2BIG, -ENOMEM.
long read_strings(const char* path, ArgumentBuffer& out) {
  Result<Ref<File>> file = vfs_open(vfs_root(), path, O_RDONLY);
  if (!file.ok()) return file.error();
  char part[256];
  char last = 0;
  for (uint64_t offset = 0;;) {
    long bytes = (*file)->inode().read_kernel(offset, part, sizeof(part));
    if (bytes <= 0) break;
    if (long error = out.append(part, static_cast<size_t>(bytes)); error < 0) return error;
    offset += static_cast<uint64_t>(bytes);
    last = part[bytes - 1];
  }
  return last != 0 ? out.append("", 1) : 0;
}

// Descriptors 0, 1, 2.
void open_console(FileTable& files) {
  for (int fd = 0; fd < 3; ++fd) {
    Result<Ref<File>> file = vfs_open(vfs_root(), "/dev/console", O_RDWR);
    if (!file.ok() || !files.install(*file, false, 0, 3).ok()) panic("cannot open /dev/console");
  }
}

void say(const char* text) {
  for (const char* at = text; *at != 0; ++at) uart_put(static_cast<uint8_t>(*at));
}

// In the log, which somebody who starts programs shows as an error (emu/cli/kernel_log.cpp,
// tools/run-on-qemu); where nobody keeps one, on the console.
[[noreturn]] void end_without_program(const char* why, int status) {
  log("no first program: %s", why);
  if (!debug_is_read()) {
    say("minikernel: ");
    say(why);
    say("\n");
  }
  do_exit(status << 8);
}

// What execve can end with here, as Linux's perror has it.
const char* error_text(long error) {
  switch (error) {
    case ENOENT:
      return "No such file or directory";
    case EACCES:
      return "Permission denied";
    case ENOEXEC:
      return "Exec format error";
    case ENOTDIR:
      return "Not a directory";
    case ELOOP:
      return "Too many levels of symbolic links";
    case ENAMETOOLONG:
      return "File name too long";
    case E2BIG:
      return "Argument list too long";
    case ENOMEM:
      return "Cannot allocate memory";
    default:
      return nullptr;
  }
}

// The first task begins here: it becomes the first program.
void start_init() {
  const BootOptions& options = boot_options();
  if (options.mistake[0] != 0) end_without_program(options.mistake, kExitUsage);
  const char* path = options.init;
  Task& task = current();
  task.fs->directory = vfs_root();
  open_console(*task.files);
  long error = 0;
  {
    ArgumentBuffer arguments, environment;
    error = read_strings("/etc/init.argv", arguments);
    if (error == -ENOENT) error = arguments.append_string(path);
    if (error == 0) error = read_strings("/etc/init.envp", environment);
    if (error == -ENOENT) {
      environment.append_string("PATH=/bin:/usr/bin");
      error = environment.append_string("HOME=/");
    }
    if (error == 0) error = exec(task, path, arguments, environment, *task.frame);
  }
  if (error < 0) {
    char why[BootOptions::kInitSize + 64];
    if (const char* text = error_text(-error))
      format_text(why, sizeof(why), "cannot run %s: %s", path, text);
    else
      format_text(why, sizeof(why), "cannot run %s: error %ld", path, -error);
    end_without_program(why, error == -ENOENT ? kExitNotFound : kExitNotExecutable);
  }
  start_fault_injection(options.failing);
}

// Init is gone: all others have to end, too.
void kill_everybody() {
  SpinlockGuard guard(tasks_lock);
  siginfo_t info = {};
  info.si_signo = SIGKILL;
  info.si_code = SI_KERNEL;
  for (Process* process = next_process(0); process != nullptr; process = process->next)
    send_process_signal_locked(*process, info);
}

bool everybody_has_ended() {
  SpinlockGuard guard(tasks_lock);
  return task_count() == 0 && kernel_threads() == 0;
}

void tell_statistics() {
  for (unsigned i = 0; i < vm_stat_count(); ++i) trace_text(TraceType::kVmStat, vm_stat_name(i), vm_stat(i));
}

[[noreturn]] void end_machine(int status) {
  tell_statistics();
  vfs_forget_all_since_boot();
  release_free_stacks();
  size_t now = free_frame_count();
  if (now != free_at_start) panic("frames: %lu free, %lu before the first program", now, free_at_start);
  log("frames: %lu free, as before the first program", now);
  log("init exited with status %d", status);
  machine_exit(static_cast<uint32_t>(status));
}

}  // namespace

void init_has_ended(int status) {
  kill_everybody();
  __atomic_store_n(&init_status, static_cast<uint32_t>(status) | kEnded, __ATOMIC_SEQ_CST);
  apic_send_interrupt(cpu(0).apic_id, kRescheduleVector);
}

void something_has_ended() {
  // Either this sees that init has ended, or the boot CPU that nobody is left (store, then load, on both
  // sides).
  if (__atomic_load_n(&init_status, __ATOMIC_SEQ_CST) != 0)
    apic_send_interrupt(cpu(0).apic_id, kRescheduleVector);
}

void end_when_init_has() {
  uint32_t status = __atomic_load_n(&init_status, __ATOMIC_ACQUIRE);
  if (status == 0 || !everybody_has_ended()) return;
  while (!others_are_idle()) spin_relax();
  end_machine(static_cast<int>(status & ~kEnded));
}

void kernel_main() {
  make_idle_tasks();
  vfs_init();
  const BootInfo& info = boot_info();
  if (info.initramfs_bytes != 0) {
    size_t entries = unpack_initramfs(static_cast<const uint8_t*>(phys_to_virt(info.initramfs_start)),
                                      info.initramfs_bytes);
    log("initramfs: %lu entries", entries);
  }
  dev_init();
  proc_init();
  sysfs_init();
  if (place_directory("/tmp", 01777) != 0) panic("cannot make /tmp: is it a file in the initramfs?");
  vfs_boot_finished();
  free_at_start = free_frame_count();
  Ref<Task> init = Ref<Task>::adopt(make_init_task(start_init));
  make_runnable(*init);
  init.reset();
  idle();
}

}  // namespace mk
