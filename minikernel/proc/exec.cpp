// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/exec.h"

#include <linux/auxvec.h>

#include "arch/x86_64/cpu.h"
#include "arch/x86_64/gdt.h"
#include "arch/x86_64/random.h"
#include "arch/x86_64/trace.h"
#include "fs/io_uring/ring.h"
#include "fs/vfs.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/user_memory.h"
#include "proc/elf_loader.h"
#include "proc/exit.h"
#include "proc/fork.h"
#include "proc/futex.h"
#include "proc/posix_timer.h"
#include "proc/script.h"

namespace mk {
namespace {

constexpr uint64_t kInitialStack = 128 * 1024;  // below the arguments; Linux's stack_expand
constexpr char kPlatform[] = "x86_64";

// Writes the first stack, from the top down:
//   8 zero bytes, path, environment strings, argument strings, platform name, 16 random bytes,
//   auxiliary vector, environment pointers, argument pointers, argument count  <- stack pointer, 16-byte
//   aligned
class StackBuilder {
 public:
  explicit StackBuilder(AddressSpace& mm) : mm_(mm) {}

  long build(const char* path, const ArgumentBuffer& arguments, const ArgumentBuffer& environment,
             const LoadedProgram& program) {
    push_zeros(8);
    uint64_t path_address = push(path, strlen(path) + 1);
    uint64_t environment_start = push(environment);
    uint64_t argument_start = push(arguments);
    mm_.argument_start = argument_start;
    mm_.argument_end = argument_start + arguments.size();
    mm_.environment_end = environment_start + environment.size();
    uint64_t platform = push(kPlatform, sizeof(kPlatform));
    uint8_t random[16];
    random_bytes(random, sizeof(random));
    uint64_t random_address = push(random, sizeof(random));

    const uint64_t auxv[][2] = {{AT_HWCAP, cpuid(1).edx},
                                {AT_PAGESZ, kPageSize},
                                {AT_CLKTCK, 100},
                                {AT_PHDR, program.program_headers},
                                {AT_PHENT, 56},
                                {AT_PHNUM, program.program_header_count},
                                {AT_BASE, 0},
                                {AT_FLAGS, 0},
                                {AT_ENTRY, program.entry},
                                {AT_UID, 0},
                                {AT_EUID, 0},
                                {AT_GID, 0},
                                {AT_EGID, 0},
                                {AT_SECURE, 0},
                                {AT_RANDOM, random_address},
                                {AT_HWCAP2, 0},
                                {AT_EXECFN, path_address},
                                {AT_PLATFORM, platform},
                                {AT_NULL, 0}};
    size_t words = 1 + arguments.strings() + 1 + environment.strings() + 1;
    pointer = ((pointer & ~15ul) - words * 8 - sizeof(auxv)) & ~15ul;
    next_word_ = pointer;
    put_word(arguments.strings());
    put_pointers(arguments, argument_start);
    put_pointers(environment, environment_start);
    write(next_word_, auxv, sizeof(auxv));
    return error_;
  }

  uint64_t pointer = kStackTop;

 private:
  void write(uint64_t address, const void* bytes, size_t size) {
    if (error_ == 0) error_ = mm_.write_memory(address, bytes, size);
  }
  uint64_t push(const void* bytes, size_t size) {
    pointer -= size;
    write(pointer, bytes, size);
    return pointer;
  }
  uint64_t push(const ArgumentBuffer& strings) {
    pointer -= strings.size();
    for (size_t offset = 0, bytes = 0; offset < strings.size(); offset += bytes) {
      const char* piece = strings.at(offset, bytes);
      write(pointer + offset, piece, bytes);
    }
    return pointer;
  }
  void push_zeros(size_t size) {
    pointer -= size;
    if (error_ == 0) error_ = mm_.clear_memory(pointer, size);
  }
  void put_word(uint64_t word) {
    write(next_word_, &word, 8);
    next_word_ += 8;
  }
  // A pointer to each string, and the null after them.
  void put_pointers(const ArgumentBuffer& strings, uint64_t start) {
    uint64_t string = start;
    for (size_t offset = 0, bytes = 0; offset < strings.size(); offset += bytes) {
      const char* piece = strings.at(offset, bytes);
      for (size_t i = 0; i < bytes; ++i) {
        if (piece[i] != 0) continue;
        put_word(string);
        string = start + offset + i + 1;
      }
    }
    put_word(0);
  }

  AddressSpace& mm_;
  uint64_t next_word_ = 0;
  long error_ = 0;
};

// The area for the stack, large enough for everything that build() writes.
long map_stack(AddressSpace& mm, const char* path, const ArgumentBuffer& arguments,
               const ArgumentBuffer& environment, bool executable) {
  size_t strings = arguments.strings() + environment.strings();
  uint64_t bytes = arguments.size() + environment.size() + strlen(path) + strings * 8 + kPageSize;
  uint64_t flags = kVmRead | kVmWrite | kVmGrowsDown | (executable ? kVmExec : 0);
  return mm.map_area(kStackTop - page_align_up(bytes) - kInitialStack, kStackTop, flags, nullptr, 0);
}

// A quarter of what the stack may become, and never less than Linux once had (bprm_stack_limits).
bool arguments_too_long(const Task& task, const ArgumentBuffer& arguments,
                        const ArgumentBuffer& environment) {
  constexpr uint64_t kLeast = 32 * kPageSize;
  uint64_t limit = max(min(task.limit(RLIMIT_STACK) / 4, uint64_t{ArgumentBuffer::kMaxBytes}), kLeast);
  uint64_t pointers = (arguments.strings() + environment.strings()) * sizeof(uint64_t);
  return arguments.size() + environment.size() + pointers > limit;
}

void start_at(TrapFrame& frame, uint64_t entry, uint64_t stack_pointer) {
  uint64_t vector = frame.vector;  // it goes on being a frame of execve, for a tracer
  uint64_t number = frame.error_code;
  memset(&frame, 0, sizeof(frame));
  frame.vector = vector;
  frame.error_code = number;
  frame.rip = entry;
  frame.rsp = stack_pointer;
  frame.cs = kUserCodeSelector;
  frame.ss = kUserDataSelector;
  frame.rflags = kFlagInterrupt | kFlagReserved1;
}

void take_address_space(Task& task, Ref<AddressSpace> mm) {
  {
    SpinlockGuard guard(tasks_lock);
    task.mm.swap(mm);
  }
  load_page_table(&task.mm->page_table());
}

void take_handlers(Task& task, Ref<SignalHandlers> handlers) {
  SpinlockGuard guard(tasks_lock);
  if (handlers == task.handlers) return;
  for (int i = 0; i < kSignals; ++i) handlers->actions[i] = task.handlers->actions[i];
  task.handlers.swap(handlers);
}

}  // namespace

long exec(Task& task, const char* path, const ArgumentBuffer& arguments, const ArgumentBuffer& environment,
          TrapFrame& frame, int scripts) {
  Result<Ref<File>> file = vfs_open(task.fs->working_directory(), path, O_RDONLY);
  if (!file.ok()) return file.error();
  return exec_file(task, **file, path, arguments, environment, frame, scripts);
}

namespace {

// No writers from now on; with keep(), also after this has gone.
class WritersDenied {
 public:
  explicit WritersDenied(Inode& inode) : inode_(&inode), error_(inode.deny_write_access()) {}
  ~WritersDenied() {
    if (inode_ != nullptr && error_ == 0) inode_->allow_write_access();
  }
  WritersDenied(const WritersDenied&) = delete;
  long error() const { return error_; }
  void keep() { inode_ = nullptr; }

 private:
  Inode* inode_;
  long error_;
};

}  // namespace

long exec_file(Task& task, File& opened, const char* path, const ArgumentBuffer& arguments,
               const ArgumentBuffer& environment, TrapFrame& frame, int scripts) {
  constexpr int kMostScripts = 5;
  Ref<File> file(&opened);
  Inode& inode = file->inode();
  if (!inode.is_regular() || (inode.mode & 0111) == 0) return -EACCES;
  WritersDenied denied(inode);
  if (denied.error() < 0) return denied.error();
  Script script;
  if (long is_script = read_script(*file, script); is_script != 0) {
    if (is_script < 0) return is_script;
    if (scripts == kMostScripts) return -ELOOP;
    ArgumentBuffer all;
    long error = script_arguments(script, path, arguments, all);
    return error < 0 ? error : exec(task, script.interpreter, all, environment, frame, scripts + 1);
  }
  if (arguments_too_long(task, arguments, environment)) return -E2BIG;
  Ref<AddressSpace> mm = AddressSpace::create();
  if (!mm) return -ENOMEM;
  Result<LoadedProgram> program = load_elf(*mm, file, path);
  if (!program.ok()) return program.error();
  long error = map_stack(*mm, path, arguments, environment, program->executable_stack);
  if (error < 0) return error;
  StackBuilder stack(*mm);
  error = stack.build(path, arguments, environment, *program);
  if (error < 0) return error == -EFAULT ? -ENOMEM : error;

  mm->set_brk(page_align_up(program->end));
  mm->set_executable(file);
  denied.keep();
  // A process of its own files and handlers from now on.
  Ref<FileTable> files = task.files->is_shared() ? task.files->clone() : task.files;
  Ref<SignalHandlers> handlers = task.handlers->is_shared() ? make<SignalHandlers>() : task.handlers;
  if (!files || !handlers) return -ENOMEM;
  int old_pid = task.pid;
  error = end_other_threads();
  if (error < 0) return error;

  // Nothing can fail from here on.
  io_uring_task_ends(task);
  exit_futexes(task);
  delete_posix_timers(*task.process);
  take_address_space(task, mm);
  vfork_is_done(task);
  take_handlers(task, handlers);
  take_files(task, files);
  __atomic_store_n(&task.process->has_executed, true, __ATOMIC_RELEASE);  // seen by who sees a pipe closed
  task.files->close_on_exec_all();
  task.set_name(path);
  task.keeps_capabilities = false;
  task.process->is_dumpable = true;
  reset_handlers(task);
  task.fs_base = task.gs_base = 0;
  load_selectors({});
  write_msr(kMsrFsBase, 0);
  write_msr(kMsrKernelGsBase, 0);
  fpu_init(task.fpu);
  fpu_restore(task.fpu);
  start_at(frame, program->entry, stack.pointer);
  trace_text(TraceType::kExec, path, task.pid, program->load_bias);
  trace_exec(task, old_pid);
  return 0;
}

}  // namespace mk
